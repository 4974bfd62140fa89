//! Rows of a weight times a vector, 16 values at once.

#![allow(unsafe_code, reason = "vector instructions; all places are computed from checked slices")]

use std::arch::x86_64::{
    __m256i, __m512, __m512bh, __m512i, __mmask16, _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm512_add_ps,
    _mm512_castps_si512, _mm512_castsi256_si512, _mm512_castsi512_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps,
    _mm512_inserti64x4, _mm512_loadu_si512, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_reduce_add_ps,
    _mm512_set1_ps, _mm512_setzero_ps,
};

use half::bf16;

use crate::matrix::Stored;
use crate::transpose::avx512::transpose;

/// Rows that are transposed together.
const ROWS: usize = 16;
/// Bytes that come from memory at once.
const LINE: usize = 64;

/// `y += W x`, each sum one chain.
pub(super) fn rows<S: Stored>(values: &[S], x: &[f32], y: &mut [f32]) {
    let columns = x.len();
    let values = &values[..y.len() * columns];
    // While sixteen rows are multiplied, the next sixteen are asked for, in the order in which they lie: so many rows at
    // once are more than the processor reads ahead by itself.
    let (first, _) = values.split_at((ROWS * columns).min(values.len()));
    first.chunks(LINE / size_of::<S>()).for_each(|line| ask_for(line.as_ptr()));
    for (y, values) in y.chunks_mut(ROWS).zip(values.chunks(ROWS * columns)) {
        // SAFETY: the instructions were found; `values` has a row for each value of `y`.
        unsafe {
            match y.len() {
                ROWS => group::<S, true>(values, x, y),
                _ => group::<S, false>(values, x, y),
            }
        }
    }
}

/// Asks for a line of memory; the place may be anywhere.
#[inline(always)]
fn ask_for<S>(place: *const S) {
    // SAFETY: a hint that reads nothing.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(place.cast::<i8>()) }
}

/// Treats 16 rows, or if they are not WHOLE fewer.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
unsafe fn group<S: Stored, const WHOLE: bool>(values: &[S], x: &[f32], y: &mut [f32]) {
    let columns = x.len();
    let last = if WHOLE { ROWS - 1 } else { y.len() - 1 };
    let used: __mmask16 = if WHOLE { !0 } else { (1 << y.len()) - 1 };
    // SAFETY: `y` has as many values as `values` has rows of `columns`; no row behind the last is touched.
    unsafe {
        let mut sum = _mm512_maskz_loadu_ps(used, y.as_ptr());
        let whole = columns / 16 * 16;
        for k in (0..whole).step_by(16) {
            let first = values.as_ptr().add(k);
            let next = values.as_ptr().wrapping_add(ROWS * (columns + k));
            // Written out: as a loop it is not unrolled, and goes through memory.
            macro_rules! rows {
                ($($r:literal)*) => { [$({
                    let row = if WHOLE || $r < last { $r } else { last };
                    if ($r * 16 * size_of::<S>()).is_multiple_of(LINE) {
                        ask_for(next.wrapping_add($r * 16));
                    }
                    _mm512_castps_si512(S::singles_16(first.add(row * columns)))
                }),*] };
            }
            let block = rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            for (j, row) in transpose(block).into_iter().enumerate() {
                let x = _mm512_set1_ps(*x.get_unchecked(k + j));
                sum = _mm512_fmadd_ps(_mm512_castsi512_ps(row), x, sum);
            }
        }
        _mm512_mask_storeu_ps(y.as_mut_ptr(), used, sum);
        for (row, y) in y.iter_mut().enumerate() {
            for k in whole..columns {
                *y = values[row * columns + k].single().mul_add(x[k], *y);
            }
        }
    }
}

/// Whether there are dot products of pairs in bf16.
pub(super) fn has_dot_products() -> bool {
    is_x86_feature_detected!("avx512bf16")
}

/// `y += W x` of rounded factors: 32 sums of a row go on side by side, and are added up at its end.
pub(super) fn rows_bf16<S: Stored>(values: &[S], x: &[bf16], y: &mut [f32]) {
    assert!(values.len() >= y.len() * x.len(), "a weight is too short");
    // SAFETY: the instructions were found; there is a row for each value of `y`.
    unsafe { dots(values, x, y) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,fma")]
unsafe fn dots<S: Stored>(values: &[S], x: &[bf16], y: &mut [f32]) {
    /// Bytes between what is multiplied and what is asked for.
    const AHEAD: usize = 4096;
    let columns = x.len();
    let whole = columns / 32 * 32;
    for (index, y) in y.iter_mut().enumerate() {
        // SAFETY: as the caller says.
        unsafe {
            let (row, x) = (values.as_ptr().add(index * columns), x.as_ptr());
            let part = |k: usize, sum: __m512| {
                let from = row.add(k);
                let next = from.wrapping_byte_add(AHEAD);
                _mm_prefetch::<_MM_HINT_T0>(next.cast::<i8>());
                if size_of::<S>() > 2 {
                    _mm_prefetch::<_MM_HINT_T0>(next.wrapping_byte_add(64).cast::<i8>());
                }
                let x: __m512bh = brains(_mm512_loadu_si512(x.add(k).cast()));
                _mm512_dpbf16_ps(sum, brains(join(S::brains_16(from), S::brains_16(from.add(16)))), x)
            };
            let mut sums = [_mm512_setzero_ps(); 2];
            let mut k = 0;
            while k + 64 <= whole {
                sums = [part(k, sums[0]), part(k + 32, sums[1])];
                k += 64;
            }
            if k < whole {
                sums[0] = part(k, sums[0]);
            }
            let mut sum = _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1]));
            for k in whole..columns {
                sum = (*row.add(k)).brain().to_f32().mul_add((*x.add(k)).to_f32(), sum);
            }
            *y += sum;
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn join(low: __m256i, high: __m256i) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}

#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn brains(x: __m512i) -> __m512bh {
    // SAFETY: both have 512 bits, and any bits are valid.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(x) }
}
