//! SwiGLU (Shazeer, arXiv 2002.05202): `y = silu(a) · b` with `silu(a) = a σ(a)`.
//!
//! Backward: `da = g · b · σ(a) (1 + a (1 - σ(a)))`, `db = g · silu(a)`.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::real::dispatch;
use super::{Real, tensor_of, vectorised, with_values};

/// Elements that one task treats.
const CHUNK: usize = 1 << 14;

/// `silu(gate) · up`, all [N, F].
pub(crate) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    dispatch!(gate.dtype(), T => forward::<T>(gate, up))
}

#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    T::real(1.0) / (T::real(1.0) + (T::real(0.0) - x).exponential())
}

fn forward<T: Real>(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let mut out = vec![T::real(0.0); gate.elem_count()];
    with_values::<T, _>(gate, |gate| {
        with_values::<T, _>(up, |up| {
            let tasks = out.par_chunks_mut(CHUNK).zip(gate.par_chunks(CHUNK)).zip(up.par_chunks(CHUNK));
            tasks.for_each(|((out, gate), up)| {
                vectorised(|| {
                    for ((out, &a), &b) in out.iter_mut().zip(gate).zip(up) {
                        *out = a * sigmoid(a) * b;
                    }
                });
            });
            Ok(())
        })
    })?;
    tensor_of(out, gate.shape(), gate)
}

/// Gradients of gate and up.
pub(crate) fn swiglu_backward(gradient: &Tensor, gate: &Tensor, up: &Tensor) -> Result<(Tensor, Tensor)> {
    dispatch!(gate.dtype(), T => backward::<T>(gradient, gate, up))
}

fn backward<T: Real>(gradient: &Tensor, gate: &Tensor, up: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut gate_out = vec![T::real(0.0); gate.elem_count()];
    let mut up_out = gate_out.clone();
    with_values::<T, _>(gradient, |g| {
        with_values::<T, _>(gate, |gate| {
            with_values::<T, _>(up, |up| {
                let outputs = gate_out.par_chunks_mut(CHUNK).zip(up_out.par_chunks_mut(CHUNK));
                let inputs = g.par_chunks(CHUNK).zip(gate.par_chunks(CHUNK)).zip(up.par_chunks(CHUNK));
                outputs.zip(inputs).for_each(|((gate_out, up_out), ((g, gate), up))| {
                    vectorised(|| {
                        let inputs = g.iter().zip(gate).zip(up);
                        for ((da, db), ((&g, &a), &b)) in gate_out.iter_mut().zip(up_out).zip(inputs) {
                            let s = sigmoid(a);
                            *da = g * b * s * (T::real(1.0) + a * (T::real(1.0) - s));
                            *db = g * a * s;
                        }
                    });
                });
                Ok(())
            })
        })
    })?;
    Ok((tensor_of(gate_out, gate.shape(), gate)?, tensor_of(up_out, gate.shape(), gate)?))
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradient, random};
    use super::*;

    #[test]
    fn gradients_match_finite_differences() -> Result<()> {
        let (a, b, g) = (random(&[3, 7], 1), random(&[3, 7], 2), random(&[3, 7], 3));
        let (da, db) = swiglu_backward(&g, &a, &b)?;
        assert_gradient(&a, &g, |a| swiglu(a, &b), &da);
        assert_gradient(&b, &g, |b| swiglu(&a, b), &db);
        Ok(())
    }
}
