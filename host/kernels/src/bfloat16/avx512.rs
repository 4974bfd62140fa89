//! AVX512-BF16: a dot product of two pairs in each of 16 lanes.

#![allow(unsafe_code, reason = "vector instructions; sizes are checked by the caller")]

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
};

use half::bf16;

use super::Rows;
use crate::panels::LANES;

const ROWS: usize = 12;
/// Pairs of a row that lie in one line of the cache.
const LINE: usize = 16;

/// Slices have been checked against the sizes. A left factor that is `cold` comes from memory: the rows of the next tile are
/// asked for while those of this one are multiplied.
pub(super) fn product(a: Rows<'_>, b: &[bf16], c: &mut [f32], accumulate: bool, cold: bool) {
    let tiles = if cold { tiles::<true> } else { tiles::<false> };
    // SAFETY: this path is taken only where the instructions were found; the slices reach as far as the sizes say.
    unsafe { tiles(a, b.as_ptr(), c.as_mut_ptr(), accumulate) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn tiles<const COLD: bool>(a: Rows<'_>, b: *const bf16, c: *mut f32, accumulate: bool) {
    let mut row = 0;
    while row < a.rows {
        // SAFETY: rows below `a.rows` are within the slices.
        row += unsafe {
            let (from, to) = (a.values.as_ptr().add(row * a.stride), c.add(row * LANES));
            match a.rows - row {
                ROWS.. => tile::<ROWS, COLD>(from, a, b, to, accumulate),
                4.. => tile::<4, COLD>(from, a, b, to, accumulate),
                _ => tile::<1, COLD>(from, a, b, to, accumulate),
            }
        };
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn tile<const R: usize, const COLD: bool>(
    mut from: *const bf16,
    a: Rows<'_>,
    mut b: *const bf16,
    c: *mut f32,
    accumulate: bool,
) -> usize {
    // SAFETY: as the caller says; vectors of integers and of bf16 have the same size and any bits are valid. Hints read
    // nothing.
    unsafe {
        let brain = |x: __m512i| std::mem::transmute::<__m512i, __m512bh>(x);
        let mut sums: [[__m512; 2]; R] = [[_mm512_setzero_ps(); 2]; R];
        if accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                *sums = [_mm512_loadu_ps(c.add(r * LANES)), _mm512_loadu_ps(c.add(r * LANES + 16))];
            }
        }
        let pairs = a.depth / 2;
        for line in (0..pairs).step_by(LINE) {
            if COLD {
                for r in R..2 * R {
                    _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(r * a.stride).cast::<i8>());
                }
            }
            for _ in line..pairs.min(line + LINE) {
                let b0 = brain(_mm512_loadu_si512(b.cast()));
                let b1 = brain(_mm512_loadu_si512(b.add(LANES).cast()));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = brain(_mm512_set1_epi32(from.add(r * a.stride).cast::<i32>().read_unaligned()));
                    sums[0] = _mm512_dpbf16_ps(sums[0], x, b0);
                    sums[1] = _mm512_dpbf16_ps(sums[1], x, b1);
                }
                from = from.add(2);
                b = b.add(2 * LANES);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            _mm512_storeu_ps(c.add(r * LANES), sums[0]);
            _mm512_storeu_ps(c.add(r * LANES + 16), sums[1]);
        }
    }
    R
}
