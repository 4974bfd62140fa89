//! Choosing the next token.

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
        // Of equal logits the lower token comes first.
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if self.top_k < ranked.len() {
            ranked.select_nth_unstable_by(self.top_k - 1, order);
            ranked.truncate(self.top_k);
        }
        ranked.sort_unstable_by(order);
        let highest = ranked.first()?.1;
        let weight = |logit: f32| libm::exp(f64::from(logit - highest) / self.temperature);
        let total: f64 = ranked.iter().map(|(_, logit)| weight(*logit)).sum();
        let (mut kept, mut sum) = (0, 0.0);
        while kept < ranked.len() && (kept == 0 || sum < self.top_p * total) {
            sum += weight(ranked[kept].1);
            kept += 1;
        }
        let mut left = self.random.uniform() * sum;
        for (id, logit) in &ranked[..kept] {
            left -= weight(*logit);
            if left < 0.0 {
                return Some(*id);
            }
        }
        // Only rounding can leave something over.
        Some(ranked[kept - 1].0)
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
    fn what_is_not_a_number_is_told() {
        let mut sampler = Sampler::new(&GenerateSettings { temperature: 1.0, ..Default::default() }, 0);
        assert_eq!(sampler.next([0.0, f32::NAN].into_iter()), None);
        assert_eq!(likeliest([0.0, 2.0, 2.0, 1.0]), Some(1));
        assert_eq!(likeliest([0.0, f32::NAN]), None);
    }
}
