//! The operations of a transformer, each with its own forward and backward pass, over panels of tokens.
//!
//! No automatic differentiation is used: every backward pass is written out, is checked against finite differences in
//! f64, and computes only what is asked for. Frozen weights have no gradient.
//!
//! Every element of an output is computed by one thread in a fixed order, so results do not depend on the number of
//! threads.

use std::sync::atomic::{Ordering, compiler_fence};

use freehold_kernels::{LANES, Panels, Real, for_each, vectorised};

mod attention;
mod cached_attention;
mod cross_entropy;
mod embedding;
mod gated;
mod rms_norm;
mod rope;
mod token_sum;

pub(crate) use attention::{Attended, AttentionShape, Spans, attention, attention_backward};
pub(crate) use cached_attention::{KeyValues, attention_cached, attention_to_past};
pub(crate) use cross_entropy::{SLICE as VOCABULARY_AT_ONCE, head_loss, loss_of};
pub(crate) use embedding::{embed, embedding_gradient, gather_tokens, scatter_tokens};
pub(crate) use gated::{gated, gated_backward};
pub(crate) use rms_norm::{rms_norm, rms_norm_backward, rms_norm_weight_gradient};
pub(crate) use rope::{Angles, Rope};
pub(crate) use token_sum::{token_sums, token_sums_of_few};

/// Adds `other` into `sum`, element by element.
pub(crate) fn add<T: Real>(sum: &mut Panels<T>, other: &Panels<T>) {
    for_each(sum.panels_mut().zip(other.panels()), |(sum, other)| add_values(sum, other));
}

vectorised! {
/// Adds `other` into `sum`, element by element.
pub(crate) fn add_values<T: Real>(sum: &mut [T], other: &[T]) {
    sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += *other);
}
}

/// Multiplies all values by a number.
pub(crate) fn scale<T: Real>(values: &mut Panels<T>, factor: T) {
    for_each(values.panels_mut(), |values| scale_values(values, factor));
}

vectorised! {
fn scale_values<T: Real>(values: &mut [T], factor: T) {
    values.iter_mut().for_each(|value| *value *= factor);
}
}

/// Keeps the compiler from making vectors across the features of a loop around the lanes of one: they lie 32 values apart,
/// and would be gathered one by one. It is no instruction.
#[inline(always)]
pub(crate) fn feature_by_feature() {
    compiler_fence(Ordering::SeqCst);
}

vectorised! {
/// Multiplies each token of a panel by a number of its own.
pub(crate) fn scale_lanes<T: Real>(values: &mut [T], factors: &[T; LANES]) {
    for row in values.chunks_exact_mut(LANES) {
        feature_by_feature();
        let row = lanes_mut(row);
        for lane in 0..LANES {
            row[lane] *= factors[lane];
        }
    }
}
}

/// Multiplies each feature of all tokens by a number of its own.
pub(crate) fn scale_features<T: Real>(values: &mut Panels<T>, factors: &[T]) {
    for_each(values.panels_mut(), |values| {
        let lanes = (values.len() / factors.len().max(1)).max(1);
        for (row, factor) in values.chunks_exact_mut(lanes).zip(factors) {
            scale_values(row, *factor);
        }
    });
}

/// The lanes of a feature as an array.
#[inline(always)]
pub(crate) fn lanes<T>(values: &[T]) -> &[T; LANES] {
    match values.first_chunk() {
        Some(lanes) => lanes,
        None => panic_short(),
    }
}

/// The lanes of a feature as an array.
#[inline(always)]
pub(crate) fn lanes_mut<T>(values: &mut [T]) -> &mut [T; LANES] {
    match values.first_chunk_mut() {
        Some(lanes) => lanes,
        None => panic_short(),
    }
}

#[cold]
#[allow(clippy::panic, reason = "as an index out of bounds: panels have whole lanes")]
fn panic_short() -> ! {
    panic!("a panel with less than 32 lanes")
}

#[cfg(test)]
pub(crate) mod check;
#[cfg(test)]
mod tests;
