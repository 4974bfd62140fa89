//! Adaptive windows over a stream (Bifet and Gavaldà, SDM 2007).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::DriftError;

/// Buckets of one size (the paper's M).
const BUCKETS_MAX: usize = 5;
/// Values between two looks at the window.
const CLOCK: u64 = 32;
/// Values on each side of a cut, at least.
const SIDE_MIN: u64 = 5;

/// A window over a stream of numbers that grows while its mean stays the same, and forgets what is older when it does not.
///
/// Memory is logarithmic in the length of the window. Values should be from 0 to 1; the bound is stated for those.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adwin {
    delta: f64,
    /// Bucket sizes double from list to list; each list has its oldest bucket first.
    levels: Vec<VecDeque<Bucket>>,
    window: Bucket,
    seen: u64,
}

/// What is kept of some values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Bucket {
    count: u64,
    sum: f64,
    /// Sum of the squared distances from their mean.
    spread: f64,
}

impl Bucket {
    fn mean(self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    fn and(self, other: Self) -> Self {
        let count = self.count.saturating_add(other.count);
        if count == 0 {
            return self;
        }
        let apart = self.mean() - other.mean();
        let between = self.count as f64 * other.count as f64 / count as f64 * apart * apart;
        Self { count, sum: self.sum + other.sum, spread: self.spread + other.spread + between }
    }

    fn without(self, part: Self) -> Self {
        let rest = Self { count: self.count.saturating_sub(part.count), sum: self.sum - part.sum, spread: 0.0 };
        let apart = rest.mean() - part.mean();
        let between = rest.count as f64 * part.count as f64 / self.count.max(1) as f64 * apart * apart;
        Self { spread: (self.spread - part.spread - between).max(0.0), ..rest }
    }
}

impl Adwin {
    /// `delta` bounds the chance of a false alarm at each look at the window.
    ///
    /// # Errors
    /// `delta` is not between 0 and 1.
    pub fn new(delta: f64) -> Result<Self, DriftError> {
        if !(delta > 0.0 && delta < 1.0) {
            let (found, expected) = (delta.to_string(), "between 0 and 1");
            return Err(DriftError::Setting { key: "delta", found, expected });
        }
        Ok(Self { delta, levels: Vec::new(), window: Bucket::default(), seen: 0 })
    }

    /// Values of the window.
    pub fn window(&self) -> u64 {
        self.window.count
    }

    /// Their mean; 0 if there is none.
    pub fn mean(&self) -> f64 {
        self.window.mean()
    }

    /// Takes the next value; says whether the window was cut because its mean has changed.
    ///
    /// # Errors
    /// The value is not finite; nothing changes then.
    pub fn push(&mut self, value: f64) -> Result<bool, DriftError> {
        if !value.is_finite() {
            return Err(DriftError::NotFinite { descriptor: "stream".into(), row: self.seen as usize, value });
        }
        self.seen += 1;
        let bucket = Bucket { count: 1, sum: value, spread: 0.0 };
        self.window = self.window.and(bucket);
        self.add(0, bucket);
        if !self.seen.is_multiple_of(CLOCK) {
            return Ok(false);
        }
        let mut was_cut = false;
        while self.has_changed() {
            was_cut = true;
            self.forget_oldest();
        }
        Ok(was_cut)
    }

    /// Adds a bucket to a level; where there is one too many, the two oldest become one of the next.
    fn add(&mut self, level: usize, bucket: Bucket) {
        if self.levels.len() <= level {
            self.levels.push(VecDeque::new());
        }
        let Some(buckets) = self.levels.get_mut(level) else { return };
        buckets.push_back(bucket);
        if buckets.len() > BUCKETS_MAX
            && let (Some(oldest), Some(next)) = (buckets.pop_front(), buckets.pop_front())
        {
            self.add(level + 1, oldest.and(next));
        }
    }

    fn forget_oldest(&mut self) {
        while let Some(level) = self.levels.last_mut() {
            match level.pop_front() {
                Some(oldest) => {
                    self.window = self.window.without(oldest);
                    return;
                }
                None => drop(self.levels.pop()),
            }
        }
    }

    /// Whether some cut of the window between buckets has means on both sides that are further apart than chance.
    fn has_changed(&self) -> bool {
        let (mut older, total) = (Bucket::default(), self.window);
        if total.count < 2 * SIDE_MIN {
            return false;
        }
        let variance = total.spread / total.count as f64;
        // ln(2 / δ'), where δ' = δ / ln n.
        let log = libm::log(2.0 * libm::log(total.count as f64) / self.delta);
        for bucket in self.levels.iter().rev().flatten() {
            older = older.and(*bucket);
            let newer = total.count.saturating_sub(older.count);
            if newer < SIDE_MIN {
                return false;
            }
            if older.count < SIDE_MIN {
                continue;
            }
            let apart = (older.mean() - (total.sum - older.sum) / newer as f64).abs();
            let inverse = 1.0 / older.count as f64 + 1.0 / newer as f64;
            if apart > libm::sqrt(2.0 * inverse * variance * log) + 2.0 / 3.0 * inverse * log {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn alarms(values: impl Iterator<Item = f64>) -> (Vec<usize>, Adwin) {
        let mut adwin = Adwin::new(0.002).unwrap();
        let alarms = values.enumerate().filter_map(|(at, value)| adwin.push(value).unwrap().then_some(at)).collect();
        (alarms, adwin)
    }

    #[test]
    fn a_step_is_found_soon_and_the_window_holds_what_is_after_it() {
        let mut random = Random::new(1, "step");
        let values = (0..4000).map(|at| 0.3 * random.uniform() + if at < 2000 { 0.2 } else { 0.5 });
        let (found, adwin) = alarms(values);
        assert!(found[0] >= 2000 && found[0] < 2100, "{found:?}");
        assert!((1900..2050).contains(&adwin.window()) && (adwin.mean() - 0.65).abs() < 0.02, "{}", adwin.window());
    }

    #[test]
    fn what_does_not_change_gives_no_alarm_and_takes_little_memory() {
        let mut random = Random::new(2, "still");
        let (found, adwin) = alarms((0..50_000).map(|_| random.uniform()));
        assert!(found.len() <= 1, "{found:?}");
        assert!(adwin.levels.iter().map(VecDeque::len).sum::<usize>() < 100);
        let (found, adwin) = alarms(std::iter::repeat_n(0.5, 5000));
        assert_eq!((found.len(), adwin.window(), adwin.mean()), (0, 5000, 0.5));
        let (found, adwin) = alarms(std::iter::empty());
        assert_eq!((found.len(), adwin.window(), adwin.mean()), (0, 0, 0.0));
    }

    #[test]
    fn the_window_is_what_was_not_forgotten() {
        let mut random = Random::new(3, "moments");
        let values: Vec<f64> = (0..3000).map(|at| random.uniform() + if at < 1500 { 0.0 } else { 2.0 }).collect();
        let (_, adwin) = alarms(values.iter().copied());
        let kept = &values[values.len() - adwin.window() as usize..];
        let mean = kept.iter().sum::<f64>() / kept.len() as f64;
        let spread: f64 = kept.iter().map(|value| (value - mean).powi(2)).sum();
        assert!((adwin.mean() - mean).abs() < 1e-9 && (adwin.window.spread / spread - 1.0).abs() < 1e-6, "{adwin:?}");
    }

    #[test]
    fn what_is_no_number_or_no_chance_is_refused() {
        let mut adwin = Adwin::new(0.002).unwrap();
        assert!(adwin.push(f64::NAN).is_err());
        assert_eq!(adwin, Adwin::new(0.002).unwrap());
        for delta in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(Adwin::new(delta).is_err(), "{delta}");
        }
    }
}
