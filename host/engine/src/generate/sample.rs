//! Choosing the next token.

use std::cmp::Ordering;

use crate::random::Random;

use super::GenerateSettings;

/// Chooses tokens for one row. What is drawn is a function of the seed, the row and how many were drawn before.
#[derive(Debug)]
pub(crate) struct Sampler {
    temperature: f64,
    top_k: usize,
    top_p: f64,
    random: Random,
}

impl Sampler {
    pub(crate) fn new(settings: &GenerateSettings, row: usize) -> Self {
        Self {
            temperature: settings.temperature,
            top_k: settings.top_k.unwrap_or(usize::MAX),
            top_p: settings.top_p,
            random: Random::new(settings.seed, &format!("sample {row}")),
        }
    }

    /// The next token. None if a logit is not a finite number.
    ///
    /// As in transformers, logits are divided by the temperature, then the `top_k` highest are kept, then as few of these as
    /// together have the probability `top_p`.
    pub(crate) fn next(&mut self, logits: impl Iterator<Item = f32>) -> Option<u32> {
        if self.temperature == 0.0 || self.top_k == 1 {
            return likeliest(logits);
        }
        let mut ranked: Vec<(u32, f32)> = Vec::new();
        for (id, logit) in logits.enumerate() {
            if !logit.is_finite() {
                return None;
            }
            ranked.push((id as u32, logit));
        }
        if self.top_k < ranked.len() {
            ranked.select_nth_unstable_by(self.top_k - 1, order);
            ranked.truncate(self.top_k);
        }
        let highest = ranked.iter().map(|(_, logit)| *logit).max_by(f32::total_cmp)?;
        let weight = |logit: f32| libm::exp(f64::from(logit - highest) / self.temperature);
        let mut sum: f64 = ranked.iter().map(|(_, logit)| weight(*logit)).sum();
        let mut ranked = Ranked { all: ranked, sorted: 0 };
        if self.top_p < 1.0 {
            let least = self.top_p * sum;
            let mut kept = 0;
            sum = 0.0;
            while let Some((_, logit)) = ranked.get(kept).filter(|_| kept == 0 || sum < least) {
                sum += weight(logit);
                kept += 1;
            }
            ranked.all.truncate(kept);
        }
        let mut left = self.random.uniform() * sum;
        let mut place = 0;
        while let Some((id, logit)) = ranked.get(place) {
            left -= weight(logit);
            if left < 0.0 {
                return Some(id);
            }
            place += 1;
        }
        // Only rounding can leave something over.
        ranked.all.last().map(|(id, _)| *id)
    }
}

/// The higher logit first; of equal ones the lower token.
fn order(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// Tokens and logits that are sorted as far as they are looked at: what is chosen is mostly among the first.
struct Ranked {
    all: Vec<(u32, f32)>,
    sorted: usize,
}

impl Ranked {
    /// The token of this rank, from zero; none behind the last.
    fn get(&mut self, rank: usize) -> Option<(u32, f32)> {
        /// Tokens that are sorted at first.
        const FIRST: usize = 64;
        if rank >= self.sorted {
            let rest = self.all.get_mut(self.sorted..).unwrap_or_default();
            let more = self.sorted.max(FIRST).min(rest.len());
            if more < rest.len() {
                rest.select_nth_unstable_by(more, order);
            }
            rest[..more].sort_unstable_by(order);
            self.sorted += more;
        }
        self.all.get(rank).copied()
    }
}

/// The highest logit; the first of equals. None if one is not a number.
pub(super) fn likeliest(logits: impl IntoIterator<Item = f32>) -> Option<u32> {
    let (mut best, mut highest) = (0, f32::NEG_INFINITY);
    for (id, logit) in logits.into_iter().enumerate() {
        if !logit.is_finite() {
            return None;
        }
        if logit > highest {
            (best, highest) = (id as u32, logit);
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, 3.0, -5.0];

    fn shares(settings: &GenerateSettings) -> [f64; 5] {
        let mut sampler = Sampler::new(settings, 0);
        let mut counts = [0.0; 5];
        for _ in 0..20_000 {
            counts[sampler.next(LOGITS.into_iter()).unwrap() as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn expected(temperature: f64, kept: &[usize]) -> [f64; 5] {
        let mut all = [0.0; 5];
        kept.iter().for_each(|&id| all[id] = (f64::from(LOGITS[id]) / temperature).exp());
        let total: f64 = all.iter().sum();
        all.map(|x| x / total)
    }

    #[test]
    fn tokens_have_their_probabilities() {
        let settings = |temperature, top_k, top_p| GenerateSettings { temperature, top_k, top_p, ..Default::default() };
        for (settings, kept) in [
            (settings(1.0, None, 1.0), vec![0, 1, 2, 3, 4]),
            (settings(2.0, Some(3), 1.0), vec![1, 3, 2]),
            (settings(1.0, None, 0.5), vec![1, 3]),
            (settings(1.0, None, 0.3), vec![1]),
            (settings(0.7, Some(4), 0.95), vec![1, 3, 2]),
        ] {
            let want = expected(settings.temperature, &kept);
            for (got, want) in shares(&settings).iter().zip(want) {
                assert!((got - want).abs() < 0.015, "{settings:?}: {got} {want}");
            }
        }
    }

    #[test]
    fn a_seed_and_a_row_give_the_same_tokens() {
        let draw = |seed, row| {
            let mut sampler = Sampler::new(&GenerateSettings { temperature: 1.0, seed, ..Default::default() }, row);
            (0..50).map(|_| sampler.next(LOGITS.into_iter()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }

    #[test]
    fn ranks_are_those_of_the_whole_list_sorted() {
        let all: Vec<(u32, f32)> = (0..1000_u32).map(|id| (id, (id * 7919 % 501) as f32)).collect();
        let mut sorted = all.clone();
        sorted.sort_by(order);
        let mut ranked = Ranked { all, sorted: 0 };
        for (rank, expected) in sorted.into_iter().enumerate() {
            assert_eq!(ranked.get(rank), Some(expected));
            assert!(ranked.sorted < 4 * rank.max(32), "no more than needed");
        }
        assert_eq!(ranked.get(1000), None);
    }

    #[test]
    fn what_is_not_a_number_is_told() {
        let mut sampler = Sampler::new(&GenerateSettings { temperature: 1.0, ..Default::default() }, 0);
        assert_eq!(sampler.next([0.0, f32::NAN].into_iter()), None);
        assert_eq!(likeliest([0.0, 2.0, 2.0, 1.0]), Some(1));
        assert_eq!(likeliest([0.0, f32::NAN]), None);
    }
}
