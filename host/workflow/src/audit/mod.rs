//! Reading the records: which runs there were, what each came to, and whether everything is untouched.

mod approvals;
mod candidate;
mod checkpoint;
mod diff;
mod dossier;
mod explain;
mod export;
mod history;
mod impact;
mod indexed;
mod list;
mod log;
mod pack;
mod past;
mod preregistered;
mod profile;
mod replay;
mod schema;
mod time;
mod verify;

use std::collections::HashSet;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, PhaseRecord, Subject};
use freehold_core::schema::Time;
use freehold_trust::VerifiedRoot;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::run::RunReport;
use crate::{Home, WorkflowError};

use past::{Past, PastPhase};

pub(crate) use approvals::counting;
pub use approvals::{Approval, Approvals, Quorum, approvals, approve};
pub(crate) use candidate::{Candidate, candidate};
pub use checkpoint::{CheckpointView, checkpoint, witness, witnessed};
pub use diff::{Change, RunDiff, diff};
pub use explain::{ExplainedBase, ExplainedData, ExplainedPlugin, Explanation, Use, explain};
pub use export::{AdapterFiles, Document, DocumentError, Format, adapter, export};
pub use history::{Reign, RestsOn, history};
pub use impact::{Suspect, Touched, Touches, impact};
pub use indexed::{Reindexed, reindex};
pub use list::{Filter, Listed, RunSummary, list};
pub use pack::{Draft, EntryChoice, Extra, LeftOut, Options, PackView, draft};
pub(crate) use past::{report, resolved};
pub use preregistered::Bar;
pub use profile::{
    EvidenceKind, Exhibit, ItemReport, ItemState, ProfileChoice, ProfileReport, ProfileSummary, Standing, profile_run,
    profiles,
};
pub(crate) use replay::paired;
pub use replay::{Replay, Replayed, replay};
pub use schema::{answers, schema};
pub use time::Moment;
pub use verify::{Finding, Request, Verification, VerifiedPack, verify, verify_pack};
pub(crate) use verify::{Moved, MovedRun, MovedRuns, verify_moved};

/// A ledger entry of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EntryView {
    /// Its number in the ledger.
    pub index: u64,
    /// What it is about.
    pub what: String,
    /// Digest of the statement.
    pub statement: Digest,
    /// When it was written.
    #[schemars(with = "Time")]
    pub time: Timestamp,
}

/// A run in full.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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

/// The run that made a model: what an alias names now, a run, or the digest of an adapter or its beginning.
pub(crate) fn run_of(home: &Home, model: &str) -> Result<String, WorkflowError> {
    Past::open(home)?.run_of(model)
}

pub(crate) fn run_names<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let runs = entries.into_iter().filter_map(|entry| match &entry.subject {
        Subject::Phase { run, .. } => Some(run.as_str()),
        _ => None,
    });
    runs.filter(|run| seen.insert(*run)).collect()
}

pub(crate) fn no_run<'a>(run: &str, names: impl Iterator<Item = &'a str>) -> WorkflowError {
    let mut names = names.peekable();
    let none = names.peek().is_none();
    let hint = match freehold_core::toml_text::nearest(run, names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if none => "there are no runs yet".into(),
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
    Ok(RunView {
        summary: list::summary(&past, run)?,
        report: past_run.report()?,
        entries: entries_of(&past, run)?,
        phases: past_run.phases.into_values().map(|phase| phase.record).collect(),
    })
}

/// The entries of a run in the ledger.
fn entries_of(past: &Past, run: &str) -> Result<Vec<EntryView>, WorkflowError> {
    let view = |what: String, (index, entry): (u64, Entry)| EntryView {
        index,
        what,
        statement: entry.statement,
        time: entry.time,
    };
    let phases = past.phase_entries(run)?.into_iter();
    let mut entries: Vec<EntryView> =
        phases.map(|(index, phase, entry)| view(phase.to_string(), (index, entry))).collect();
    entries.extend(past.moves_to(run)?.into_iter().map(|(index, entry)| view(moved(&entry), (index, entry))));
    entries.extend(past.approvals_of(run)?.into_iter().map(|entry| view("approval".into(), entry)));
    entries.sort_by_key(|entry| entry.index);
    Ok(entries)
}

fn moved(entry: &Entry) -> String {
    match &entry.subject {
        Subject::Alias { alias, .. } => format!("alias {alias}"),
        _ => String::new(),
    }
}
