//! The loss: cross-entropy of the next token, from hidden states, a slice of the vocabulary at a time.
//!
//! `L = Σ (log Σ exp z - z[target]) / N` with `z = W h`. Backward: `dh = Wᵀ (softmax(z) - onehot) / N`,
//! `dW = (softmax(z) - onehot) hᵀ / N`. Logits never exist for the whole vocabulary: those of a slice become exponentials of
//! what they are below the largest so far, go back through the weights that made them while both are in the cache, and
//! what was summed is scaled when a larger one comes (Milakov and Gimelshein, arXiv 1805.02867; Wijmans et al., arXiv
//! 2411.09009). A head that is trained needs the softmax itself, and computes its logits a second time.

use std::ops::Range;

use freehold_kernels::{
    Job, LANES, Matrix, Operand, Panels, Precision, Real, Side, Start, for_each, map, multiply, vectorised,
};

use super::{lanes, lanes_mut, scale_lanes, token_sums};
use crate::tensor::Tensor;

/// Rows of the head in a slice; a multiple of what products share out.
pub(crate) const SLICE: usize = 960;

/// The loss and its gradients.
#[derive(Debug)]
pub(crate) struct HeadLoss<T: Real> {
    /// The sum of the losses of the targets, divided by `total`.
    pub(crate) loss: f64,
    /// The gradient of the hidden states [D, targets].
    pub(crate) hidden: Panels<T>,
    /// The gradient of the head [V, D], if wanted.
    pub(crate) weight: Option<Vec<T>>,
}

/// What the softmax of the targets of a panel comes to, as far as the vocabulary was seen.
#[derive(Clone)]
struct Softmax<T> {
    /// The largest logit.
    max: [T; LANES],
    /// The sum of the exponentials of what lies below it.
    sum: [T; LANES],
    /// The logit of the target.
    target: [T; LANES],
}

/// The slices of a head, from their first row on.
fn slices(head: &Tensor) -> impl Iterator<Item = (Range<usize>, Matrix<'_>)> {
    let head = head.matrix();
    (0..head.rows()).step_by(SLICE).map(move |first| {
        let rows = first..head.rows().min(first + SLICE);
        (rows.clone(), head.rows_of(rows))
    })
}

/// Logits [slice, targets].
fn logits_of<T: Real>(slice: Matrix<'_>, hidden: &Operand<'_, T>) -> Panels<T> {
    let mut logits = Panels::any(slice.rows(), hidden.panels().tokens());
    multiply(Job::new(slice, Side::Plain, hidden, &mut logits));
    logits
}

/// The loss alone, of hidden states [D, targets]: the mean over `total`.
pub(crate) fn loss_of<T: Real>(
    hidden: &Panels<T>,
    head: &Tensor,
    targets: &[u32],
    total: f64,
    precision: Precision,
) -> f64 {
    let operand = Operand::new(hidden, precision);
    let mut parts = vec![Softmax::new(); hidden.count()];
    for (rows, slice) in slices(head) {
        advance(&mut logits_of(slice, &operand), &mut parts, rows.start, targets);
    }
    sum_of(&parts, targets, total)
}

/// The loss of hidden states [D, targets], each with the token that it should predict.
///
/// Every target has to be below the rows of `head` [V, D].
pub(crate) fn head_loss<T: Real>(
    hidden: &Panels<T>,
    head: &Tensor,
    targets: &[u32],
    total: f64,
    precision: Precision,
    want_weight: bool,
) -> HeadLoss<T> {
    let operand = Operand::new(hidden, precision);
    let mut parts = vec![Softmax::new(); hidden.count()];
    let mut gradient = Panels::zeros(hidden.features(), hidden.tokens());
    let mut weight = None;
    for (rows, slice) in slices(head) {
        let mut logits = logits_of(slice, &operand);
        let shrinks = advance(&mut logits, &mut parts, rows.start, targets);
        if !want_weight {
            // Where no logit was larger than all before, nothing shrinks.
            let shrinking = gradient.panels_mut().zip(&shrinks).filter(|(_, by)| by.iter().any(|by| *by != T::ONE));
            for_each(shrinking, |(gradient, by)| scale_lanes(gradient, by));
            back(slice, &Operand::new(&logits, precision), &mut gradient);
        }
    }
    if want_weight {
        let mut of_weight = Vec::with_capacity(head.len());
        for (rows, slice) in slices(head) {
            let mut logits = logits_of(slice, &operand);
            differences(&mut logits, &parts, rows, targets, total);
            back(slice, &Operand::new(&logits, precision), &mut gradient);
            of_weight.extend(token_sums(&logits, hidden));
        }
        weight = Some(of_weight);
    } else {
        minus_targets(&mut gradient, &parts, head, targets, total);
    }
    gradient.clear_padding();
    HeadLoss { loss: sum_of(&parts, targets, total), hidden: gradient, weight }
}

/// `gradient += Wᵀ x` for a slice.
fn back<T: Real>(slice: Matrix<'_>, x: &Operand<'_, T>, gradient: &mut Panels<T>) {
    multiply(Job::new(slice, Side::Transposed, x, gradient).from(Start::Output));
}

/// The sum of the losses of some targets, divided by `total`.
fn sum_of<T: Real>(parts: &[Softmax<T>], targets: &[u32], total: f64) -> f64 {
    let mut loss = 0.0;
    for (panel, part) in parts.iter().enumerate() {
        for lane in 0..LANES.min(targets.len() - panel * LANES) {
            let log = libm::log(part.sum[lane].to_f64()) + part.max[lane].to_f64();
            loss += (log - part.target[lane].to_f64()) / total;
        }
    }
    loss
}

impl<T: Real> Softmax<T> {
    /// Of nothing.
    fn new() -> Self {
        Self { max: [T::real(f64::NEG_INFINITY); LANES], sum: [T::ZERO; LANES], target: [T::ZERO; LANES] }
    }
}

/// Replaces logits of a slice, which begins at row `first`, by the exponentials of what they are below the largest so far;
/// gives what each sum of before has to be multiplied with.
fn advance<T: Real>(
    logits: &mut Panels<T>,
    parts: &mut [Softmax<T>],
    first: usize,
    targets: &[u32],
) -> Vec<[T; LANES]> {
    let panels = logits.panels_mut().zip(parts).enumerate();
    map(panels, |(panel, (logits, part))| {
        for (lane, id) in targets.iter().skip(panel * LANES).take(LANES).enumerate() {
            if let Some(row) = (*id as usize).checked_sub(first)
                && let Some(logit) = logits.get(row * LANES + lane)
            {
                part.target[lane] = *logit;
            }
        }
        let before = part.max;
        largest(logits, &mut part.max);
        let shrinks = shrinks(&before, &part.max);
        let sum = below(logits, &part.max);
        for lane in 0..LANES {
            part.sum[lane] = part.sum[lane] * shrinks[lane] + sum[lane];
        }
        shrinks
    })
}

vectorised! {
/// The largest logit of each token, with what was the largest before.
fn largest<T: Real>(logits: &[T], max: &mut [T; LANES]) {
    for row in logits.chunks_exact(LANES) {
        let row = lanes(row);
        for lane in 0..LANES {
            max[lane] = if row[lane] > max[lane] { row[lane] } else { max[lane] };
        }
    }
}
}

vectorised! {
/// What exponentials below one largest logit are below another.
fn shrinks<T: Real>(before: &[T; LANES], after: &[T; LANES]) -> [T; LANES] {
    let mut shrinks = [T::ONE; LANES];
    for lane in 0..LANES {
        shrinks[lane] = (before[lane] - after[lane]).exponential();
    }
    shrinks
}
}

vectorised! {
/// Replaces logits by the exponentials of what they are below the largest; gives the sums.
fn below<T: Real>(logits: &mut [T], max: &[T; LANES]) -> [T; LANES] {
    let mut sum = [T::ZERO; LANES];
    // In parts, so that a small value is never added to the sum of a whole slice.
    for rows in logits.chunks_mut(256 * LANES) {
        let mut part = [T::ZERO; LANES];
        for row in rows.chunks_exact_mut(LANES) {
            let row = lanes_mut(row);
            for lane in 0..LANES {
                row[lane] = (row[lane] - max[lane]).exponential();
                part[lane] += row[lane];
            }
        }
        for lane in 0..LANES {
            sum[lane] += part[lane];
        }
    }
    sum
}
}

/// Logits of the slice `rows` become `(softmax - onehot) / N`.
fn differences<T: Real>(logits: &mut Panels<T>, parts: &[Softmax<T>], rows: Range<usize>, targets: &[u32], total: f64) {
    let share = T::real(1.0 / total);
    for_each(logits.panels_mut().zip(parts).enumerate(), |(panel, (values, part))| {
        below(values, &part.max);
        scale_lanes(values, &part.sum.map(|sum| share / sum));
        for lane in 0..LANES {
            match targets.get(panel * LANES + lane).map(|id| *id as usize) {
                Some(id) if rows.contains(&id) => values[(id - rows.start) * LANES + lane] -= share,
                Some(_) => (),
                None => values.iter_mut().skip(lane).step_by(LANES).for_each(|x| *x = T::ZERO),
            }
        }
    });
}

/// `Wᵀ exp` becomes `(Wᵀ softmax - W[target]) / N`.
fn minus_targets<T: Real>(back: &mut Panels<T>, parts: &[Softmax<T>], head: &Tensor, targets: &[u32], total: f64) {
    let (share, features) = (T::real(1.0 / total), back.features());
    for_each(back.panels_mut().zip(parts).enumerate(), |(panel, (values, part))| {
        scale_lanes(values, &part.sum.map(|sum| share / sum));
        for (lane, id) in targets.iter().skip(panel * LANES).take(LANES).enumerate() {
            let row: Vec<T> = head.range(*id as usize * features..(*id as usize + 1) * features);
            let values = values.iter_mut().skip(lane).step_by(LANES);
            values.zip(row).for_each(|(value, weight)| *value -= weight * share);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradient, random, random_panels};
    use super::*;

    #[test]
    fn gradients_match_finite_differences() {
        // More than one slice, and a panel that is not full.
        let (features, vocabulary, tokens) = (3, SLICE + 7, 35);
        let targets: Vec<u32> = (0..tokens as u32).map(|i| i * 7919 % vocabulary as u32).collect();
        let (hidden, head) = (random_panels(features, tokens, 1), random(vocabulary * features, 2));
        let run = |hidden: &Panels<f64>, head: &[f64], want| {
            let head = Tensor::of(head.to_vec(), &[vocabulary, features]);
            head_loss(hidden, &head, &targets, 300.0, Precision::F32, want)
        };
        let (frozen, trained) = (run(&hidden, &head, false), run(&hidden, &head, true));
        let with = |values: &[f64]| {
            let mut hidden = hidden.clone();
            hidden.values_mut().copy_from_slice(values);
            run(&hidden, &head, false).loss
        };
        assert_gradient(hidden.values(), with, frozen.hidden.values());
        assert_gradient(hidden.values(), with, trained.hidden.values());
        assert_gradient(&head, |head| run(&hidden, head, false).loss, &trained.weight.unwrap());
        let head = Tensor::of(head, &[vocabulary, features]);
        assert_eq!(loss_of(&hidden, &head, &targets, 300.0, Precision::F32), frozen.loss);
        assert!(frozen.weight.is_none());
    }
}
