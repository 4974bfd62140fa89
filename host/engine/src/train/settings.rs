//! What is checked before the first step, and what follows from the settings.

use freehold_core::recipe::{ActivationCheckpointing, TrainSettings};

use super::{TrainError, packing};
use crate::batch::Size;
use crate::example::Example;
use crate::model::Model;

/// Bytes of activations above which they are computed again, where that is left to the engine.
const ACTIVATION_BYTES: usize = 2 << 30;

/// Whether the activations of so many tokens are computed again.
pub(super) fn recompute(train: &TrainSettings, model: &Model, tokens: usize) -> bool {
    match train.activation_checkpointing {
        ActivationCheckpointing::Always => true,
        ActivationCheckpointing::Never => false,
        ActivationCheckpointing::Auto => activation_bytes(model, tokens) > ACTIVATION_BYTES,
    }
}

/// Memory that the activations of all blocks take if they are kept.
fn activation_bytes(model: &Model, tokens: usize) -> usize {
    let config = &model.config;
    let heads = (2 * config.heads + 2 * config.key_heads) * config.head_width;
    (2 * config.hidden_size + heads + 2 * config.intermediate_size) * tokens * config.layers * size_of::<f32>()
}

/// What is `started` from something may stay as it is: `epochs = 0`.
pub(super) fn check_settings(train: &TrainSettings, model: &Model, started: bool) -> Result<(), TrainError> {
    let finite = |key, value: f64, ok: bool, expected| {
        if value.is_finite() && ok {
            Ok(())
        } else {
            Err(TrainError::Setting { key, found: value.to_string(), expected })
        }
    };
    let some = train.epochs > 0.0 || started && train.epochs == 0.0;
    finite("epochs", train.epochs, some && train.epochs <= 1e4, "above 0 and at most 10000")?;
    finite("learning_rate", train.learning_rate, train.learning_rate > 0.0, "a positive number")?;
    finite("weight_decay", train.weight_decay, train.weight_decay >= 0.0, "0 or a positive number")?;
    finite("clip_norm", train.clip_norm, train.clip_norm >= 0.0, "0 (no limit) or a positive number")?;
    finite("tokens_at_once", train.tokens_at_once as f64, train.tokens_at_once > 0, "a positive number")?;
    finite("tokens_per_step", train.tokens_per_step as f64, train.tokens_per_step > 0, "a positive number")?;
    if train.max_length > model.config.max_positions {
        return Err(TrainError::TooManyPositions {
            max_length: train.max_length,
            positions: model.config.max_positions,
        });
    }
    Ok(())
}

/// The tokens of each example, zero for those without a target.
pub(super) fn check_examples(
    examples: &[Example],
    train: &TrainSettings,
    model: &Model,
) -> Result<Vec<usize>, TrainError> {
    let mut lengths = Vec::with_capacity(examples.len());
    for (index, example) in examples.iter().enumerate() {
        let length = example.ids.len();
        if length != example.mask.len() {
            return Err(TrainError::Example { index, reason: "its mask is not as long as its tokens" });
        }
        if length > train.max_length {
            return Err(TrainError::TooLong { index, length, max_length: train.max_length });
        }
        if example.ids.iter().any(|&id| id as usize >= model.config.vocab_size) {
            return Err(TrainError::Example { index, reason: "it has a token that the model does not have" });
        }
        lengths.push(packing::length(Size::of(example)));
    }
    if lengths.iter().all(|&length| length == 0) {
        return Err(TrainError::NothingToLearn { examples: examples.len() });
    }
    Ok(lengths)
}
