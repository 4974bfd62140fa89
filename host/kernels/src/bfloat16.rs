//! Products in bf16: `C [rows, 32] = A [rows, depth] · B [depth, 32]`, with sums in f32.
//!
//! `B` lies in pairs, as the instructions want it: [depth / 2, 32, 2]. Depth is a multiple of 32, filled up with zeros.

use half::bf16;

use crate::buffer::Buffer;
use crate::instructions::Bf16Path;
use crate::matrix::round_to_bf16;
use crate::pack::{DEPTH_STEP, Packed};
use crate::panels::{LANES, Panels};
use crate::workers::for_each;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::is_granted as amx_is_granted;

/// Panels in bf16, in pairs of features.
#[derive(Debug, Clone)]
pub(crate) struct Pairs {
    depth: usize,
    values: Buffer<bf16>,
}

impl Pairs {
    /// Rounds panels to bf16.
    pub(crate) fn of(panels: &Panels<f32>) -> Self {
        let depth = panels.features().next_multiple_of(DEPTH_STEP);
        let mut values = Buffer::any(panels.count() * depth * LANES);
        let size = (depth * LANES).max(1);
        for_each(values.chunks_exact_mut(size).zip(panels.panels()), |(to, from)| interleave(from, to));
        Self { depth, values }
    }

    /// Some depth of a panel.
    pub(crate) fn panel(&self, index: usize, from: usize) -> &[bf16] {
        &self.values[(index * self.depth + from) * LANES..(index + 1) * self.depth * LANES]
    }
}

vectorised! {
/// Pairs of features become pairs of values, rounded; the rest is zero.
pub(crate) fn interleave(from: &[f32], to: &mut [bf16]) {
    let (pairs, last) = from.as_chunks::<{ 2 * LANES }>();
    let (used, rest) = to.as_chunks_mut::<{ 2 * LANES }>().0.split_at_mut(pairs.len());
    for (to, from) in used.iter_mut().zip(pairs) {
        for lane in 0..LANES {
            to[2 * lane] = round_to_bf16(from[lane]);
            to[2 * lane + 1] = round_to_bf16(from[LANES + lane]);
        }
    }
    for (index, to) in rest.iter_mut().enumerate() {
        to.fill(bf16::ZERO);
        if index == 0 {
            last.iter().enumerate().for_each(|(lane, x)| to[2 * lane] = round_to_bf16(*x));
        }
    }
}
}

/// The left factor with its sizes; `depth` is a multiple of [`DEPTH_STEP`].
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [bf16],
    stride: usize,
    rows: usize,
    depth: usize,
}

/// `C = A · B` for all panels of a task, or `C += A · B`.
pub(crate) fn product(
    path: Bf16Path,
    a: &Packed<'_>,
    [rows, depth]: [usize; 2],
    panels: &mut [(&[bf16], &mut [f32])],
    accumulate: bool,
) {
    let depth = depth.next_multiple_of(DEPTH_STEP);
    if rows == 0 {
        return;
    }
    assert!(depth == 0 || (rows - 1) * a.stride + depth <= a.values.len(), "the left factor is too short");
    assert!(panels.iter().all(|(b, c)| b.len() >= depth * LANES && c.len() >= rows * LANES), "a panel is too short");
    let (a, cold) = (Rows { values: a.values, stride: a.stride, rows, depth }, a.cold);
    match path {
        #[cfg(target_arch = "x86_64")]
        Bf16Path::Amx => amx::product(a, panels, accumulate),
        #[cfg(target_arch = "x86_64")]
        Bf16Path::Avx512 => {
            for (index, (b, c)) in panels.iter_mut().enumerate() {
                avx512::product(a, b, c, accumulate, cold && index == 0);
            }
        }
        _ => panels.iter_mut().for_each(|(b, c)| portable(a, b, c, accumulate)),
    }
}

vectorised! {
fn portable(a: Rows<'_>, b: &[bf16], c: &mut [f32], accumulate: bool) {
    let single = |x: bf16| f32::from_bits(u32::from(x.to_bits()) << 16);
    for (row, c) in c.chunks_exact_mut(LANES).take(a.rows).enumerate() {
        let mut sums = [0.0_f32; LANES];
        if accumulate {
            sums.copy_from_slice(c);
        }
        let pairs = a.values[row * a.stride..][..a.depth].chunks_exact(2);
        for (pair, b) in pairs.zip(b.chunks_exact(2 * LANES)) {
            let (x, y) = (single(pair[0]), single(pair[1]));
            for lane in 0..LANES {
                sums[lane] += x * single(b[2 * lane]);
                sums[lane] += y * single(b[2 * lane + 1]);
            }
        }
        c.copy_from_slice(&sums);
    }
}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::bf16_paths;
    use crate::tile::tests::values;

    #[test]
    fn every_path_gives_the_sum_of_the_rounded_factors() {
        for (rows, features) in [(1, 1), (5, 31), (16, 32), (17, 64), (32, 100), (33, 65), (50, 320), (96, 64)] {
            let a: Vec<bf16> = values(rows * features, 1).into_iter().map(bf16::from_f32).collect();
            let mut x = Panels::<f32>::any(features, 40);
            x.values_mut().copy_from_slice(&values(features * 64, 2));
            let pairs = Pairs::of(&x);
            let depth = features.next_multiple_of(DEPTH_STEP);
            let mut padded = vec![bf16::ZERO; rows * depth];
            for (to, from) in padded.chunks_exact_mut(depth).zip(a.chunks_exact(features)) {
                to[..features].copy_from_slice(from);
            }
            for accumulate in [false, true] {
                for path in bf16_paths() {
                    let before = values(rows * 64, 3);
                    let mut got = before.clone();
                    let (first, second) = got.split_at_mut(rows * LANES);
                    let packed = Packed { values: &padded, stride: depth, cold: accumulate };
                    let mut panels = [(pairs.panel(0, 0), first), (pairs.panel(1, 0), second)];
                    product(path, &packed, [rows, features], &mut panels, accumulate);
                    for (at, got) in got.iter().enumerate() {
                        let (panel, row, lane) = (at / (rows * LANES), at / LANES % rows, at % LANES);
                        let mut want = if accumulate { f64::from(before[at]) } else { 0.0 };
                        for k in 0..features {
                            let b = bf16::from_f32(x.panel(panel)[k * LANES + lane]);
                            want += f64::from(a[row * features + k]) * f64::from(b);
                        }
                        let allowed = 2e-6 * (features as f64).sqrt().max(1.0);
                        assert!((f64::from(*got) - want).abs() < allowed, "{path:?} {rows}x{features}: {got} {want}");
                    }
                }
            }
        }
    }
}
