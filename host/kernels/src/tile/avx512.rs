//! Tiles of up to 12 rows and 32 lanes: 24 sums, two vectors of `B` and one broadcast element of `A` fill the registers.

#![allow(unsafe_code, reason = "vector instructions; sizes are checked by the caller")]

use std::arch::x86_64::{
    __m512, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{Factor, Size};
use crate::panels::LANES;

/// The most rows of a tile.
const ROWS: usize = 12;

/// Slices have been checked against the sizes.
pub(super) fn product(a: Factor<'_, f32>, size: Size, b: &[f32], c: &mut [f32]) {
    // SAFETY: this path is taken only where AVX-512 was found, and the slices reach as far as the sizes say.
    unsafe { tiles(a, size, b, c) }
}

#[target_feature(enable = "avx512f")]
unsafe fn tiles(a: Factor<'_, f32>, size: Size, b: &[f32], c: &mut [f32]) {
    let (rs, ks) = (a.row_stride, a.depth_stride);
    let mut row = 0;
    // SAFETY: rows below `size.rows` are within the slices.
    unsafe {
        while row + ROWS <= size.rows {
            let (a, c) = (a.values.as_ptr().add(row * rs), c.as_mut_ptr().add(row * LANES));
            tile::<ROWS>(a, rs, ks, size, b.as_ptr(), c);
            row += ROWS;
        }
        while row < size.rows {
            let (a, c) = (a.values.as_ptr().add(row * rs), c.as_mut_ptr().add(row * LANES));
            let b = b.as_ptr();
            row += match size.rows - row {
                8.. => tile::<8>(a, rs, ks, size, b, c),
                4.. => tile::<4>(a, rs, ks, size, b, c),
                2.. => tile::<2>(a, rs, ks, size, b, c),
                _ => tile::<1>(a, rs, ks, size, b, c),
            };
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn tile<const R: usize>(
    mut a: *const f32,
    rs: usize,
    ks: usize,
    size: Size,
    mut b: *const f32,
    c: *mut f32,
) -> usize {
    // SAFETY: as the caller says.
    unsafe {
        let mut sums: [[__m512; 2]; R] = [[_mm512_setzero_ps(); 2]; R];
        if size.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                *sums = [_mm512_loadu_ps(c.add(r * LANES)), _mm512_loadu_ps(c.add(r * LANES + 16))];
            }
        }
        for _ in 0..size.depth {
            let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*a.add(r * rs));
                sums[0] = _mm512_fmadd_ps(x, b0, sums[0]);
                sums[1] = _mm512_fmadd_ps(x, b1, sums[1]);
            }
            a = a.add(ks);
            b = b.add(LANES);
        }
        for (r, sums) in sums.iter().enumerate() {
            _mm512_storeu_ps(c.add(r * LANES), sums[0]);
            _mm512_storeu_ps(c.add(r * LANES + 16), sums[1]);
        }
        R
    }
}
