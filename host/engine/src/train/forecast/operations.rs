//! Floating-point operations of a pass, forward and backward, in products of matrices.

use freehold_core::recipe::Method;

use super::super::{Training, settings};
use crate::batch::Size;
use crate::model::Target;

/// Counts operations.
pub(super) struct Counter<'a> {
    training: Training<'a>,
    /// Of a token, in all linear layers, what is computed each time that a block is.
    forward: f64,
    /// Of a token, in all linear layers, backwards.
    backward: f64,
    /// Of a target, in the head.
    head: f64,
    /// Of a pair of tokens of which one attends to the other, in one layer and direction: one product.
    pair: f64,
}

impl<'a> Counter<'a> {
    pub(super) fn new(training: Training<'a>) -> Self {
        let (config, adapter) = (&training.model.config, training.adapter);
        let full = adapter.method == Method::Full;
        let mut values = [0.0, 0.0];
        for target in Target::ALL {
            let [outputs, inputs] = target.shape(config);
            values[0] += (outputs * inputs) as f64;
            if !full && adapter.targets.iter().any(|name| name == target.name()) {
                values[1] += (adapter.rank * (outputs + inputs)) as f64;
            }
        }
        let [base, update] = values.map(|values| 2.0 * values * config.layers as f64);
        let head = 2.0 * (config.vocab_size * config.hidden_size) as f64;
        // Backwards a matrix is multiplied with gradients, and where it is trained its own gradient is another product.
        let times = if full { 2.0 } else { 1.0 };
        Self {
            training,
            forward: base + update,
            backward: times * base + 2.0 * update,
            head: (1.0 + times) * head,
            pair: 2.0 * (config.heads * config.head_width) as f64,
        }
    }

    /// Operations of a sequence of these examples.
    pub(super) fn sequence(&self, sizes: impl Iterator<Item = Size>) -> f64 {
        let (mut rows, mut targets, mut pairs) = (0, 0, 0.0);
        for size in sizes {
            rows += size.rows;
            targets += size.targets;
            pairs += self.pairs(size.rows as f64);
        }
        let Training { model, train, .. } = self.training;
        let again = if settings::recompute(train, model, rows) { 2.0 } else { 1.0 };
        // Attention is two products forward, and five backward with the scores made again.
        rows as f64 * (again * self.forward + self.backward)
            + targets as f64 * self.head
            + pairs * self.pair * (2.0 * again + 5.0)
    }

    /// Pairs of tokens of which one attends to the other, in all layers.
    fn pairs(&self, tokens: f64) -> f64 {
        let pairs = |window: &Option<usize>| match window {
            Some(window) if (*window as f64) < tokens => *window as f64 * (tokens - *window as f64 / 2.0),
            _ => tokens * tokens / 2.0,
        };
        self.training.model.config.windows.iter().map(pairs).sum()
    }
}
