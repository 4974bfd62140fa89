//! The product of a small matrix and a panel, on one thread: `C [rows, 32] = A [rows, depth] · B [depth, 32]`.
//!
//! Every element is one chain of fused multiply-adds over ascending depth, so that the bits do not depend on how rows
//! are grouped into tiles, on where a depth is cut in two, or on the width of vectors.

use crate::instructions::{F32Path, f32_path};
use crate::matrix::{Stored, Values};
use crate::panels::{LANES, Panels};
use crate::real::Real;

#[cfg(target_arch = "x86_64")]
mod avx512;

/// The left factor: element (row, depth) is at `row · row_stride + depth · depth_stride`.
#[derive(Debug, Clone, Copy)]
pub struct Factor<'a, T> {
    /// The values.
    pub values: &'a [T],
    /// Distance of two rows.
    pub row_stride: usize,
    /// Distance of two elements of a row.
    pub depth_stride: usize,
}

/// The most rows of a tile: what is laid out anew lies in strips of so many rows.
pub(crate) const STRIP: usize = 12;

/// Sizes of a product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) depth: usize,
    pub(crate) accumulate: bool,
}

/// A type whose products this crate computes.
pub trait Tiled: Sized {
    #[doc(hidden)]
    fn tiles(path: F32Path, a: Factor<'_, Self>, size: [usize; 2], b: &[Self], c: &mut [Self], accumulate: bool);
    /// A stored value in this type.
    #[doc(hidden)]
    fn stored<S: Stored>(value: S) -> Self;
    /// Stored values that are of this type already.
    #[doc(hidden)]
    fn in_place(values: Values<'_>) -> Option<&[Self]>;
    /// The values as they are if this type is f32, else as f64.
    #[doc(hidden)]
    fn into_singles(values: Vec<Self>) -> Result<Vec<f32>, Vec<f64>>;
    /// The panels, if this type is f32.
    #[doc(hidden)]
    fn singles(panels: &Panels<Self>) -> Option<&Panels<f32>>
    where
        Self: crate::buffer::Element;
    /// The values, if this type is f32.
    #[doc(hidden)]
    fn as_singles(values: &[Self]) -> Option<&[f32]>;
    /// The values, if this type is f32.
    #[doc(hidden)]
    fn singles_mut(values: &mut [Self]) -> Option<&mut [f32]>;
}

/// `C = A · B`, or `C += A · B`, with `B` [depth, 32] and `C` [rows, 32].
///
/// # Panics
/// A slice is too short for the sizes.
pub fn panel_product<T: Real>(a: Factor<'_, T>, [rows, depth]: [usize; 2], b: &[T], c: &mut [T], accumulate: bool) {
    T::tiles(f32_path(), a, [rows, depth], b, c, accumulate);
}

/// The sizes are checked here, once, for all paths.
fn check<T>(a: &Factor<'_, T>, size: Size, b: &[T], c: &[T]) -> bool {
    let Size { rows, depth, .. } = size;
    assert!(b.len() >= depth * LANES && c.len() >= rows * LANES, "a panel is too short");
    if rows == 0 {
        return false;
    }
    if depth > 0 {
        let last = (rows - 1) * a.row_stride + (depth - 1) * a.depth_stride;
        assert!(last < a.values.len(), "the left factor is too short");
    }
    true
}

impl Tiled for f32 {
    fn tiles(path: F32Path, a: Factor<'_, f32>, [rows, depth]: [usize; 2], b: &[f32], c: &mut [f32], accumulate: bool) {
        let size = Size { rows, depth, accumulate };
        if !check(&a, size, b, c) {
            return;
        }
        match path {
            #[cfg(target_arch = "x86_64")]
            F32Path::Avx512 => avx512::product(a, size, b, c),
            #[cfg(target_arch = "x86_64")]
            F32Path::Avx2 => fused::product(a, size, b, c),
            _ => portable(a, size, b, c),
        }
    }

    #[inline(always)]
    fn stored<S: Stored>(value: S) -> Self {
        value.single()
    }

    fn in_place(values: Values<'_>) -> Option<&[f32]> {
        if let Values::F32(values) = values { Some(values) } else { None }
    }

    fn into_singles(values: Vec<f32>) -> Result<Vec<f32>, Vec<f64>> {
        Ok(values)
    }

    fn singles(panels: &Panels<f32>) -> Option<&Panels<f32>> {
        Some(panels)
    }

    fn as_singles(values: &[f32]) -> Option<&[f32]> {
        Some(values)
    }

    fn singles_mut(values: &mut [f32]) -> Option<&mut [f32]> {
        Some(values)
    }
}

impl Tiled for f64 {
    fn tiles(path: F32Path, a: Factor<'_, f64>, [rows, depth]: [usize; 2], b: &[f64], c: &mut [f64], accumulate: bool) {
        let size = Size { rows, depth, accumulate };
        if !check(&a, size, b, c) {
            return;
        }
        match path {
            #[cfg(target_arch = "x86_64")]
            F32Path::Avx2 | F32Path::Avx512 => fused::product(a, size, b, c),
            _ => portable(a, size, b, c),
        }
    }

    #[inline(always)]
    fn stored<S: Stored>(value: S) -> Self {
        value.double()
    }

    fn in_place(values: Values<'_>) -> Option<&[f64]> {
        if let Values::F64(values) = values { Some(values) } else { None }
    }

    fn into_singles(values: Vec<f64>) -> Result<Vec<f32>, Vec<f64>> {
        Err(values)
    }

    fn singles(_: &Panels<f64>) -> Option<&Panels<f32>> {
        None
    }

    fn as_singles(_: &[f64]) -> Option<&[f32]> {
        None
    }

    fn singles_mut(_: &mut [f64]) -> Option<&mut [f32]> {
        None
    }
}

/// Rows at once in code that the compiler makes vectors of: with eight values a vector, 12 sums fit the registers.
const ROWS: usize = 3;

#[inline(always)]
fn portable<T: Real>(a: Factor<'_, T>, size: Size, b: &[T], c: &mut [T]) {
    let whole = size.rows / ROWS * ROWS;
    for row in (0..whole).step_by(ROWS) {
        tile::<T, ROWS>(a, row, size, b, c);
    }
    for row in whole..size.rows {
        tile::<T, 1>(a, row, size, b, c);
    }
}

#[inline(always)]
fn tile<T: Real, const R: usize>(a: Factor<'_, T>, row: usize, size: Size, b: &[T], c: &mut [T]) {
    let mut sums = [[T::ZERO; LANES]; R];
    let c = &mut c[row * LANES..][..R * LANES];
    if size.accumulate {
        for (sums, c) in sums.iter_mut().zip(c.chunks_exact(LANES)) {
            sums.copy_from_slice(c);
        }
    }
    for (k, b) in b.chunks_exact(LANES).take(size.depth).enumerate() {
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = a.values[(row + r) * a.row_stride + k * a.depth_stride];
            for lane in 0..LANES {
                sums[lane] = x.fused(b[lane], sums[lane]);
            }
        }
    }
    for (sums, c) in sums.iter().zip(c.chunks_exact_mut(LANES)) {
        c.copy_from_slice(sums);
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "the compiler may only use AVX2 where the processor is known to have it")]
mod fused {
    use super::{Factor, Real, Size, portable};

    pub(super) fn product<T: Real>(a: Factor<'_, T>, size: Size, b: &[T], c: &mut [T]) {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn compiled<T: Real>(a: Factor<'_, T>, size: Size, b: &[T], c: &mut [T]) {
            portable(a, size, b, c);
        }
        // SAFETY: this path is taken only where both were found.
        unsafe { compiled(a, size, b, c) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::instructions::f32_paths;

    /// Values in ±1 that are a function of the index.
    pub(crate) fn values(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn every_path_gives_the_bits_of_a_chain_of_fused_multiply_adds() {
        for (rows, depth) in [(1, 1), (2, 7), (11, 33), (12, 64), (13, 5), (37, 200), (5, 0)] {
            let (a, b) = (values(rows * depth + 1, 1), values(depth * LANES, 2));
            for (row_stride, depth_stride) in [(depth, 1), (1, rows)] {
                let factor = Factor { values: &a, row_stride, depth_stride };
                for accumulate in [false, true] {
                    let before = values(rows * LANES, 3);
                    let mut want = if accumulate { before.clone() } else { vec![0.0; rows * LANES] };
                    for row in 0..rows {
                        for lane in 0..LANES {
                            for k in 0..depth {
                                let x = a[row * row_stride + k * depth_stride];
                                want[row * LANES + lane] = x.mul_add(b[k * LANES + lane], want[row * LANES + lane]);
                            }
                        }
                    }
                    for path in f32_paths() {
                        let mut got = before.clone();
                        f32::tiles(path, factor, [rows, depth], &b, &mut got, accumulate);
                        assert_eq!(got, want, "{path:?} {rows}x{depth} {accumulate}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "too short")]
    fn a_factor_that_is_too_short_is_found() {
        let a = Factor { values: &[1.0_f32; 5], row_stride: 3, depth_stride: 1 };
        panel_product(a, [2, 3], &[0.0; 96], &mut [0.0; 64], false);
    }
}
