//! The language model head and its cross-entropy, in one pass over chunks of rows.
//!
//! `z = h Wᵀ`, `loss = Σ_n w_n (ln Σ_v e^(z_nv) - z_nt) / total`.
//! Backward: `dz = w (softmax(z) - onehot(t)) / total`, `dh = dz W`, `dW = dzᵀ h`.
//! The gradient is made together with the loss, so that logits of all rows never exist at once, and only rows that
//! have a target are given at all.

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::real::dispatch;
use super::{Real, add_in_place, change_values, linear, linear_input_gradient, linear_weight_gradient, vectorised};

/// Logits that exist at once.
const CHUNK: usize = 1 << 19;

/// What a row of hidden states has to predict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TokenTarget {
    /// Row of the packed tokens.
    pub(crate) row: u32,
    /// The token that comes next.
    pub(crate) id: u32,
}

/// Which gradients are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadGradient {
    /// None: only the loss.
    Loss,
    /// That of the hidden states; the head is frozen.
    Hidden,
    /// That of the hidden states and of the head.
    All,
}

/// The loss and the gradients that were wanted.
pub(crate) struct HeadLoss {
    /// `Σ loss / total`.
    pub(crate) loss: f64,
    /// [M, D]
    pub(crate) hidden: Option<Tensor>,
    /// [V, D]
    pub(crate) weight: Option<Tensor>,
}

/// The mean cross-entropy of hidden states [M, D] under a head [V, D] against one target a row, over `total` targets.
pub(crate) fn head_loss(
    hidden: &Tensor,
    weight: &Tensor,
    targets: &[TokenTarget],
    total: f64,
    want: HeadGradient,
) -> Result<HeadLoss> {
    let (rows, vocabulary) = (hidden.dims2()?.0, weight.dims2()?.0);
    if rows != targets.len() || targets.iter().any(|target| target.id as usize >= vocabulary) {
        return Err(Error::msg("each row needs a target within the vocabulary"));
    }
    let step = (CHUNK / vocabulary.max(1)).max(16);
    let (mut loss, mut hidden_parts, mut weight_sum) = (0.0, Vec::new(), None);
    for start in (0..rows).step_by(step) {
        let count = step.min(rows - start);
        let chunk = hidden.narrow(0, start, count)?;
        let logits = linear(&chunk, weight)?;
        let targets = &targets[start..start + count];
        loss += dispatch!(logits.dtype(), T => softmax_loss::<T>(&logits, targets, total, want))?;
        if want != HeadGradient::Loss {
            hidden_parts.push(linear_input_gradient(&logits, weight)?);
        }
        if want == HeadGradient::All {
            let part = linear_weight_gradient(&logits, &chunk)?;
            match &weight_sum {
                None => weight_sum = Some(part),
                Some(sum) => add_in_place(sum, &part)?,
            }
        }
    }
    let hidden = if hidden_parts.is_empty() { None } else { Some(Tensor::cat(&hidden_parts, 0)?) };
    Ok(HeadLoss { loss, hidden, weight: weight_sum })
}

/// The loss of a chunk of logits, which are turned into their gradient in place if one is wanted.
fn softmax_loss<T: Real>(logits: &Tensor, targets: &[TokenTarget], total: f64, want: HeadGradient) -> Result<f64> {
    let vocabulary = logits.dims2()?.1;
    let scale = T::real(1.0 / total);
    let mut losses = vec![0.0_f64; targets.len()];
    change_values::<T>(logits, |logits| {
        let rows = logits.par_chunks_exact_mut(vocabulary).with_min_len(8).zip(&mut losses).zip(targets);
        rows.for_each(|((row, loss), target)| {
            vectorised(|| {
                let id = target.id as usize;
                let max = super::attention::maximum(row);
                let at_target = row[id] - max;
                row.iter_mut().for_each(|x| *x = (*x - max).exponential());
                let sum = super::attention::total(row);
                *loss = sum.to_f64().ln() - at_target.to_f64();
                if want != HeadGradient::Loss {
                    let scale_row = scale / sum;
                    row.iter_mut().for_each(|x| *x *= scale_row);
                    row[id] -= scale;
                }
            });
        });
    })?;
    Ok(losses.iter().sum::<f64>() / total)
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_scalar_gradient, random};
    use super::*;

    #[test]
    fn gradients_match_finite_differences() -> Result<()> {
        let (h, w) = (random(&[5, 6], 1), random(&[11, 6], 2));
        let targets: Vec<TokenTarget> = [3, 0, 10, 3, 7].map(|id| TokenTarget { row: 0, id }).to_vec();
        let loss = |h: &Tensor, w: &Tensor| head_loss(h, w, &targets, 7.0, HeadGradient::Loss).unwrap().loss;
        let got = head_loss(&h, &w, &targets, 7.0, HeadGradient::All)?;
        assert_scalar_gradient(&h, |h| loss(h, &w), &got.hidden.unwrap());
        assert_scalar_gradient(&w, |w| loss(&h, w), &got.weight.unwrap());
        Ok(())
    }

    #[test]
    fn chunks_add_up() -> Result<()> {
        let (h, w) = (random(&[40, 3], 1), random(&[CHUNK / 16, 3], 2));
        let targets: Vec<TokenTarget> = (0..40).map(|id| TokenTarget { row: 0, id }).collect();
        let whole = head_loss(&h, &w, &targets, 40.0, HeadGradient::All)?;
        let parts: f64 = (0..40)
            .map(|i| {
                head_loss(&h.narrow(0, i, 1).unwrap(), &w, &targets[i..=i], 40.0, HeadGradient::Loss).unwrap().loss
            })
            .sum();
        assert!((whole.loss - parts).abs() < 1e-12);
        assert_eq!(whole.hidden.unwrap().dims(), [40, 3]);
        Ok(())
    }

    #[test]
    fn a_target_outside_the_vocabulary_is_an_error() {
        let (h, w) = (random(&[1, 6], 1), random(&[11, 6], 2));
        assert!(head_loss(&h, &w, &[TokenTarget { row: 0, id: 11 }], 1.0, HeadGradient::Loss).is_err());
    }
}
