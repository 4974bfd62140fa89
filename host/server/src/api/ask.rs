//! What both endpoints have in common: how an answer is generated, and for which model.

use serde_json::{Value, json};

use super::error::ApiError;
use super::parameters::Parameters;
use super::{chat, completions};
use crate::catalogue::Ready;

/// Which endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
}

impl Endpoint {
    /// In logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
        }
    }
}

/// How an answer is to be generated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manner {
    pub(crate) temperature: f64,
    pub(crate) top_p: f64,
    /// The likeliest token alone, as `top_p` of 0 asks for.
    pub(crate) likeliest: bool,
    pub(crate) seed: Option<u64>,
    pub(crate) stop: Vec<String>,
    pub(crate) max_tokens: Option<u64>,
    /// The parameter that said it.
    pub(crate) max_tokens_name: &'static str,
}

/// Whether the answer is sent as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streaming {
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
}

/// What is to be answered, in tokens and in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) ids: Vec<u32>,
    /// Roles and texts.
    pub(crate) messages: Vec<(String, String)>,
}

/// A request whose form is right.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) endpoint: Endpoint,
    pub(crate) model: String,
    pub(crate) manner: Manner,
    pub(crate) streaming: Streaming,
    pub(crate) said: Said,
}

/// What is said, before it is tokens.
#[derive(Debug)]
pub(crate) enum Said {
    /// A dialogue.
    Dialogue(chat::Dialogue),
    /// A text, or tokens.
    Text(completions::Text),
}

impl Ask {
    /// Reads a body. Everything that is not supported is named.
    pub(crate) fn parse(endpoint: Endpoint, body: &[u8]) -> Result<Self, ApiError> {
        let mut parameters = Parameters::parse(body)?;
        let model = parameters.text("model")?.ok_or_else(|| ApiError::missing("model"))?;
        let said = match endpoint {
            Endpoint::Chat => Said::Dialogue(chat::parse(&mut parameters)?),
            Endpoint::Completions => Said::Text(completions::parse(&mut parameters)?),
        };
        let (manner, streaming) = (manner(endpoint, &mut parameters)?, streaming(&mut parameters)?);
        without(&mut parameters)?;
        parameters.end()?;
        Ok(Self { endpoint, model, manner, streaming, said })
    }

    /// The prompt in tokens of this model.
    pub(crate) fn prompt(&self, ready: &Ready) -> Result<Prompt, ApiError> {
        let prompt = match &self.said {
            Said::Dialogue(dialogue) => dialogue.prompt(&ready.tokenizer)?,
            Said::Text(text) => text.prompt(&ready.tokenizer)?,
        };
        if prompt.ids.is_empty() {
            return Err(ApiError::parameter(self.said.parameter(), "the prompt has no tokens"));
        }
        if let Some(id) = prompt.ids.iter().find(|id| **id as usize >= ready.vocabulary) {
            return Err(ApiError::parameter(self.said.parameter(), format!("the model has no token {id}")));
        }
        Ok(prompt)
    }

    /// Tokens that the answer may have.
    pub(crate) fn answer_max(&self, prompt: usize, positions: usize) -> Result<usize, ApiError> {
        let room = positions.saturating_sub(prompt);
        let wanted = self.manner.max_tokens.map(|wanted| usize::try_from(wanted).unwrap_or(usize::MAX));
        match wanted {
            Some(wanted) if wanted > room && room > 0 => {
                Err(ApiError::too_long(self.manner.max_tokens_name, positions, prompt, wanted))
            }
            _ if room == 0 => Err(ApiError::too_long(self.said.parameter(), positions, prompt, wanted.unwrap_or(1))),
            Some(wanted) => Ok(wanted),
            None => Ok(room),
        }
    }
}

impl Said {
    fn parameter(&self) -> &'static str {
        match self {
            Self::Dialogue(_) => "messages",
            Self::Text(_) => "prompt",
        }
    }
}

/// Completions have 16 tokens if nothing else is said, as OpenAI's have.
const COMPLETION_TOKENS: u64 = 16;

fn manner(endpoint: Endpoint, parameters: &mut Parameters) -> Result<Manner, ApiError> {
    let top_p = parameters.number("top_p", 0.0..=1.0)?.unwrap_or(1.0);
    let (mut name, mut max_tokens) = ("max_tokens", parameters.count("max_tokens", 1)?);
    if endpoint == Endpoint::Chat
        && let Some(count) = parameters.count("max_completion_tokens", 1)?
    {
        (name, max_tokens) = ("max_completion_tokens", Some(count));
    }
    if endpoint == Endpoint::Completions {
        max_tokens = max_tokens.or(Some(COMPLETION_TOKENS));
    }
    Ok(Manner {
        temperature: parameters.number("temperature", 0.0..=2.0)?.unwrap_or(1.0),
        likeliest: top_p == 0.0,
        top_p: if top_p == 0.0 { 1.0 } else { top_p },
        seed: parameters.seed("seed")?,
        stop: parameters.texts("stop")?,
        max_tokens,
        max_tokens_name: name,
    })
}

fn streaming(parameters: &mut Parameters) -> Result<Streaming, ApiError> {
    let stream = parameters.flag("stream")?;
    let include_usage = match parameters.take("stream_options") {
        None => false,
        Some(_) if !stream => {
            return Err(ApiError::parameter("stream_options", "`stream_options` is only for `stream`: true"));
        }
        Some(Value::Object(options)) => {
            let mut options = options;
            let usage = options.remove("include_usage").unwrap_or(Value::Null);
            // Padding against those who measure lengths: there is none.
            let padded = options.remove("include_obfuscation").is_some_and(|value| value == json!(true));
            if padded || options.values().any(|value| !value.is_null()) {
                return Err(ApiError::unsupported(
                    "stream_options",
                    "of `stream_options` only `include_usage` is supported",
                ));
            }
            match usage {
                Value::Null => false,
                Value::Bool(usage) => usage,
                _ => return Err(ApiError::parameter("stream_options", "`include_usage` has to be true or false")),
            }
        }
        Some(_) => return Err(ApiError::parameter("stream_options", "`stream_options` has to be an object")),
    };
    Ok(Streaming { stream, include_usage })
}

/// What there is not. Each may have the value that asks for nothing more.
fn without(parameters: &mut Parameters) -> Result<(), ApiError> {
    // Who the user of the client is, is the client's matter.
    for name in ["user", "safety_identifier", "prompt_cache_key"] {
        parameters.text(name)?;
    }
    for (name, harmless) in [
        ("n", json!([1])),
        ("best_of", json!([1])),
        ("echo", json!([false])),
        ("logprobs", json!([false])),
        ("top_logprobs", json!([0])),
        ("logit_bias", json!([{}])),
        ("presence_penalty", json!([0])),
        ("frequency_penalty", json!([0])),
        ("response_format", json!([{ "type": "text" }])),
        ("modalities", json!([["text"]])),
        ("tools", json!([[]])),
        ("tool_choice", json!(["none", "auto"])),
        ("parallel_tool_calls", json!([true, false])),
        ("functions", json!([[]])),
        ("function_call", json!(["none", "auto"])),
        ("service_tier", json!(["auto", "default"])),
        ("store", json!([false])),
        ("metadata", json!([{}])),
        ("suffix", json!([""])),
        ("audio", json!([])),
        ("prediction", json!([])),
        ("reasoning_effort", json!([])),
        ("verbosity", json!([])),
        ("web_search_options", json!([])),
    ] {
        parameters.without(name, harmless.as_array().map_or(&[], Vec::as_slice))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(change: &str) -> Result<Ask, ApiError> {
        let body = format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}]{change}}}");
        Ask::parse(Endpoint::Chat, body.as_bytes())
    }

    #[test]
    fn what_is_not_said_is_as_openai_has_it() {
        let ask = chat("").unwrap();
        assert_eq!((ask.manner.temperature, ask.manner.top_p, ask.manner.max_tokens), (1.0, 1.0, None));
        assert_eq!(ask.answer_max(10, 64).unwrap(), 54);
        let ask = Ask::parse(Endpoint::Completions, br#"{"model":"m","prompt":"x"}"#).unwrap();
        assert_eq!(ask.manner.max_tokens, Some(16));
    }

    #[test]
    fn what_asks_for_nothing_more_may_be_said() {
        let harmless = r#","n":1,"logprobs":false,"tools":[],"tool_choice":"none","response_format":{"type":"text"},
            "presence_penalty":0.0,"logit_bias":{},"user":"u","store":false,"top_p":0,"stop":null,"seed":-4,
            "max_completion_tokens":7,"stream":true,"stream_options":{"include_usage":true}"#;
        let ask = chat(harmless).unwrap();
        assert!(ask.manner.likeliest && ask.streaming.include_usage);
        assert_eq!((ask.manner.max_tokens, ask.manner.max_tokens_name), (Some(7), "max_completion_tokens"));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (change, parameter) in [
            (r#","n":2"#, "n"),
            (r#","logprobs":true"#, "logprobs"),
            (r#","tools":[{"type":"function"}]"#, "tools"),
            (r#","tool_choice":"required""#, "tool_choice"),
            (r#","response_format":{"type":"json_object"}"#, "response_format"),
            (r#","presence_penalty":0.5"#, "presence_penalty"),
            (r#","reasoning_effort":"low""#, "reasoning_effort"),
            (r#","max_tokens":0"#, "max_tokens"),
            (r#","temperature":3"#, "temperature"),
            (r#","temperature":"hot""#, "temperature"),
            (r#","stop":["","x"]"#, "stop"),
            (r#","stream_options":{}"#, "stream_options"),
            (r#","stream":true,"stream_options":{"x":1}"#, "stream_options"),
            (r#","temprature":1"#, "temprature"),
            (r#","user":7"#, "user"),
        ] {
            assert_eq!(chat(change).unwrap_err().value()["error"]["param"], parameter, "{change}");
        }
    }

    #[test]
    fn answers_fit_behind_their_prompts_or_are_refused() {
        let limited = |tokens: u64| chat(&format!(",\"max_tokens\":{tokens}")).unwrap();
        assert_eq!(limited(54).answer_max(10, 64).unwrap(), 54);
        for (tokens, prompt, parameter) in
            [(55, 10, "max_tokens"), (u64::MAX, 10, "max_tokens"), (1, 64, "messages"), (1, 99, "messages")]
        {
            let error = limited(tokens).answer_max(prompt, 64).unwrap_err().value();
            assert_eq!(
                (&error["error"]["param"], &error["error"]["code"]),
                (&json!(parameter), &json!("context_length_exceeded"))
            );
        }
        assert!(chat("").unwrap().answer_max(64, 64).is_err());
    }
}
