//! Logistic regression with a ridge, by Newton's method.

/// Pulls weights to zero, so that sides that can be told apart have finite ones.
const RIDGE: f64 = 1.0;
/// Newton's method has long converged then.
const STEPS: usize = 12;

/// A classifier of two sides: a weight for each dimension, and one that is added.
pub(super) struct Logistic {
    weights: Vec<f64>,
}

impl Logistic {
    /// Learns from rows and whether each is of the current side.
    pub(super) fn fit(width: usize, rows: &[(&[f64], bool)]) -> Self {
        let size = width + 1;
        let mut weights = vec![0.0; size];
        for _ in 0..STEPS {
            let (mut gradient, mut hessian) = (vec![0.0; size], vec![0.0; size * size]);
            for (row, label) in rows {
                let p = 1.0 / (1.0 + libm::exp(-score(&weights, row)));
                let (error, weight) = (p - f64::from(u8::from(*label)), (p * (1.0 - p)).max(1e-9));
                let feature = |at: usize| row.get(at).copied().unwrap_or(1.0);
                for i in 0..size {
                    let x = feature(i);
                    gradient[i] += error * x;
                    let scaled = weight * x;
                    for (j, entry) in hessian[i * size..=i * size + i].iter_mut().enumerate() {
                        *entry += scaled * feature(j);
                    }
                }
            }
            for i in 0..width {
                gradient[i] += RIDGE * weights[i];
                hessian[i * size + i] += RIDGE;
            }
            hessian[size * size - 1] += 1e-9;
            let step = solve(hessian, gradient, size);
            let largest = step.iter().fold(0.0_f64, |most, by| most.max(by.abs()));
            // A long step would overshoot where almost all rows are told apart.
            let scale = (4.0 / largest.max(4.0)).min(1.0);
            weights.iter_mut().zip(&step).for_each(|(weight, by)| *weight -= scale * by);
            if largest < 1e-8 {
                break;
            }
        }
        Self { weights }
    }

    /// Higher for what looks like the current side.
    pub(super) fn score(&self, row: &[f64]) -> f64 {
        score(&self.weights, row)
    }
}

fn score(weights: &[f64], row: &[f64]) -> f64 {
    let added = weights.last().copied().unwrap_or(0.0);
    added + weights.iter().zip(row).map(|(weight, x)| weight * x).sum::<f64>()
}

/// Solves a positive definite system, of which the lower half is given, by Cholesky's decomposition.
fn solve(mut a: Vec<f64>, mut b: Vec<f64>, size: usize) -> Vec<f64> {
    for j in 0..size {
        for k in 0..j {
            let factor = a[j * size + k];
            for i in j..size {
                a[i * size + j] -= a[i * size + k] * factor;
            }
        }
        let pivot = libm::sqrt(a[j * size + j].max(1e-12));
        for i in j..size {
            a[i * size + j] /= pivot;
        }
    }
    for i in 0..size {
        let known: f64 = (0..i).map(|k| a[i * size + k] * b[k]).sum();
        b[i] = (b[i] - known) / a[i * size + i];
    }
    for i in (0..size).rev() {
        let known: f64 = (i + 1..size).map(|k| a[k * size + i] * b[k]).sum();
        b[i] = (b[i] - known) / a[i * size + i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved_and_weights_are_where_the_gradient_is_zero() {
        let x = solve(vec![4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 1.0, 3.0, 6.0], vec![11.0, 21.0, 25.0], 3);
        assert!(x.iter().zip([1.0, 2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{x:?}");
        let rows = [[0.0, 1.0], [1.0, -1.0], [2.0, 0.5], [3.0, 0.0], [1.5, 2.0]];
        let labels = [false, false, true, true, false];
        let given: Vec<(&[f64], bool)> = rows.iter().map(<[f64; 2]>::as_slice).zip(labels).collect();
        let fitted = Logistic::fit(2, &given);
        for at in 0..2 {
            let error = |(row, label): &(&[f64], bool)| {
                (1.0 / (1.0 + (-fitted.score(row)).exp()) - f64::from(u8::from(*label))) * row[at]
            };
            let gradient = given.iter().map(error).sum::<f64>() + RIDGE * fitted.weights[at];
            assert!(gradient.abs() < 1e-8, "{gradient}");
        }
    }
}
