//! Aliases: names that move from adapter to adapter. Where an alias points is what the ledger's last entry for it says.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::record::{Entry, Subject};
use freehold_trust::{ResourceDescriptor, Statement};

use crate::WorkflowError;
use crate::statements::{ALIAS_TYPE, Recorder};

/// Where an alias points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasState {
    /// The adapter's manifest.
    pub adapter: Digest,
    /// The run that made it.
    pub run: String,
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

/// Moves an alias: a signed statement, a ledger entry, then the names in the store's index.
pub(crate) fn promote(
    recorder: &Recorder,
    alias: &Alias,
    adapter: Digest,
    run: &str,
    record: Digest,
) -> Result<(), WorkflowError> {
    let previous = after(&recorder.ledger.entries()?).remove(&alias.to_string());
    let predicate = serde_json::json!({
        "alias": alias,
        "run": run,
        "record": record,
        "previous": previous.map(|state| serde_json::json!({ "adapter": state.adapter, "run": state.run })),
    });
    let subject = ResourceDescriptor::new(alias.to_string(), adapter);
    let statement = recorder.keep(&Statement::new(vec![subject], ALIAS_TYPE, predicate))?;
    recorder.enter(Subject::Alias { alias: alias.clone(), adapter, run: run.into() }, statement)?;
    follow(recorder)
}

/// Makes the store's index say what the ledger says. Another process may move an alias meanwhile, so that what was written is
/// compared with the ledger once more.
pub(crate) fn follow(recorder: &Recorder) -> Result<(), WorkflowError> {
    loop {
        let aliases = after(&recorder.ledger.entries()?).into_iter();
        let names = aliases.map(|(alias, state)| (alias, state.adapter)).collect();
        if recorder.store.has_names(&names)? {
            return Ok(());
        }
        recorder.store.set_names(&names)?;
    }
}
