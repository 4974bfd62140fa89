//! The operations of a transformer, each with its own forward and backward pass.
//!
//! Candle's automatic differentiation is not used: many of its fused operations lose gradients in silence, and it
//! computes and keeps the gradients of frozen weights. Here every backward pass is written out, is checked against
//! finite differences in f64, and computes only what is asked for. Candle does the matrix products and holds the data.
//!
//! Every element of an output is computed by one thread in a fixed order, so results do not depend on the number of
//! threads.

use std::cell::RefCell;
use std::marker::PhantomData;

use candle_core::{CpuStorage, Error, InplaceOp1, Layout, Result, Shape, Storage, Tensor, WithDType};

mod attention;
mod cross_entropy;
mod linear;
mod real;
mod rms_norm;
mod rope;
mod swiglu;

pub(crate) use attention::{AttentionShape, KeyValues, attention, attention_backward, attention_cached};
pub(crate) use cross_entropy::{HeadGradient, TokenTarget, head_loss};
pub(crate) use linear::{linear, linear_input_gradient, linear_weight_gradient};
pub(crate) use real::Real;
pub(crate) use rms_norm::{rms_norm, rms_norm_backward};
pub(crate) use rope::Rope;
pub(crate) use swiglu::{swiglu, swiglu_backward};

/// Rows that one task treats; small enough to share the work, large enough to be worth a task.
const ROWS_PER_TASK: usize = 64;

/// Calls `f` with the values of a contiguous tensor on the CPU.
pub(crate) fn with_values<T: Real, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
        return Err(Error::msg("the operation needs a contiguous tensor on the CPU"));
    };
    match storage.as_slice::<T>()?.get(from..to) {
        Some(values) => f(values),
        None => Err(Error::msg("the tensor's layout exceeds its storage")),
    }
}

/// Calls `f` with the values of a tensor that nobody else holds, to change them in place.
pub(crate) fn change_values<T: Real>(tensor: &Tensor, f: impl FnMut(&mut [T])) -> Result<()> {
    struct Change<T, F>(RefCell<F>, PhantomData<T>);
    impl<T: Real, F: FnMut(&mut [T])> InplaceOp1 for Change<T, F> {
        fn name(&self) -> &'static str {
            "change"
        }
        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            let range = layout.contiguous_offsets().map(|(from, to)| from..to);
            match (T::slice_mut(storage), range) {
                (Some(values), Some(range)) if range.end <= values.len() => {
                    (self.0.borrow_mut())(&mut values[range]);
                    Ok(())
                }
                _ => Err(Error::msg("the operation needs a contiguous tensor of its own type")),
            }
        }
    }
    tensor.inplace_op1(&Change(RefCell::new(f), PhantomData))
}

/// Makes a tensor on the device of `like` from values, without a copy.
pub(crate) fn tensor_of<T: WithDType>(values: Vec<T>, shape: impl Into<Shape>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), like.device())
}

/// Runs `f` compiled for the widest vector instructions of this processor.
///
/// Only what is inlined into `f` gains. Vectors are used across elements, never to reorder a sum beyond what the
/// source says, so the result is the same with any instruction set.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Adds `other` into `sum`, element by element.
pub(crate) fn add_in_place(sum: &Tensor, other: &Tensor) -> Result<()> {
    fn run<T: Real>(sum: &Tensor, other: &Tensor) -> Result<()> {
        with_values::<T, _>(other, |other| {
            change_values::<T>(sum, |sum| {
                vectorised(|| sum.iter_mut().zip(other).for_each(|(sum, &other)| *sum += other));
            })
        })
    }
    real::dispatch!(sum.dtype(), T => run::<T>(sum, other))
}

/// The rows of `table` [V, D] with these indices: [N, D].
pub(crate) fn gather_rows(table: &Tensor, rows: &[u32]) -> Result<Tensor> {
    fn run<T: Real>(table: &Tensor, rows: &[u32]) -> Result<Tensor> {
        let (count, width) = table.dims2()?;
        with_values::<T, _>(table, |values| {
            let mut out = Vec::with_capacity(rows.len() * width);
            for &row in rows {
                let row = row as usize;
                if row >= count {
                    return Err(Error::msg(format!("row {row} of a table with {count} rows")));
                }
                out.extend_from_slice(&values[row * width..][..width]);
            }
            tensor_of(out, (rows.len(), width), table)
        })
    }
    real::dispatch!(table.dtype(), T => run::<T>(table, rows))
}

/// Adds row n of `values` [N, D] to row `rows[n]` of a table of zeros [V, D]: the backward pass of [`gather_rows`].
pub(crate) fn scatter_rows(values: &Tensor, rows: &[u32], count: usize) -> Result<Tensor> {
    fn run<T: Real>(values: &Tensor, rows: &[u32], count: usize) -> Result<Tensor> {
        let (_, width) = values.dims2()?;
        with_values::<T, _>(values, |input| {
            let mut out = vec![T::real(0.0); count * width];
            for (input, &row) in input.chunks_exact(width.max(1)).zip(rows) {
                let out = &mut out[row as usize * width..][..width];
                out.iter_mut().zip(input).for_each(|(out, &input)| *out += input);
            }
            tensor_of(out, (count, width), values)
        })
    }
    real::dispatch!(values.dtype(), T => run::<T>(values, rows, count))
}

#[cfg(test)]
pub(crate) mod check;
