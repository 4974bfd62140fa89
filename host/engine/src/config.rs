//! `config.json` of a Llama model, in the old and the new spelling of transformers.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::folder::ModelError;

/// The file this module reads.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// Shape and constants of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) key_heads: usize,
    pub(crate) head_width: usize,
    pub(crate) vocab_size: usize,
    /// Longest sequence in tokens.
    pub(crate) max_positions: usize,
    pub(crate) norm_eps: f64,
    pub(crate) rope_theta: f64,
    pub(crate) tied_head: bool,
    /// Tokens that end an answer.
    pub(crate) end_ids: Vec<u32>,
}

/// The keys that are read; others are left alone, for the folder stays as it is.
#[derive(Deserialize)]
struct Raw {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<Map<String, Value>>,
    rope_parameters: Option<Map<String, Value>>,
    #[serde(default)]
    tie_word_embeddings: bool,
    eos_token_id: Option<EndIds>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    hidden_act: Option<String>,
}

/// One token or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum EndIds {
    One(u32),
    Many(Vec<u32>),
}

impl From<EndIds> for Vec<u32> {
    fn from(ids: EndIds) -> Self {
        match ids {
            EndIds::One(id) => vec![id],
            EndIds::Many(ids) => ids,
        }
    }
}

fn default_positions() -> usize {
    2048
}

fn default_eps() -> f64 {
    1e-6
}

fn unsupported(key: &'static str, found: impl ToString, supported: &'static str) -> ModelError {
    ModelError::Unsupported { file: CONFIG_FILE, key, found: found.to_string(), supported }
}

impl Config {
    /// Reads the bytes of `config.json`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let json = |source| ModelError::Json { file: CONFIG_FILE.into(), source };
        let value: Value = serde_json::from_slice(bytes).map_err(json)?;
        let architectures = value.get("architectures").and_then(Value::as_array);
        let named: Vec<&str> = architectures.into_iter().flatten().filter_map(Value::as_str).collect();
        if named != ["LlamaForCausalLM"] {
            return Err(unsupported("architectures", format!("{named:?}"), "[\"LlamaForCausalLM\"]"));
        }
        let raw: Raw = serde_json::from_value(value).map_err(json)?;
        let rope_theta = rope_theta(&raw)?;
        if raw.attention_bias {
            return Err(unsupported("attention_bias", true, "false"));
        }
        if raw.mlp_bias {
            return Err(unsupported("mlp_bias", true, "false"));
        }
        if let Some(act) = raw.hidden_act.as_deref().filter(|act| *act != "silu") {
            return Err(unsupported("hidden_act", act, "\"silu\""));
        }
        let config = Self {
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            key_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_width: raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1)),
            vocab_size: raw.vocab_size,
            max_positions: raw.max_position_embeddings,
            norm_eps: raw.rms_norm_eps,
            rope_theta,
            tied_head: raw.tie_word_embeddings,
            end_ids: raw.eos_token_id.map(Vec::from).unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }

    /// Refuses shapes that cannot be a model, or that no machine could hold.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        let sizes = [
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("num_hidden_layers", self.layers, 1 << 10),
            ("num_attention_heads", self.heads, 1 << 10),
            ("num_key_value_heads", self.key_heads, 1 << 10),
            ("head_dim", self.head_width, 1 << 10),
            ("vocab_size", self.vocab_size, 1 << 21),
            ("max_position_embeddings", self.max_positions, 1 << 20),
        ];
        for (key, size, limit) in sizes {
            if size == 0 || size > limit {
                return Err(unsupported(key, size, "a size from 1 to what a machine can hold"));
            }
        }
        if !self.heads.is_multiple_of(self.key_heads) {
            return Err(unsupported("num_key_value_heads", self.key_heads, "a divisor of num_attention_heads"));
        }
        if !self.head_width.is_multiple_of(2) {
            return Err(unsupported("head_dim", self.head_width, "an even size"));
        }
        let sane = |x: f64| x.is_finite() && x > 0.0;
        if !sane(self.rope_theta) {
            return Err(unsupported("rope_theta", self.rope_theta, "a positive number"));
        }
        if !sane(self.norm_eps) {
            return Err(unsupported("rms_norm_eps", self.norm_eps, "a positive number"));
        }
        Ok(())
    }
}

/// The base of the rotary embedding, from whichever spelling is there.
fn rope_theta(raw: &Raw) -> Result<f64, ModelError> {
    for (key, table) in [("rope_scaling", &raw.rope_scaling), ("rope_parameters", &raw.rope_parameters)] {
        let Some(table) = table else { continue };
        let kind = table.get("rope_type").or_else(|| table.get("type")).and_then(Value::as_str).unwrap_or("default");
        if kind != "default" {
            return Err(unsupported(key, kind, "rope_type \"default\""));
        }
    }
    let newer = raw.rope_parameters.as_ref().and_then(|table| table.get("rope_theta")).and_then(Value::as_f64);
    Ok(newer.or(raw.rope_theta).unwrap_or(10_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn base() -> Value {
        json!({"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 160,
            "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 300, "eos_token_id": 1})
    }

    fn parse(change: Value) -> Result<Config, ModelError> {
        let mut value = base();
        for (key, change) in change.as_object().unwrap() {
            value[key] = change.clone();
        }
        Config::parse(value.to_string().as_bytes())
    }

    #[test]
    fn both_spellings_of_the_rope_are_read() {
        let old = parse(json!({"rope_theta": 5000.0, "rope_scaling": null})).unwrap();
        let new = parse(json!({"rope_parameters": {"rope_theta": 5000.0, "rope_type": "default"}})).unwrap();
        assert_eq!(old, new);
        assert_eq!((old.rope_theta, old.key_heads, old.head_width, old.end_ids), (5000.0, 4, 16, vec![1]));
        assert_eq!(parse(json!({})).unwrap().rope_theta, 10_000.0);
    }

    #[test]
    fn optional_keys_are_read() {
        let config = parse(json!({"head_dim": 32, "num_key_value_heads": 2, "eos_token_id": [1, 7]})).unwrap();
        assert_eq!((config.head_width, config.key_heads, config.end_ids), (32, 2, vec![1, 7]));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (key, change) in [
            ("architectures", json!({"architectures": ["GptForCausalLM"]})),
            ("attention_bias", json!({"attention_bias": true})),
            ("mlp_bias", json!({"mlp_bias": true})),
            ("hidden_act", json!({"hidden_act": "gelu"})),
            ("rope_scaling", json!({"rope_scaling": {"type": "linear", "factor": 2.0}})),
            ("rope_parameters", json!({"rope_parameters": {"rope_type": "llama3"}})),
            ("num_key_value_heads", json!({"num_key_value_heads": 3})),
            ("num_attention_heads", json!({"num_attention_heads": 0})),
            ("head_dim", json!({"head_dim": 5})),
            ("vocab_size", json!({"vocab_size": 1_u64 << 40})),
        ] {
            let error = parse(change).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
        assert!(parse(json!({"hidden_size": null})).is_err());
    }
}
