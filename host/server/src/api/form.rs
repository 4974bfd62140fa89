//! The objects of an answer: whole, or a chunk after the other.

use freehold_engine::Ending;
use serde_json::{Value, json};

use super::ask::Endpoint;

/// What every object of an answer says.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) endpoint: Endpoint,
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: i64,
    pub(crate) model: String,
    /// What answers: it is another one when the alias moves.
    pub(crate) fingerprint: String,
}

/// How many tokens there were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    pub(crate) answer: u64,
}

fn reason(ending: Ending) -> &'static str {
    match ending {
        Ending::EndToken | Ending::Stop => "stop",
        Ending::Length => "length",
    }
}

impl Usage {
    fn value(self) -> Value {
        let Self { prompt, answer } = self;
        json!({ "prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer })
    }
}

impl Head {
    fn object(&self, kind: &str, choices: Value) -> Value {
        let Self { id, created, model, fingerprint, .. } = self;
        json!({
            "id": id, "object": kind, "created": created, "model": model, "system_fingerprint": fingerprint,
            "choices": choices,
        })
    }

    /// The whole answer.
    pub(crate) fn whole(&self, text: &str, ending: Ending, usage: Usage) -> Value {
        let reason = reason(ending);
        let mut whole = match self.endpoint {
            Endpoint::Chat => {
                let message = json!({ "role": "assistant", "content": text, "refusal": null });
                let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": reason });
                self.object("chat.completion", json!([choice]))
            }
            Endpoint::Completions => {
                let choice = json!({ "index": 0, "text": text, "logprobs": null, "finish_reason": reason });
                self.object("text_completion", json!([choice]))
            }
        };
        whole["usage"] = usage.value();
        whole
    }

    /// A chunk: the beginning if there is no text, a part, or the end.
    pub(crate) fn chunk(&self, text: Option<&str>, ending: Option<Ending>) -> Value {
        let reason = ending.map(reason);
        match self.endpoint {
            Endpoint::Chat => {
                let delta = match (text, ending) {
                    (Some(text), _) => json!({ "content": text }),
                    (None, Some(_)) => json!({}),
                    (None, None) => json!({ "role": "assistant", "content": "" }),
                };
                let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason });
                self.object("chat.completion.chunk", json!([choice]))
            }
            Endpoint::Completions => {
                let text = text.unwrap_or_default();
                let choice = json!({ "index": 0, "text": text, "logprobs": null, "finish_reason": reason });
                self.object("text_completion", json!([choice]))
            }
        }
    }

    /// The chunk that says how many tokens there were.
    pub(crate) fn usage(&self, usage: Usage) -> Value {
        let kind = if self.endpoint == Endpoint::Chat { "chat.completion.chunk" } else { "text_completion" };
        let mut chunk = self.object(kind, json!([]));
        chunk["usage"] = usage.value();
        chunk
    }
}
