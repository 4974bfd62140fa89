//! Reading the records: which runs there were, what each came to, and whether everything is untouched.

mod approvals;
mod checkpoint;
mod diff;
mod explain;
mod export;
mod history;
mod impact;
mod list;
mod pack;
mod past;
mod preregistered;
mod replay;
mod time;
mod verify;

use std::collections::HashSet;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, PhaseRecord, Subject};
use freehold_trust::VerifiedRoot;
use jiff::Timestamp;
use serde::Serialize;

use crate::run::RunReport;
use crate::{Home, WorkflowError};

use past::Past;

pub use approvals::{Approval, Approvals, Quorum, approvals, approve};
pub use checkpoint::{CheckpointView, checkpoint, witness, witnessed};
pub use diff::{Change, RunDiff, diff};
pub use explain::{ExplainedBase, ExplainedData, ExplainedPlugin, Explanation, Use, explain};
pub use export::{AdapterFiles, Document, DocumentError, Format, adapter, export};
pub use history::{Reign, history};
pub use impact::{Suspect, Touched, impact};
pub use list::{Filter, Listed, RunSummary, list};
pub use pack::{Draft, EntryChoice, Extra, LeftOut, Options, PackView, draft};
pub use preregistered::Bar;
pub use replay::{Replay, Replayed, replay};
pub use time::Moment;
pub use verify::{Finding, Request, Verification, VerifiedPack, verify, verify_pack};

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

fn roots(home: &Home) -> Result<Vec<VerifiedRoot>, WorkflowError> {
    Ok(home.trust_roots()?.into_iter().map(|(root, _)| root).collect())
}

fn run_names(entries: &[Entry]) -> Vec<&str> {
    let mut seen = HashSet::new();
    let runs = entries.iter().filter_map(|entry| match &entry.subject {
        Subject::Phase { run, .. } => Some(run.as_str()),
        _ => None,
    });
    runs.filter(|run| seen.insert(*run)).collect()
}

pub(crate) fn no_run(run: &str, entries: &[Entry]) -> WorkflowError {
    let names = run_names(entries);
    let hint = match freehold_core::toml_text::nearest(run, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if names.is_empty() => "there are no runs yet".into(),
        None => "`freehold audit list` shows all".into(),
    };
    WorkflowError::NoRun { run: run.into(), hint }
}

/// One run.
///
/// # Errors
/// There is no such run; a record cannot be read.
pub fn show(home: &Home, run: &str) -> Result<RunView, WorkflowError> {
    let past = Past::open(home)?;
    let past_run = past.run(run)?;
    let of_run = past.entries.iter().enumerate().filter_map(|(index, entry)| {
        let what = match &entry.subject {
            Subject::Phase { run: name, phase, .. } if name == run => phase.to_string(),
            Subject::Alias { run: name, alias, .. } if name == run => format!("alias {alias}"),
            Subject::Approval { run: name, .. } if name == run => "approval".into(),
            _ => return None,
        };
        Some(EntryView { index: index as u64, what, statement: entry.statement, time: entry.time })
    });
    Ok(RunView {
        summary: list::summary(&past, run)?,
        report: past_run.report()?,
        entries: of_run.collect(),
        phases: past_run.phases.into_values().map(|phase| phase.record).collect(),
    })
}
