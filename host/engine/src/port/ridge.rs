//! Ridge regression between the activations of two layers, in its dual form: systems are as large as there are tokens, not as
//! features.

use freehold_kernels::{Job, Operand, Panels, Precision, Side, multiply};

use crate::tensor::Tensor;

/// The penalty, as a part of the mean square of what is regressed on: with less, maps follow what is by chance so in the texts.
const PENALTY: f64 = 0.3;

/// `X Xᵀ + λ I`, factored. `X` is [tokens, features].
pub(super) struct Ridge {
    tokens: usize,
    /// The lower triangle of Cholesky's factor, row by row.
    factor: Vec<f64>,
}

impl Ridge {
    /// Factors for a regression on `x`.
    pub(super) fn new(x: &Tensor) -> Self {
        let tokens = x.shape()[0];
        let mut gram = product_transposed(x, x);
        let mean = (0..tokens).map(|row| gram[row * tokens + row]).sum::<f64>() / tokens.max(1) as f64;
        // What is constant zero is regressed on without harm.
        let penalty = (PENALTY * mean).max(f64::MIN_POSITIVE.sqrt());
        (0..tokens).for_each(|row| gram[row * tokens + row] += penalty);
        factor(&mut gram, tokens);
        Self { tokens, factor: gram }
    }

    /// `A M`, [r, new features], where `M` takes what goes into the new layer (`x_new`, which this was made of) to what went into
    /// the old one: `(X_old Aᵀ)ᵀ (X_new X_newᵀ + λ I)⁻¹ X_new`.
    pub(super) fn through(&self, x_old: &Tensor, a: &Tensor, x_new: &Tensor) -> Vec<f32> {
        let rank = a.shape()[0];
        let solved = self.solve(product_transposed(x_old, a), rank);
        transposed_product(&solved, rank, x_new)
    }

    /// `N B`, [new features, r], where `N` takes what came out of the old layer (`y_old`, which this was made of) to what comes
    /// out of the new one: `Y_newᵀ (Y_old Y_oldᵀ + λ I)⁻¹ (Y_old B)`, times `share`.
    pub(super) fn onto(&self, y_old: &Tensor, b: &Tensor, y_new: &Tensor, share: f64) -> Vec<f32> {
        let (outputs, rank) = (b.shape()[0], b.shape()[1]);
        let b = b.vector::<f32>();
        let columns = (0..rank).flat_map(|r| (0..outputs).map(move |output| (output, r)));
        let transposed: Vec<f32> = columns.map(|(output, r)| b[output * rank + r]).collect();
        let solved = self.solve(product_transposed(y_old, &Tensor::of(transposed, &[rank, outputs])), rank);
        let moved = transposed_product(&solved, rank, y_new);
        let features = y_new.shape()[1];
        let rows = (0..features).flat_map(|feature| (0..rank).map(move |r| (feature, r)));
        rows.map(|(feature, r)| (f64::from(moved[r * features + feature]) * share) as f32).collect()
    }

    /// Solves for `columns` right sides, [tokens, columns].
    fn solve(&self, mut right: Vec<f64>, columns: usize) -> Vec<f64> {
        let (tokens, factor) = (self.tokens, &self.factor);
        for row in 0..tokens {
            let (done, rest) = right.split_at_mut(row * columns);
            let now = &mut rest[..columns];
            for (weight, earlier) in factor[row * tokens..][..row].iter().zip(done.chunks_exact(columns)) {
                now.iter_mut().zip(earlier).for_each(|(x, y)| *x -= weight * y);
            }
            let diagonal = factor[row * tokens + row];
            now.iter_mut().for_each(|x| *x /= diagonal);
        }
        for row in (0..tokens).rev() {
            let (rest, done) = right.split_at_mut((row + 1) * columns);
            let now = &mut rest[row * columns..];
            for (below, later) in (row + 1..tokens).zip(done.chunks_exact(columns)) {
                let weight = factor[below * tokens + row];
                now.iter_mut().zip(later).for_each(|(x, y)| *x -= weight * y);
            }
            let diagonal = factor[row * tokens + row];
            now.iter_mut().for_each(|x| *x /= diagonal);
        }
        right
    }
}

/// Cholesky's factor of a positive definite matrix, in its lower triangle.
fn factor(matrix: &mut [f64], size: usize) {
    for row in 0..size {
        for column in 0..=row {
            let (above, below) = matrix.split_at_mut(row * size);
            let other = if column == row { &below[..column] } else { &above[column * size..][..column] };
            let inner = dot(&below[..column], other);
            let value = below[column] - inner;
            below[column] =
                if column == row { value.max(f64::MIN_POSITIVE).sqrt() } else { value / above[column * size + column] };
        }
    }
}

/// In eight sums, so that none waits for its own last addition.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (mut sums, whole) = ([0.0; 8], a.len() / 8 * 8);
    for (a, b) in a[..whole].chunks_exact(8).zip(b[..whole].chunks_exact(8)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f64 = a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// `X Yᵀ` [rows of X, rows of Y].
fn product_transposed(x: &Tensor, y: &Tensor) -> Vec<f64> {
    let (rows, columns, features) = (x.shape()[0], y.shape()[0], x.shape()[1]);
    let y = y.vector::<f32>();
    let mut panels = Panels::zeros(features, columns.max(2));
    (0..columns).for_each(|row| panels.set_token(row, y[row * features..][..features].iter().copied()));
    let mut out = Panels::any(rows, columns.max(2));
    multiply(Job::new(x.matrix(), Side::Plain, &Operand::new(&panels, Precision::F32), &mut out));
    let mut product = vec![0.0; rows * columns];
    for column in 0..columns {
        out.token(column).enumerate().for_each(|(row, value)| product[row * columns + column] = f64::from(value));
    }
    product
}

/// `Zᵀ X` [r, features], of `Z` [tokens, r] and `X` [tokens, features].
fn transposed_product(z: &[f64], rank: usize, x: &Tensor) -> Vec<f32> {
    let features = x.shape()[1];
    let mut product = vec![0.0; rank * features];
    for (z, x) in z.chunks_exact(rank).zip(x.vector::<f32>().chunks_exact(features)) {
        for (weight, sums) in z.iter().zip(product.chunks_exact_mut(features)) {
            sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += weight * f64::from(*x));
        }
    }
    product.into_iter().map(|x| x as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn random(rows: usize, columns: usize, name: &str) -> Tensor {
        let mut random = Random::new(4, name);
        Tensor::of((0..rows * columns).map(|_| random.normal() as f32).collect(), &[rows, columns])
    }

    #[test]
    fn systems_are_solved() {
        let (tokens, columns) = (37, 3);
        let ridge = Ridge::new(&random(tokens, 12, "x"));
        let right: Vec<f64> = random(tokens, columns, "right").vector::<f64>().into_owned();
        let solved = ridge.solve(right.clone(), columns);
        // L (Lᵀ x) is the right side again.
        let lower = |row: usize, column: usize| if column <= row { ridge.factor[row * tokens + column] } else { 0.0 };
        for column in 0..columns {
            let up: Vec<f64> = (0..tokens)
                .map(|row| (0..tokens).map(|k| lower(k, row) * solved[k * columns + column]).sum())
                .collect();
            for row in 0..tokens {
                let again: f64 = (0..tokens).map(|k| lower(row, k) * up[k]).sum();
                assert!((again - right[row * columns + column]).abs() < 1e-6, "{row}, {column}");
            }
        }
    }

    #[test]
    fn a_linear_map_between_layers_is_found() {
        // x_new = x_old Q with an orthogonal-like Q of more features: A M x_new is A x_old.
        let (x_old, q) = (random(400, 6, "old"), random(10, 6, "map"));
        let x_new = {
            let values = product_transposed(&x_old, &q).into_iter().map(|x| x as f32).collect();
            Tensor::of(values, &[400, 10])
        };
        let a = random(2, 6, "a");
        let moved = Tensor::of(Ridge::new(&x_new).through(&x_old, &a, &x_new), &[2, 10]);
        let (before, after) = (product_transposed(&x_old, &a), product_transposed(&x_new, &moved));
        let error: f64 = before.iter().zip(&after).map(|(x, y)| (x - y) * (x - y)).sum();
        let size: f64 = before.iter().map(|x| x * x).sum();
        assert!(error < 0.01 * size, "{error} of {size}");
    }
}
