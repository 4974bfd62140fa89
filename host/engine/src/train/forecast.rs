//! What a training will take, before it is begun: memory from the shapes, time from a few passes that are really made.
//!
//! Neither is evidence: time depends on the machine, and on what else it does.

use serde::Serialize;

use super::packing::{Packing, PackingSettings};
use super::{Course, TrainError, Training};

mod memory;
mod operations;
mod pace;

/// What a training will take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Forecast {
    /// Values that are trained.
    pub parameters: usize,
    /// Values of the model.
    pub model_parameters: usize,
    /// Memory.
    pub memory: MemoryForecast,
    /// Time.
    pub time: TimeForecast,
}

/// Bytes that a training holds when it holds most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MemoryForecast {
    /// The weights of the base model, mapped from their files: the system can drop them and read them again.
    pub weights: u64,
    /// What is trained.
    pub trained: u64,
    /// Its gradients.
    pub gradients: u64,
    /// The moments of the optimizer.
    pub optimizer: u64,
    /// What the backward pass needs of the forward pass.
    pub activations: u64,
    /// What a block, the head and its logits need while they are computed.
    pub buffers: u64,
    /// A checkpoint while it is written.
    pub checkpoint: u64,
    /// Whether activations are computed again instead of kept.
    pub recomputed: bool,
    /// What answering the held-out rows takes, when the training is over and most of the above is free again.
    pub answering: u64,
}

/// What is answered when a training is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeldOut {
    /// Rows.
    pub rows: usize,
    /// Tokens of a row, prompt and answer: of most no more than this.
    pub tokens: usize,
}

impl MemoryForecast {
    /// All that is held while the training is under way.
    pub fn training(&self) -> u64 {
        let Self { weights, trained, gradients, optimizer, activations, buffers, checkpoint, .. } = *self;
        // A checkpoint is written between two steps, in which activations and buffers wait to be used again.
        weights + trained + gradients + optimizer + activations + buffers + checkpoint
    }
}

/// Seconds that the steps take, if the machine stays as fast as it was in a few passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TimeForecast {
    /// Seconds of all steps. What is measured for early stopping, and answering the held-out rows, come on top.
    pub seconds: f64,
    /// Tokens a second, counted as a training counts them.
    pub tokens_per_s: f64,
    /// Floating-point operations of all steps, in products of matrices.
    pub operations: f64,
    /// Operations a second in the passes.
    pub operations_per_s: f64,
    /// Tokens of the passes that were timed.
    pub timed_tokens: usize,
    /// Seconds that these took.
    pub timed_seconds: f64,
}

/// Says what a training will take. It makes a few passes over a part of its first step, and changes nothing.
///
/// # Errors
/// As [`crate::train`], before its first step.
pub fn forecast(training: Training<'_>, held_out: HeldOut) -> Result<Forecast, TrainError> {
    let course = Course::new(training, None)?;
    let packing = Packing::of(training.examples, PackingSettings::of(training.train, training.seed));
    let learned = training.first()?;
    let parameters = learned.variables().iter().map(|(_, tensor)| tensor.len()).sum();
    let memory = MemoryForecast {
        answering: memory::answering(&training.model.config, held_out),
        ..memory::of(&training, &packing, parameters)
    };
    let time = pace::of(course, learned, &packing);
    Ok(Forecast { parameters, model_parameters: training.model.parameters(), memory, time })
}
