//! A weight times a single token: as fast as the weight can be read.
//!
//! In f32 sixteen rows of sixteen values are transposed in registers, so that the lanes of a vector are outputs and every
//! sum is the same chain of fused multiply-adds as in a panel, bit for bit. In bf16 a row is multiplied as it lies.

use half::bf16;

use crate::buffer::Buffer;
use crate::instructions::{Bf16Path, F32Path, bf16_path, f32_path};
use crate::matrix::{Stored, round_to_bf16, with_stored};
use crate::panels::Panels;
use crate::product::{Job, Operand, Side, Start};
use crate::real::Real;
use crate::workers;

#[cfg(target_arch = "x86_64")]
mod avx512;

/// Outputs of a task are a multiple of this: what goes on at once in registers.
const BLOCK: usize = 16;

/// Whether the results are single tokens that lie by themselves.
pub(crate) fn are_vectors<T: Real>(jobs: &[Job<'_, T>]) -> bool {
    jobs.first().is_some_and(|job| job.out.is_vector())
}

/// A token as it is multiplied.
enum Factor<'a> {
    /// As it is.
    Singles(&'a [f32]),
    /// Rounded.
    Brains(&'a [bf16]),
}

/// A token, rounded to bf16.
pub(crate) fn rounded(x: &Panels<f32>) -> Buffer<bf16> {
    let mut rounded = Buffer::any(x.features());
    rounded.iter_mut().zip(x.values()).for_each(|(to, from)| *to = round_to_bf16(*from));
    rounded
}

/// Computes sums of single tokens.
///
/// # Panics
/// Something else is among them: such sums are of f32, and of weights that are used as they lie.
pub(crate) fn multiply_vectors<T: Real>(jobs: Vec<Job<'_, T>>) {
    let mut sums = Vec::with_capacity(jobs.len());
    for Job { side, terms, out, start } in jobs {
        assert!(side == Side::Plain && out.is_vector(), "products of a single token");
        match start {
            Start::Zero => out.values_mut().fill(T::ZERO),
            Start::Bias(bias) => out.values_mut().copy_from_slice(bias),
            Start::Panels(x) => out.values_mut().copy_from_slice(x.values()),
            Start::Output => (),
        }
        let terms: Vec<_> = terms.into_iter().map(|(weight, x)| (weight, factor(x))).collect();
        sums.push((terms, T::singles_mut(out.values_mut())));
    }
    let threads = workers::threads();
    let tasks = sums.iter_mut().flat_map(|(terms, y)| {
        let terms = &*terms;
        // Memory is read best in few long ways.
        let share = y.as_ref().map_or(0, |y| y.len().div_ceil(threads).next_multiple_of(BLOCK));
        let y = y.iter_mut().flat_map(move |y| y.chunks_mut(share.max(BLOCK)));
        y.enumerate().map(move |(task, y)| (terms, task * share, y))
    });
    workers::for_each(tasks, |(terms, first, y)| {
        for (weight, x) in terms {
            let columns = weight.columns();
            with_stored!(weight.values(), values => {
                let values = &values[first * columns..][..y.len() * columns];
                match x {
                    Factor::Singles(x) => rows(f32_path(), values, x, y),
                    Factor::Brains(x) => rows_bf16(bf16_path(), values, x, y),
                }
            });
        }
    });
}

fn factor<'a, T: Real>(x: &'a Operand<'_, T>) -> Factor<'a> {
    match x.rounded_vector() {
        Some(x) => Factor::Brains(x),
        None => Factor::Singles(T::singles(x.panels()).map_or(&[], |x| x.values())),
    }
}

/// `y += W x` on one thread.
fn rows<S: Stored>(path: F32Path, values: &[S], x: &[f32], y: &mut [f32]) {
    match path {
        #[cfg(target_arch = "x86_64")]
        F32Path::Avx512 => avx512::rows(values, x, y),
        _ => chains(values, x, y),
    }
}

/// The same of rounded factors.
fn rows_bf16<S: Stored>(path: Bf16Path, values: &[S], x: &[bf16], y: &mut [f32]) {
    match path {
        #[cfg(target_arch = "x86_64")]
        Bf16Path::Avx512 | Bf16Path::Amx if avx512::has_dot_products() => avx512::rows_bf16(values, x, y),
        _ => chains_bf16(values, x, y),
    }
}

vectorised! {
fn chains<S: Stored>(values: &[S], x: &[f32], y: &mut [f32]) {
    for (row, y) in values.chunks_exact(x.len().max(1)).zip(y) {
        *y = row.iter().zip(x).fold(*y, |sum, (w, x)| w.single().fused(*x, sum));
    }
}
}

vectorised! {
fn chains_bf16<S: Stored>(values: &[S], x: &[bf16], y: &mut [f32]) {
    for (row, y) in values.chunks_exact(x.len().max(1)).zip(y) {
        *y = row.iter().zip(x).fold(*y, |sum, (w, x)| w.brain().to_f32().fused(x.to_f32(), sum));
    }
}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::{bf16_paths, f32_paths};
    use crate::matrix::{Matrix, Values};
    use crate::panels::LANES;
    use crate::product::{Precision, multiply};
    use crate::tile::tests::values;

    const SHAPES: [(usize, usize); 8] = [(1, 1), (8, 40), (16, 16), (50, 33), (64, 48), (200, 100), (37, 8), (700, 96)];

    /// The three types of stored values, and the same values.
    fn each(count: usize, mut test: impl FnMut(Values<'_>)) {
        let w = values(count, 1);
        let brain: Vec<bf16> = w.iter().map(|&x| bf16::from_f32(x)).collect();
        let half: Vec<half::f16> = w.iter().map(|&x| half::f16::from_f32(x)).collect();
        test(Values::F32(&w));
        test(Values::Bf16(&brain));
        test(Values::F16(&half));
    }

    #[test]
    fn a_single_token_has_the_bits_it_has_in_a_panel() {
        for (outputs, inputs) in SHAPES {
            let (token, bias) = (values(inputs, 2), values(outputs, 3));
            each(outputs * inputs, |stored| {
                let weight = Matrix::new(stored, outputs, inputs);
                let mut x = Panels::<f32>::zeros(inputs, LANES);
                x.set_token(9, token.clone());
                let mut out = Panels::any(outputs, LANES);
                let operand = Operand::new(&x, Precision::F32);
                multiply(Job::new(weight, Side::Plain, &operand, &mut out).from(Start::Bias(&bias)));
                let (single, mut alone) = (x.take(9), Panels::vector(outputs));
                let operand = Operand::new(&single, Precision::F32);
                multiply(Job::new(weight, Side::Plain, &operand, &mut alone).from(Start::Bias(&bias)));
                let want: Vec<f32> = alone.token(0).collect();
                assert!(out.token(9).eq(want.iter().copied()), "{outputs}x{inputs}");
                for path in f32_paths() {
                    let mut y = bias.clone();
                    with_stored!(stored, values => rows(path, values, &token, &mut y));
                    assert_eq!(y, want, "{path:?} {outputs}x{inputs}");
                }
            });
        }
    }

    #[test]
    fn in_bf16_both_factors_are_rounded() {
        for (outputs, inputs) in SHAPES {
            let x: Vec<bf16> = values(inputs, 2).iter().map(|&x| round_to_bf16(x)).collect();
            each(outputs * inputs, |stored| {
                let exact = stored.to_f64(0..outputs * inputs);
                let term = |w: f64, x: &bf16| bf16::from_f64(w).to_f64() * x.to_f64();
                let sum = |row: &[f64]| 0.5 + row.iter().zip(&x).map(|(w, x)| term(*w, x)).sum::<f64>();
                for path in bf16_paths() {
                    let mut y = vec![0.5; outputs];
                    with_stored!(stored, values => rows_bf16(path, values, &x, &mut y));
                    for (y, row) in y.iter().zip(exact.chunks_exact(inputs)) {
                        assert!((f64::from(*y) - sum(row)).abs() < 1e-4, "{path:?} {outputs}x{inputs}");
                    }
                }
            });
        }
    }
}
