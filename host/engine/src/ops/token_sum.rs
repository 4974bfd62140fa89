//! Sums over all tokens of products of features: the gradients of weights.
//!
//! Lanes are summed apart over ascending panels and folded at the end, so the order is fixed. Tokens that do not exist
//! have to have a gradient of zero.

use freehold_kernels::{Factor, LANES, Panels, Real, for_each, map, panel_product, token_sums, transpose_panel};

/// Features of a task.
const BLOCK: usize = 16;

/// For each feature of `x` [F, tokens], the sums of its products with each of the few features of `low` [r, tokens]:
/// [F, r].
pub(crate) fn rows_by_ranks<T: Real>(x: &Panels<T>, low: &Panels<T>) -> Vec<T> {
    let rank = low.features();
    let mut out = vec![T::ZERO; x.features() * rank];
    for_each(out.chunks_mut(BLOCK * rank).enumerate(), |(block, out)| {
        for (index, out) in out.chunks_exact_mut(rank).enumerate() {
            token_sums(x, block * BLOCK + index, low, out);
        }
    });
    out
}

/// As [`rows_by_ranks`], the other way round: [r, F].
pub(crate) fn ranks_by_features<T: Real>(low: &Panels<T>, x: &Panels<T>) -> Vec<T> {
    let (rank, features) = (low.features(), x.features());
    let rows = rows_by_ranks(x, low);
    let mut out = vec![T::ZERO; rows.len()];
    for (feature, row) in rows.chunks_exact(rank.max(1)).enumerate() {
        for (r, value) in row.iter().enumerate() {
            out[r * features + feature] = *value;
        }
    }
    out
}

/// For each feature of `g` [M, tokens], the sums of its products with each feature of `x` [F, tokens]: [M, F].
pub(crate) fn features_by_features<T: Real>(g: &Panels<T>, x: &Panels<T>) -> Vec<T> {
    let (rows, columns) = (g.features(), x.features());
    let blocks: Vec<Vec<T>> = map(0..columns.div_ceil(LANES), |block| {
        let first = block * LANES;
        let count = LANES.min(columns - first);
        let mut sums = vec![T::ZERO; rows * LANES];
        let (mut some, mut turned) = (vec![T::ZERO; LANES * LANES], vec![T::ZERO; LANES * LANES]);
        for panel in 0..x.count() {
            some[..count * LANES].copy_from_slice(&x.panel(panel)[first * LANES..][..count * LANES]);
            transpose_panel(&some, &mut turned);
            let factor = Factor { values: g.panel(panel), row_stride: LANES, depth_stride: 1 };
            panel_product(factor, [rows, LANES], &turned, &mut sums, true);
        }
        sums
    });
    let mut out = vec![T::ZERO; rows * columns];
    for_each(out.chunks_exact_mut(columns.max(1)).enumerate(), |(row, out)| {
        for (block, out) in blocks.iter().zip(out.chunks_mut(LANES)) {
            out.copy_from_slice(&block[row * LANES..][..out.len()]);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::super::check::random_panels;
    use super::*;

    #[test]
    fn sums_are_those_of_the_formula() {
        for (many, few, tokens) in [(37, 3, 70), (5, 8, 32), (20, 19, 1), (40, 40, 65)] {
            let (x, low) = (random_panels(many, tokens, 1), random_panels(few, tokens, 2));
            let want = |i: usize, j: usize| {
                (0..tokens).map(|t| x.values()[x.place(i, t)] * low.values()[low.place(j, t)]).sum::<f64>()
            };
            let (rows, across, all) =
                (rows_by_ranks(&x, &low), ranks_by_features(&low, &x), features_by_features(&x, &low));
            for i in 0..many {
                for j in 0..few {
                    assert!((rows[i * few + j] - want(i, j)).abs() < 1e-12);
                    assert_eq!(rows[i * few + j], across[j * many + i]);
                    assert!((all[i * few + j] - want(i, j)).abs() < 1e-12);
                }
            }
        }
    }
}
