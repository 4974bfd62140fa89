//! The paired bootstrap: percentile intervals of a metric, and of the difference of two models on the same rows
//! (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 16; Koehn, EMNLP 2004, for the pairing).

use freehold_core::evidence::Estimate;

/// Row indices of every resample; the same for all models, which makes differences paired.
pub(crate) struct Resamples {
    rows: usize,
    draws: Vec<u32>,
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): number `index` of the stream `seed`.
pub(crate) fn random(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Resamples {
    /// `count` resamples of `rows` rows.
    pub(crate) fn new(rows: usize, count: usize, seed: u64) -> Self {
        let draw = |index: usize| ((u128::from(random(seed, index as u64)) * rows as u128) >> 64) as u32;
        Self { rows, draws: (0..rows * count).map(draw).collect() }
    }

    /// Sums of statistics: first over all rows, then over each resample. `statistics` holds `width` numbers a row.
    pub(crate) fn sums(&self, statistics: &[f64], width: usize) -> Vec<f64> {
        let mut sums = vec![0.0; width];
        for row in statistics.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        for draws in self.draws.chunks_exact(self.rows.max(1)) {
            let mut sum = vec![0.0; width];
            for &row in draws {
                let row = &statistics[row as usize * width..(row as usize + 1) * width];
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            sums.extend(sum);
        }
        sums
    }
}

/// The value on all rows, which comes first in `values`, with the percentile interval of the resamples after it.
pub(crate) fn estimate(values: &[f64], confidence: f64) -> Option<Estimate> {
    let (&value, resampled) = values.split_first()?;
    let mut sorted = resampled.to_vec();
    sorted.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let at = |fraction: f64| sorted.get((fraction * (sorted.len().checked_sub(1)? as f64)).round() as usize).copied();
    Some(Estimate { value, low: at(tail)?, high: at(1.0 - tail)? })
}

/// The interval of the difference of two models, resample by resample.
pub(crate) fn difference(values: &[f64], other: &[f64], confidence: f64) -> Option<Estimate> {
    let differences: Vec<f64> = values.iter().zip(other).map(|(a, b)| a - b).collect();
    estimate(&differences, confidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean of 0/1 rows from sums of (match, rows).
    fn means(resamples: &Resamples, matches: &[bool]) -> Vec<f64> {
        let statistics: Vec<f64> = matches.iter().flat_map(|&m| [f64::from(u8::from(m)), 1.0]).collect();
        resamples.sums(&statistics, 2).chunks(2).map(|sum| sum[0] / sum[1]).collect()
    }

    #[test]
    fn intervals_of_a_proportion_are_those_of_the_normal_approximation() {
        let matches: Vec<bool> = (0..400).map(|row| row % 10 < 9).collect();
        let estimate = estimate(&means(&Resamples::new(400, 2000, 1), &matches), 0.95).unwrap();
        let half = 1.96 * (0.9 * 0.1 / 400.0_f64).sqrt();
        assert_eq!(estimate.value, 0.9);
        assert!((estimate.low - (0.9 - half)).abs() < 0.008, "{estimate:?}");
        assert!((estimate.high - (0.9 + half)).abs() < 0.008, "{estimate:?}");
    }

    #[test]
    fn pairing_makes_equal_models_exactly_equal() {
        let resamples = Resamples::new(50, 500, 3);
        let matches: Vec<bool> = (0..50).map(|row| row % 3 == 0).collect();
        let values = means(&resamples, &matches);
        let none = difference(&values, &values, 0.95).unwrap();
        assert_eq!((none.value, none.low, none.high), (0.0, 0.0, 0.0));
        let better: Vec<bool> = (0..50).map(|row| row % 3 != 2).collect();
        let difference = difference(&means(&resamples, &better), &values, 0.95).unwrap();
        assert!(difference.low > 0.0, "{difference:?}");
    }

    #[test]
    fn the_same_seed_draws_the_same_rows() {
        assert_eq!(Resamples::new(10, 5, 7).draws, Resamples::new(10, 5, 7).draws);
        assert_ne!(Resamples::new(10, 5, 7).draws, Resamples::new(10, 5, 8).draws);
        assert!(Resamples::new(10, 500, 7).draws.iter().all(|&row| row < 10));
        assert!(estimate(&[], 0.95).is_none());
        assert!(estimate(&[1.0], 0.95).is_none());
    }
}
