//! What an alias named, and when.

use std::collections::HashMap;

use freehold_core::digest::Digest;
use freehold_core::labels::Labels;
use freehold_core::name::Alias;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_core::schema::Time;
use freehold_trust::Statement;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::past::Past;
use super::time::Moment;
use crate::aliases::AliasMove;
use crate::statements::malformed;
use crate::{Home, WorkflowError, run};

/// A time in which an alias named an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reign {
    /// The adapter.
    pub adapter: Digest,
    /// The run that made it.
    pub run: String,
    /// From when.
    #[schemars(with = "Time")]
    pub from: Timestamp,
    /// Up to when; `None` while it lasts.
    #[schemars(with = "Option<Time>")]
    pub until: Option<Timestamp>,
    /// The ledger's entry that began it.
    pub entry: u64,
    /// The statement that says why.
    pub statement: Digest,
    /// Whether the alias went back to it; else its run was promoted.
    pub rollback: bool,
    /// Why it went back, if somebody said so.
    pub reason: Option<String>,
    /// The approvals that the move rests on; none where nobody had to approve, or where the alias went back.
    pub rests_on: Vec<RestsOn>,
    /// The labels of the adapter; records of earlier versions do not say.
    pub labels: Option<Labels>,
}

/// An approval that the move of an alias rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RestsOn {
    /// Id of the approver's key.
    pub approver: String,
    /// The signed approval.
    pub statement: Digest,
}

/// What an alias named: all of it, oldest first, or only what it named at a moment or on a day.
///
/// # Errors
/// No alias of this name was ever moved; a file cannot be read.
pub fn history(home: &Home, alias: &Alias, at: Option<Moment>) -> Result<Vec<Reign>, WorkflowError> {
    let reigns = reigns(&Past::open(home)?, alias)?;
    if reigns.is_empty() {
        return Err(WorkflowError::NoModel { model: alias.to_string() });
    }
    let wanted = |reign: &Reign| at.is_none_or(|at| at.meets(reign.from, reign.until));
    Ok(reigns.into_iter().filter(wanted).collect())
}

pub(super) fn reigns(past: &Past, wanted: &Alias) -> Result<Vec<Reign>, WorkflowError> {
    let (mut reigns, mut known) = (Vec::<Reign>::new(), HashMap::new());
    for (index, entry) in past.moves_of(wanted)? {
        let Subject::Alias { adapter, run, .. } = entry.subject else { continue };
        if let Some(last) = reigns.last_mut() {
            last.until = Some(entry.time);
        }
        let (from, statement) = (entry.time, entry.statement);
        // A run is promoted to an alias once.
        let (labels, rollback) = match known.get(&run) {
            Some(labels) => (Option::clone(labels), true),
            None => {
                let trained = past.part(&run, &[Phase::Train])?;
                let labels =
                    trained.record(Phase::Train).map(run::trained).transpose()?.and_then(|detail| detail.labels);
                known.insert(run.clone(), labels.clone());
                (labels, false)
            }
        };
        // Most moves say neither, and their statements need not be read for that.
        let given = if rollback { Vec::new() } else { past.approvals_of(&run)? };
        let (mut reason, mut rests_on) = (None, Vec::new());
        if rollback || !given.is_empty() {
            let moved = moved(past, &statement, from)?;
            (reason, rests_on) = (moved.reason, given_by(&given, &moved.approvals));
        }
        let until = None;
        reigns.push(Reign { adapter, run, from, until, entry: index, statement, rollback, reason, rests_on, labels });
    }
    Ok(reigns)
}

/// Who gave the approvals with these statements.
fn given_by(given: &[(u64, Entry)], statements: &[Digest]) -> Vec<RestsOn> {
    let named = given.iter().filter(|(_, entry)| statements.contains(&entry.statement));
    let rests_on = named.filter_map(|(_, entry)| match &entry.subject {
        Subject::Approval { approver, .. } => Some(RestsOn { approver: approver.clone(), statement: entry.statement }),
        _ => None,
    });
    rests_on.collect()
}

/// What the statement of a move says.
fn moved(past: &Past, statement: &Digest, entered: Timestamp) -> Result<AliasMove, WorkflowError> {
    let named = |read: &Statement| Some((read.predicate["trust_root"].as_u64()?, entered));
    let read = Statement::recorded(&past.store.get(statement)?, &past.roots, named)
        .map_err(|source| WorkflowError::Statement { statement: statement.to_string(), source })?;
    serde_json::from_value(read.predicate).map_err(malformed(format!("statement {statement}")))
}
