//! Reading the records: which runs there were, what each came to, and whether everything is untouched.

mod checkpoint;
mod export;
mod verify;

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_core::verdict::Decision;
use freehold_trust::VerifiedRoot;
use jiff::Timestamp;
use serde::Serialize;

use crate::run::{self, RunReport};
use crate::statements::read_phase;
use crate::{Home, WorkflowError, aliases};

pub use checkpoint::{CheckpointView, checkpoint, witness, witnessed};
pub use export::{AdapterFiles, Document, DocumentError, Format, adapter, export};
pub use verify::{Finding, Request, Verification, verify};

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run.
    pub run: String,
    /// When its first phase ended.
    pub started: Timestamp,
    /// The last phase that is done.
    pub phase: Phase,
    /// The decision; `None` while it is not recorded.
    pub decision: Option<Decision>,
    /// Why it was denied.
    pub reason: Option<String>,
    /// The adapter's manifest.
    pub adapter: Option<Digest>,
    /// Aliases that name it now.
    pub aliases: Vec<String>,
}

/// A ledger entry of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntryView {
    /// Its number in the ledger.
    pub index: u64,
    /// What it is about.
    pub what: String,
    /// Digest of the statement.
    pub statement: Digest,
    /// When it was written.
    pub time: Timestamp,
}

/// A run in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunView {
    /// In short.
    pub summary: RunSummary,
    /// What it came to; `None` while it is not recorded.
    pub report: Option<RunReport>,
    /// The phases with their statements.
    pub phases: Vec<PhaseRecord>,
    /// Its entries in the ledger.
    pub entries: Vec<EntryView>,
}

/// Keys of the trust root under which a statement was made.
fn root_for(roots: &[VerifiedRoot], version: u64) -> Option<&VerifiedRoot> {
    roots.iter().find(|root| root.version == version)
}

/// The record of a phase, verified with the keys of the trust root that it names.
fn phase_record(home: &Home, roots: &[VerifiedRoot], statement: &Digest) -> Result<PhaseRecord, WorkflowError> {
    read_phase(&home.store()?, roots, statement)
}

fn roots(home: &Home) -> Result<Vec<VerifiedRoot>, WorkflowError> {
    Ok(home.trust_roots()?.into_iter().map(|(root, _)| root).collect())
}

fn run_names(entries: &[Entry]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for entry in entries {
        if let Subject::Phase { run, .. } = &entry.subject
            && !names.contains(&run.as_str())
        {
            names.push(run);
        }
    }
    names
}

fn no_run(run: &str, entries: &[Entry]) -> WorkflowError {
    let names = run_names(entries);
    let hint = match freehold_core::toml_text::nearest(run, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if names.is_empty() => "there are no runs yet".into(),
        None => "`freehold audit list` shows all".into(),
    };
    WorkflowError::NoRun { run: run.into(), hint }
}

fn phases(home: &Home, entries: &[Entry], run: &str) -> Result<BTreeMap<Phase, (Digest, PhaseRecord)>, WorkflowError> {
    let roots = roots(home)?;
    let mut phases = BTreeMap::new();
    for (phase, statement) in crate::statements::phases_of(entries, run) {
        phases.insert(phase, (*statement, phase_record(home, &roots, statement)?));
    }
    Ok(phases)
}

fn summary(
    entries: &[Entry],
    run: &str,
    phases: &BTreeMap<Phase, (Digest, PhaseRecord)>,
) -> Result<RunSummary, WorkflowError> {
    let none = || WorkflowError::Record { what: run.into(), problem: "has no phase".into() };
    let (_, (_, first)) = phases.first_key_value().ok_or_else(none)?;
    let (phase, _) = phases.last_key_value().ok_or_else(none)?;
    let record = phases.get(&Phase::Record).map(|(_, record)| run::recorded(record)).transpose()?;
    let named = aliases::after(entries).into_iter().filter(|(_, state)| state.run == run);
    Ok(RunSummary {
        run: run.into(),
        started: first.started,
        phase: *phase,
        decision: record.as_ref().map(|record| record.decision),
        reason: record.as_ref().and_then(|record| record.reason.clone()),
        adapter: record.as_ref().and_then(|record| record.adapter),
        aliases: named.map(|(alias, _)| alias).collect(),
    })
}

/// Every run, oldest first.
pub fn list(home: &Home) -> Result<Vec<RunSummary>, WorkflowError> {
    let entries = home.ledger()?.entries()?;
    run_names(&entries).into_iter().map(|run| summary(&entries, run, &phases(home, &entries, run)?)).collect()
}

/// One run.
pub fn show(home: &Home, run: &str) -> Result<RunView, WorkflowError> {
    let entries = home.ledger()?.entries()?;
    if !run_names(&entries).contains(&run) {
        return Err(no_run(run, &entries));
    }
    let phases = phases(home, &entries, run)?;
    let report = match phases.get(&Phase::Record) {
        Some((statement, record)) => {
            let records = phases.values().map(|(_, record)| record);
            Some(run::report_of(run, records, (*statement, record), &home.store()?)?)
        }
        None => None,
    };
    let of_run = entries.iter().enumerate().filter_map(|(index, entry)| {
        let what = match &entry.subject {
            Subject::Phase { run: name, phase, .. } if name == run => phase.to_string(),
            Subject::Alias { run: name, alias, .. } if name == run => format!("alias {alias}"),
            _ => return None,
        };
        Some(EntryView { index: index as u64, what, statement: entry.statement, time: entry.time })
    });
    Ok(RunView {
        summary: summary(&entries, run, &phases)?,
        report,
        entries: of_run.collect(),
        phases: phases.into_values().map(|(_, record)| record).collect(),
    })
}
