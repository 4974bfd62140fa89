//! The loss: cross-entropy of the next token, from hidden states, some tokens at a time.
//!
//! `L = Σ (log Σ exp z - z[target]) / N` with `z = W h`. Backward: `dh = Wᵀ (softmax(z) - onehot) / N`,
//! `dW = (softmax(z) - onehot) hᵀ / N`. Logits never exist for all tokens at once. For a frozen head the gradient is
//! taken through the exponentials as they are and scaled behind the product, where there are fewer values.

use freehold_kernels::{Job, LANES, Operand, Panels, Precision, Real, Side, multiply, vectorised};
use rayon::prelude::*;

use super::{features_by_features, lanes, lanes_mut, scale_lanes};
use crate::tensor::Tensor;

/// Tokens whose logits exist at once.
pub(crate) const CHUNK: usize = 512;

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

/// The loss alone, of hidden states [D, targets]: the mean over `total`.
pub(crate) fn loss_of<T: Real>(
    hidden: &Panels<T>,
    head: &Tensor,
    targets: &[u32],
    total: f64,
    precision: Precision,
) -> f64 {
    let mut loss = 0.0;
    for (index, targets) in targets.chunks(CHUNK).enumerate() {
        let (_, _, parts) = chunk(hidden, head, (index, targets), precision);
        loss += sum_of(&parts, targets, total);
    }
    loss
}

/// What each target's softmax comes to.
struct Softmax<T> {
    /// The largest logit.
    max: [T; LANES],
    /// The sum of the exponentials of what lies below it.
    sum: [T; LANES],
    /// The logit of the target.
    target: [T; LANES],
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
    let (features, vocabulary) = (hidden.features(), head.matrix().rows());
    let mut gradient = Panels::any(features, targets.len());
    let mut weight = want_weight.then(|| vec![T::ZERO; vocabulary * features]);
    let mut loss = 0.0;
    for (index, targets) in targets.chunks(CHUNK).enumerate() {
        let (some, mut logits, parts) = chunk(hidden, head, (index, targets), precision);
        loss += sum_of(&parts, targets, total);
        let mut back = Panels::any(features, targets.len());
        let job = |logits: &Panels<T>, back: &mut Panels<T>| {
            multiply(Job::new(head.matrix(), Side::Transposed, &Operand::new(logits, precision), back));
        };
        if let Some(weight) = &mut weight {
            differences(&mut logits, &parts, targets, total);
            job(&logits, &mut back);
            weight.iter_mut().zip(features_by_features(&logits, &some)).for_each(|(sum, x)| *sum += x);
        } else {
            job(&logits, &mut back);
            minus_targets(&mut back, &parts, head, targets, total);
        }
        back.clear_padding();
        gradient.values_mut()[index * CHUNK * features..][..back.values().len()].copy_from_slice(back.values());
    }
    HeadLoss { loss, hidden: gradient, weight }
}

/// Some of the hidden states, the exponentials of their logits, and what their softmax comes to.
fn chunk<T: Real>(
    hidden: &Panels<T>,
    head: &Tensor,
    (index, targets): (usize, &[u32]),
    precision: Precision,
) -> (Panels<T>, Panels<T>, Vec<Softmax<T>>) {
    let features = hidden.features();
    let mut some = Panels::any(features, targets.len());
    let size = some.values().len();
    some.values_mut().copy_from_slice(&hidden.values()[index * CHUNK * features..][..size]);
    let mut logits = Panels::any(head.matrix().rows(), targets.len());
    multiply(Job::new(head.matrix(), Side::Plain, &Operand::new(&some, precision), &mut logits));
    let parts = exponentials(&mut logits, targets);
    (some, logits, parts)
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

/// Replaces logits by the exponentials of what they are below the largest.
fn exponentials<T: Real>(logits: &mut Panels<T>, targets: &[u32]) -> Vec<Softmax<T>> {
    let softmax = |(panel, logits): (usize, &mut [T])| {
        let target = |lane: usize| targets.get(panel * LANES + lane).map_or(0, |id| *id as usize);
        let target = std::array::from_fn(|lane| logits[target(lane) * LANES + lane]);
        let max = largest(logits);
        Softmax { max, sum: below(logits, &max), target }
    };
    logits.par_panels_mut().enumerate().map(softmax).collect()
}

vectorised! {
/// The largest logit of each token.
fn largest<T: Real>(logits: &[T]) -> [T; LANES] {
    let mut max = [T::real(f64::NEG_INFINITY); LANES];
    for row in logits.chunks_exact(LANES) {
        let row = lanes(row);
        for lane in 0..LANES {
            max[lane] = if row[lane] > max[lane] { row[lane] } else { max[lane] };
        }
    }
    max
}
}

vectorised! {
/// Replaces logits by the exponentials of what they are below the largest; gives the sums.
fn below<T: Real>(logits: &mut [T], max: &[T; LANES]) -> [T; LANES] {
    let mut sum = [T::ZERO; LANES];
    // In parts, so that a small value is never added to the sum of a whole vocabulary.
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

/// Exponentials become `(softmax - onehot) / N`.
fn differences<T: Real>(exponentials: &mut Panels<T>, parts: &[Softmax<T>], targets: &[u32], total: f64) {
    let share = T::real(1.0 / total);
    exponentials.par_panels_mut().zip(parts).enumerate().for_each(|(panel, (values, part))| {
        scale_lanes(values, &part.sum.map(|sum| share / sum));
        for lane in 0..LANES {
            match targets.get(panel * LANES + lane) {
                Some(id) => values[*id as usize * LANES + lane] -= share,
                None => values.iter_mut().skip(lane).step_by(LANES).for_each(|x| *x = T::ZERO),
            }
        }
    });
}

/// `Wᵀ exp` becomes `(Wᵀ softmax - W[target]) / N`.
fn minus_targets<T: Real>(back: &mut Panels<T>, parts: &[Softmax<T>], head: &Tensor, targets: &[u32], total: f64) {
    let (share, features) = (T::real(1.0 / total), back.features());
    back.par_panels_mut().zip(parts).enumerate().for_each(|(panel, (values, part))| {
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
        let (features, vocabulary) = (5, 40);
        // More than one chunk, and a panel that is not full.
        let tokens = CHUNK + 35;
        let targets: Vec<u32> = (0..tokens as u32).map(|i| i * 7 % 40).collect();
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
