//! Bins of numbers, for what compares counts.

use serde::{Deserialize, Serialize};

/// Bins that hold about equally many rows of the reference each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bins {
    /// The largest value of each bin but the last, ascending.
    edges: Vec<f64>,
}

impl Bins {
    /// At most `count` bins, with edges at quantiles of the reference. A value that fills several of them has one bin.
    pub fn of(reference: &[f64], count: usize) -> Self {
        let mut sorted = reference.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |bin: usize| sorted.get((bin * sorted.len() / count.max(1)).checked_sub(1)?).copied();
        let mut edges: Vec<f64> = (1..count).filter_map(at).collect();
        edges.dedup();
        // Nothing of the reference would lie above.
        if edges.last() == sorted.last() {
            edges.pop();
        }
        Self { edges }
    }

    /// How many values lie in each bin.
    pub fn counts(&self, values: &[f64]) -> Vec<u64> {
        let mut counts = vec![0; self.edges.len() + 1];
        for value in values {
            if let Some(count) = counts.get_mut(self.edges.partition_point(|edge| edge < value)) {
                *count += 1;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_even_and_ties_share_one() {
        let hundred: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(Bins::of(&hundred, 4).counts(&hundred), [25; 4]);
        assert_eq!(Bins::of(&hundred, 4).counts(&[-1e9, 24.0, 24.5, 1e9]), [2, 1, 0, 1]);
        assert_eq!(Bins::of(&[1.0; 50], 10).counts(&[0.0, 1.0, 2.0]), [3]);
        assert_eq!(Bins::of(&[0.0, 0.0, 0.0, 1.0], 10).counts(&[0.0, 0.5, 1.0, 7.0]), [1, 3]);
        assert_eq!(Bins::of(&[], 10).counts(&[1.0]), [1]);
        assert_eq!(Bins::of(&hundred, 0).counts(&hundred), [100]);
    }
}
