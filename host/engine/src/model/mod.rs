//! A base model: weights, forward and backward pass.

use std::sync::Arc;

use freehold_core::digest::Digest;

use crate::config::Config;
use crate::folder::{ModelError, ModelFolder};
use crate::ops::{AttentionShape, Rope};

mod backward;
mod forward;
mod groups;
mod linear;
mod session;
mod together;
mod weights;

pub(crate) use backward::{Gradients, LossRequest, Trained, loss_and_gradients};
pub(crate) use forward::{Network, Packing};
pub(crate) use groups::Added;
pub(crate) use linear::Dropout;
pub(crate) use session::{Row, hidden, last_logits, logits, loss};
pub(crate) use together::{Part, advance};
pub(crate) use weights::{HEAD, Layer, Linear, Target, Weights};

/// A base model, its weights mapped from their files. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) config: Arc<Config>,
    pub(crate) weights: Weights,
    pub(crate) rope: Arc<Rope<f32>>,
    pub(crate) origin: Origin,
}

/// What a model was loaded from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) digest: Digest,
    pub(crate) tokenizer: Digest,
    pub(crate) template: Option<Digest>,
    /// Files besides the weights, to write them again unchanged.
    pub(crate) files: Arc<Vec<(String, Vec<u8>)>>,
}

impl Model {
    /// Maps the weights of a folder.
    ///
    /// # Errors
    /// A weights file is cut off; a tensor is missing, belongs to nothing, has another shape or type than `config.json`
    /// implies, or has values that are not finite; the tokenizer has more tokens than the model.
    pub fn load(folder: &ModelFolder) -> Result<Self, ModelError> {
        let config = folder.config().clone();
        crate::tokenizer::check_vocabulary(folder)?;
        let weights = crate::folder::weights(folder, &config)?;
        let mut files = Vec::new();
        for file in folder.files() {
            if !folder.is_weights(&file.name) {
                files.push((file.name.clone(), folder.read(&file.name)?));
            }
        }
        let origin = Origin {
            digest: folder.digest(),
            tokenizer: folder.tokenizer_digest(),
            template: folder.template_digest(),
            files: Arc::new(files),
        };
        Ok(Self::of(config, weights, origin))
    }

    pub(crate) fn of(config: Config, weights: Weights, origin: Origin) -> Self {
        let rope = Arc::new(Rope::new(&config.rotary, config.head_width));
        Self { config: Arc::new(config), weights, rope, origin }
    }

    /// Digest of the folder that the model was loaded from.
    pub fn digest(&self) -> Digest {
        self.origin.digest
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.weights.named().iter().map(|(_, tensor)| tensor.len()).sum()
    }

    /// Bytes of the weights, as they lie in their files.
    pub fn bytes(&self) -> usize {
        self.weights.named().iter().map(|(_, tensor)| tensor.bytes()).sum()
    }

    /// Tokens that the model has.
    pub fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    /// Longest sequence in tokens.
    pub fn max_positions(&self) -> usize {
        self.config.max_positions
    }

    /// Bytes that the past of a row takes for each of its tokens while it is generated: keys and values of all layers. Memory
    /// is taken in advance, so that it may be an eighth more, and a panel of 32 tokens.
    pub fn past_bytes_per_token(&self) -> usize {
        let Config { layers, key_heads, head_width, .. } = *self.config;
        layers * 2 * key_heads * head_width * size_of::<f32>()
    }

    pub(crate) fn attention_shape(&self) -> AttentionShape {
        AttentionShape { heads: self.config.heads, key_heads: self.config.key_heads, width: self.config.head_width }
    }
}

#[cfg(test)]
pub(crate) mod tests;
