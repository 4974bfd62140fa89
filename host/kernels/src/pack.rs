//! A block of a weight, converted and laid out for one task: it stays in the cache while all panels pass by.

use half::bf16;

use crate::buffer::Buffer;
use crate::instructions::{F32Path, f32_path};
use crate::matrix::{Matrix, Stored, Values, with_stored};
use crate::product::Side;
use crate::real::Real;
use crate::tile::{Factor, STRIP};

#[cfg(target_arch = "x86_64")]
mod strips;

/// A part of a product's left factor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    /// First output and number of outputs.
    pub(crate) first: usize,
    pub(crate) rows: usize,
    /// First term and number of terms of each sum.
    pub(crate) from: usize,
    pub(crate) depth: usize,
}

/// The left factor of a block's product.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Left<'a, T> {
    /// As one.
    Rows(Factor<'a, T>),
    /// In strips of [`STRIP`] rows: strip after strip, in a strip depth after depth, all rows of a depth side by side.
    /// The last strip is filled up with anything.
    Strips(&'a [T]),
}

/// A block as a factor; `store` holds it where it cannot be used in place.
pub(crate) fn factor<'a, T: Real>(
    weight: Matrix<'a>,
    side: Side,
    block: Block,
    panels: usize,
    store: &'a mut Option<Buffer<T>>,
) -> Left<'a, T> {
    let columns = weight.columns();
    // Laying out anew is worth it only for what is used often.
    let often = panels >= 3;
    let in_strips = side == Side::Transposed || (often && rows_to_strips::<T>());
    if let Some(values) = T::in_place(weight.values()) {
        match side {
            Side::Plain if !in_strips => {
                let values = &values[block.first * columns + block.from..];
                return Left::Rows(Factor { values, row_stride: columns, depth_stride: 1 });
            }
            Side::Transposed if !often => {
                let values = &values[block.from * columns + block.first..];
                return Left::Rows(Factor { values, row_stride: 1, depth_stride: columns });
            }
            _ => (),
        }
    }
    let rows = if in_strips { block.rows.next_multiple_of(STRIP) } else { block.rows };
    let packed = store.insert(Buffer::any(rows * block.depth));
    with_stored!(weight.values(), values => match side {
        Side::Transposed => strips_of::<_, T>(values, columns, block, packed),
        #[cfg(target_arch = "x86_64")]
        Side::Plain if in_strips => {
            if let Some(packed) = T::singles_mut(packed) {
                strips::of_rows(values, columns, block, packed);
            }
        }
        Side::Plain => rows_of::<_, T>(values, columns, block, packed),
    });
    if in_strips {
        Left::Strips(packed)
    } else {
        Left::Rows(Factor { values: packed, row_stride: block.depth, depth_stride: 1 })
    }
}

/// Whether rows can be laid out in strips in less time than that saves.
fn rows_to_strips<T: Real>() -> bool {
    cfg!(target_arch = "x86_64") && f32_path() == F32Path::Avx512 && T::singles_mut(&mut []).is_some()
}

vectorised! {
fn rows_of<S: Stored, T: Real>(values: &[S], columns: usize, block: Block, packed: &mut [T]) {
    for (row, packed) in packed.chunks_exact_mut(block.depth).enumerate() {
        let values = &values[(block.first + row) * columns + block.from..][..block.depth];
        packed.iter_mut().zip(values).for_each(|(to, from)| *to = T::stored(*from));
    }
}
}

vectorised! {
fn strips_of<S: Stored, T: Real>(values: &[S], columns: usize, block: Block, packed: &mut [T]) {
    let size = block.depth * STRIP;
    for depth in 0..block.depth {
        let start = (block.from + depth) * columns + block.first;
        prefetch(values, start + AHEAD * columns, block.rows);
        let (whole, rest) = values[start..start + block.rows].as_chunks::<STRIP>();
        for (strip, from) in whole.iter().enumerate() {
            if let Some(to) = packed[strip * size + depth * STRIP..].first_chunk_mut::<STRIP>() {
                *to = from.map(T::stored);
            }
        }
        if !rest.is_empty() {
            let to = &mut packed[whole.len() * size + depth * STRIP..];
            to.iter_mut().zip(rest).for_each(|(to, from)| *to = T::stored(*from));
        }
    }
}
}

/// Lines that are asked for before they are needed: a part of each line is too short for the processor to foresee.
const AHEAD: usize = 16;

/// Asks for values that will soon be needed.
#[inline(always)]
#[allow(unsafe_code, reason = "a hint that reads nothing")]
pub(crate) fn prefetch<S>(values: &[S], from: usize, count: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(values) = values.get(from..from + count) {
        let bytes = values.as_ptr().cast::<i8>();
        for at in (0..size_of_val(values)).step_by(64) {
            // SAFETY: the place is within the slice; nothing is read.
            unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(bytes.add(at)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, from, count);
}

/// Depth is filled up with zeros to a multiple of this: what a tile of AMX takes.
pub(crate) const DEPTH_STEP: usize = 32;

/// A block in bf16: rows of `stride` values, of which the first `depth` are the block's and the rest, up to a multiple
/// of [`DEPTH_STEP`], zero.
pub(crate) struct Packed<'a> {
    pub(crate) values: &'a [bf16],
    pub(crate) stride: usize,
    /// Whether nobody has read them yet: they come from memory.
    pub(crate) cold: bool,
}

/// As [`factor`], in bf16. A weight that is bf16 in its file is used in place in the forward pass.
pub(crate) fn factor_bf16<'a>(
    weight: Matrix<'a>,
    side: Side,
    block: Block,
    store: &'a mut Option<Buffer<bf16>>,
) -> Packed<'a> {
    let columns = weight.columns();
    if let (Values::Bf16(values), Side::Plain, true) = (weight.values(), side, block.depth.is_multiple_of(DEPTH_STEP)) {
        return Packed { values: &values[block.first * columns + block.from..], stride: columns, cold: true };
    }
    let stride = block.depth.next_multiple_of(DEPTH_STEP);
    let packed = store.insert(Buffer::any(block.rows * stride));
    match side {
        Side::Plain => with_stored!(weight.values(), values => rows_bf16(values, columns, block, stride, packed)),
        Side::Transposed => {
            with_stored!(weight.values(), values => columns_bf16(values, columns, block, stride, packed))
        }
    }
    Packed { values: packed, stride, cold: false }
}

vectorised! {
fn rows_bf16<S: Stored>(values: &[S], columns: usize, block: Block, stride: usize, packed: &mut [bf16]) {
    for (row, packed) in packed.chunks_exact_mut(stride).enumerate() {
        let values = &values[(block.first + row) * columns + block.from..][..block.depth];
        let (packed, rest) = packed.split_at_mut(block.depth);
        packed.iter_mut().zip(values).for_each(|(to, from)| *to = from.brain());
        rest.fill(bf16::ZERO);
    }
}
}

fn columns_bf16<S: Stored>(values: &[S], columns: usize, block: Block, stride: usize, packed: &mut [bf16]) {
    let Block { first, rows, from, depth } = block;
    let mut whole = 0;
    #[cfg(target_arch = "x86_64")]
    if f32_path() == F32Path::Avx512 {
        whole = avx512::transpose(values, columns, block, stride, packed);
    }
    for i in 0..rows {
        let start = if i < whole { depth / DEPTH_STEP * DEPTH_STEP } else { 0 };
        let row = &mut packed[i * stride..][..stride];
        for (o, to) in row.iter_mut().enumerate().skip(start) {
            *to = if o < depth { values[(from + o) * columns + first + i].brain() } else { bf16::ZERO };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    //! Blocks of 32 by 16, transposed in registers: pairs of lines become 16 elements of 32 bits, which are transposed.
    #![allow(unsafe_code, reason = "vector instructions; all places are computed from checked slices")]

    use std::arch::x86_64::{
        __m512i, _mm512_cvtepu16_epi32, _mm512_or_si512, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_storeu_si512,
    };

    use half::bf16;

    use super::{Block, DEPTH_STEP};
    use crate::matrix::Stored;
    use crate::transpose::avx512::transpose as transpose_16;

    /// Transposes what consists of whole blocks; gives how many rows of the result do.
    pub(super) fn transpose<S: Stored>(
        values: &[S],
        columns: usize,
        block: Block,
        stride: usize,
        packed: &mut [bf16],
    ) -> usize {
        let (rows, depth) = (block.rows / 16 * 16, block.depth / DEPTH_STEP * DEPTH_STEP);
        for o in (0..depth).step_by(DEPTH_STEP) {
            for line in o + DEPTH_STEP..o + 2 * DEPTH_STEP {
                super::prefetch(values, (block.from + line) * columns + block.first, rows);
            }
            for i in (0..rows).step_by(16) {
                let from = &values[(block.from + o) * columns + block.first + i..][..(DEPTH_STEP - 1) * columns + 16];
                let to = &mut packed[i * stride + o..][..15 * stride + DEPTH_STEP];
                // SAFETY: the instructions were found; `from` reaches to the sixteenth value of the last line, `to` to the
                // end of the sixteenth row's 32 values.
                unsafe { block_32_16(from.as_ptr(), columns, stride, to.as_mut_ptr()) }
            }
        }
        rows
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn block_32_16<S: Stored>(from: *const S, columns: usize, stride: usize, to: *mut bf16) {
        // SAFETY: the caller gives 32 lines of 16 values, and room for 16 rows.
        unsafe {
            let line = |i: usize| _mm512_cvtepu16_epi32(S::brains_16(from.add(i * columns)));
            let mut pairs: [__m512i; 16] = [_mm512_setzero_si512(); 16];
            for (p, pair) in pairs.iter_mut().enumerate() {
                *pair = _mm512_or_si512(line(2 * p), _mm512_slli_epi32::<16>(line(2 * p + 1)));
            }
            for (i, row) in transpose_16(pairs).into_iter().enumerate() {
                _mm512_storeu_si512(to.add(i * stride).cast(), row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::tests::values;

    #[test]
    fn blocks_in_bf16_are_the_weight_rounded() {
        let (rows, columns) = (70, 50);
        let w = values(rows * columns, 1);
        let half: Vec<half::f16> = w.iter().map(|&x| half::f16::from_f32(x)).collect();
        let brain: Vec<bf16> = w.iter().map(|&x| bf16::from_f32(x)).collect();
        for stored in [Values::F32(&w), Values::F16(&half), Values::Bf16(&brain)] {
            let weight = Matrix::new(stored, rows, columns);
            let exact = stored.to_f64(0..rows * columns);
            for side in [Side::Plain, Side::Transposed] {
                let (outputs, terms) = if side == Side::Plain { (rows, columns) } else { (columns, rows) };
                for block in [
                    Block { first: 0, rows: outputs, from: 0, depth: terms },
                    Block { first: 3, rows: 35, from: 0, depth: 32 },
                    Block { first: 16, rows: 17, from: 2, depth: 41 },
                ] {
                    let mut store = None;
                    let packed = factor_bf16(weight, side, block, &mut store);
                    for row in 0..block.rows {
                        for k in 0..block.depth.next_multiple_of(DEPTH_STEP) {
                            let (o, i) = (block.first + row, block.from + k);
                            let at = if side == Side::Plain { o * columns + i } else { i * columns + o };
                            let want = if k < block.depth { bf16::from_f64(exact[at]) } else { bf16::ZERO };
                            assert_eq!(packed.values[row * packed.stride + k], want, "{side:?} {block:?} {row} {k}");
                        }
                    }
                }
            }
        }
    }
}
