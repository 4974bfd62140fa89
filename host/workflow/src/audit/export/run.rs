//! A finished run, read from its records: what the documents are made of.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::recipe::Recipe;
use freehold_core::record::{Phase, PhaseRecord};
use freehold_store::Store;
use freehold_trust::VerifiedRoot;

use super::DocumentError;
use crate::run::{self, ADAPTER, RunReport};
use crate::statements::malformed;
use crate::{Home, WorkflowError};

/// A run that came to a decision. Every statement was verified when it was read.
pub(super) struct FinishedRun {
    pub(super) name: String,
    pub(super) phases: BTreeMap<Phase, (Digest, PhaseRecord)>,
    pub(super) report: RunReport,
    pub(super) recipe: Recipe,
    pub(super) store: Store,
    pub(super) roots: Vec<VerifiedRoot>,
}

impl FinishedRun {
    pub(super) fn read(home: &Home, name: &str) -> Result<Self, WorkflowError> {
        let entries = home.ledger()?.entries()?;
        let phases = crate::audit::phases(home, &entries, name)?;
        let Some((last, _)) = phases.last_key_value() else { return Err(crate::audit::no_run(name, &entries)) };
        let Some((statement, record)) = phases.get(&Phase::Record) else {
            return Err(DocumentError::Unfinished { run: name.into(), phase: *last }.into());
        };
        let store = home.store()?;
        let records = phases.values().map(|(_, record)| record);
        let report = run::report_of(name, records, (*statement, record), &store)?;
        let recipe = run::output(of(name, &phases, Phase::Resolve)?, "recipe")?;
        let recipe = serde_json::from_slice(&store.get(&recipe)?).map_err(malformed(format!("recipe of {name}")))?;
        Ok(Self { name: name.into(), phases, report, recipe, store, roots: crate::audit::roots(home)? })
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
