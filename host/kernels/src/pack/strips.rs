//! Rows of a weight laid out in strips: what tiles then read lies side by side.

#![allow(unsafe_code, reason = "vector instructions; all places are computed from checked slices")]

use std::arch::x86_64::{
    __m512, __m512i, __mmask16, _MM_HINT_T0, _mm_prefetch, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_mask_storeu_ps,
};

use super::Block;
use crate::matrix::Stored;
use crate::tile::STRIP;
use crate::transpose::avx512::transpose;

/// Writes the rows of a block as [`super::Left::Strips`].
pub(super) fn of_rows<S: Stored>(values: &[S], columns: usize, block: Block, packed: &mut [f32]) {
    let size = block.depth * STRIP;
    for (strip, to) in packed.chunks_exact_mut(size.max(1)).enumerate() {
        let row = block.first + strip * STRIP;
        let rows = STRIP.min(block.first + block.rows - row);
        let from = &values[row * columns + block.from..][..(rows - 1) * columns + block.depth];
        // SAFETY: the instructions were found; `from` reaches to the end of the last row, `to` has room for a strip.
        let whole = unsafe { strip_of(from.as_ptr(), columns, [rows, block.depth], to.as_mut_ptr()) };
        for (depth, to) in to.chunks_exact_mut(STRIP).enumerate().skip(whole) {
            to.iter_mut().take(rows).enumerate().for_each(|(row, to)| *to = from[row * columns + depth].single());
        }
    }
}

/// Treats sixteen elements of each row at once; gives how many were.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
unsafe fn strip_of<S: Stored>(from: *const S, columns: usize, [rows, depth]: [usize; 2], to: *mut f32) -> usize {
    const USED: __mmask16 = (1 << STRIP) - 1;
    let whole = depth / 16 * 16;
    for k in (0..whole).step_by(16) {
        // SAFETY: no row behind the last is read, and of it no more than the depth; hints read nothing.
        unsafe {
            macro_rules! rows {
                ($($r:literal)*) => { [$({
                    let row = from.add(if $r < rows { $r } else { rows - 1 } * columns + k);
                    if $r < STRIP {
                        _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(STRIP * columns).cast::<i8>());
                    }
                    _mm512_castps_si512(S::singles_16(row))
                }),*] };
            }
            let block: [__m512i; 16] = rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            for (j, column) in transpose(block).into_iter().enumerate() {
                let column: __m512 = _mm512_castsi512_ps(column);
                _mm512_mask_storeu_ps(to.add((k + j) * STRIP), USED, column);
            }
        }
    }
    whole
}
