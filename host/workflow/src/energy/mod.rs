//! What a run uses up: time, and energy as the machine counts it or else as its operator declares it. People and policies want to
//! know; nothing that has to be reproduced depends on it.

mod powercap;
mod sampler;
mod settings;

use std::cell::Cell;
use std::time::Instant;

use freehold_core::spent::{Cost, EnergySource, RunSpent, Spent};

use crate::OpenOutside;
use powercap::Packages;
use sampler::Sampler;
pub(crate) use settings::{CostTable, EnergySettings, EnergyTable, Rates};

/// Measures what a process uses up.
#[derive(Debug)]
pub(crate) struct Meter {
    counters: Option<Sampler>,
    /// Watts by the operator's estimate.
    watts: Option<f64>,
    rates: Option<Rates>,
    /// Where the part begins that is measured now.
    since: Cell<Reading>,
    /// What an earlier process used for it.
    before: Cell<Option<Spent>>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    time: Instant,
    /// Joules since the counters are read.
    joules: Option<f64>,
}

impl Meter {
    /// Begins to measure a process that works with so many threads. Counters are read if somebody can open them.
    pub(crate) fn start(settings: EnergySettings, open: Option<OpenOutside>, threads: usize) -> Self {
        let EnergySettings { powercap, watts, watts_per_core, rates } = settings;
        let counters = open.and_then(|open| Packages::open(&powercap, open)).and_then(Sampler::start);
        let watts = watts.or(watts_per_core.map(|watts| watts * threads as f64));
        let since = Reading { time: Instant::now(), joules: counters.as_ref().and_then(Sampler::joules) };
        Self { counters, watts, rates, since: Cell::new(since), before: Cell::new(None) }
    }

    fn read(&self) -> Reading {
        Reading { time: Instant::now(), joules: self.counters.as_ref().and_then(Sampler::joules) }
    }

    /// What was used until now since the last part ended.
    pub(crate) fn so_far(&self) -> Spent {
        self.until(self.read())
    }

    /// Ends a part, and begins the next: what was used for it.
    pub(crate) fn lap(&self) -> Spent {
        let now = self.read();
        let spent = self.until(now);
        self.since.set(now);
        self.before.set(None);
        spent
    }

    /// Adds what an earlier process used for the part that is measured now.
    pub(crate) fn add(&self, before: Spent) {
        let before = self.before.get().map_or(before, |known| known.and(before));
        self.before.set(Some(before));
    }

    fn until(&self, now: Reading) -> Spent {
        let since = self.since.get();
        let seconds = now.time.duration_since(since.time).as_secs_f64();
        let measured = now.joules.zip(since.joules).map(|(now, then)| now - then);
        let estimated = self.watts.map(|watts| watts * seconds);
        let (joules, source) = match (measured, estimated) {
            (Some(joules), _) => (Some(joules), EnergySource::Measured),
            (None, Some(joules)) => (Some(joules), EnergySource::Estimated),
            (None, None) => (None, EnergySource::Unknown),
        };
        let own = Spent { seconds, joules, source, incomplete: false };
        self.before.get().map_or(own, |before| before.and(own))
    }

    /// What a run used up whose parts these are, with its price; `None` if there are none.
    pub(crate) fn total(&self, parts: impl IntoIterator<Item = Spent>, train_tokens: Option<u64>) -> Option<RunSpent> {
        let spent = Spent::sum(parts)?;
        let cost = self.rates.as_ref().and_then(|rates| rates.price(&spent));
        Some(RunSpent { spent, train_tokens, cost })
    }
}

/// Joules in a kilowatt-hour.
const JOULES_PER_KWH: f64 = 3.6e6;
const SECONDS_PER_HOUR: f64 = 3600.0;

impl Rates {
    /// What this costs; `None` if the energy has a price and is not known.
    fn price(&self, spent: &Spent) -> Option<Cost> {
        let energy = match self.per_kwh {
            Some(rate) => rate * spent.joules? / JOULES_PER_KWH,
            None => 0.0,
        };
        let time = self.per_hour.unwrap_or(0.0) * spent.seconds / SECONDS_PER_HOUR;
        Some(Cost { amount: energy + time, currency: self.currency.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(watts: Option<f64>, watts_per_core: Option<f64>) -> EnergySettings {
        EnergySettings { powercap: "/nowhere".into(), watts, watts_per_core, rates: None }
    }

    #[test]
    fn what_is_declared_is_an_estimate_and_what_is_not_is_unknown() {
        let unknown = Meter::start(settings(None, None), None, 2).lap();
        assert_eq!((unknown.joules, unknown.source), (None, EnergySource::Unknown));
        for (declared, watts) in [(settings(Some(65.0), None), 65.0), (settings(None, Some(10.0)), 20.0)] {
            let lap = Meter::start(declared, None, 2).lap();
            assert_eq!((lap.joules, lap.source), (Some(watts * lap.seconds), EnergySource::Estimated));
        }
    }

    #[test]
    fn what_an_earlier_process_used_counts_once() {
        let meter = Meter::start(settings(Some(65.0), None), None, 1);
        let before = Spent { seconds: 100.0, joules: Some(7.0), source: EnergySource::Measured, incomplete: false };
        meter.add(before);
        let (so_far, lap, next) = (meter.so_far(), meter.lap(), meter.lap());
        assert!(so_far.seconds >= 100.0 && lap.seconds >= so_far.seconds && next.seconds < 100.0);
        // A sum is no better known than its parts.
        assert!(lap.joules > Some(7.0) && lap.source == EnergySource::Estimated, "{lap:?}");
    }

    #[test]
    fn energy_that_has_a_price_and_is_not_known_costs_nobody_knows_what() {
        let rates = |per_kwh, per_hour| Rates { currency: "EUR".into(), per_kwh, per_hour };
        let hour = |joules| Spent { seconds: 3600.0, joules, source: EnergySource::Measured, incomplete: false };
        let kwh = Some(JOULES_PER_KWH);
        for (rates, joules, amount) in [
            (rates(Some(0.5), None), kwh, Some(0.5)),
            (rates(Some(0.5), Some(2.0)), kwh, Some(2.5)),
            (rates(Some(0.5), Some(2.0)), None, None),
            (rates(None, Some(2.0)), None, Some(2.0)),
        ] {
            assert_eq!(rates.price(&hour(joules)).map(|cost| cost.amount), amount, "{rates:?} {joules:?}");
        }
    }
}
