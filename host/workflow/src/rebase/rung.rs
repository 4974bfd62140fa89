//! The rungs, and the recipe of each.

use freehold_core::digest::Digest;
use freehold_core::recipe::{Method, Recipe, StartSettings};
use schemars::JsonSchema;
use serde::Serialize;

/// What was learned is lost again at the rate at which it was learned from nothing.
const WARM_RATE: f64 = 1.0 / 3.0;

/// A way to a new base model, from the cheapest to the dearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// The same update on the new weights, without training (PortLLM, arXiv 2410.10870).
    Reapply,
    /// The same update, trained further on a part of the data.
    Warm,
    /// The update moved to weights of other shapes, trained further on a part of the data (LoRASuite, arXiv 2505.13515).
    Transfer,
    /// Training anew.
    Retrain,
}

impl Rung {
    /// The rungs for a new base model of the same shapes, or of others.
    pub(super) fn ladder(same_shapes: bool, method: Method) -> Vec<Self> {
        match (same_shapes, method) {
            (true, _) => vec![Self::Reapply, Self::Warm, Self::Retrain],
            // The tensors of a whole model fit no other shapes.
            (false, Method::Full) => vec![Self::Retrain],
            (false, _) => vec![Self::Transfer, Self::Retrain],
        }
    }

    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reapply => "reapply",
            Self::Warm => "warm start",
            Self::Transfer => "transfer",
            Self::Retrain => "retrain",
        }
    }

    /// The recipe of this rung. `target` is the recipe with the new base, `replay` the part of its epochs that a short training
    /// takes.
    pub(super) fn recipe(self, target: &Recipe, adapter: &Digest, replay: f64) -> Recipe {
        let mut recipe = target.clone();
        if self != Self::Retrain {
            recipe.start = Some(StartSettings { adapter: adapter.to_string() });
        }
        match self {
            Self::Reapply => {
                recipe.train.epochs = 0.0;
                // Nothing is trained that could get better.
                recipe.train.early_stopping = None;
            }
            Self::Warm | Self::Transfer => {
                recipe.train.epochs *= replay;
                if self == Self::Warm {
                    recipe.train.learning_rate *= WARM_RATE;
                }
                recipe.train.warmup_steps = (recipe.train.warmup_steps as f64 * replay).ceil() as usize;
            }
            Self::Retrain => {}
        }
        recipe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ladder_ends_with_training_anew() {
        for same in [true, false] {
            for method in [Method::Lora, Method::Rslora, Method::Dora, Method::Full] {
                let ladder = Rung::ladder(same, method);
                assert_eq!(ladder.last(), Some(&Rung::Retrain));
                assert_eq!(ladder.contains(&Rung::Reapply), same);
                assert_eq!(ladder.contains(&Rung::Transfer), !same && method != Method::Full);
            }
        }
    }
}
