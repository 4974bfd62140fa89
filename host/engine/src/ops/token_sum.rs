//! Sums over all tokens of products of features: the gradients of weights.
//!
//! Every sum is one chain of fused multiply-adds over ascending tokens. Tokens that do not exist have to have a gradient of
//! zero.

use freehold_kernels::{Factor, LANES, Panels, Real, for_each, map, panel_product, transpose_panel};

/// For each feature of `x` [M, tokens], the sums of its products with each feature of `y` [F, tokens]: [M, F].
pub(crate) fn token_sums<T: Real>(x: &Panels<T>, y: &Panels<T>) -> Vec<T> {
    let (rows, columns) = (x.features(), y.features());
    let blocks = map(0..columns.div_ceil(LANES), |block| block_sums(x, y, block));
    let mut out = vec![T::ZERO; rows * columns];
    for_each(out.chunks_exact_mut(columns.max(1)).enumerate(), |(row, out)| {
        for (block, out) in blocks.iter().zip(out.chunks_mut(LANES)) {
            out.copy_from_slice(&block[row * LANES..][..out.len()]);
        }
    });
    out
}

/// The same where `y` has few features: it takes less to lay out `x` anew.
pub(crate) fn token_sums_of_few<T: Real>(x: &Panels<T>, y: &Panels<T>) -> Vec<T> {
    let (rows, columns) = (x.features(), y.features());
    let mut out = vec![T::ZERO; rows * columns];
    for_each(out.chunks_mut((LANES * columns).max(1)).enumerate(), |(block, out)| {
        let sums = block_sums(y, x, block);
        for (lane, out) in out.chunks_exact_mut(columns).enumerate() {
            out.iter_mut().zip(sums.iter().skip(lane).step_by(LANES)).for_each(|(out, sum)| *out = *sum);
        }
    });
    out
}

/// The sums of the products of each feature of `x` with 32 features of `y`: [M, 32].
fn block_sums<T: Real>(x: &Panels<T>, y: &Panels<T>, block: usize) -> Vec<T> {
    let (rows, first) = (x.features(), block * LANES);
    let count = LANES.min(y.features() - first);
    let mut sums = vec![T::ZERO; rows * LANES];
    let (mut some, mut turned) = ([T::ZERO; LANES * LANES], [T::ZERO; LANES * LANES]);
    for panel in 0..y.count() {
        let features = &y.panel(panel)[first * LANES..][..count * LANES];
        if count == LANES {
            transpose_panel(features, &mut turned);
        } else {
            some[..features.len()].copy_from_slice(features);
            transpose_panel(&some, &mut turned);
        }
        let factor = Factor { values: x.panel(panel), row_stride: LANES, depth_stride: 1 };
        panel_product(factor, [rows, LANES], &turned, &mut sums, true);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::check::random_panels;
    use super::*;

    #[test]
    fn sums_are_those_of_the_formula() {
        for (many, few, tokens) in [(37, 3, 70), (5, 8, 32), (20, 19, 1), (40, 40, 65)] {
            let (x, y) = (random_panels(many, tokens, 1), random_panels(few, tokens, 2));
            let want = |i: usize, j: usize| {
                (0..tokens).map(|t| x.values()[x.place(i, t)] * y.values()[y.place(j, t)]).sum::<f64>()
            };
            let (all, of_few) = (token_sums(&x, &y), token_sums_of_few(&x, &y));
            for i in 0..many {
                for j in 0..few {
                    assert!((all[i * few + j] - want(i, j)).abs() < 1e-12);
                    assert_eq!(all[i * few + j], of_few[i * few + j]);
                }
            }
        }
    }
}
