//! Many tests at once: p-values that say what they would if there were one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How p-values of several tests are corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// The chance that any test errs is bounded, whatever they have to do with each other (Holm 1979).
    #[default]
    Holm,
    /// The part of the findings that are wrong is bounded, on the average (Benjamini and Hochberg 1995).
    BenjaminiHochberg,
    /// As they are.
    None,
}

impl Correction {
    /// The corrected p-values, in the same order.
    pub fn of(self, p: &[f64]) -> Vec<f64> {
        match self {
            Self::Holm => holm(p),
            Self::BenjaminiHochberg => benjamini_hochberg(p),
            Self::None => p.to_vec(),
        }
    }
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

/// Holm's step-down p-values.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let (mut corrected, mut most) = (vec![1.0; p.len()], 0.0_f64);
    for (rank, index) in ascending(p).into_iter().enumerate() {
        most = most.max(((p.len() - rank) as f64 * p[index]).min(1.0));
        corrected[index] = most;
    }
    corrected
}

/// The step-up p-values of Benjamini and Hochberg.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let (mut corrected, mut least) = (vec![1.0; p.len()], 1.0_f64);
    for (rank, index) in ascending(p).into_iter().enumerate().rev() {
        least = least.min(p[index] * p.len() as f64 / (rank + 1) as f64);
        corrected[index] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrected_values_are_those_worked_out_by_hand() {
        let p = [0.01, 0.04, 0.03, 0.005];
        let near = |a: Vec<f64>, b: [f64; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near(holm(&p), [0.03, 0.06, 0.06, 0.02]), "{:?}", holm(&p));
        assert!(near(benjamini_hochberg(&p), [0.02, 0.04, 0.04, 0.02]), "{:?}", benjamini_hochberg(&p));
        for correction in [Correction::Holm, Correction::BenjaminiHochberg, Correction::None] {
            assert_eq!(correction.of(&[]), [0.0; 0]);
            assert_eq!(correction.of(&[0.2]), [0.2]);
            assert_eq!(correction.of(&[1.0, 1.0]), [1.0, 1.0]);
        }
    }
}
