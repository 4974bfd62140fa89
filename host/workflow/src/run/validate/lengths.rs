//! How long examples are: quantiles, and a histogram with two bins from each power of two to the next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lengths in tokens. All zero if there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Lengths {
    /// The shortest.
    pub min: u64,
    /// The median: at least half are no longer (nearest rank).
    pub median: u64,
    /// At least 95 of 100 are no longer (nearest rank).
    pub p95: u64,
    /// The longest.
    pub max: u64,
    /// From the bin of the shortest to that of the longest, without a gap.
    pub bins: Vec<Bin>,
}

/// Examples of about one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Bin {
    /// Tokens of the shortest that belongs here: a power of two, one and a half times that, or 0.
    pub from: u64,
    /// Tokens of the longest that does.
    pub to: u64,
    /// How many examples.
    pub examples: u64,
    /// Their tokens together.
    pub tokens: u64,
}

/// The bin of a length, empty.
fn bin_of(length: u64) -> Bin {
    let power = length.checked_ilog2().map_or(0, |power| 1 << power);
    let middle = power + power / 2;
    // From 1 to 2 there is no middle.
    let (from, end) =
        if length < middle || middle == power { (power, middle.max(power + 1)) } else { (middle, 2 * power) };
    Bin { from, to: if length == 0 { 0 } else { end - 1 }, examples: 0, tokens: 0 }
}

impl Lengths {
    /// Of lengths in any order.
    pub(super) fn of(mut lengths: Vec<u32>) -> Self {
        lengths.sort_unstable();
        let rank = |percent: usize| {
            let rank = (lengths.len() * percent).div_ceil(100).max(1) - 1;
            lengths.get(rank).copied().map_or(0, u64::from)
        };
        let (min, median, p95, max) = (rank(0), rank(50), rank(95), rank(100));
        let mut bins: Vec<Bin> = Vec::new();
        for length in lengths.iter().copied().map(u64::from) {
            while bins.last().is_none_or(|bin| bin.to < length) {
                let next = bins.last().map_or(length, |bin| bin.to + 1);
                bins.push(bin_of(next));
            }
            if let Some(bin) = bins.last_mut() {
                bin.examples += 1;
                bin.tokens += length;
            }
        }
        Self { min, median, p95, max, bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_bins_are_those_worked_out_by_hand() {
        let lengths = Lengths::of(vec![9, 3, 2, 30, 3]);
        assert_eq!((lengths.min, lengths.median, lengths.p95, lengths.max), (2, 3, 30, 30));
        let bins: Vec<_> = lengths.bins.iter().map(|bin| (bin.from, bin.to, bin.examples, bin.tokens)).collect();
        let expected = [(2, 2, 1, 2), (3, 3, 2, 6), (4, 5, 0, 0), (6, 7, 0, 0), (8, 11, 1, 9), (12, 15, 0, 0)];
        assert_eq!(bins[..6], expected);
        assert_eq!(bins[6..], [(16, 23, 0, 0), (24, 31, 1, 30)]);
        assert_eq!(Lengths::of(vec![]), Lengths::default());
        assert_eq!(Lengths::of(vec![0, 1]).bins.iter().map(|bin| bin.from).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(Lengths::of((1..=100).collect()).p95, 95);
    }

    /// Many lists of lengths, the same each time.
    #[test]
    fn bins_hold_every_example_once() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..500 {
            let (count, power) = (random(200), random(18));
            let given: Vec<u32> = (0..count).map(|_| random(1 << power) as u32).collect();
            let (sum, smallest, largest) = (given.iter().sum::<u32>(), given.iter().min(), given.iter().max());
            let (sum, smallest, largest) = (u64::from(sum), smallest.copied(), largest.copied());
            let lengths = Lengths::of(given);
            assert_eq!(lengths.bins.iter().map(|bin| bin.examples).sum::<u64>(), count);
            assert_eq!(lengths.bins.iter().map(|bin| bin.tokens).sum::<u64>(), sum);
            assert_eq!((lengths.min, lengths.max), (smallest.map_or(0, u64::from), largest.map_or(0, u64::from)));
            assert!(lengths.min <= lengths.median && lengths.median <= lengths.p95 && lengths.p95 <= lengths.max);
            assert!(lengths.bins.windows(2).all(|pair| pair[0].to + 1 == pair[1].from), "{lengths:?}");
            let fits = |bin: &Bin| bin.examples * bin.from <= bin.tokens && bin.tokens <= bin.examples * bin.to;
            assert!(lengths.bins.iter().all(fits), "{lengths:?}");
        }
    }
}
