//! Can a classifier tell the sides apart? (Lopez-Paz and Oquab, ICLR 2017.)

use crate::DriftError;
use crate::random::Random;
use crate::special::normal_tail;
use crate::test::Test;

use super::logistic::Logistic;
use super::{Standardised, Vectors, check};

/// Parts that rows are dealt into at least: one is held out, the others are learned from.
pub const FOLDS_MIN: usize = 2;

/// How well a logistic regression tells held-out rows of both sides apart: the mean over `folds` parts of the area under the
/// ROC curve, 0.5 if not at all. Its p-value is one-sided, with the normal limit of Mann and Whitney in each part. Parts are not
/// independent, as what is learned for one is mostly what is learned for another; the variance of their mean is raised for it
/// as Nadeau and Bengio do (Machine Learning 52, 2003), which errs to the safe side.
///
/// # Errors
/// There are fewer than `2 folds` rows on a side, widths differ, or a value is not finite.
pub fn domain_classifier(
    reference: &Vectors,
    current: &Vectors,
    (folds, rows_max): (usize, usize),
    seed: u64,
) -> Result<Test, DriftError> {
    let folds = folds.max(FOLDS_MIN);
    check("domain classifier", 2 * folds, reference, current)?;
    let sides = Standardised::of(reference, current, rows_max.max(2 * folds), seed);
    let fold_of = dealt(&sides, folds, seed);
    let (mut areas, mut variances) = (0.0, 0.0);
    for fold in 0..folds {
        let rows = sides.rows.iter().enumerate().map(|(index, row)| (row.as_slice(), index >= sides.reference));
        let (held, learned): (Vec<_>, Vec<_>) = rows.zip(&fold_of).partition(|(_, of)| **of == fold);
        let learned: Vec<(&[f64], bool)> = learned.into_iter().map(|(row, _)| row).collect();
        let fitted = Logistic::fit(sides.width, &learned);
        let scored = held.into_iter().map(|((row, label), _)| (fitted.score(row), label)).collect();
        let (area, variance) = area(scored);
        areas += area / folds as f64;
        variances += variance / (folds * folds) as f64;
    }
    // 1/k + held/learned in the place of 1/k, where held/learned is 1/(k - 1).
    let variance = variances * (1.0 + folds as f64 / (folds as f64 - 1.0));
    let p = if variance > 0.0 { normal_tail((areas - 0.5) / libm::sqrt(variance)) } else { 1.0 };
    Ok(Test { value: areas, p })
}

/// The part of each row; each has about as many rows of each side.
fn dealt(sides: &Standardised, folds: usize, seed: u64) -> Vec<usize> {
    let mut fold_of = vec![0; sides.rows.len()];
    let mut random = Random::new(seed, "folds");
    for side in [0..sides.reference, sides.reference..sides.rows.len()] {
        let mut order: Vec<usize> = side.collect();
        random.shuffle(&mut order);
        for (place, row) in order.into_iter().enumerate() {
            fold_of[row] = place % folds;
        }
    }
    fold_of
}

/// The area under the ROC curve, ties counted half, and its variance where scores say nothing.
fn area(mut scored: Vec<(f64, bool)>) -> (f64, f64) {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties, mut first) = (0.0, 0.0, 0);
    for group in scored.chunk_by(|a, b| a.0 == b.0) {
        let size = group.len() as f64;
        let mean = first as f64 + (size + 1.0) / 2.0;
        ranks += mean * group.iter().filter(|(_, label)| *label).count() as f64;
        ties += size * size * size - size;
        first += group.len();
    }
    let total = scored.len() as f64;
    let m = scored.iter().filter(|(_, label)| *label).count() as f64;
    let n = total - m;
    if n == 0.0 || m == 0.0 {
        return (0.5, 0.0);
    }
    let area = (ranks - m * (m + 1.0) / 2.0) / (n * m);
    (area, (total + 1.0 - ties / (total * (total - 1.0))) / (12.0 * n * m))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_those_worked_out_by_hand() {
        let of = |scores: &[(f64, bool)]| area(scores.to_vec());
        assert_eq!(of(&[(0.1, false), (0.2, false), (0.8, true)]).0, 1.0);
        assert_eq!(of(&[(0.9, false), (0.2, true)]).0, 0.0);
        assert_eq!(of(&[(0.5, false), (0.5, true), (0.5, true)]), (0.5, 0.0));
        assert_eq!(of(&[(0.1, false), (0.4, true), (0.4, false), (0.9, true)]).0, 0.875);
        assert_eq!((of(&[]), of(&[(1.0, true)])), ((0.5, 0.0), (0.5, 0.0)));
        // Without ties: (n + m + 1) / (12 n m).
        assert!((of(&[(0.1, false), (0.2, true), (0.3, true)]).1 - 4.0 / 24.0).abs() < 1e-12);
    }
}
