//! Against transformers: `tests/fixtures/chat` has what it makes of templates and dialogues.

use minijinja::context;
use serde_json::Value;

use super::*;

/// A template with its tokenizer, and what transformers makes of dialogues.
pub(super) struct Fixture {
    pub(super) name: String,
    pub(super) chat: ChatTokenizer,
    pub(super) dialogues: Vec<Value>,
    pub(super) bos: Option<String>,
}

pub(super) fn fixture(name: &str) -> Fixture {
    let cases: Value = serde_json::from_str(&read(&format!("{name}.json"))).unwrap();
    let tokenizer = read(&format!("tokenizers/{}.json", cases["tokenizer"].as_str().unwrap()));
    let tokens = ControlTokens::parse(cases["config"].to_string().as_bytes()).unwrap();
    let tokenizer = tokenizer::parse(tokenizer.as_bytes()).unwrap();
    let chat = ChatTokenizer::new(tokenizer, &tokens, &read(&format!("templates/{name}.jinja")), &[]);
    let chat = chat.unwrap_or_else(|error| panic!("{name}: {error}"));
    let bos = cases["config"]["bos_token"].as_str().map(str::to_owned);
    Fixture { name: name.into(), chat, dialogues: cases["dialogues"].as_array().unwrap().clone(), bos }
}

pub(super) fn fixtures() -> Vec<Fixture> {
    template_names().iter().map(|name| fixture(name)).collect()
}

pub(super) fn dialogue(row: &Value) -> Vec<Message> {
    let message =
        |m: &Value| Message { role: m["role"].as_str().unwrap().into(), text: m["content"].as_str().unwrap().into() };
    row["messages"].as_array().unwrap().iter().map(message).collect()
}

fn ids(value: &Value) -> Option<Vec<u32>> {
    value.as_array().map(|ids| ids.iter().map(|id| id.as_u64().unwrap() as u32).collect())
}

#[test]
fn jinja_is_that_of_transformers() {
    let rows: Vec<Value> = serde_json::from_str(&read("jinja.json")).unwrap();
    let messages = [("system", "sys"), ("user", "hi <b>"), ("assistant", "yo"), ("user", " bye ")];
    let messages: Vec<_> = messages.into_iter().map(|(role, content)| context! { role, content }).collect();
    let variables =
        context! { messages, tools => (), documents => (), add_generation_prompt => false, bos_token => "<s>" };
    let mut wrong = Vec::new();
    for row in &rows {
        let template = row["template"].as_str().unwrap();
        let environment = environment::environment(template);
        let text =
            environment.and_then(|environment| environment.get_template(environment::TEMPLATE)?.render(&variables));
        let found = text.as_deref().map_err(environment::plain);
        if found.as_ref().ok().copied() != row["text"].as_str() {
            wrong.push(format!("{template:?}\n  transformers {}\n  here         {found:?}", row["text"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn templates_give_the_text_and_tokens_that_they_give_in_transformers() {
    for Fixture { name, chat, dialogues, .. } in fixtures() {
        for row in &dialogues {
            let messages = dialogue(row);
            let render = |messages: &[Message], prompt| chat.template.render(messages, prompt, &chat.encoder.controls);
            if let Some(error) = row["error"].as_str() {
                let found = render(&messages, false).unwrap_err().to_string();
                assert!(found.contains(error), "{name}: {found}");
                continue;
            }
            let quotes = !row["sanitized"].is_null();
            for (messages, prompt, text, tokens) in [
                (&messages[..], false, &row["text"], &row["ids"]),
                (&messages[..messages.len() - 1], true, &row["prompt"], &row["prompt_ids"]),
            ] {
                let rendered = render(messages, prompt).unwrap();
                assert_eq!(rendered.text, text.as_str().unwrap(), "{name}");
                if !quotes {
                    assert_eq!(
                        Some(chat.encoder.part(&rendered).unwrap().ids),
                        ids(tokens),
                        "{name}: {}",
                        rendered.text
                    );
                }
            }
        }
    }
}

#[test]
fn what_messages_quote_is_text_as_with_sanitize_control_tokens() {
    let mut seen = 0;
    for Fixture { name, chat, dialogues, .. } in fixtures() {
        for row in dialogues.iter().filter(|row| !row["sanitized"].is_null()) {
            let rendered = chat.template.render(&dialogue(row), false, &chat.encoder.controls).unwrap();
            let (here, there) = (chat.encoder.part(&rendered).unwrap().ids, ids(&row["sanitized"]).unwrap());
            let control =
                |ids: &[u32]| ids.iter().copied().filter(|id| chat.encoder.controls.contains(*id)).collect::<Vec<_>>();
            assert_eq!(control(&here), control(&there), "{name}");
            assert_ne!(control(&here), control(&ids(&row["ids"]).unwrap()), "{name}");
            let decode = |ids: &[u32]| chat.encoder.tokenizer().decode(ids, false).unwrap();
            // Where transformers cuts the text, words can be tokenised otherwise; they read the same.
            assert_eq!(decode(&here), decode(&there), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 6);
}

#[test]
fn masks_of_generation_markers_are_those_of_transformers() {
    let mut seen = 0;
    for Fixture { name, chat, dialogues, .. } in
        fixtures().into_iter().filter(|fixture| fixture.chat.template.marks_generation)
    {
        for row in dialogues.iter().filter(|row| !row["mask"].is_null()) {
            let examples = chat.examples(&dialogue(row)).unwrap();
            let [example] = &examples[..] else { continue };
            let mask: Vec<bool> = ids(&row["mask"]).unwrap().iter().map(|mask| *mask == 1).collect();
            // What follows the last answer is left out here.
            assert_eq!(example.ids, ids(&row["ids"]).unwrap()[..example.ids.len()], "{name}");
            assert_eq!(example.mask, mask[..example.mask.len()], "{name}");
            assert!(!mask[example.mask.len()..].contains(&true), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 3);
}
