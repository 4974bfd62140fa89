//! Near duplicates: MinHash signatures, cut into bands, find candidates; the shingles themselves decide.

use crate::shingles::{hash, jaccard, mix, shingles};
use std::collections::HashMap;

/// A pair at the threshold is to become a candidate with at least this chance.
const RECALL: f64 = 0.99;

/// Candidates that are compared for one row and band. More share a band only when thousands of rows are alike, and
/// then one of the first is alike too.
const MOST_CANDIDATES: usize = 64;

/// All rows kept so far.
pub(crate) struct NearDuplicates {
    threshold: f64,
    /// Multiplier and addend of each permutation.
    permutations: Vec<(u64, u64)>,
    band_length: usize,
    /// Rows by the hash of each of their bands.
    bands: HashMap<u64, Vec<u32>>,
    kept: Vec<Box<[u32]>>,
}

impl NearDuplicates {
    pub(crate) fn new(threshold: f64, permutations: usize) -> Self {
        Self {
            threshold,
            permutations: (0..permutations as u64).map(|number| (mix(number * 2) | 1, mix(number * 2 + 1))).collect(),
            band_length: band_length(threshold, permutations),
            bands: HashMap::new(),
            kept: Vec::new(),
        }
    }

    /// Whether the text nearly repeats one that was kept; keeps it if not.
    pub(crate) fn repeats(&mut self, text: &str) -> bool {
        let shingles = shingles(text);
        let bands = self.bands_of(&shingles);
        let mut compared: Vec<u32> = Vec::new();
        for &row in bands.iter().filter_map(|band| self.bands.get(band)).flatten() {
            if compared.contains(&row) {
                continue;
            }
            compared.push(row);
            let other = &self.kept[row as usize];
            // Sets of very different sizes cannot share enough.
            let (less, more) = (shingles.len().min(other.len()), shingles.len().max(other.len()));
            if less as f64 >= self.threshold * more as f64 && jaccard(&shingles, other) >= self.threshold {
                return true;
            }
        }
        let row = self.kept.len() as u32;
        for band in bands {
            let rows = self.bands.entry(band).or_default();
            if rows.len() < MOST_CANDIDATES {
                rows.push(row);
            }
        }
        self.kept.push(shingles.into_boxed_slice());
        false
    }

    /// The hashes of the bands of the signature.
    fn bands_of(&self, shingles: &[u32]) -> Vec<u64> {
        let least = |&(multiply, add): &(u64, u64)| {
            let permuted = |&shingle: &u32| u64::from(shingle).wrapping_mul(multiply).wrapping_add(add) >> 32;
            shingles.iter().map(permuted).min().unwrap_or(u64::MAX) as u32
        };
        let signature: Vec<u8> =
            self.permutations.iter().flat_map(|permutation| least(permutation).to_le_bytes()).collect();
        let bands = signature.chunks_exact(self.band_length * 4).enumerate();
        bands.map(|(number, band)| hash(number as u64 + 4, band)).collect()
    }
}

/// The longest bands, and so the fewest candidates, that still find a pair at the threshold.
fn band_length(threshold: f64, permutations: usize) -> usize {
    let recall = |length: usize| 1.0 - (1.0 - threshold.powi(length as i32)).powi((permutations / length) as i32);
    (1..=permutations).rev().find(|&length| recall(length) >= RECALL).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::{NearDuplicates, band_length};

    #[test]
    fn bands_suit_the_threshold() {
        assert_eq!(band_length(0.85, 128), 8);
        assert_eq!(band_length(1.0, 128), 128);
        assert!(band_length(0.5, 128) < band_length(0.8, 128));
        assert_eq!(band_length(0.01, 16), 1);
    }

    #[test]
    fn only_what_shares_enough_repeats() {
        let mut near = NearDuplicates::new(0.8, 128);
        let text = "the printer on the second floor has been out of toner since monday morning";
        assert!(!near.repeats(text));
        assert!(near.repeats(&text.replace("monday", "sunday")));
        assert!(!near.repeats("the printer on the second floor catches fire whenever it is switched on"));
        assert!(!near.repeats(""));
    }
}
