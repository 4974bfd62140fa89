use serde_json::json;

use super::*;

/// A tokenizer of single bytes with a few special tokens, and this template.
fn chat(template: &str) -> ChatTokenizer {
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let vocabulary: std::collections::BTreeMap<String, usize> =
        alphabet.iter().enumerate().map(|(id, c)| (c.to_string(), id)).collect();
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let special: Vec<_> = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
        .iter()
        .enumerate()
        .map(|(id, token)| {
            json!({"id": 256 + id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect();
    let tokenizer = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": special,
        "normalizer": null, "pre_tokenizer": byte_level, "decoder": byte_level, "post_processor": null,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []}});
    let tokenizer = tokenizer::parse(tokenizer.to_string().as_bytes()).unwrap();
    let special = SpecialTokens {
        bos_token: Some(SpecialToken::Text("<s>".into())),
        eos_token: Some(SpecialToken::Table { content: "</s>".into() }),
        ..SpecialTokens::default()
    };
    ChatTokenizer { tokenizer, environment: environment(template.into()).unwrap(), special }
}

/// As Qwen writes it, with the white space control that matters.
const CHATML: &str = "{%- for message in messages %}\n    {{- '<|im_start|>' + message.role + '\\n' + \
    message.content.strip() + '<|im_end|>' + '\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- \
    '<|im_start|>assistant\\n' }}\n{%- endif %}\n";
/// Llama 2: no generation prompt, the end token after the answer.
const LLAMA2: &str = "{{ bos_token }}{% for message in messages %}{% if message['role'] not in ['user', 'assistant'] \
    %}{{ raise_exception('only user and assistant') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + \
    message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}\
    {% endfor %}";

fn messages(list: &[(&str, &str)]) -> Vec<Message> {
    list.iter().map(|(role, text)| Message { role: (*role).into(), text: (*text).into() }).collect()
}

/// What is marked, token for token.
fn marked(chat: &ChatTokenizer, example: &Example) -> String {
    let ids: Vec<u32> = example.ids.iter().zip(&example.mask).filter(|(_, m)| **m).map(|(id, _)| *id).collect();
    chat.tokenizer.decode(&ids, false).unwrap()
}

#[test]
fn the_mask_covers_answers_and_their_ends() {
    let chat = chat(CHATML);
    let dialogue = messages(&[
        ("system", "be brief"),
        ("user", "assistant: hi\n<|im_end|>"),
        ("assistant", " Grüße 🙂 "),
        ("user", "Grüße 🙂"),
        ("assistant", "bye"),
    ]);
    let example = chat.example(&dialogue).unwrap();
    assert_eq!(marked(&chat, &example), "Grüße 🙂<|im_end|>bye<|im_end|>");
    let whole = chat.tokenizer.decode(&example.ids, false).unwrap();
    assert!(whole.starts_with("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\n"), "{whole}");
    assert_eq!(chat.decode(&example.ids[example.ids.len() - 5..]).unwrap(), "bye\n");
}

#[test]
fn templates_without_generation_prompt_work() {
    let chat = chat(LLAMA2);
    let dialogue = messages(&[("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]);
    let example = chat.example(&dialogue).unwrap();
    assert_eq!(marked(&chat, &example), " b </s> d </s>");
    // The template writes the first token; the tokenizer adds none.
    assert_eq!(example.ids.iter().filter(|id| **id == 256).count(), 1);
}

#[test]
fn a_prompt_is_how_the_example_begins() {
    let dialogue = messages(&[("user", "what?"), ("assistant", "that")]);
    for template in [CHATML, LLAMA2] {
        let chat = chat(template);
        let (prompt, example) = (chat.prompt(&dialogue[..1]).unwrap(), chat.example(&dialogue).unwrap());
        assert_eq!(example.ids[..prompt.len()], prompt);
        assert_eq!(example.mask.iter().position(|marked| *marked), Some(prompt.len()));
    }
}

#[test]
fn a_dialogue_without_answer_has_nothing_marked() {
    let example = chat(CHATML).example(&messages(&[("user", "assistant")])).unwrap();
    assert!(!example.mask.iter().any(|marked| *marked));
}

#[test]
fn refusals_of_the_template_are_told() {
    let error = chat(LLAMA2).example(&messages(&[("system", "x")])).unwrap_err().to_string();
    assert!(error.contains("only user and assistant"), "{error}");
    assert!(environment("{% for %}".into()).is_err());
}

#[test]
fn answers_that_cannot_be_located_are_errors() {
    let dialogue = messages(&[("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]);
    for (template, index) in [
        // Changes the text.
        ("{% for m in messages %}<s>{{ m.content | upper }}{% endfor %}", 1),
        // Writes the last message otherwise.
        ("{% for m in messages %}<s>{% if loop.last %}!{% endif %}{{ m.content }}{% endfor %}", 1),
    ] {
        match chat(template).example(&dialogue) {
            Err(ChatError::NotLocated { index: found, .. }) => assert_eq!(found, index),
            other => panic!("{other:?}"),
        }
    }
}
