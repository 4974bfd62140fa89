use serde_json::json;

use super::*;

mod any_text;
mod injection;
mod stream;
mod transformers;

use transformers::{Fixture, dialogue, fixture, fixtures};

/// A file of `tests/fixtures/chat`.
fn read(file: &str) -> String {
    let path = format!("{}/../../tests/fixtures/chat/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn template_names() -> Vec<String> {
    let path = format!("{}/../../tests/fixtures/chat/templates", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.filter_map(|file| Some(file.strip_suffix(".jinja")?.to_owned())).collect();
    names.sort();
    assert!(names.len() >= 11, "{names:?}");
    names
}

fn messages(list: &[(&str, &str)]) -> Vec<Message> {
    list.iter().map(|(role, text)| Message { role: (*role).into(), text: (*text).into() }).collect()
}

fn try_chat(tokenizer: &str, config: serde_json::Value, template: &str) -> Result<ChatTokenizer, ChatError> {
    let tokens = ControlTokens::parse(config.to_string().as_bytes()).unwrap();
    let file = read(&format!("tokenizers/{tokenizer}.json"));
    ChatTokenizer::new(tokenizer::parse(file.as_bytes()).unwrap(), &tokens, template, &[])
}

/// Bytes, and the control tokens that ChatML has.
fn chat(template: &str) -> ChatTokenizer {
    try_chat("bytes", json!({"eos_token": "<|endoftext|>"}), template).unwrap()
}

const CHATML: &str = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}\
                      {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

fn text(chat: &ChatTokenizer, ids: &[u32]) -> String {
    chat.encoder.tokenizer().decode(ids, false).unwrap()
}

/// What is learned, token for token.
fn learned(chat: &ChatTokenizer, example: &Example) -> String {
    let ids: Vec<u32> =
        example.ids.iter().zip(&example.mask).filter(|(_, learned)| **learned).map(|(id, _)| *id).collect();
    text(chat, &ids)
}

fn one(chat: &ChatTokenizer, list: &[(&str, &str)]) -> Example {
    let [example] = chat.examples(&messages(list)).unwrap().try_into().unwrap();
    example
}

/// Every dialogue of the fixtures that a template takes and that can be learned from.
fn every_dialogue(mut look: impl FnMut(&str, &ChatTokenizer, &[Message], &[Example])) {
    let mut seen = 0;
    for Fixture { name, chat, dialogues, .. } in fixtures() {
        for row in dialogues.iter().filter(|row| row["error"].is_null()) {
            let messages = dialogue(row);
            match chat.examples(&messages) {
                Ok(examples) => look(&name, &chat, &messages, &examples),
                // The prompt opens a thought, and the answer has none.
                Err(ChatError::NotLocated { reason, .. }) if reason.contains("<think>") => {}
                Err(error) => panic!("{name}: {error}"),
            }
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}

/// Labels that are all masked train nothing and show a loss of 0 or NaN.
#[test]
fn no_example_is_masked_as_a_whole() {
    every_dialogue(|name, _, messages, examples| {
        assert!(!examples.is_empty(), "{name}");
        let runs =
            examples.iter().flat_map(|example| example.mask.chunk_by(|a, b| a == b)).filter(|run| run[0]).count();
        assert_eq!(runs, messages.iter().filter(|message| message.role == ASSISTANT).count(), "{name}");
        assert!(examples.iter().all(|example| example.mask.len() == example.ids.len() && example.mask.contains(&true)));
    });
    let asked = messages(&[("user", "assistant")]);
    assert!(matches!(chat(CHATML).examples(&asked), Err(ChatError::NothingToLearn)));
    assert!(matches!(chat(CHATML).examples(&[]), Err(ChatError::NothingToLearn | ChatError::Template(_))));
    let unmarked =
        CHATML.replace("{{ '<|im_start|>' + m.role", "{% generation %}{% endgeneration %}{{ '<|im_start|>' + m.role");
    let answered = messages(&[("user", "a"), ("assistant", "b")]);
    assert!(matches!(chat(&unmarked).examples(&answered), Err(ChatError::NothingToLearn)));
}

/// Templates without generation markers, which are nearly all, have masks all the same.
#[test]
fn templates_without_generation_markers_have_masks() {
    let dialogue = [
        ("system", "be brief"),
        ("user", "assistant: hi\n"),
        ("assistant", " Grüße 🙂 "),
        ("user", "Grüße 🙂"),
        ("assistant", "bye"),
    ];
    let chat = chat(CHATML);
    let example = one(&chat, &dialogue);
    assert_eq!(learned(&chat, &example), " Grüße 🙂 <|im_end|>bye<|im_end|>");
    assert!(
        text(&chat, &example.ids)
            .starts_with("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nassistant: hi")
    );
    let Fixture { chat, dialogues, .. } = fixture("instruct");
    let examples = chat.examples(&super::tests::dialogue(&dialogues[1])).unwrap();
    let all: String = examples.iter().map(|example| learned(&chat, example)).collect();
    assert_eq!(all.matches("</s>").count(), 2, "{all}");
}

/// A model that never saw its end token never stops.
#[test]
fn every_answer_is_learned_to_the_token_that_stops_it() {
    every_dialogue(|name, chat, _, examples| {
        let end = chat.end_of_turn().id;
        assert!(chat.end_ids().contains(&end), "{name}");
        for example in examples {
            assert_eq!((example.ids.last(), example.mask.last()), (Some(&end), Some(&true)), "{name}");
            // Every run of learned tokens ends with it, and it is nowhere else in one.
            for (at, _) in example.mask.iter().enumerate().filter(|(_, learned)| **learned) {
                let last = example.mask.get(at + 1) != Some(&true);
                assert_eq!(example.ids[at] == end, last, "{name}: {}", text(chat, &example.ids));
            }
        }
    });
    let Fixture { chat, dialogues, .. } = fixture("plain");
    assert_eq!(*chat.end_of_turn(), EndOfTurn { id: 2, text: "</s>".into(), appended: true });
    let example = &chat.examples(&dialogue(&dialogues[0])).unwrap()[0];
    assert_eq!(
        text(&chat, &example.ids),
        "### Question:\nWhere is my parcel?\n\n### Answer: In the depot at Kiel.</s>".replacen("###", "<s> ###", 1)
    );
    assert!(!fixture("chatml").chat.end_of_turn().appended);
    // The end of a turn is one of the end tokens even if the model's configuration names another.
    let other = try_chat("bytes", json!({"eos_token": "<|endoftext|>"}), CHATML).unwrap();
    assert_eq!(other.end_ids().iter().map(|id| text(&other, &[*id])).collect::<String>(), "<|endoftext|><|im_end|>");
    let none = try_chat("bytes", json!({}), "{% for m in messages %}{{ m.content }}{% endfor %}");
    assert!(matches!(none, Err(ChatError::NoEnd)));
}

/// The tokens that are served as a prompt are those that the answer was learned behind.
#[test]
fn prompts_are_how_examples_begin_token_for_token() {
    every_dialogue(|name, chat, messages, examples| {
        for index in (0..messages.len()).filter(|index| messages[*index].role == ASSISTANT) {
            let prompt = chat.prompt(&messages[..index]).unwrap();
            let follows = |example: &&Example| {
                example.ids.starts_with(&prompt) && example.mask[prompt.len()] && !example.mask[prompt.len() - 1]
            };
            let example = examples.iter().find(follows).unwrap_or_else(|| panic!("{name} {index}"));
            // What the model then has to say is the message.
            let length = example.mask[prompt.len()..].iter().take_while(|learned| **learned).count() - 1;
            let answer = chat.answer(&example.ids[prompt.len()..prompt.len() + length]).unwrap();
            let flat = |text: &str| text.replace("<think>", "").split_whitespace().collect::<Vec<_>>().join("");
            let said = if name == "words" { answer.clone() } else { messages[index].text.clone() };
            assert_eq!(flat(&answer), flat(&said), "{name} {index}");
        }
    });
}

/// A template that writes the first token and a tokenizer that adds it do not make two, nor do those that do not make none.
#[test]
fn dialogues_begin_with_one_bos() {
    let count = |tokenizer: &str, config: serde_json::Value, template: &str| {
        let chat = try_chat(tokenizer, config, template).unwrap();
        let dialogue = messages(&[("user", "a"), ("assistant", "b")]);
        let (prompt, examples) = (chat.prompt(&dialogue[..1]).unwrap(), chat.examples(&dialogue).unwrap());
        assert!(examples[0].ids.starts_with(&prompt));
        let bos = chat.encoder.tokenizer().token_to_id("<|begin|>").unwrap();
        (prompt.first() == Some(&bos), prompt.iter().filter(|id| **id == bos).count())
    };
    let written = "{{ bos_token }}{% for m in messages %}{{ m.role + m.content + '<|eot|>' }}{% endfor %}";
    let unwritten = written.replace("{{ bos_token }}", "");
    let config = json!({"bos_token": "<|begin|>", "eos_token": {"content": "<|eot|>", "lstrip": false}});
    for template in [written, &unwritten] {
        assert_eq!(count("bytes-begin", config.clone(), template), (true, 1), "{template}");
    }
    let told = |adds: bool| json!({"bos_token": "<|begin|>", "eos_token": "<|eot|>", "add_bos_token": adds});
    assert_eq!(count("bytes-begin", told(false), &unwritten), (false, 0));
    assert_eq!(count("bytes-begin", told(true), written), (true, 1));
    for Fixture { name, chat, dialogues, bos } in fixtures() {
        let Some(bos) = bos.and_then(|bos| chat.encoder.tokenizer().token_to_id(&bos)) else { continue };
        for example in dialogues.iter().filter_map(|row| chat.examples(&dialogue(row)).ok()).flatten() {
            assert_eq!(example.ids.iter().position(|id| *id == bos), Some(0), "{name}");
            assert_eq!(example.ids.iter().filter(|id| **id == bos).count(), 1, "{name}");
        }
    }
}

#[test]
fn generation_markers_that_leave_out_the_end_still_teach_it() {
    let template = "{% for m in messages %}<|im_start|>{{ m.role }} {% if m.role == 'assistant' %}{% generation %}{{ m.content }}\
                    {% endgeneration %}{% else %}{{ m.content }}{% endif %}<|im_end|>{% endfor %}\
                    {% if add_generation_prompt %}<|im_start|>assistant {% endif %}";
    let chat = chat(template);
    let example = one(&chat, &[("user", "a"), ("assistant", "Grüße"), ("user", "c"), ("assistant", "d e")]);
    assert_eq!(learned(&chat, &example), "Grüße<|im_end|>d e<|im_end|>");
}

/// Templates that leave out what was thought write an earlier turn otherwise than it was said: it is an example of its own.
#[test]
fn turns_that_are_written_otherwise_later_are_examples_of_their_own() {
    let Fixture { chat, dialogues, .. } = fixture("thinking");
    let [first, second] = chat.examples(&dialogue(&dialogues[2])).unwrap().try_into().unwrap();
    assert_eq!(learned(&chat, &first), "<think>\nThe depot, I think.\n</think>\n\nIn the depot.<|im_end|>");
    assert_eq!(learned(&chat, &second), "<think>\nThree days.\n</think>\n\nOn its way.<|im_end|>");
    let second = text(&chat, &second.ids);
    assert!(second.contains("assistant\nIn the depot.<|im_end|>") && !second.contains("I think"), "{second}");
    // The instructions stand in the last question alone, as they do when the model is asked.
    let Fixture { chat, dialogues, .. } = fixture("last-user");
    let examples = chat.examples(&dialogue(&dialogues[1])).unwrap();
    assert_eq!(examples.len(), 2);
    assert!(examples.iter().all(|example| text(&chat, &example.ids).contains("You are careful.")));
}

#[test]
fn a_thought_that_the_prompt_opens_is_not_opened_twice() {
    let Fixture { chat, dialogues, .. } = fixture("opened");
    let example = &chat.examples(&dialogue(&dialogues[1])).unwrap()[0];
    assert_eq!(learned(&chat, example), "The depot, I think.\n</think>\n\nIn the depot.<|eot|>");
    assert_eq!(text(&chat, &example.ids).matches("<think>\n").count(), 1);
    // Markers make no difference.
    let template = read("templates/opened.jinja").replace("{{- '<|head|>A<|/head|>' + message.content.split('</think>')[-1] + eos_token }}",
        "{{- '<|head|>A<|/head|>' }}{% generation %}{{ message.content.split('</think>')[-1] + eos_token }}{% endgeneration %}");
    let marked = try_chat("bytes-begin", json!({"bos_token": "<|begin|>", "eos_token": "<|eot|>"}), &template).unwrap();
    assert!(marked.template.marks_generation);
    assert_eq!(&marked.examples(&dialogue(&dialogues[1])).unwrap()[0], example);
    match chat.examples(&dialogue(&dialogues[2])) {
        Err(ChatError::NotLocated { index: 1, reason }) => assert!(reason.contains("<think>")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tokens_that_would_cross_the_border_are_divided_or_told() {
    let Fixture { chat, .. } = fixture("plain");
    let example = one(&chat, &[("user", "a"), ("assistant", "the parcel")]);
    let (whole, prompt) = (text(&chat, &example.ids), chat.prompt(&messages(&[("user", "a")])).unwrap());
    assert!(whole.ends_with("### Answer: the parcel</s>"), "{whole}");
    // The tokenizer alone would have made one token of the space and the word.
    let alone = chat.encoder.tokenizer().encode("### Answer: the parcel", false).unwrap();
    assert!(!example.ids.windows(alone.len() - 4).any(|window| window == &alone.get_ids()[4..]));
    assert!(example.ids.starts_with(&prompt) && example.mask[prompt.len()]);
    let joined =
        "{% for m in messages %}{{ m.content }}{% if m.role == 'user' %}x{% else %} [EOS] {% endif %}{% endfor %}";
    let words = try_chat("words", json!({"eos_token": "[EOS]"}), joined);
    let border = words.and_then(|chat| chat.examples(&messages(&[("user", "parcel"), ("assistant", "parcel")])));
    assert!(matches!(border, Err(ChatError::Border { index: 1 })), "{border:?}");
}

#[test]
fn answers_are_given_without_what_the_template_puts_around_them() {
    let thinking = fixture("thinking").chat;
    let tokens = thinking.encoder.tokenizer().encode("<think>\n\n</think>\n\nIn Kiel.", false).unwrap();
    assert_eq!(thinking.answer(tokens.get_ids()).unwrap(), "In Kiel.");
    assert_eq!(thinking.decode(tokens.get_ids()).unwrap(), "<think>\n\n</think>\n\nIn Kiel.");
    let tokens = thinking.encoder.tokenizer().encode("<think>\nWhere?\n</think>\n\nIn Kiel.", false).unwrap();
    assert_eq!(thinking.answer(tokens.get_ids()).unwrap(), "<think>\nWhere?\n</think>\n\nIn Kiel.");
}

#[test]
fn nothing_is_cut_off() {
    let long = "the parcel is in the depot ".repeat(20_000);
    let chat = chat(CHATML);
    let example = one(&chat, &[("user", "a"), ("assistant", &long)]);
    assert_eq!(learned(&chat, &example), format!("{long}<|im_end|>"));
}

#[test]
fn refusals_of_the_template_are_told() {
    let Fixture { chat, .. } = fixture("instruct");
    let error = chat.examples(&messages(&[("user", "x"), ("user", "y"), ("assistant", "z")])).unwrap_err();
    assert!(error.to_string().contains("Turns have to alternate"), "{error}");
    for (template, part) in [
        ("{% for %}", "syntax error"),
        ("{{ raise_exception('only tools') }}", "only tools"),
        ("\n\n{{ strftime_now(5) }}", "(line 3)"),
        ("{% for a in range(100000) %}{% for b in range(100000) %}{{ b }}{% endfor %}{% endfor %}", "fuel"),
        ("{% include 'other' %}", "other"),
        ("{{ messages[0].content | upper }}<|im_end|>", "changes its text"),
    ] {
        let error = try_chat("bytes", json!({"eos_token": "<|im_end|>"}), template).unwrap_err().to_string();
        assert!(error.contains(part), "{template}: {error}");
    }
}

#[test]
fn answers_that_cannot_be_located_are_errors() {
    let dialogue = messages(&[("user", "a"), ("assistant", "b c"), ("user", "c"), ("assistant", "d e")]);
    for template in [
        // Leaves out a word of it.
        "{% for m in messages %}{{ m.role + m.content.split(' ')[0] + '<|im_end|>' }}{% endfor %}",
        // Ends long answers otherwise.
        "{% for m in messages %}{{ m.role + m.content }}{% if ' ' in m.content %}!{% endif %}<|im_end|>{% endfor %}",
        // Writes the last message otherwise.
        "{% for m in messages %}<|im_end|>{% if loop.last %}!{% endif %}{{ m.content }}{% endfor %}",
    ] {
        let found = chat(template).examples(&dialogue);
        assert!(matches!(found, Err(ChatError::NotLocated { index: 3, .. })), "{template}: {found:?}");
    }
}

#[test]
fn the_date_is_the_same_on_every_day() {
    let rendered = |messages: &[Message]| {
        let chat = fixture("dated").chat;
        chat.template.render(messages, true, &chat.encoder.controls).unwrap().text
    };
    assert!(rendered(&messages(&[("user", "a")])).contains("Today: 26 Jul 2024"));
}
