//! Root mean square normalisation (Zhang and Sennrich, arXiv 1910.07467), with the residual addition before it.
//!
//! `s = x + r`, `i = 1 / sqrt(mean(s²) + eps)`, `y = s · i · w`.
//! Backward, with `u = g · w`: `ds = i (u - s · i² · mean(u · s))`, `dw = Σ_n g · s · i`.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::real::dispatch;
use super::{ROWS_PER_TASK, Real, real, tensor_of, vectorised, with_values};

/// What [`rms_norm`] gives.
pub(crate) struct Normed {
    /// `x + r` [N, D]; `x` itself where there was no residual.
    pub(crate) sum: Tensor,
    /// The normalised rows [N, D].
    pub(crate) normed: Tensor,
    /// The inverse root mean square of each row [N].
    pub(crate) inverse: Tensor,
}

/// Normalises the rows of `x + residual` [N, D] and scales them by `weight` [D].
pub(crate) fn rms_norm(x: &Tensor, residual: Option<&Tensor>, weight: &Tensor, eps: f64) -> Result<Normed> {
    let sum = match residual {
        None => x.clone(),
        Some(residual) => {
            super::add_in_place(residual, x)?;
            residual.clone()
        }
    };
    dispatch!(x.dtype(), T => run::<T>(sum, weight, eps))
}

fn run<T: Real>(sum: Tensor, weight: &Tensor, eps: f64) -> Result<Normed> {
    let (rows, width) = sum.dims2()?;
    let (eps, scale) = (T::real(eps), T::real(1.0 / width as f64));
    let mut out = vec![T::real(0.0); rows * width];
    let mut inverse = vec![T::real(0.0); rows];
    with_values::<T, _>(&sum, |x| {
        with_values::<T, _>(weight, |w| {
            let tasks = out.par_chunks_mut(ROWS_PER_TASK * width).zip(inverse.par_chunks_mut(ROWS_PER_TASK));
            tasks.zip(x.par_chunks(ROWS_PER_TASK * width)).for_each(|((out, inverse), x)| {
                vectorised(|| {
                    let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width));
                    for ((out, x), inverse) in rows.zip(inverse) {
                        let i = T::real(1.0) / (real::dot(x, x) * scale + eps).root();
                        *inverse = i;
                        for ((out, &x), &w) in out.iter_mut().zip(x).zip(w) {
                            *out = x * i * w;
                        }
                    }
                });
            });
            Ok(())
        })
    })?;
    let normed = tensor_of(out, (rows, width), &sum)?;
    let inverse = tensor_of(inverse, rows, &sum)?;
    Ok(Normed { sum, normed, inverse })
}

/// Gradient of the sum `x + r`, plus `bypass` where given (the gradient that comes around the normalisation); and of
/// the weight, if wanted.
pub(crate) fn rms_norm_backward(
    gradient: &Tensor,
    bypass: Option<&Tensor>,
    sum: &Tensor,
    inverse: &Tensor,
    weight: &Tensor,
    want_weight: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    dispatch!(sum.dtype(), T => {
        let input = input_gradient::<T>(gradient, sum, inverse, weight)?;
        if let Some(bypass) = bypass {
            super::add_in_place(&input, bypass)?;
        }
        let weight = if want_weight { Some(weight_gradient::<T>(gradient, sum, inverse)?) } else { None };
        Ok((input, weight))
    })
}

fn input_gradient<T: Real>(gradient: &Tensor, sum: &Tensor, inverse: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (rows, width) = sum.dims2()?;
    let scale = T::real(1.0 / width as f64);
    let mut out = vec![T::real(0.0); rows * width];
    let values = |t: &Tensor, f: &mut dyn FnMut(&[T]) -> Result<()>| with_values::<T, _>(t, f);
    values(gradient, &mut |g| {
        values(sum, &mut |x| {
            values(inverse, &mut |inverse| {
                values(weight, &mut |w| {
                    let chunk = ROWS_PER_TASK * width;
                    let tasks = out.par_chunks_mut(chunk).zip(g.par_chunks(chunk)).zip(x.par_chunks(chunk));
                    tasks.zip(inverse.par_chunks(ROWS_PER_TASK)).for_each(|(((out, g), x), inverse)| {
                        vectorised(|| {
                            let rows = out.chunks_exact_mut(width).zip(g.chunks_exact(width));
                            for (((out, g), x), &i) in rows.zip(x.chunks_exact(width)).zip(inverse) {
                                for ((out, &g), &w) in out.iter_mut().zip(g).zip(w) {
                                    *out = g * w;
                                }
                                let mean = real::dot(out, x) * scale * i * i;
                                for (out, &x) in out.iter_mut().zip(x) {
                                    *out = i * (*out - x * mean);
                                }
                            }
                        });
                    });
                    Ok(())
                })
            })
        })
    })?;
    tensor_of(out, (rows, width), sum)
}

fn weight_gradient<T: Real>(gradient: &Tensor, sum: &Tensor, inverse: &Tensor) -> Result<Tensor> {
    let (_, width) = sum.dims2()?;
    let mut out = vec![T::real(0.0); width];
    with_values::<T, _>(gradient, |g| {
        with_values::<T, _>(sum, |x| {
            with_values::<T, _>(inverse, |inverse| {
                vectorised(|| {
                    for ((g, x), &i) in g.chunks_exact(width).zip(x.chunks_exact(width)).zip(inverse) {
                        for ((out, &g), &x) in out.iter_mut().zip(g).zip(x) {
                            *out += g * x * i;
                        }
                    }
                });
                Ok(())
            })
        })
    })?;
    tensor_of(out, width, sum)
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradient, random};
    use super::*;

    #[test]
    fn gradients_match_finite_differences() -> Result<()> {
        let (x, w, g) = (random(&[3, 40], 1), random(&[40], 2), random(&[3, 40], 3));
        let forward = |x: &Tensor, w: &Tensor| rms_norm(x, None, w, 1e-5);
        let normed = forward(&x, &w)?;
        let (dx, dw) = rms_norm_backward(&g, None, &normed.sum, &normed.inverse, &w, true)?;
        assert_gradient(&x, &g, |x| Ok(forward(x, &w)?.normed), &dx);
        assert_gradient(&w, &g, |w| Ok(forward(&x, w)?.normed), &dw.unwrap());
        // Around the normalisation and through it: y = x + norm(x).
        let (dx, dw) = rms_norm_backward(&g, Some(&g), &normed.sum, &normed.inverse, &w, false)?;
        assert_gradient(&x, &g, |x| forward(x, &w)?.normed + x, &dx);
        assert!(dw.is_none());
        Ok(())
    }

    #[test]
    fn the_residual_is_added_first() -> Result<()> {
        let (x, r, w) = (random(&[2, 8], 1), random(&[2, 8], 2), random(&[8], 3));
        let want = rms_norm(&(&x + &r)?, None, &w, 1e-5)?;
        let got = rms_norm(&x, Some(&r), &w, 1e-5)?;
        assert_eq!(got.normed.to_vec2::<f64>()?, want.normed.to_vec2::<f64>()?);
        assert_eq!(got.sum.to_vec2::<f64>()?, (&x + random(&[2, 8], 2))?.to_vec2::<f64>()?);
        Ok(())
    }
}
