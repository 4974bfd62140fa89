//! Tiles of up to 12 rows and 32 lanes: 24 sums, two vectors of `B` and one broadcast element of `A` fill the registers.

#![allow(unsafe_code, reason = "vector instructions; sizes are checked by the caller")]

use std::arch::x86_64::{
    __m512, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{Factor, STRIP, Size};
use crate::panels::LANES;

/// Slices have been checked against the sizes.
pub(super) fn product(a: Factor<'_, f32>, size: Size, b: &[f32], c: &mut [f32]) {
    // SAFETY: this path is taken only where AVX-512 was found, and the slices reach as far as the sizes say. Rows or
    // elements lie side by side.
    unsafe {
        match (a.row_stride, a.depth_stride) {
            (_, 1) => tiles::<true>(a.values, a.row_stride, size, b, c),
            (1, _) => tiles::<false>(a.values, a.depth_stride, size, b, c),
            _ => super::fused::product(a, size, b, c),
        }
    }
}

/// The elements of a row of `A` lie side by side (ROWS) and rows at a `stride`, or the other way round.
#[target_feature(enable = "avx512f")]
unsafe fn tiles<const ROWS: bool>(a: &[f32], stride: usize, size: Size, b: &[f32], c: &mut [f32]) {
    let mut row = 0;
    // SAFETY: rows below `size.rows` are within the slices.
    unsafe {
        while row < size.rows {
            let (from, to) = (if ROWS { row * stride } else { row }, row * LANES);
            let (a, b, c) = (a.as_ptr().add(from), b.as_ptr(), c.as_mut_ptr().add(to));
            row += match size.rows - row {
                STRIP.. => tile::<STRIP, ROWS>(a, stride, size, b, c),
                8.. => tile::<8, ROWS>(a, stride, size, b, c),
                4.. => tile::<4, ROWS>(a, stride, size, b, c),
                2.. => tile::<2, ROWS>(a, stride, size, b, c),
                _ => tile::<1, ROWS>(a, stride, size, b, c),
            };
        }
    }
}

type Sums<const R: usize> = [[__m512; 2]; R];

#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn tile<const R: usize, const ROWS: bool>(
    a: *const f32,
    stride: usize,
    size: Size,
    mut b: *const f32,
    c: *mut f32,
) -> usize {
    /// Elements of a row that are treated without counting: less is left over for what is not multiplication.
    const UNROLLED: usize = 4;
    // SAFETY: as the caller says.
    unsafe {
        let mut sums: Sums<R> = [[_mm512_setzero_ps(); 2]; R];
        if size.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                *sums = [_mm512_loadu_ps(c.add(r * LANES)), _mm512_loadu_ps(c.add(r * LANES + 16))];
            }
        }
        // A pointer for each four rows: three strides are reached from it, and it takes one addition to move it.
        let mut from = [a, a.wrapping_add(4 * stride), a.wrapping_add(8 * stride)];
        let step = if ROWS { 1 } else { stride };
        for _ in 0..size.depth / UNROLLED {
            for k in 0..UNROLLED {
                fused::<R, ROWS>(from.map(|from| from.wrapping_add(k * step)), stride, b.add(k * LANES), &mut sums);
            }
            from = from.map(|from| from.wrapping_add(UNROLLED * step));
            b = b.add(UNROLLED * LANES);
        }
        for k in 0..size.depth % UNROLLED {
            fused::<R, ROWS>(from.map(|from| from.wrapping_add(k * step)), stride, b.add(k * LANES), &mut sums);
        }
        for (r, sums) in sums.iter().enumerate() {
            _mm512_storeu_ps(c.add(r * LANES), sums[0]);
            _mm512_storeu_ps(c.add(r * LANES + 16), sums[1]);
        }
        R
    }
}

/// One element of each row.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn fused<const R: usize, const ROWS: bool>(
    a: [*const f32; 3],
    stride: usize,
    b: *const f32,
    sums: &mut Sums<R>,
) {
    // SAFETY: as the caller says.
    unsafe {
        let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = if ROWS { a[r / 4].add(r % 4 * stride) } else { a[0].add(r) };
            let x = _mm512_set1_ps(*x);
            sums[0] = _mm512_fmadd_ps(x, b0, sums[0]);
            sums[1] = _mm512_fmadd_ps(x, b1, sums[1]);
        }
    }
}
