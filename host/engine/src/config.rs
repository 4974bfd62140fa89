//! `config.json` of a model, in the old and the new spelling of transformers.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::family::Family;
use crate::folder::ModelError;
use crate::rotary::Rotary;

/// The file this module reads.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// Shape and constants of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) family: Family,
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
    pub(crate) rotary: Rotary,
    pub(crate) tied_head: bool,
    pub(crate) biases: Biases,
    /// Whether queries and keys are normalised head by head.
    pub(crate) head_norm: bool,
    /// For each layer, how many tokens a token attends to, with itself; all before it if none.
    pub(crate) windows: Vec<Option<usize>>,
    /// Tokens that end an answer.
    pub(crate) end_ids: Vec<u32>,
}

/// Which linear layers have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Biases {
    pub(crate) qkv: bool,
    pub(crate) output: bool,
    pub(crate) feed: bool,
}

/// The keys that are read; others are left alone, for the folder stays as it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Raw {
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) num_key_value_heads: Option<usize>,
    pub(crate) head_dim: Option<usize>,
    pub(crate) vocab_size: usize,
    #[serde(default = "default_positions")]
    pub(crate) max_position_embeddings: usize,
    #[serde(default = "default_eps")]
    pub(crate) rms_norm_eps: f64,
    pub(crate) rope_theta: Option<f64>,
    pub(crate) rope_scaling: Option<Map<String, Value>>,
    pub(crate) rope_parameters: Option<Map<String, Value>>,
    pub(crate) partial_rotary_factor: Option<f64>,
    pub(crate) tie_word_embeddings: Option<bool>,
    pub(crate) eos_token_id: Option<EndIds>,
    pub(crate) attention_bias: Option<bool>,
    pub(crate) mlp_bias: Option<bool>,
    pub(crate) hidden_act: Option<String>,
    pub(crate) sliding_window: Option<usize>,
    #[serde(default)]
    pub(crate) use_sliding_window: bool,
    pub(crate) max_window_layers: Option<usize>,
    pub(crate) layer_types: Option<Vec<String>>,
}

impl Raw {
    /// The width of a head if the heads share the hidden size.
    pub(crate) fn even_share(&self) -> usize {
        self.hidden_size / self.num_attention_heads.max(1)
    }
}

/// One token or several.
#[derive(Debug, Clone, Deserialize)]
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

pub(crate) fn unsupported(key: &'static str, found: impl ToString, supported: &'static str) -> ModelError {
    ModelError::Unsupported { file: CONFIG_FILE, key, found: found.to_string(), supported }
}

impl Config {
    /// Reads the bytes of `config.json`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let json = |source| ModelError::Json { file: CONFIG_FILE.into(), source };
        let value: Value = serde_json::from_slice(bytes).map_err(json)?;
        let family = family(&value)?;
        if value.get("quantization_config").is_some_and(|quantization| !quantization.is_null()) {
            return Err(unsupported("quantization_config", "there", "weights in F32, F16 or BF16, without it"));
        }
        let raw: Raw = serde_json::from_value(value).map_err(json)?;
        if raw.num_hidden_layers > LAYERS_MAX {
            return Err(unsupported("num_hidden_layers", raw.num_hidden_layers, SIZE));
        }
        if let Some(act) = raw.hidden_act.as_deref().filter(|act| !["silu", "swish"].contains(act)) {
            return Err(unsupported("hidden_act", act, "\"silu\""));
        }
        let traits = family.traits(&raw)?;
        let config = Self {
            family,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            key_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_width: raw.head_dim.unwrap_or(traits.head_width),
            vocab_size: raw.vocab_size,
            max_positions: raw.max_position_embeddings,
            norm_eps: raw.rms_norm_eps,
            rotary: Rotary::parse(&raw)?,
            tied_head: raw.tie_word_embeddings.unwrap_or(false),
            biases: traits.biases,
            head_norm: traits.head_norm,
            windows: traits.windows,
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
            ("num_hidden_layers", self.layers, LAYERS_MAX),
            ("num_attention_heads", self.heads, 1 << 10),
            ("num_key_value_heads", self.key_heads, 1 << 10),
            ("head_dim", self.head_width, 1 << 10),
            ("vocab_size", self.vocab_size, 1 << 21),
            ("max_position_embeddings", self.max_positions, 1 << 24),
        ];
        for (key, size, limit) in sizes {
            if size == 0 || size > limit {
                return Err(unsupported(key, size, SIZE));
            }
        }
        if !self.heads.is_multiple_of(self.key_heads) {
            return Err(unsupported("num_key_value_heads", self.key_heads, "a divisor of num_attention_heads"));
        }
        if !self.head_width.is_multiple_of(2) {
            return Err(unsupported("head_dim", self.head_width, "an even size"));
        }
        if self.windows.contains(&Some(0)) {
            return Err(unsupported("sliding_window", 0, "null or a positive size"));
        }
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0) {
            return Err(unsupported("rms_norm_eps", self.norm_eps, "a positive number"));
        }
        Ok(())
    }
}

const LAYERS_MAX: usize = 1 << 10;
const SIZE: &str = "a size from 1 to what a machine can hold";

/// The family that `architectures` names.
fn family(value: &Value) -> Result<Family, ModelError> {
    let architectures = value.get("architectures").and_then(Value::as_array);
    let named: Vec<&str> = architectures.into_iter().flatten().filter_map(Value::as_str).collect();
    let known = Family::ALL.into_iter().find(|family| named == [family.architecture()]);
    known.ok_or_else(|| {
        unsupported(
            "architectures",
            format!("{named:?}"),
            "one of LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM",
        )
    })
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
        assert_eq!((old.rotary.theta, old.key_heads, old.head_width, old.end_ids), (5000.0, 4, 16, vec![1]));
        assert_eq!(parse(json!({})).unwrap().rotary.theta, 10_000.0);
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
            ("hidden_act", json!({"hidden_act": "gelu"})),
            ("quantization_config", json!({"quantization_config": {"bits": 4}})),
            ("rope_scaling", json!({"rope_scaling": {"type": "longrope", "factor": 2.0}})),
            ("rope_scaling", json!({"rope_scaling": {"type": "linear", "factor": "2"}})),
            ("rope_theta", json!({"rope_theta": -1.0})),
            ("partial_rotary_factor", json!({"partial_rotary_factor": 0.5})),
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

    #[test]
    fn families_have_their_own() {
        let qwen = |change: Value| {
            let mut value = json!({"architectures": ["Qwen2ForCausalLM"], "num_hidden_layers": 3, "sliding_window": 8});
            value.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            parse(value)
        };
        let plain = qwen(json!({})).unwrap();
        assert_eq!((plain.biases.qkv, plain.biases.output, plain.windows), (true, false, vec![None; 3]));
        let some = qwen(json!({"use_sliding_window": true, "max_window_layers": 1})).unwrap();
        assert_eq!(some.windows, [None, Some(8), Some(8)]);
        let types = ["sliding_attention", "full_attention", "full_attention"];
        let listed = qwen(json!({"use_sliding_window": true, "layer_types": types})).unwrap();
        assert_eq!(listed.windows, [Some(8), None, None]);
        assert!(qwen(json!({"layer_types": ["full_attention"]})).is_err());
        let mistral = parse(json!({"architectures": ["MistralForCausalLM"], "sliding_window": 5})).unwrap();
        assert_eq!(mistral.windows, [Some(5); 2]);
        let third = parse(json!({"architectures": ["Qwen3ForCausalLM"]})).unwrap();
        assert_eq!((third.head_norm, third.head_width, third.biases), (true, 128, Biases::default()));
        assert!(parse(json!({"attention_bias": true})).unwrap().biases.output);
    }
}
