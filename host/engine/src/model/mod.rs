//! Llama models (Touvron et al., arXiv 2302.13971): weights, forward and backward pass.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use freehold_core::digest::Digest;

use crate::config::Config;
use crate::folder::{ModelError, ModelFolder};
use crate::ops::{AttentionShape, Real, Rope};

mod backward;
mod forward;
mod weights;

pub(crate) use backward::{Gradients, LossRequest, Wanted, loss_and_gradients};
pub(crate) use forward::{Dropout, RowCache, forward_cached, logits};
pub(crate) use weights::{HEAD, Target, Weights};

/// A base model in memory. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) config: Config,
    pub(crate) weights: Weights,
    pub(crate) rope: Ropes,
    pub(crate) origin: Origin,
}

/// What a model was loaded from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) digest: Digest,
    pub(crate) tokenizer: Digest,
    pub(crate) template: Option<Digest>,
    /// Tokenizer files, to write them again unchanged.
    pub(crate) tokenizer_files: Arc<Vec<(String, Vec<u8>)>>,
}

/// The rotary table in the type that is computed with.
#[derive(Debug, Clone)]
pub(crate) enum Ropes {
    F32(Arc<Rope<f32>>),
    #[cfg_attr(not(test), allow(dead_code, reason = "gradients are checked in f64"))]
    F64(Arc<Rope<f64>>),
}

impl Ropes {
    pub(crate) fn new(config: &Config, dtype: DType) -> Self {
        fn table<T: Real>(config: &Config) -> Arc<Rope<T>> {
            Arc::new(Rope::new(config.head_width, config.rope_theta, config.max_positions))
        }
        if dtype == DType::F64 { Self::F64(table(config)) } else { Self::F32(table(config)) }
    }
}

impl Model {
    /// Loads the weights of a folder, as f32.
    ///
    /// # Errors
    /// A weights file is cut off, a tensor is missing or has another shape or type than `config.json` implies, or the
    /// tokenizer has more tokens than the model.
    pub fn load(folder: &ModelFolder) -> Result<Self, ModelError> {
        let config = folder.config().clone();
        crate::tokenizer::check_vocabulary(folder)?;
        let mut found = folder.tensors(&|name| name.starts_with("model.") || name == HEAD)?;
        let weights = Weights::build(&config, |name, shape| {
            let tensor = name.to_string();
            let Some(found) = found.remove(name) else { return Err(ModelError::MissingTensor { tensor }) };
            if found.shape != shape {
                let expected = shape.to_vec();
                return Err(ModelError::Shape { file: found.file, tensor, expected, found: found.shape });
            }
            Ok(Tensor::from_vec(found.values, shape, &Device::Cpu)?)
        })?;
        let mut tokenizer_files = Vec::new();
        for file in folder.files() {
            if crate::tokenizer::is_tokenizer_file(&file.name) {
                tokenizer_files.push((file.name.clone(), folder.read(&file.name)?));
            }
        }
        let origin = Origin {
            digest: folder.digest(),
            tokenizer: folder.tokenizer_digest(),
            template: folder.template_digest(),
            tokenizer_files: Arc::new(tokenizer_files),
        };
        Ok(Self { rope: Ropes::new(&config, DType::F32), config, weights, origin })
    }

    /// Digest of the folder that the model was loaded from.
    pub fn digest(&self) -> Digest {
        self.origin.digest
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.weights.named().iter().map(|(_, tensor)| tensor.elem_count()).sum()
    }

    /// Longest sequence in tokens.
    pub fn max_positions(&self) -> usize {
        self.config.max_positions
    }

    pub(crate) fn attention_shape(&self) -> AttentionShape {
        AttentionShape { heads: self.config.heads, key_heads: self.config.key_heads, width: self.config.head_width }
    }
}

#[cfg(test)]
pub(crate) mod tests;
