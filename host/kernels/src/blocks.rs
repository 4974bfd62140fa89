//! Products of blocks of activations, on one thread: what attention is made of.
//!
//! A block is some features of the 32 tokens of a panel. In f32 it is used where it lies; in bf16 it is rounded, and laid out
//! for the instructions, once for all products that it takes part in.

use half::bf16;

use crate::bfloat16::{self, interleave};
use crate::buffer::Buffer;
use crate::instructions::bf16_path;
use crate::matrix::round_to_bf16;
use crate::pack::{DEPTH_STEP, Packed};
use crate::panels::LANES;
use crate::product::Precision;
use crate::real::Real;
use crate::tile::{Factor, panel_product};
use crate::transpose::transpose_panel;

/// The left factor of products of blocks.
#[derive(Debug)]
pub struct Left<'a, T: Real> {
    rows: usize,
    depth: usize,
    values: LeftValues<'a, T>,
}

#[derive(Debug)]
enum LeftValues<'a, T> {
    Exact(Factor<'a, T>),
    /// Row by row; depth is filled up with zeros to a multiple of [`DEPTH_STEP`].
    Rounded(Buffer<bf16>),
}

/// The right factor of products of blocks: [features, 32].
#[derive(Debug)]
pub struct Right<'a, T: Real> {
    depth: usize,
    values: RightValues<'a, T>,
}

#[derive(Debug)]
enum RightValues<'a, T> {
    Exact(&'a [T]),
    /// In pairs, as [`interleave`] writes them.
    Rounded(Buffer<bf16>),
}

impl<'a, T: Real> Left<'a, T> {
    /// A block [features, 32]. Values of type f64 are always multiplied as they are.
    pub fn block(block: &'a [T], precision: Precision) -> Self {
        let rows = block.len() / LANES;
        let values = match (precision, T::as_singles(block)) {
            (Precision::Bf16, Some(singles)) => {
                let mut rounded = Buffer::any(singles.len());
                round(singles, &mut rounded);
                LeftValues::Rounded(rounded)
            }
            _ => LeftValues::Exact(Factor { values: block, row_stride: LANES, depth_stride: 1 }),
        };
        Self { rows, depth: LANES, values }
    }

    /// The transpose [32, features] of a block.
    pub fn transposed(block: &'a [T], precision: Precision) -> Self {
        let depth = block.len() / LANES;
        let values = match (precision, T::as_singles(block)) {
            (Precision::Bf16, Some(singles)) => LeftValues::Rounded(turned(singles)),
            _ => LeftValues::Exact(Factor { values: block, row_stride: 1, depth_stride: LANES }),
        };
        Self { rows: LANES, depth, values }
    }

    /// The product with `right`, written to `out` [rows, 32] or added to it.
    ///
    /// # Panics
    /// The sizes or the precisions do not fit together.
    pub fn times(&self, right: &Right<'_, T>, out: &mut [T], accumulate: bool) {
        assert_eq!(self.depth, right.depth, "the depth of a product of blocks");
        match (&self.values, &right.values) {
            (LeftValues::Exact(left), RightValues::Exact(right)) => {
                panel_product(*left, [self.rows, self.depth], right, out, accumulate);
            }
            (LeftValues::Rounded(left), RightValues::Rounded(right)) => self.rounded(left, right, out, accumulate),
            _ => unlike(),
        }
    }

    /// The same with a right factor [32, 32] that takes part in no other product.
    ///
    /// # Panics
    /// The sizes do not fit together.
    pub fn times_square(&self, right: &[T], out: &mut [T], accumulate: bool) {
        assert!(self.depth == LANES && right.len() == LANES * LANES, "the depth of a product of blocks");
        match (&self.values, T::as_singles(right)) {
            (LeftValues::Rounded(left), Some(right)) => {
                let mut pairs = [bf16::ZERO; LANES * LANES];
                interleave(right, &mut pairs);
                self.rounded(left, &pairs, out, accumulate);
            }
            (LeftValues::Exact(left), _) => {
                panel_product(*left, [self.rows, self.depth], right, out, accumulate);
            }
            _ => unlike(),
        }
    }

    fn rounded(&self, left: &[bf16], right: &[bf16], out: &mut [T], accumulate: bool) {
        let Some(out) = T::singles_mut(out) else { unlike() };
        let left = Packed { values: left, stride: self.depth.next_multiple_of(DEPTH_STEP), cold: false };
        bfloat16::product(bf16_path(), &left, [self.rows, self.depth], &mut [(right, out)], accumulate);
    }
}

impl<'a, T: Real> Right<'a, T> {
    /// A block [features, 32]. Values of type f64 are always multiplied as they are.
    pub fn new(block: &'a [T], precision: Precision) -> Self {
        let depth = block.len() / LANES;
        let values = match (precision, T::as_singles(block)) {
            (Precision::Bf16, Some(singles)) => {
                let mut pairs = Buffer::any(depth.next_multiple_of(DEPTH_STEP) * LANES);
                interleave(singles, &mut pairs);
                RightValues::Rounded(pairs)
            }
            _ => RightValues::Exact(block),
        };
        Self { depth, values }
    }
}

#[cold]
#[allow(clippy::panic, reason = "as sizes that do not fit together")]
fn unlike() -> ! {
    panic!("factors of unlike precision")
}

vectorised! {
fn round(from: &[f32], to: &mut [bf16]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = round_to_bf16(*from));
}
}

/// A block [features, 32] transposed and rounded.
fn turned(block: &[f32]) -> Buffer<bf16> {
    let depth = block.len() / LANES;
    let stride = depth.next_multiple_of(DEPTH_STEP);
    let mut rows = Buffer::any(LANES * stride);
    let mut square = [0.0_f32; LANES * LANES];
    for (index, features) in block.chunks(LANES * LANES).enumerate() {
        if features.len() == square.len() {
            transpose_panel(features, &mut square);
        } else {
            square.fill(0.0);
            for (feature, tokens) in features.chunks_exact(LANES).enumerate() {
                tokens.iter().enumerate().for_each(|(token, x)| square[token * LANES + feature] = *x);
            }
        }
        for (row, from) in rows.chunks_exact_mut(stride).zip(square.chunks_exact(LANES)) {
            round(from, &mut row[index * LANES..][..LANES]);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::tests::values;

    fn rounded(x: f32, precision: Precision) -> f64 {
        f64::from(if precision == Precision::Bf16 { bf16::from_f32(x).to_f32() } else { x })
    }

    #[test]
    fn products_are_those_of_the_formula() {
        for features in [1, 6, 32, 33, 64, 80] {
            let (a, b) = (values(features * LANES, 1), values(features * LANES, 2));
            let square = values(LANES * LANES, 3);
            for precision in [Precision::F32, Precision::Bf16] {
                for accumulate in [false, true] {
                    let start = |i: usize| if accumulate { i as f32 / 100.0 } else { 0.0 };
                    let close = |got: f32, want: f64| assert!((f64::from(got) - want).abs() < 1e-4, "{got} {want}");
                    let at = |x: &[f32], i: usize| rounded(x[i], precision);

                    let mut out: Vec<f32> = (0..LANES * LANES).map(start).collect();
                    Left::transposed(&a, precision).times(&Right::new(&b, precision), &mut out, accumulate);
                    for (i, got) in out.into_iter().enumerate() {
                        let (row, lane) = (i / LANES, i % LANES);
                        let term = |k: usize| at(&a, k * LANES + row) * at(&b, k * LANES + lane);
                        close(got, f64::from(start(i)) + (0..features).map(term).sum::<f64>());
                    }

                    let mut out: Vec<f32> = (0..features * LANES).map(start).collect();
                    Left::block(&a, precision).times_square(&square, &mut out, accumulate);
                    for (i, got) in out.into_iter().enumerate() {
                        let (row, lane) = (i / LANES, i % LANES);
                        let term = |k: usize| at(&a, row * LANES + k) * at(&square, k * LANES + lane);
                        close(got, f64::from(start(i)) + (0..LANES).map(term).sum::<f64>());
                    }
                }
            }
        }
    }

    #[test]
    fn values_of_type_f64_are_multiplied_as_they_are() {
        let a: Vec<f64> = values(5 * LANES, 1).into_iter().map(f64::from).collect();
        let run = |precision| {
            let mut out = vec![0.0; LANES * LANES];
            Left::transposed(&a, precision).times(&Right::new(&a, precision), &mut out, false);
            out
        };
        assert_eq!(run(Precision::F32), run(Precision::Bf16));
    }
}
