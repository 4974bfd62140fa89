//! Whole models as Hugging Face folders: those that were trained, and those that an adapter was merged into.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::adapter::Adapter;
use crate::config::CONFIG_FILE;
use crate::folder::{INDEX_FILE, ModelError, WEIGHTS_FILE, weights_of};
use crate::mapped::Mapped;
use crate::model::{Model, Target};
use crate::safetensors_file::{self, Precision};
use crate::tensor::Tensor;

/// In what type weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightType {
    /// Each tensor as the base model has it.
    #[default]
    Base,
    /// As they were computed.
    F32,
}

/// A model cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The adapter is for another model.
    #[error("the adapter belongs to base model {found}, not to {expected}")]
    OtherBase {
        /// The model.
        expected: freehold_core::digest::Digest,
        /// The adapter's.
        found: freehold_core::digest::Digest,
    },
    /// A merged weight is beyond what its type can hold.
    #[error("tensor `{0}` is not finite once it is merged; write the model with type float32")]
    NotFinite(String),
    /// A file cannot be written as JSON.
    #[error("a file of the model cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Files of a model, name and bytes.
pub type ModelFiles = Vec<(String, Vec<u8>)>;

impl Model {
    /// This model as a folder: its weights, and everything else as it came.
    ///
    /// # Errors
    /// A file cannot be written as JSON.
    pub fn to_files(&self, kind: WeightType) -> Result<ModelFiles, ExportError> {
        let tensors: BTreeMap<String, &Tensor> = self.weights.named().into_iter().collect();
        let metadata = BTreeMap::from([("format", "pt".to_string())]);
        let precision = match kind {
            WeightType::Base => Precision::Stored,
            WeightType::F32 => Precision::F32,
        };
        let mut files = vec![(WEIGHTS_FILE.into(), safetensors_file::write(&tensors, &metadata, precision)?)];
        for (name, bytes) in self.origin.files.iter() {
            match name.as_str() {
                INDEX_FILE => (),
                CONFIG_FILE if kind == WeightType::F32 => files.push((name.clone(), as_f32(bytes)?)),
                _ => files.push((name.clone(), bytes.clone())),
            }
        }
        files.sort();
        Ok(files)
    }

    /// The model that this one became: the same configuration and tokenizer with other weights, those of a file that
    /// [`Model::to_files`] wrote.
    ///
    /// # Errors
    /// The file is damaged or does not fit.
    pub fn with_weights(&self, file: Vec<u8>) -> Result<Self, ModelError> {
        let mapped = Arc::new(Mapped::of(file));
        let weights = weights_of(&self.config, &[(WEIGHTS_FILE.to_string(), mapped)])?;
        Ok(Self { weights, ..self.clone() })
    }

    /// The model with an adapter's update in its weights, each tensor rounded to the type that it had.
    ///
    /// # Errors
    /// The adapter belongs to another model, or a weight becomes too large for its type.
    pub fn merged(&self, adapter: &Adapter, kind: WeightType) -> Result<Self, ExportError> {
        if adapter.base() != self.digest() {
            return Err(ExportError::OtherBase { expected: self.digest(), found: adapter.base() });
        }
        let mut merged = self.clone();
        for (index, layer) in merged.weights.layers.iter_mut().enumerate() {
            for target in Target::ALL {
                let Some(pair) = adapter.update.pair(index, target) else { continue };
                let linear = &mut layer.linear[target as usize];
                let values = adapter.update.merged(pair, linear);
                linear.weight = match kind {
                    WeightType::Base => Tensor::stored_as(&values, &linear.weight),
                    WeightType::F32 => Tensor::of(values, linear.weight.shape()),
                };
                if !linear.weight.is_finite() {
                    return Err(ExportError::NotFinite(format!("{}.weight", target.path(index))));
                }
            }
        }
        Ok(merged)
    }
}

/// The configuration of a model whose weights are f32.
fn as_f32(config: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(config)?;
    for key in ["dtype", "torch_dtype"] {
        if let Some(kind) = value.get_mut(key) {
            *kind = "float32".into();
        }
    }
    let mut bytes = serde_json::to_vec_pretty(&value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
