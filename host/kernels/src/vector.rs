//! A weight times a single token: as fast as the weight can be read.
//!
//! Sixteen rows of sixteen values are transposed in registers, so that the lanes of a vector are outputs and every sum is
//! the same chain of fused multiply-adds as in a panel, bit for bit.

use rayon::prelude::*;

use crate::instructions::{F32Path, f32_path};
use crate::matrix::{Matrix, Stored, with_stored};
use crate::panels::LANES;
use crate::product::{Job, Side, Start};
use crate::real::Real;

/// Outputs of a task, at least: what goes on at once in registers.
const BLOCK: usize = 64;

/// `y += W x`, all in f32.
struct Product<'a> {
    weight: Matrix<'a>,
    x: Vec<f32>,
}

/// Whether sums are those of single tokens, with the weights used as they lie.
pub(crate) fn are_vectors<T: Real>(jobs: &[Job<'_, T>]) -> bool {
    let single = |job: &Job<'_, T>| job.out.tokens() == 1 && job.side == Side::Plain && T::singles(job.out).is_some();
    !jobs.is_empty() && jobs.iter().all(single)
}

/// Computes sums of single tokens. In bf16 the token is rounded, and sums have the order of f32.
pub(crate) fn multiply_vectors<T: Real>(jobs: Vec<Job<'_, T>>) {
    let outputs: usize = jobs.iter().map(|job| job.out.features()).sum();
    let share = outputs.div_ceil(2 * rayon::current_num_threads()).next_multiple_of(BLOCK);
    let mut sums = Vec::with_capacity(jobs.len());
    for job in &jobs {
        let products: Vec<Product<'_>> =
            job.terms.iter().map(|(weight, x)| Product { weight: *weight, x: x.vector() }).collect();
        let y: Vec<f32> = match job.start {
            Start::Zero => vec![0.0; job.out.features()],
            Start::Bias(bias) => bias.iter().map(|x| x.to_f64() as f32).collect(),
            Start::Output => job.out.token(0).map(|x| x.to_f64() as f32).collect(),
        };
        sums.push((products, y));
    }
    let tasks = sums.iter_mut().flat_map(|(products, y)| {
        let products = &*products;
        y.chunks_mut(share).enumerate().map(move |(task, y)| (products, task * share, y))
    });
    tasks.collect::<Vec<_>>().into_par_iter().with_max_len(1).for_each(|(products, first, y)| {
        for Product { weight, x } in products {
            let columns = weight.columns();
            with_stored!(weight.values(), values => {
                rows(f32_path(), &values[first * columns..][..y.len() * columns], x, y);
            });
        }
    });
    for (job, (_, y)) in jobs.into_iter().zip(sums) {
        job.out.values_mut().chunks_exact_mut(LANES).zip(y).for_each(|(lanes, y)| lanes.fill(T::real(f64::from(y))));
    }
}

/// `y += W x` on one thread.
fn rows<S: Stored>(path: F32Path, values: &[S], x: &[f32], y: &mut [f32]) {
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if path == F32Path::Avx512 {
        done = avx512::rows(values, x, y);
    }
    let _ = path;
    let columns = x.len();
    for (row, y) in y.iter_mut().enumerate().skip(done) {
        *y = values[row * columns..][..columns].iter().zip(x).fold(*y, |sum, (w, x)| w.single().mul_add(*x, sum));
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    #![allow(unsafe_code, reason = "vector instructions; all places are computed from checked slices")]

    use std::arch::x86_64::{
        __m512, _MM_HINT_T1, _mm_prefetch, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use crate::matrix::Stored;
    use crate::transpose::avx512::transpose;

    /// Groups of 16 rows whose sums go on at once: a chain alone would wait for its own last step.
    const GROUPS: usize = 2;

    /// Treats rows by 16; gives how many were.
    pub(super) fn rows<S: Stored>(values: &[S], x: &[f32], y: &mut [f32]) -> usize {
        let (columns, mut row) = (x.len(), 0);
        while row + 16 <= y.len() {
            let whole = y.len() - row >= 16 * GROUPS;
            let count = if whole { 16 * GROUPS } else { 16 };
            let (values, y) = (&values[row * columns..][..count * columns], &mut y[row..row + count]);
            // SAFETY: the instructions were found; the slices have `count` rows.
            unsafe { if whole { group::<S, GROUPS>(values, x, y) } else { group::<S, 1>(values, x, y) } }
            row += count;
        }
        row
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
    unsafe fn group<S: Stored, const G: usize>(values: &[S], x: &[f32], y: &mut [f32]) {
        let columns = x.len();
        // SAFETY: `y` has 16 G values, `values` 16 G rows of `columns`.
        unsafe {
            let mut sums: [__m512; G] = [_mm512_setzero_ps(); G];
            for (g, sum) in sums.iter_mut().enumerate() {
                *sum = _mm512_loadu_ps(y.as_ptr().add(16 * g));
            }
            let whole = columns / 16 * 16;
            for k in (0..whole).step_by(16) {
                // One group's block fills half of the registers; the processor runs the groups into each other.
                for (g, sum) in sums.iter_mut().enumerate() {
                    let first = values.as_ptr().add(16 * g * columns + k);
                    // Written out: as a loop it is not unrolled, and goes through memory.
                    macro_rules! rows {
                        ($($r:literal)*) => { [$({
                            let from = first.add($r * columns);
                            // So many rows at once are more than the processor reads ahead by itself: the same place of
                            // the next group is asked for.
                            let next = from.wrapping_add(16 * G * columns);
                            _mm_prefetch::<_MM_HINT_T1>(next.cast::<i8>());
                            _mm512_castps_si512(S::singles_16(from))
                        }),*] };
                    }
                    let block = rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                    for (j, row) in transpose(block).into_iter().enumerate() {
                        let x = _mm512_set1_ps(*x.get_unchecked(k + j));
                        *sum = _mm512_fmadd_ps(_mm512_castsi512_ps(row), x, *sum);
                    }
                }
            }
            for (g, sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(y.as_mut_ptr().add(16 * g), *sum);
            }
            for (row, y) in y.iter_mut().enumerate() {
                for k in whole..columns {
                    *y = values[row * columns + k].single().mul_add(x[k], *y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Values;
    use crate::panels::Panels;
    use crate::product::{Operand, Precision, multiply};
    use crate::tile::tests::values;

    #[test]
    fn a_single_token_has_the_bits_it_has_in_a_panel() {
        for (outputs, inputs) in [(1, 1), (16, 16), (50, 33), (64, 48), (200, 100)] {
            let w = values(outputs * inputs, 1);
            let brain: Vec<half::bf16> = w.iter().map(|&x| half::bf16::from_f32(x)).collect();
            let half: Vec<half::f16> = w.iter().map(|&x| half::f16::from_f32(x)).collect();
            for stored in [Values::F32(&w), Values::Bf16(&brain), Values::F16(&half)] {
                let weight = Matrix::new(stored, outputs, inputs);
                let mut x = Panels::<f32>::zeros(inputs, LANES);
                x.set_token(9, values(inputs, 2));
                let mut out = Panels::any(outputs, LANES);
                let operand = Operand::new(&x, Precision::F32);
                multiply(Job::new(weight, Side::Plain, &operand, &mut out));
                let mut single = Panels::any(inputs, 1);
                single.set_token(0, values(inputs, 2));
                let mut alone = Panels::any(outputs, 1);
                multiply(Job::new(weight, Side::Plain, &Operand::new(&single, Precision::F32), &mut alone));
                let want: Vec<f32> = alone.token(0).collect();
                assert!(out.token(9).eq(want.iter().copied()), "{outputs}x{inputs}");
                for path in crate::instructions::f32_paths() {
                    let mut y = vec![0.0; outputs];
                    with_stored!(stored, values => rows(path, values, &self::values(inputs, 2), &mut y));
                    assert_eq!(y, want);
                }
            }
        }
    }
}
