//! Aliases: names that move from adapter to adapter. Where an alias points is what the ledger's last entry for it says.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::record::{Entry, Subject};
use freehold_trust::{ResourceDescriptor, Statement};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::WorkflowError;
use crate::statements::{ALIAS_TYPE, Recorder, malformed};

/// Where an alias points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct AliasState {
    /// The adapter's manifest.
    pub adapter: Digest,
    /// The run that made it.
    pub run: String,
}

/// The predicate of a move's statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasMove {
    pub(crate) alias: Alias,
    pub(crate) run: String,
    /// The statement that holds the run's decision.
    pub(crate) record: Digest,
    /// Where the alias pointed before.
    pub(crate) previous: Option<AliasState>,
    /// Version of the trust root that was in force.
    pub(crate) trust_root: u64,
    /// Whether it goes back to what it named before. Else it is the promotion of the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) rollback: bool,
    /// Why, if somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The statements of the approvals that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) approvals: Vec<Digest>,
}

/// Held while it is decided what an alias is to name.
pub(crate) const LOCK: &str = "aliases";

/// What is asked for when it was decided to promote a run.
pub(crate) struct Promotion<'a> {
    pub(crate) adapter: Digest,
    pub(crate) run: &'a str,
    /// The statement that holds the decision.
    pub(crate) record: Digest,
    /// What the alias has to name until then. For the alias of its recipe it is what the run was compared with.
    pub(crate) expected: Option<Digest>,
    /// The statements of the approvals that it rests on.
    pub(crate) approvals: Vec<Digest>,
}

/// Where every alias points after these entries.
pub(crate) fn after(entries: &[Entry]) -> BTreeMap<String, AliasState> {
    let moves = entries.iter().filter_map(|entry| match &entry.subject {
        Subject::Alias { alias, adapter, run } => {
            Some((alias.to_string(), AliasState { adapter: *adapter, run: run.clone() }))
        }
        _ => None,
    });
    moves.collect()
}

/// The adapter that an alias names after these entries.
pub(crate) fn adapter_of(alias: &Alias, entries: &[Entry]) -> Option<Digest> {
    after(entries).remove(&alias.to_string()).map(|state| state.adapter)
}

/// The names that the store's index has after these entries.
pub(crate) fn names(entries: &[Entry]) -> BTreeMap<String, Digest> {
    after(entries).into_iter().map(|(alias, state)| (alias, state.adapter)).collect()
}

/// Moves an alias: a signed statement, a ledger entry, then the names in the store's index. While nobody else can append it
/// is looked at where the alias points: a run that was compared with something else may not move it. Gives what it named before,
/// and the ledger's entry.
pub(crate) fn promote(
    recorder: &Recorder,
    alias: &Alias,
    promotion: Promotion<'_>,
) -> Result<(Option<AliasState>, u64), WorkflowError> {
    let Promotion { adapter, run, record, expected, approvals } = promotion;
    let appender = recorder.appender()?;
    let previous = after(&recorder.ledger.entries()?).remove(&alias.to_string());
    if previous.as_ref().map(|state| state.adapter) != expected {
        return Err(WorkflowError::Superseded { alias: alias.to_string(), run: run.into() });
    }
    let trust_root = recorder.root.version;
    let predicate = AliasMove {
        alias: alias.clone(),
        run: run.into(),
        record,
        previous: previous.clone(),
        trust_root,
        rollback: false,
        reason: None,
        approvals,
    };
    let subject = ResourceDescriptor::new(alias.to_string(), adapter);
    let entered = Subject::Alias { alias: alias.clone(), adapter, run: run.into() };
    let predicate = serde_json::to_value(predicate).map_err(malformed("statement of an alias"))?;
    let statement = recorder.keep(&Statement::new(vec![subject], ALIAS_TYPE, predicate))?;
    let entry = recorder.enter(&appender, entered, statement)?;
    drop(appender);
    follow(recorder)?;
    Ok((previous, entry))
}

/// Makes the store's index say what the ledger says. Another process may move an alias meanwhile, so that what was written is
/// compared with the ledger once more.
pub(crate) fn follow(recorder: &Recorder) -> Result<(), WorkflowError> {
    loop {
        let names = names(&recorder.ledger.entries()?);
        if recorder.store.has_names(&names)? {
            return Ok(());
        }
        recorder.store.set_names(&names)?;
    }
}
