//! `messages` of `/v1/chat/completions`.

use freehold_engine::{ChatTokenizer, Message};
use serde_json::Value;

use super::ask::Prompt;
use super::error::ApiError;
use super::parameters::Parameters;

/// Roles that data have; `developer` is the newer name of `system`.
const ROLES: [(&str, &str); 6] = [
    ("system", "system"),
    ("developer", "system"),
    ("user", "user"),
    ("assistant", "assistant"),
    ("tool", "tool"),
    ("function", "function"),
];

/// A dialogue that is to be gone on with.
#[derive(Debug)]
pub(crate) struct Dialogue(Vec<Message>);

pub(super) fn parse(parameters: &mut Parameters) -> Result<Dialogue, ApiError> {
    let messages = match parameters.take("messages") {
        None => return Err(ApiError::missing("messages")),
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        Some(_) => {
            return Err(ApiError::parameter("messages", "`messages` has to be a list with at least one message"));
        }
    };
    messages.into_iter().enumerate().map(|(index, value)| message(index, value)).collect::<Result<_, _>>().map(Dialogue)
}

fn message(index: usize, value: Value) -> Result<Message, ApiError> {
    let at = |field: &str| format!("messages[{index}].{field}");
    let Value::Object(mut fields) = value else {
        return Err(ApiError::parameter(format!("messages[{index}]"), "a message has to be an object"));
    };
    let given = fields.remove("role");
    let given = given.as_ref().and_then(Value::as_str);
    let role = given.and_then(|given| ROLES.iter().find(|(name, _)| *name == given)).map(|(_, role)| *role);
    let role = role.ok_or_else(|| {
        let known: Vec<&str> = ROLES.iter().map(|(name, _)| *name).collect();
        ApiError::parameter(at("role"), format!("a role has to be one of {}", known.join(", ")))
    })?;
    let text = text(&at("content"), fields.remove("content"))?;
    // A name is nothing that a chat template is given here.
    for known in ["name", "refusal", "tool_call_id"] {
        fields.remove(known);
    }
    match fields.into_iter().find(|(_, value)| !is_nothing(value)) {
        Some((name, _)) => {
            let shown: String = name.chars().take(100).collect();
            Err(ApiError::unsupported(&at(&shown), format!("`{shown}` of a message is not supported here")))
        }
        None => Ok(Message { role: role.into(), text }),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Text, or parts of it.
fn text(at: &str, content: Option<Value>) -> Result<String, ApiError> {
    let wrong = || ApiError::parameter(at, "the content has to be a text, or a list of parts of type `text`");
    let part = |part: Value| {
        let Value::Object(mut part) = part else { return Err(wrong()) };
        match (part.remove("type"), part.remove("text")) {
            (Some(Value::String(kind)), Some(Value::String(text))) if kind == "text" => Ok(text),
            (Some(Value::String(kind)), _) if kind != "text" => Err(unknown_part(at, &kind)),
            _ => Err(wrong()),
        }
    };
    match content {
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(parts)) => {
            parts.into_iter().map(part).collect::<Result<Vec<_>, _>>().map(|parts| parts.concat())
        }
        _ => Err(wrong()),
    }
}

fn unknown_part(at: &str, kind: &str) -> ApiError {
    let shown: String = kind.chars().take(40).collect();
    ApiError::unsupported(at, format!("parts of type `{shown}` are not supported here; only `text` is"))
}

impl Dialogue {
    pub(super) fn prompt(&self, tokenizer: &ChatTokenizer) -> Result<Prompt, ApiError> {
        let ids = tokenizer.prompt(&self.0).map_err(|error| ApiError::parameter("messages", error.to_string()))?;
        let messages = self.0.iter().map(|message| (message.role.clone(), message.text.clone()));
        Ok(Prompt { ids, messages: messages.collect() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn dialogue(messages: Value) -> Result<Vec<(String, String)>, Value> {
        let map: Map<String, Value> = [("messages".to_owned(), messages)].into_iter().collect();
        let mut parameters = Parameters::parse(Value::Object(map).to_string().as_bytes()).unwrap();
        let pair = |message: Message| (message.role, message.text);
        parse(&mut parameters).map(|dialogue| dialogue.0.into_iter().map(pair).collect()).map_err(|error| error.value())
    }

    #[test]
    fn texts_are_said_whole_or_in_parts() {
        let said = dialogue(json!([
            {"role": "developer", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "n"},
            {"role": "assistant", "content": "", "refusal": null, "tool_calls": []},
        ]));
        let pair = |role: &str, text: &str| (role.to_owned(), text.to_owned());
        assert_eq!(said.unwrap(), [pair("system", "be kind"), pair("user", "ab"), pair("assistant", "")]);
    }

    #[test]
    fn what_is_no_message_is_named() {
        for (messages, parameter) in [
            (json!([]), "messages"),
            (json!("x"), "messages"),
            (json!(["x"]), "messages[0]"),
            (json!([{"content": "x"}]), "messages[0].role"),
            (json!([{"role": "robot", "content": "x"}]), "messages[0].role"),
            (json!([{"role": "user", "content": "x"}, {"role": "user"}]), "messages[1].content"),
            (json!([{"role": "user", "content": null}]), "messages[0].content"),
            (json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]), "messages[0].content"),
            (json!([{"role": "user", "content": [{"text": "x"}]}]), "messages[0].content"),
            (json!([{"role": "assistant", "content": "x", "tool_calls": [{}]}]), "messages[0].tool_calls"),
        ] {
            assert_eq!(dialogue(messages.clone()).unwrap_err()["error"]["param"], parameter, "{messages}");
        }
    }
}
