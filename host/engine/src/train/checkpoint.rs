//! The whole state of a training, so that it can go on as if it had never stopped.
//!
//! A safetensors file with the tensors `value/NAME`, `first/NAME` and `second/NAME` (the optimizer's moments) and, where a
//! best state is kept, `best/NAME`, all F32. The metadata has, as JSON under `freehold.checkpoint`, everything else. The order
//! of the data and everything random follow from the seed and the number of the step.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{Learned, TrainError};
use crate::optimizer::{AdamW, Moments};
use crate::safetensors_file::{self, Precision};
use crate::tensor::Tensor;

const METADATA: &str = "freehold.checkpoint";

/// How far a training is, besides its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// What the training is made of; a checkpoint of another one is refused.
    pub(super) key: Digest,
    /// Steps made.
    pub(super) step: usize,
    /// Tokens seen.
    pub(super) tokens: u64,
    /// Tokens among them that were learnt.
    pub(super) target_tokens: u64,
    /// The loss of every step, as bits: JSON has no number for every f32.
    pub(super) losses: Vec<u32>,
    /// The best measurement so far.
    pub(super) best: Option<Best>,
    /// Whether the training ended early.
    pub(super) stopped: bool,
}

/// A measurement that early stopping goes by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    /// The step after which it was taken.
    pub(super) step: usize,
    /// Its value.
    pub(super) value: f64,
    /// How many measurements since were no better.
    pub(super) worse: usize,
}

/// Tensors by name.
pub(super) type Values = BTreeMap<String, Vec<f32>>;

/// The bytes of a state.
pub(super) fn write(
    progress: &Progress,
    learned: &Learned,
    optimizer: &AdamW,
    best: Option<&Values>,
) -> Result<Vec<u8>, TrainError> {
    let failed = |error: serde_json::Error| TrainError::Checkpoint(error.to_string());
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    for (name, tensor) in learned.variables() {
        let mut add = |kind: &str, values: &[f32]| {
            tensors.insert(format!("{kind}/{name}"), Tensor::of(values.to_vec(), tensor.shape()));
        };
        add("value", &tensor.vector::<f32>());
        if let Some(moments) = optimizer.moments.get(&name) {
            add("first", &moments.first);
            add("second", &moments.second);
        }
        if let Some(values) = best.and_then(|best| best.get(&name)) {
            add("best", values);
        }
    }
    let tensors = tensors.iter().map(|(name, tensor)| (name.clone(), tensor)).collect();
    let metadata = BTreeMap::from([(METADATA, serde_json::to_string(progress).map_err(failed)?)]);
    safetensors_file::write(&tensors, &metadata, Precision::F32).map_err(failed)
}

/// A state that was read.
pub(super) struct State {
    pub(super) progress: Progress,
    pub(super) best: Option<Values>,
}

/// Reads a state into what is trained and its optimizer.
pub(super) fn read(
    bytes: &[u8],
    key: &Digest,
    learned: &mut Learned,
    optimizer: &mut AdamW,
) -> Result<State, TrainError> {
    let damaged = |error: String| TrainError::Checkpoint(error);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
    let text = text.ok_or_else(|| damaged(format!("it has no `{METADATA}`")))?;
    let progress: Progress = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if progress.key != *key {
        return Err(damaged("it belongs to a training of other data, settings, base model or version".into()));
    }
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let values = |kind: &str, name: &str, count: usize| {
        let view = file.tensor(&format!("{kind}/{name}")).map_err(|error| damaged(error.to_string()))?;
        let values = crate::folder::to_f32(view.dtype(), view.data());
        match values.filter(|values| view.dtype() == Dtype::F32 && values.len() == count) {
            Some(values) => Ok(values),
            None => Err(damaged(format!("`{kind}/{name}` has another type or size"))),
        }
    };
    let mut best = progress.best.map(|_| Values::new());
    for (name, tensor) in learned.variables_mut() {
        let count = tensor.len();
        tensor.change().copy_from_slice(&values("value", &name, count)?);
        let moments = Moments { first: values("first", &name, count)?, second: values("second", &name, count)? };
        if let Some(best) = &mut best {
            best.insert(name.clone(), values("best", &name, count)?);
        }
        optimizer.moments.insert(name, moments);
    }
    optimizer.step = u32::try_from(progress.step).map_err(|_| damaged("its step is too large".into()))?;
    Ok(State { progress, best })
}
