//! Which rows of a dataset are taken, where a recipe wants a part of them. Whether a row is taken depends on nothing but the seed of
//! the run, the name of the dataset and the number of the row, so that the record can say it of every row.

use std::ops::Range;

use freehold_core::digest::Digest;
use freehold_core::recipe::{DataSettings, RunSettings};

use crate::resample::random;

/// A part of the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    seed: u64,
    share: f64,
}

impl Sample {
    /// The part that the recipe wants; none if it wants all.
    pub(super) fn of(data: &DataSettings, run: &RunSettings) -> Option<Self> {
        let name = Digest::of(data.name.as_bytes());
        let first: [u8; 8] = std::array::from_fn(|at| name.as_bytes()[at]);
        Some(Self { seed: run.seed ^ u64::from_le_bytes(first), share: data.share? })
    }

    /// Whether the row of this number is taken.
    pub(crate) fn takes(self, row: u64) -> bool {
        // 53 bits, as many as a number between 0 and 1 has.
        (random(self.seed, row) >> 11) as f64 / (1_u64 << 53) as f64 <= self.share
    }
}

/// Rows that follow each other and are all taken, or all left out.
pub(crate) fn stretches(sample: Option<Sample>, rows: u64) -> impl Iterator<Item = (Range<u64>, bool)> {
    let takes = move |row| sample.is_none_or(|sample| sample.takes(row));
    let mut next = 0;
    std::iter::from_fn(move || {
        let (start, taken) = (next, takes(next));
        if start >= rows {
            return None;
        }
        next = match sample {
            None => rows,
            Some(_) => (start + 1..rows).find(|&row| takes(row) != taken).unwrap_or(rows),
        };
        Some((start..next, taken))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_wanted_part_is_taken_and_every_row_is_in_one_stretch() {
        for share in [0.1, 0.5, 0.9] {
            let sample = Some(Sample { seed: 7, share });
            let taken = (0..10_000).filter(|&row| sample.is_some_and(|sample| sample.takes(row))).count() as f64;
            assert!((taken / 10_000.0 - share).abs() < 0.02, "{taken}");
            let mut next = 0;
            for (rows, taken) in stretches(sample, 1000) {
                assert!(rows.start == next && !rows.is_empty());
                assert!(rows.clone().all(|row| sample.is_some_and(|sample| sample.takes(row)) == taken));
                next = rows.end;
            }
            assert_eq!(next, 1000);
        }
        assert_eq!(stretches(None, 5).collect::<Vec<_>>(), [(0..5, true)]);
        assert_eq!(stretches(None, 0).count() + stretches(Some(Sample { seed: 1, share: 0.5 }), 0).count(), 0);
    }
}
