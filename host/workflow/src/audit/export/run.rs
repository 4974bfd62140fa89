//! A finished run, read from its records: what the documents are made of.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::recipe::Recipe;
use freehold_core::record::{Phase, PhaseRecord};
use freehold_store::Blobs;
use freehold_trust::VerifiedRoot;

use super::DocumentError;
use crate::audit::past::Past;
use crate::run::{ADAPTER, RunReport};
use crate::{Home, WorkflowError};

/// A run that came to a decision. Every statement was verified when it was read.
pub(super) struct FinishedRun {
    pub(super) name: String,
    pub(super) phases: BTreeMap<Phase, (Digest, PhaseRecord)>,
    pub(super) report: RunReport,
    pub(super) recipe: Recipe,
    pub(super) store: Box<dyn Blobs>,
    pub(super) roots: Vec<VerifiedRoot>,
}

impl FinishedRun {
    pub(super) fn read(home: &Home, name: &str) -> Result<Self, WorkflowError> {
        let past = Past::open(home)?;
        let run = past.run(name)?;
        let (report, recipe) = (run.report()?, run.recipe()?);
        let last = run.phases.last_key_value().map_or(Phase::Resolve, |(phase, _)| *phase);
        let unfinished = || DocumentError::Unfinished { run: name.into(), phase: last };
        let report = report.ok_or_else(unfinished)?;
        let phases = run.phases.into_iter().map(|(phase, past)| (phase, (past.statement, past.record))).collect();
        let (store, roots) = past.into_parts();
        Ok(Self { name: name.into(), phases, report, recipe, store, roots })
    }

    /// The record of a phase that every finished run has.
    pub(super) fn record(&self, phase: Phase) -> Result<&PhaseRecord, WorkflowError> {
        of(&self.name, &self.phases, phase)
    }

    /// The files of the adapter by name, in order.
    pub(super) fn adapter_files(&self) -> Result<BTreeMap<String, Digest>, WorkflowError> {
        let Some((_, trained)) = self.phases.get(&Phase::Train) else {
            return Err(DocumentError::NoAdapter(self.name.clone()).into());
        };
        let named = |name: &str| Some(name.strip_prefix(ADAPTER)?.strip_prefix('/')?.to_owned());
        Ok(trained.outputs.iter().filter_map(|output| Some((named(&output.name)?, output.digest))).collect())
    }
}

fn of<'a>(
    name: &str,
    phases: &'a BTreeMap<Phase, (Digest, PhaseRecord)>,
    phase: Phase,
) -> Result<&'a PhaseRecord, WorkflowError> {
    let record = phases.get(&phase).map(|(_, record)| record);
    record.ok_or_else(|| problem(name, format!("phase {phase} has no statement")))
}

pub(super) fn problem(run: &str, problem: impl Into<String>) -> WorkflowError {
    WorkflowError::Record { what: run.into(), problem: problem.into() }
}
