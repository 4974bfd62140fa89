//! The families of models: what `config.json` of each says in terms of the shared layers.

use serde::Deserialize;

use crate::config::{Biases, Raw};
use crate::folder::ModelError;

mod llama;
mod mistral;
mod qwen2;
mod qwen3;

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Family {
    #[serde(rename = "LlamaForCausalLM")]
    Llama,
    #[serde(rename = "MistralForCausalLM")]
    Mistral,
    #[serde(rename = "Qwen2ForCausalLM")]
    Qwen2,
    #[serde(rename = "Qwen3ForCausalLM")]
    Qwen3,
}

/// What is a family's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traits {
    pub(crate) biases: Biases,
    /// Whether queries and keys are normalised head by head.
    pub(crate) head_norm: bool,
    /// For each layer, how many tokens a token attends to: itself and those before it.
    pub(crate) windows: Vec<Option<usize>>,
    /// Width of a head where `head_dim` is not given.
    pub(crate) head_width: usize,
}

impl Family {
    /// Every family.
    pub(crate) const ALL: [Self; 4] = [Self::Llama, Self::Mistral, Self::Qwen2, Self::Qwen3];

    /// The name in `architectures` of `config.json`.
    pub(crate) fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }

    pub(crate) fn traits(self, raw: &Raw) -> Result<Traits, ModelError> {
        match self {
            Self::Llama => Ok(llama::traits(raw)),
            Self::Mistral => Ok(mistral::traits(raw)),
            Self::Qwen2 => qwen2::traits(raw),
            Self::Qwen3 => qwen3::traits(raw),
        }
    }
}
