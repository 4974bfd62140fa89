//! A weight times a single token: as fast as the weight can be read.
//!
//! Sixteen rows of sixteen values are transposed in registers, so that the lanes of a vector are outputs and every sum is
//! the same chain of fused multiply-adds as in a panel, bit for bit.

use rayon::prelude::*;

use crate::instructions::{F32Path, f32_path};
use crate::matrix::{Matrix, Stored, with_stored};

/// Outputs of a task.
const BLOCK: usize = 64;

/// `y = W x`, or `y += W x`, in f32.
///
/// # Panics
/// The sizes do not fit together.
pub fn multiply_vector(weight: Matrix<'_>, x: &[f32], y: &mut [f32], accumulate: bool) {
    assert_eq!((weight.rows(), weight.columns()), (y.len(), x.len()), "the sizes of a product");
    let columns = weight.columns();
    if !accumulate {
        y.fill(0.0);
    }
    with_stored!(weight.values(), values => {
        let per_task = y.len().div_ceil(4 * rayon::current_num_threads()).next_multiple_of(BLOCK);
        y.par_chunks_mut(per_task).enumerate().for_each(|(task, y)| {
            let values = &values[task * per_task * columns..][..y.len() * columns];
            rows(f32_path(), values, x, y);
        });
    });
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
        __m512, __m512i, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
    };

    use crate::matrix::Stored;
    use crate::transpose::avx512::transpose;

    /// Groups of 16 rows whose sums go on at once: a chain alone would wait for its own last step.
    const GROUPS: usize = 4;

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

    #[target_feature(enable = "avx512f,avx512bw,fma")]
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
                let mut blocks = [[_mm512_setzero_si512(); 16]; G];
                for (g, block) in blocks.iter_mut().enumerate() {
                    for (r, row) in block.iter_mut().enumerate() {
                        *row = load(values.as_ptr().add((16 * g + r) * columns + k));
                    }
                    *block = transpose(*block);
                }
                for j in 0..16 {
                    let x = _mm512_set1_ps(*x.get_unchecked(k + j));
                    for (sum, block) in sums.iter_mut().zip(&blocks) {
                        *sum = _mm512_fmadd_ps(_mm512_castsi512_ps(block[j]), x, *sum);
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

    /// Sixteen values as f32.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn load<S: Stored>(from: *const S) -> __m512i {
        let mut values = [0.0_f32; 16];
        for (i, to) in values.iter_mut().enumerate() {
            // SAFETY: the caller has 16 values.
            *to = unsafe { from.add(i).read_unaligned() }.single();
        }
        // SAFETY: sixteen values were just written.
        unsafe { _mm512_castps_si512(_mm512_loadu_ps(values.as_ptr())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Values;
    use crate::panels::{LANES, Panels};
    use crate::product::{Job, Operand, Precision, Side, multiply};
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
                let mut y = vec![7.0; outputs];
                multiply_vector(weight, &values(inputs, 2), &mut y, false);
                assert!(out.token(9).eq(y.iter().copied()), "{outputs}x{inputs}");
                let want: Vec<f32> = y.clone();
                for path in crate::instructions::f32_paths() {
                    let mut y = vec![0.0; outputs];
                    with_stored!(stored, values => rows(path, values, &self::values(inputs, 2), &mut y));
                    assert_eq!(y, want);
                }
            }
        }
    }
}
