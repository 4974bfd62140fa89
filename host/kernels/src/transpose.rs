//! Transposition of blocks.

use crate::instructions::{F32Path, f32_path};
use crate::panels::LANES;
use crate::real::Real;

/// The block [32, 32] of `from` (rows of 32) transposed into `to`.
///
/// # Panics
/// A slice is too short.
pub fn transpose_panel<T: Real>(from: &[T], to: &mut [T]) {
    let (from, to) = (&from[..LANES * LANES], &mut to[..LANES * LANES]);
    #[cfg(target_arch = "x86_64")]
    if let (F32Path::Avx512, Some(from)) = (f32_path(), T::as_singles(from))
        && let Some(to) = T::singles_mut(to)
    {
        return avx512::panel(from, to);
    }
    portable(from, to);
}

fn portable<T: Copy>(from: &[T], to: &mut [T]) {
    const SIDE: usize = 8;
    for row in (0..LANES).step_by(SIDE) {
        for column in (0..LANES).step_by(SIDE) {
            for i in 0..SIDE {
                for j in 0..SIDE {
                    to[(column + j) * LANES + row + i] = from[(row + i) * LANES + column + j];
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512 {
    //! Sixteen vectors of sixteen 32-bit elements, transposed in registers by 64 shuffles.
    #![allow(unsafe_code, reason = "vector instructions")]

    use std::arch::x86_64::{
        __m512i, _mm512_loadu_si512, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_storeu_si512,
        _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    use crate::panels::LANES;

    /// As [`super::transpose_panel`].
    pub(super) fn panel(from: &[f32], to: &mut [f32]) {
        assert!(from.len() >= LANES * LANES && to.len() >= LANES * LANES, "a panel is too short");
        // SAFETY: the instructions were found, and the lengths just checked.
        unsafe { quarters(from.as_ptr(), to.as_mut_ptr()) }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn quarters(from: *const f32, to: *mut f32) {
        for (row, column) in [(0, 0), (0, 16), (16, 0), (16, 16)] {
            let mut rows = [_mm512_setzero_si512(); 16];
            // SAFETY: as the caller says.
            unsafe {
                for (i, place) in rows.iter_mut().enumerate() {
                    *place = _mm512_loadu_si512(from.add((row + i) * LANES + column).cast());
                }
                for (i, columns) in transpose(rows).into_iter().enumerate() {
                    _mm512_storeu_si512(to.add((column + i) * LANES + row).cast(), columns);
                }
            }
        }
    }

    /// Row i of the result holds element i of every vector.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(crate) fn transpose(x: [__m512i; 16]) -> [__m512i; 16] {
        let mut a = x;
        for i in 0..8 {
            a[2 * i] = _mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
            a[2 * i + 1] = _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
        }
        let mut b = a;
        for i in 0..4 {
            b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
            b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
            b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
            b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
        }
        // b[4i + j] holds, of rows 4i..4i+4, the elements j, 4 + j, 8 + j, 12 + j.
        let mut c = b;
        for j in 0..4 {
            c[j] = _mm512_shuffle_i32x4::<0x88>(b[j], b[4 + j]);
            c[4 + j] = _mm512_shuffle_i32x4::<0xdd>(b[j], b[4 + j]);
            c[8 + j] = _mm512_shuffle_i32x4::<0x88>(b[8 + j], b[12 + j]);
            c[12 + j] = _mm512_shuffle_i32x4::<0xdd>(b[8 + j], b[12 + j]);
        }
        let mut d = c;
        for j in 0..4 {
            d[j] = _mm512_shuffle_i32x4::<0x88>(c[j], c[8 + j]);
            d[8 + j] = _mm512_shuffle_i32x4::<0xdd>(c[j], c[8 + j]);
            d[4 + j] = _mm512_shuffle_i32x4::<0x88>(c[4 + j], c[12 + j]);
            d[12 + j] = _mm512_shuffle_i32x4::<0xdd>(c[4 + j], c[12 + j]);
        }
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let from: Vec<f32> = (0..LANES * LANES).map(|i| i as f32).collect();
        let mut to = vec![0.0; LANES * LANES];
        transpose_panel(&from, &mut to);
        assert!((0..LANES * LANES).all(|i| to[i % LANES * LANES + i / LANES] == from[i]));
        let fast = std::mem::replace(&mut to, vec![0.0; LANES * LANES]);
        portable(&from, &mut to);
        assert_eq!(fast, to);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    #[allow(unsafe_code, reason = "vector instructions")]
    fn sixteen_vectors_are_transposed_in_registers() {
        if !is_x86_feature_detected!("avx512f") {
            return;
        }
        let from: [[i32; 16]; 16] = std::array::from_fn(|i| std::array::from_fn(|j| (i * 16 + j) as i32));
        // SAFETY: the instructions were found; arrays of 32-bit integers and vectors have the same size.
        let to: [[i32; 16]; 16] = unsafe {
            let vectors = std::mem::transmute::<[[i32; 16]; 16], [std::arch::x86_64::__m512i; 16]>(from);
            std::mem::transmute::<[std::arch::x86_64::__m512i; 16], [[i32; 16]; 16]>(avx512::transpose(vectors))
        };
        assert!((0..16).all(|i| (0..16).all(|j| to[i][j] == from[j][i])), "{to:?}");
    }
}
