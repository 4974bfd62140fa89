//! The metric world.

use freehold_core::batch::{Batch, check_name};
use freehold_core::limits::Usage;
use freehold_core::manifest::World;
use serde::Serialize;

use crate::bindings::metric as wit;
use crate::convert::{lend_batch, lend_columns};
use crate::instance::Instance;
use crate::{CompiledWorld, Grants, Plugin, SandboxError};

/// More statistics of a row than any metric needs.
const WIDTH_LIMIT: usize = 1024;

/// What a metric says that it measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricDescription {
    /// Names of the statistics of a row.
    pub statistics: Vec<String>,
    /// Whether more is better.
    pub higher_is_better: bool,
}

/// A running metric.
pub struct Metric {
    instance: Instance,
    guest: wit::Guest,
    width: usize,
}

impl Plugin {
    /// Starts a metric.
    pub fn metric(&self, grants: Grants) -> Result<Metric, SandboxError> {
        let CompiledWorld::Metric(pre, exports) = &self.world else { return Err(self.wrong_world(World::Metric)) };
        let mut instance = Instance::new(self, grants)?;
        let guest = instance.start(|store| {
            let started = pre.instantiate(&mut *store)?;
            exports.load(store, &started)
        })?;
        Ok(Metric { instance, guest, width: 0 })
    }
}

impl Metric {
    /// What it measures.
    pub fn describe(&mut self) -> Result<MetricDescription, SandboxError> {
        let guest = &self.guest;
        let wit::Description { statistics, higher_is_better } =
            self.instance.call(0, |store| guest.call_describe(store))?;
        if statistics.is_empty() || statistics.len() > WIDTH_LIMIT {
            return Err(
                self.numbers(format!("a row has {} statistics; 1 to {WIDTH_LIMIT} are possible", statistics.len()))
            );
        }
        let named = |problem| SandboxError::Shape { plugin: self.instance.plugin(), problem };
        statistics.iter().try_for_each(|name| check_name(name)).map_err(named)?;
        self.width = statistics.len();
        Ok(MetricDescription { statistics, higher_is_better })
    }

    /// The statistics of every row: `rows * width` finite numbers.
    pub fn statistics(&mut self, batch: &Batch) -> Result<Vec<f64>, SandboxError> {
        let (guest, columns) = (&self.guest, lend_columns(batch));
        let lent = lend_batch(batch, &columns);
        let numbers = self.instance.call(batch.bytes() as u64, |store| guest.call_statistics(store, lent))?;
        self.check("statistics", numbers, batch.rows() * self.width)
    }

    /// The metric for each group of `width` sums.
    pub fn values(&mut self, sums: &[f64]) -> Result<Vec<f64>, SandboxError> {
        let guest = &self.guest;
        let numbers = self.instance.call(8 * sums.len() as u64, |store| guest.call_values(store, sums))?;
        self.check("values", numbers, sums.len() / self.width.max(1))
    }

    fn check(&self, what: &str, numbers: Vec<f64>, expected: usize) -> Result<Vec<f64>, SandboxError> {
        if numbers.len() != expected {
            return Err(self.numbers(format!("returned {} {what}, expected {expected}", numbers.len())));
        }
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(at) => Err(self.numbers(format!("{what}[{at}] is {}, not a finite number", numbers[at]))),
            None => Ok(numbers),
        }
    }

    fn numbers(&self, problem: String) -> SandboxError {
        SandboxError::Numbers { plugin: self.instance.plugin(), problem }
    }

    /// What it used so far.
    pub fn usage(&self) -> Usage {
        self.instance.usage()
    }
}
