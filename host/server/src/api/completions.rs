//! `prompt` of `/v1/completions`.

use freehold_engine::ChatTokenizer;
use serde_json::Value;

use super::ask::Prompt;
use super::error::ApiError;
use super::parameters::Parameters;

/// What is to be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// A text, in which nothing is a control token.
    Words(String),
    /// Tokens as they are.
    Tokens(Vec<u32>),
}

pub(super) fn parse(parameters: &mut Parameters) -> Result<Text, ApiError> {
    let prompt = parameters.take("prompt").ok_or_else(|| ApiError::missing("prompt"))?;
    one(prompt, true)
}

/// One prompt; it may be in a list.
fn one(prompt: Value, may_be_listed: bool) -> Result<Text, ApiError> {
    let wrong = |message: &str| ApiError::parameter("prompt", message);
    match prompt {
        Value::String(text) => Ok(Text::Words(text)),
        Value::Array(values) if !values.is_empty() && values.iter().all(Value::is_number) => {
            let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
            let ids: Option<Vec<u32>> = values.iter().map(id).collect();
            ids.map(Text::Tokens).ok_or_else(|| wrong("tokens have to be whole numbers"))
        }
        Value::Array(values) if may_be_listed => match <[Value; 1]>::try_from(values) {
            Ok([only]) => one(only, false),
            Err(_) => Err(ApiError::unsupported("prompt", "one prompt a request is supported here")),
        },
        _ => Err(wrong("`prompt` has to be a text, or a list of tokens")),
    }
}

impl Text {
    pub(super) fn prompt(&self, tokenizer: &ChatTokenizer) -> Result<Prompt, ApiError> {
        let failed = |error: freehold_engine::ChatError| ApiError::parameter("prompt", error.to_string());
        let (ids, text) = match self {
            Self::Words(text) => (tokenizer.text(text).map_err(failed)?, text.clone()),
            Self::Tokens(ids) => (ids.clone(), tokenizer.decode(ids).map_err(failed)?),
        };
        Ok(Prompt { ids, messages: vec![("user".into(), text)] })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(prompt: Value) -> Result<Text, Value> {
        let body = json!({ "prompt": prompt }).to_string();
        parse(&mut Parameters::parse(body.as_bytes()).unwrap()).map_err(|error| error.value())
    }

    #[test]
    fn a_prompt_is_a_text_or_tokens() {
        for prompt in [json!("x"), json!(["x"])] {
            assert_eq!(text(prompt).unwrap(), Text::Words("x".into()));
        }
        for prompt in [json!([1, 2]), json!([[1, 2]])] {
            assert_eq!(text(prompt).unwrap(), Text::Tokens(vec![1, 2]));
        }
        for prompt in [
            json!(null),
            json!([]),
            json!(["a", "b"]),
            json!([-1]),
            json!([1.5]),
            json!([[["x"]]]),
            json!({}),
            json!(7),
        ] {
            assert_eq!(text(prompt.clone()).unwrap_err()["error"]["param"], "prompt", "{prompt}");
        }
    }
}
