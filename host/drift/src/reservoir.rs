//! Some of many rows, each as likely as any other, drawn while they go by.

use crate::random::Random;

/// A reservoir of at most so many rows (Vitter 1985, algorithm R). The same rows and seed give the same draw.
#[derive(Debug, Clone)]
pub struct Reservoir<T> {
    /// Each with its place.
    kept: Vec<(u64, T)>,
    max: usize,
    seen: u64,
    random: Random,
}

impl<T> Reservoir<T> {
    /// A reservoir for `max` rows.
    pub fn new(max: usize, seed: u64) -> Self {
        Self { kept: Vec::new(), max, seen: 0, random: Random::new(seed, "reservoir") }
    }

    /// Shows it the next row.
    pub fn push(&mut self, row: T) {
        let place = self.seen;
        self.seen += 1;
        if self.kept.len() < self.max {
            self.kept.push((place, row));
            return;
        }
        let slot = self.random.below(usize::try_from(self.seen).unwrap_or(usize::MAX));
        if let Some(kept) = self.kept.get_mut(slot) {
            *kept = (place, row);
        }
    }

    /// How many rows went by.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The rows that were drawn, in the order in which they went by.
    pub fn into_rows(mut self) -> Vec<T> {
        self.kept.sort_by_key(|(place, _)| *place);
        self.kept.into_iter().map(|(_, row)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_as_likely_and_they_stay_in_order() {
        let draw = |max, seed| {
            let mut reservoir = Reservoir::new(max, seed);
            (0..40).for_each(|row: usize| reservoir.push(row));
            assert_eq!(reservoir.seen(), 40);
            reservoir.into_rows()
        };
        assert_eq!(draw(40, 1), (0..40).collect::<Vec<_>>());
        assert_eq!((draw(0, 1), draw(7, 1)), (vec![], draw(7, 1)));
        let mut counts = [0; 40];
        for seed in 0..2000 {
            let rows = draw(10, seed);
            assert!(rows.len() == 10 && rows.is_sorted());
            rows.into_iter().for_each(|row| counts[row] += 1);
        }
        assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
    }
}
