//! What recipe and base model have to do with the counts.

use freehold_core::digest::Digest;
use freehold_core::recipe::Recipe;
use freehold_engine::{ModelFolder, PackingSettings};
use serde::Serialize;

use super::VALIDATION;
use crate::WorkflowError;
use crate::statements::malformed;

/// All of recipe and base model that a validation is made from, besides the rows and what makes tokens of them. What counts
/// is handed nothing else of either, and every field is in the digest: none can have a part in the counts and not in the key
/// under which they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::run) struct CountSettings {
    /// How what is learned is packed; no example may be longer than its `max_length`.
    pub(in crate::run) packing: PackingSettings,
    /// Tokens that the model can attend to.
    pub(in crate::run) positions: usize,
    /// Tokens that an answer to a held-out row may have.
    pub(in crate::run) max_new_tokens: usize,
    /// Whether training stops by the loss of the held-out rows, so that each has to be learnable.
    pub(in crate::run) held_out_loss: bool,
}

impl CountSettings {
    /// Those of a recipe with its base model.
    pub(in crate::run) fn of(recipe: &Recipe, base: &ModelFolder) -> Self {
        let early_stopping = recipe.train.early_stopping.as_ref();
        Self {
            packing: PackingSettings::of(&recipe.train, recipe.run.seed),
            positions: base.max_positions(),
            max_new_tokens: recipe.evaluate.max_new_tokens,
            held_out_loss: early_stopping.is_some_and(|stopping| stopping.metric == "loss"),
        }
    }

    /// The longest prompt of a held-out row in tokens that leaves the model room to answer.
    pub(in crate::run) fn prompt_max(&self) -> usize {
        self.positions.saturating_sub(self.max_new_tokens)
    }

    /// The digest of all of them, as JSON.
    pub(in crate::run) fn digest(&self) -> Result<Digest, WorkflowError> {
        Ok(Digest::of(&serde_json::to_vec(self).map_err(malformed(VALIDATION))?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_setting_is_in_the_digest() {
        let packing =
            PackingSettings { epochs: 1.0, tokens_per_step: 64, tokens_at_once: 64, max_length: 64, seed: 64 };
        let settings = CountSettings { packing, positions: 64, max_new_tokens: 64, held_out_loss: false };
        let packed = |packing| CountSettings { packing, ..settings };
        let all = [
            settings,
            packed(PackingSettings { epochs: 1.5, ..packing }),
            packed(PackingSettings { tokens_per_step: 65, ..packing }),
            packed(PackingSettings { tokens_at_once: 65, ..packing }),
            packed(PackingSettings { max_length: 65, ..packing }),
            packed(PackingSettings { seed: 65, ..packing }),
            CountSettings { positions: 65, ..settings },
            CountSettings { max_new_tokens: 65, ..settings },
            CountSettings { held_out_loss: true, ..settings },
        ];
        let digests: BTreeSet<String> = all.iter().map(|settings| settings.digest().unwrap().hex()).collect();
        assert_eq!(digests.len(), all.len());
        assert_eq!(settings.digest().unwrap(), { settings }.digest().unwrap());
    }
}
