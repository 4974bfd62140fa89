//! How a training packs its examples, counted before it begins.

use freehold_core::recipe::TrainSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::batch::{self, Size};
use crate::example::Example;

/// What of a recipe has a part in how examples are packed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PackingSettings {
    /// How often the data is seen.
    pub epochs: f64,
    /// Tokens of a step of the optimizer.
    pub tokens_per_step: usize,
    /// Tokens that are computed at once.
    pub tokens_at_once: usize,
    /// Longest example in tokens.
    pub max_length: usize,
    /// What the order of the examples follows from.
    pub seed: u64,
}

impl PackingSettings {
    /// Those among the settings of a training.
    pub fn of(train: &TrainSettings, seed: u64) -> Self {
        let TrainSettings { epochs, tokens_per_step, tokens_at_once, max_length, .. } = *train;
        Self { epochs, tokens_per_step, tokens_at_once, max_length, seed }
    }
}

/// The steps of a whole training. It depends on examples and settings alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Packing {
    /// How often the data is seen.
    pub epochs: f64,
    /// Steps of the optimizer.
    pub steps: usize,
    /// Tokens that a step has at most, unless one example has more.
    pub tokens_per_step: usize,
    /// What is computed at once: examples behind one another, of which none sees another.
    pub sequences: usize,
    /// Tokens that are computed of the longest of them.
    pub longest_sequence: usize,
    /// Tokens that are learned of the one of which most are.
    pub longest_targets: usize,
    /// Tokens of the examples that are seen, each time that they are.
    pub tokens: u64,
    /// Those among them that are computed: what follows the last that is learned is left out.
    pub computed: u64,
    /// Those that are learned.
    pub learned: u64,
    /// What would be computed if the examples of a sequence were padded to the longest of them.
    pub padded_to_longest: u64,
    /// What would be computed if every example were padded to `max_length`.
    pub padded_to_max: u64,
}

/// Tokens of an example as the plan counts them: none of those of which nothing is learned, which is left out.
pub(super) fn length(size: Size) -> usize {
    if size.targets > 0 { size.tokens } else { 0 }
}

impl Packing {
    /// Counts what [`crate::train`] would do, without a model.
    pub fn of(examples: &[Example], settings: PackingSettings) -> Self {
        let PackingSettings { epochs, tokens_per_step, tokens_at_once, max_length, seed } = settings;
        let sizes: Vec<Size> = examples.iter().map(Size::of).collect();
        let lengths: Vec<usize> = sizes.iter().map(|size| length(*size)).collect();
        let steps = batch::plan(&lengths, epochs, tokens_per_step, seed);
        let mut packing = Self { epochs, steps: steps.len(), tokens_per_step, ..Self::default() };
        for step in &steps {
            for group in batch::group(step, tokens_at_once, |index| sizes[index]) {
                packing.add(step[group].iter().map(|&index| sizes[index]), max_length);
            }
        }
        packing
    }

    fn add(&mut self, sequence: impl Iterator<Item = Size>, max_length: usize) {
        let (mut examples, mut rows, mut targets, mut longest) = (0, 0, 0, 0);
        for size in sequence {
            examples += 1;
            rows += size.rows;
            targets += size.targets;
            longest = longest.max(size.tokens);
            self.tokens += size.tokens as u64;
            self.computed += size.rows as u64;
            self.learned += size.targets as u64;
        }
        self.sequences += 1;
        self.longest_sequence = self.longest_sequence.max(rows);
        self.longest_targets = self.longest_targets.max(targets);
        self.padded_to_longest += (examples * longest) as u64;
        self.padded_to_max += (examples * max_length) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(tokens: usize, learned: usize) -> Example {
        Example { ids: vec![1; tokens], mask: (0..tokens).map(|place| place >= tokens - learned).collect() }
    }

    /// By hand: 4 examples of 10, 6, 6 and 8 tokens, of which 4, 2, 0 and 3 are learned; the third is left out.
    #[test]
    fn a_packing_is_what_was_worked_out_by_hand() {
        let examples = [example(10, 4), example(6, 2), example(6, 0), example(8, 3)];
        let train = TrainSettings { epochs: 2.0, tokens_per_step: 100, max_length: 16, ..TrainSettings::default() };
        let settings = PackingSettings::of(&train, 1);
        let packing = Packing::of(&examples, settings);
        let expected = Packing {
            epochs: 2.0,
            // Both epochs fit into one step.
            steps: 1,
            tokens_per_step: 100,
            sequences: 1,
            longest_sequence: 2 * (9 + 5 + 7),
            longest_targets: 2 * 9,
            tokens: 2 * 24,
            computed: 2 * 21,
            learned: 2 * 9,
            padded_to_longest: 6 * 10,
            padded_to_max: 6 * 16,
        };
        assert_eq!(packing, expected);
        let narrow = PackingSettings { tokens_per_step: 1, ..settings };
        let packing = Packing::of(&examples, narrow);
        assert_eq!((packing.steps, packing.sequences, packing.longest_sequence), (6, 6, 9));
        assert_eq!((packing.tokens, packing.padded_to_longest), (48, 48));
        assert_eq!(Packing::of(&[], narrow).steps, 0);
    }
}
