//! Memory of a training, from the shapes of what it computes.

use freehold_core::recipe::{Method, Precision};
use freehold_kernels::LANES;

use super::super::{Training, settings};
use super::{HeldOut, MemoryForecast};
use crate::config::Config;
use crate::generate::ROWS;
use crate::model::Target;
use crate::ops::VOCABULARY_AT_ONCE;
use crate::train::packing::Packing;

/// Bytes of a value that is computed with.
const VALUE: usize = size_of::<f32>();

/// What a training of so many values takes, at its longest sequence.
pub(super) fn of(training: &Training<'_>, packing: &Packing, parameters: usize) -> MemoryForecast {
    let Training { model, train, adapter, .. } = *training;
    let config = &model.config;
    let tokens = packing.longest_sequence.next_multiple_of(LANES);
    let recomputed = settings::recompute(train, model, packing.longest_sequence);
    let (block, layers) = (block(training), config.layers);
    let activations = if recomputed { config.hidden_size * layers + block } else { block * layers };
    let values = (parameters * VALUE) as u64;
    // Gradients of a part of a step are added to those of the parts before.
    let parts = if packing.sequences > packing.steps { 2 } else { 1 };
    let early = train.early_stopping.is_some();
    let kept = early || (train.checkpoint_every > 0 && packing.steps >= train.checkpoint_every);
    // Values and two moments, with early stopping the best values too: once as tensors, once as the bytes of a file.
    let checkpoint = if kept { 2 * values * if early { 4 } else { 3 } } else { 0 };
    let full = adapter.method == Method::Full;
    MemoryForecast {
        weights: model.bytes() as u64,
        trained: values * if early { 2 } else { 1 },
        gradients: values * parts,
        optimizer: 2 * values,
        activations: (activations * tokens * VALUE) as u64,
        buffers: (transient(config, tokens, packing, train.precision, full) * VALUE) as u64,
        checkpoint,
        recomputed,
        answering: 0,
    }
}

/// Bytes that answering takes: the keys and values of the rows that are answered at one time, and a pass over their prompts.
pub(super) fn answering(config: &Config, held_out: HeldOut) -> u64 {
    let (queries, keys) = (config.heads * config.head_width, config.key_heads * config.head_width);
    let tokens = held_out.tokens.next_multiple_of(LANES);
    let past = 2 * keys * config.layers * tokens;
    // The stream and its norm; queries, keys, values and what attention gives; gate, up and their product.
    let pass = (3 * config.hidden_size + 2 * queries + 2 * keys + 3 * config.intermediate_size) * tokens;
    (held_out.rows.min(ROWS) * (past + pass + config.vocab_size) * VALUE) as u64
}

/// Values of a token that the backward pass of a block needs.
fn block(training: &Training<'_>) -> usize {
    let (config, adapter) = (&training.model.config, training.adapter);
    let (queries, keys) = (config.heads * config.head_width, config.key_heads * config.head_width);
    let plain = if config.head_norm { queries + keys } else { 0 };
    let mut kept = 0;
    if adapter.method != Method::Full {
        for target in Target::ALL.into_iter().filter(|target| adapter.targets.iter().any(|name| name == target.name()))
        {
            let [outputs, _] = target.shape(config);
            kept += adapter.rank + if adapter.method == Method::Dora { outputs } else { 0 };
        }
    }
    // The stream twice; queries, keys, values, what attention gives and its normalisers; gate and up.
    2 * config.hidden_size + 2 * queries + 2 * keys + config.heads + 2 * config.intermediate_size + plain + kept
}

/// Values that exist for a while: the larger of what the head and what the backward pass of a block needs.
fn transient(config: &Config, tokens: usize, packing: &Packing, precision: Precision, full: bool) -> usize {
    // In bf16, what is multiplied exists a second time, in half the bytes.
    let operand = |values: usize| if precision == Precision::Bf16 { values / 2 } else { 0 };
    let targets = (packing.longest_targets).next_multiple_of(LANES);
    let slice = config.vocab_size.min(VOCABULARY_AT_ONCE);
    let logits = slice * targets;
    // The gradient of a slice of the head, before it is put behind those of the slices before.
    let table = if full { 2 * slice * config.hidden_size } else { 0 };
    // The chosen stream, its norm, the gradients of both.
    let hidden = config.hidden_size * targets;
    let head = logits + operand(logits) + 4 * hidden + operand(hidden) + table;
    // The active values of the feed-forward part and the gradients of gate and up; the stream, its norm and gradients.
    let wide = 3 * config.intermediate_size;
    let narrow = 5 * config.hidden_size + operand(wide);
    let back = (wide + narrow) * tokens;
    // The pool keeps the buffers of the one for the other only where sizes agree.
    head + back
}
