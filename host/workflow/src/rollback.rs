//! Takes an alias back to what it named before. Nothing is trained or judged for that: the run that made it was promoted to this
//! alias once, which its record shows.

use freehold_core::name::Alias;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_trust::{ResourceDescriptor, Statement};
use schemars::JsonSchema;
use serde::Serialize;

use crate::aliases::{self, AliasMove, AliasState};
use crate::statements::{ALIAS_TYPE, Recorder, malformed, phases_of};
use crate::{Home, WorkflowError, audit, labels};

/// An alias that went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rollback {
    /// The alias.
    pub alias: Alias,
    /// What it named.
    pub from: AliasState,
    /// What it names now.
    pub to: AliasState,
    /// The ledger's entry that says so.
    pub entry: u64,
}

/// Takes `alias` back to what it named before the promotion that is undone, or to what the run `to` made; `reason` goes into the
/// record. No run decides meanwhile.
///
/// # Errors
/// The alias names nothing, or named nothing before, or never what that run made; what it would name used a plugin that
/// was revoked since; a record cannot be read or written.
pub fn rollback(
    home: &Home,
    alias: &Alias,
    to: Option<&str>,
    reason: Option<String>,
) -> Result<Rollback, WorkflowError> {
    let recorder = Recorder::open(home)?;
    // No run decides meanwhile: what it was compared with stays what the alias names.
    let _deciding = home.lock(aliases::LOCK)?;
    let entries = recorder.ledger.entries()?;
    let stack = stack(alias, &entries);
    let from = stack.last().cloned().ok_or_else(|| WorkflowError::NoModel { model: alias.to_string() })?;
    let target = target(alias, &stack, &entries, to)?;
    let refused = |problem: String| WorkflowError::Rollback { alias: alias.to_string(), problem };
    if target == from {
        return Err(refused(format!("it names what {} made already", from.run)));
    }
    let explained = audit::explain(home, &target.run)?;
    if let Some(revoked) = explained.revoked() {
        return Err(refused(format!("{} used {revoked}", target.run)));
    }
    labels::may_promote(home, &target.adapter, alias)?;
    let record = phases_of(&entries, &target.run).find(|(phase, _)| *phase == Phase::Record);
    let record = *record.ok_or_else(|| refused(format!("{} has no decision", target.run)))?.1;
    let predicate = AliasMove {
        alias: alias.clone(),
        run: target.run.clone(),
        record,
        previous: Some(from.clone()),
        trust_root: recorder.root.version,
        rollback: true,
        reason,
        approvals: Vec::new(),
    };
    let predicate = serde_json::to_value(predicate).map_err(malformed("statement of an alias"))?;
    let subject = ResourceDescriptor::new(alias.to_string(), target.adapter);
    let statement = recorder.keep(&Statement::new(vec![subject], ALIAS_TYPE, predicate))?;
    let appender = recorder.appender()?;
    let subject = Subject::Alias { alias: alias.clone(), adapter: target.adapter, run: target.run.clone() };
    let entry = recorder.enter(&appender, subject, statement)?;
    drop(appender);
    aliases::follow(&recorder)?;
    Ok(Rollback { alias: alias.clone(), from, to: target, entry })
}

/// What an alias names, on what it named before and goes back to. A run moves an alias once by being promoted; a move to one that
/// did so earlier takes off what came after it.
fn stack(alias: &Alias, entries: &[Entry]) -> Vec<AliasState> {
    let mut stack: Vec<AliasState> = Vec::new();
    for state in moves(alias, entries) {
        match stack.iter().position(|known| *known == state) {
            Some(place) => stack.truncate(place + 1),
            None => stack.push(state),
        }
    }
    stack
}

fn moves<'e>(wanted: &'e Alias, entries: &'e [Entry]) -> impl Iterator<Item = AliasState> + 'e {
    entries.iter().filter_map(move |entry| match &entry.subject {
        Subject::Alias { alias, adapter, run } if alias == wanted => {
            Some(AliasState { adapter: *adapter, run: run.clone() })
        }
        _ => None,
    })
}

fn target(
    alias: &Alias,
    stack: &[AliasState],
    entries: &[Entry],
    to: Option<&str>,
) -> Result<AliasState, WorkflowError> {
    let refused = |problem: String| WorkflowError::Rollback { alias: alias.to_string(), problem };
    match to {
        Some(run) => moves(alias, entries)
            .find(|state| state.run == run)
            .ok_or_else(|| refused(format!("it never named what {run} made"))),
        None => {
            let below = stack.len().checked_sub(2).and_then(|place| stack.get(place));
            below.cloned().ok_or_else(|| refused("it named nothing before".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use freehold_core::digest::Digest;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_alias_goes_back_one_promotion_after_the_other() {
        let alias: Alias = "m@production".parse().unwrap();
        let names = |moves: &[&str]| {
            let entry = |run: &&str| Entry {
                subject: Subject::Alias {
                    alias: alias.clone(),
                    adapter: Digest::of(run.as_bytes()),
                    run: (*run).into(),
                },
                statement: Digest::of(b""),
                time: Timestamp::UNIX_EPOCH,
            };
            let entries: Vec<Entry> = moves.iter().map(entry).collect();
            stack(&alias, &entries).into_iter().map(|state| state.run).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&[]), "");
        assert_eq!(names(&["a-1", "a-2", "a-3"]), "a-1 a-2 a-3");
        assert_eq!(names(&["a-1", "a-2", "a-3", "a-2"]), "a-1 a-2");
        assert_eq!(names(&["a-1", "a-2", "a-3", "a-2", "a-1"]), "a-1");
        assert_eq!(names(&["a-1", "a-2", "a-1", "a-3"]), "a-1 a-3");
        // Forward again to what was taken off.
        assert_eq!(names(&["a-1", "a-2", "a-1", "a-2"]), "a-1 a-2");
    }
}
