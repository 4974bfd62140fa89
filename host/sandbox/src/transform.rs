//! The transform world.

use freehold_core::batch::{Batch, Outcome, check_name};
use freehold_core::evidence::{Attribute, Value};
use freehold_core::limits::Usage;
use freehold_core::manifest::World;
use serde::Serialize;

use crate::bindings::transform as wit;
use crate::convert::{lend_batch, lend_columns, outcome_from_wit};
use crate::instance::Instance;
use crate::lineage::{Lineage, is_code};
use crate::{CompiledWorld, Grants, Plugin, SandboxError};

/// What a transform says that it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransformDescription {
    /// Columns that must be there.
    pub reads: Vec<String>,
    /// Columns that are changed or added.
    pub writes: Vec<String>,
    /// Whether each row is treated for itself.
    pub rows_independent: bool,
}

/// A running transform, for one stream of rows.
pub struct Transform {
    instance: Instance,
    guest: wit::Guest,
    lineage: Lineage,
}

impl Plugin {
    /// Starts a transform.
    pub fn transform(&self, grants: Grants) -> Result<Transform, SandboxError> {
        let CompiledWorld::Transform(pre, exports) = &self.world else {
            return Err(self.wrong_world(World::Transform));
        };
        let mut instance = Instance::new(self, grants)?;
        let guest = instance.start(|store| {
            let started = pre.instantiate(&mut *store)?;
            exports.load(store, &started)
        })?;
        Ok(Transform { instance, guest, lineage: Lineage::default() })
    }
}

impl Transform {
    /// What it does.
    pub fn describe(&mut self) -> Result<TransformDescription, SandboxError> {
        let guest = &self.guest;
        let wit::Description { reads, writes, rows_independent } =
            self.instance.call(0, |store| guest.call_describe(store))?;
        let named = |problem| SandboxError::Shape { plugin: self.instance.plugin(), problem };
        reads.iter().chain(&writes).try_for_each(|name| check_name(name)).map_err(named)?;
        self.lineage.set_independent(rows_independent);
        Ok(TransformDescription { reads, writes, rows_independent })
    }

    /// What it logs is counted and shown to nobody from now on.
    pub(crate) fn keep_quiet(&mut self) {
        self.instance.keep_quiet();
    }

    /// Treats the next rows of the stream.
    pub fn process(&mut self, batch: &Batch) -> Result<Outcome, SandboxError> {
        self.lineage.given(batch.first_row(), batch.rows());
        let (guest, columns) = (&self.guest, lend_columns(batch));
        let lent = lend_batch(batch, &columns);
        let outcome = self.instance.call(batch.bytes() as u64, |store| guest.call_process(store, lent))?;
        self.take(outcome)
    }

    /// Ends the stream: every row has to be accounted for.
    pub fn finish(&mut self) -> Result<Outcome, SandboxError> {
        let guest = &self.guest;
        let outcome = self.instance.call(0, |store| guest.call_finish(store))?;
        let outcome = self.take(outcome)?;
        let lineage = |problem| SandboxError::Lineage { plugin: self.instance.plugin(), problem };
        self.lineage.finish().map_err(lineage)?;
        Ok(outcome)
    }

    fn take(&mut self, outcome: wit::Outcome) -> Result<Outcome, SandboxError> {
        let plugin = || self.instance.plugin();
        let outcome = outcome_from_wit(outcome).map_err(|problem| SandboxError::Shape { plugin: plugin(), problem })?;
        self.lineage.take(&outcome).map_err(|problem| SandboxError::Lineage { plugin: plugin(), problem })?;
        check_counts(&outcome.counts).map_err(|problem| SandboxError::Numbers { plugin: plugin(), problem })?;
        Ok(outcome)
    }

    /// What it used so far.
    pub fn usage(&self) -> Usage {
        self.instance.usage()
    }
}

/// Counts are recorded under their names, so that both have to be fit for a record.
fn check_counts(counts: &[Attribute]) -> Result<(), String> {
    for count in counts {
        if !is_code(&count.key) {
            return Err("the name of one of its counts is not a short code".into());
        }
        match count.value {
            Value::Integer(_) => {}
            Value::Number(value) if value.is_finite() => {}
            _ => return Err(format!("its count of `{}` is not a finite number", count.key)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_finite_numbers_under_short_codes() {
        let count = |key: &str, value| vec![Attribute { key: key.into(), value }];
        for (counts, holds) in [
            (vec![], true),
            (count("card-numbers", Value::Integer(-1)), true),
            (count("share", Value::Number(0.5)), true),
            (count("", Value::Integer(1)), false),
            (count("\u{1b}[31m", Value::Integer(1)), false),
            (count(&"x".repeat(65), Value::Integer(1)), false),
            (count("n", Value::Number(f64::NAN)), false),
            (count("n", Value::Number(f64::INFINITY)), false),
            (count("n", Value::Text("1".into())), false),
            (count("n", Value::Boolean(true)), false),
        ] {
            assert_eq!(check_counts(&counts).is_ok(), holds, "{counts:?}");
        }
    }
}
