//! Approvals: signed statements of people other than who trained. Each key counts once.

use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_core::schema::Time;
use freehold_trust::{KeyId, ResourceDescriptor, Role, SecretKey, Statement, VerifiedRoot};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::past::Past;
use super::verify::Finding;
use crate::statements::{Recorder, malformed};
use crate::{Home, WorkflowError};

/// Predicate type of an approval.
pub(crate) const APPROVAL_TYPE: &str = "urn:freehold:approval:v1";

/// The predicate of an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApprovalStatement {
    pub(crate) run: String,
    /// The statement that holds the run's decision: what the approver saw.
    pub(crate) record: Digest,
    /// What the approver says.
    pub(crate) note: Option<String>,
    /// Version of the trust root that was in force.
    pub(crate) trust_root: u64,
}

/// An approval that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Approval {
    /// Id of the approver's key.
    pub approver: String,
    /// When it was entered.
    #[schemars(with = "Time")]
    pub time: Timestamp,
    /// What the approver says.
    pub note: Option<String>,
    /// The ledger's entry.
    pub entry: u64,
    /// The signed statement.
    pub statement: Digest,
    /// Why the key was revoked since; what it approved does not count any more.
    pub revoked: Option<String>,
    /// Whether the key also signed records of the run.
    pub is_trainer: bool,
}

/// What is asked of the approvals of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quorum {
    /// How many keys have to have approved; as many as the trust root says if not said.
    pub needed: Option<usize>,
    /// Whether keys that signed the run's records do not count.
    pub distinct_from_trainer: bool,
}

/// The approvals of a model, and whether they are enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Approvals {
    /// The run that made the model.
    pub run: String,
    /// The adapter.
    pub adapter: Option<Digest>,
    /// All of them, oldest first.
    pub approvals: Vec<Approval>,
    /// How many different keys count.
    pub counted: usize,
    /// How many have to.
    pub needed: usize,
    /// Whether they do.
    pub enough: bool,
}

/// Approves what a run made, with a key in role approver.
///
/// # Errors
/// The run has no decision or made no adapter; the key is not an approver's, or not good now; it approved this adapter before.
pub fn approve(
    home: &Home,
    run: &str,
    key: &SecretKey,
    note: Option<String>,
) -> Result<(Approvals, Digest), WorkflowError> {
    let recorder = Recorder::open(home)?;
    // While nobody else can append, so that a key approves once.
    let appender = recorder.appender()?;
    let past = Past::open(home)?;
    let past_run = past.run(run)?;
    let refused = |problem: &str| WorkflowError::Approval { run: run.into(), problem: problem.into() };
    let record = past_run.phases.get(&Phase::Record).ok_or_else(|| refused("it has no decision yet"))?.statement;
    let adapter = past_run.adapter().ok_or_else(|| refused("it made no adapter"))?;
    let (id, now) = (key.public().id(), Timestamp::now());
    if !recorder.root.keys_at(Role::Approver, now).contains_key(&id) {
        return Err(refused(&format!("key {} is not in role approver, or not good now", id.short())));
    }
    if approvals_of(&past, run)?.iter().any(|approval| approval.approver == id.to_string()) {
        return Err(refused(&format!("key {} approved it before", id.short())));
    }
    drop(past_run);
    let statement = ApprovalStatement { run: run.into(), record, note, trust_root: recorder.root.version };
    let predicate = serde_json::to_value(statement).map_err(malformed("approval"))?;
    let subject = ResourceDescriptor::new("adapter", adapter);
    let signed = Statement::new(vec![subject], APPROVAL_TYPE, predicate).sign(key).map_err(WorkflowError::Signing)?;
    let statement = recorder.store.put(&signed.to_bytes())?;
    let subject = Subject::Approval { run: run.into(), adapter, approver: id.to_string() };
    recorder.enter(&appender, subject, statement)?;
    Ok((approvals(home, run, Quorum::default())?, statement))
}

/// The approvals of a model, and whether they are enough.
///
/// # Errors
/// There is no such model; a record cannot be read.
pub fn approvals(home: &Home, model: &str, quorum: Quorum) -> Result<Approvals, WorkflowError> {
    let past = Past::open(home)?;
    let run = past.run_of(model)?;
    let approvals = approvals_of(&past, &run)?;
    let counted = counting(&approvals, quorum.distinct_from_trainer).len();
    let asked = past.roots.last().map_or(0, |root| root.threshold_of(Role::Approver));
    // Nobody is never enough.
    let needed = quorum.needed.unwrap_or(asked).max(1);
    let adapter = past.run(&run)?.adapter();
    Ok(Approvals { adapter, approvals, counted, needed, enough: counted >= needed, run })
}

/// The approvals that count: of keys that were not revoked, and each key once. Everybody who asks whether enough have approved
/// asks this.
pub(crate) fn counting(approvals: &[Approval], distinct_from_trainer: bool) -> Vec<&Approval> {
    let mut keys = BTreeSet::new();
    let counts = |approval: &&Approval| approval.revoked.is_none() && !(distinct_from_trainer && approval.is_trainer);
    approvals.iter().filter(counts).filter(|approval| keys.insert(&approval.approver)).collect()
}

/// How many have to approve before an alias moves under a trust root, where a recipe asks for `asked`.
pub(crate) fn needed(asked: usize, root: Option<&VerifiedRoot>) -> usize {
    // Nobody is never enough.
    asked.max(root.map_or(0, |root| root.threshold_of(Role::Approver))).max(1)
}

/// The approvals of a run, each verified; by the newest trust root it is known whose key was revoked.
pub(super) fn approvals_of(past: &Past, run: &str) -> Result<Vec<Approval>, WorkflowError> {
    approvals_under(past, run, past.roots.last(), u64::MAX)
}

/// The approvals of a run before an entry of the ledger, each verified, and whose key was revoked under a trust root.
pub(super) fn approvals_under(
    past: &Past,
    run: &str,
    root: Option<&VerifiedRoot>,
    before: u64,
) -> Result<Vec<Approval>, WorkflowError> {
    let mut entries = past.approvals_of(run)?;
    entries.retain(|(index, _)| *index < before);
    // Most runs have none, and their statements need not be read for that.
    let trainers = if entries.is_empty() { BTreeSet::new() } else { past.run(run)?.signers() };
    let mut approvals = Vec::new();
    for (index, entry) in entries {
        let (key, said) = read(past, index, &entry)?;
        let revoked = root.and_then(|root| root.revoked_keys.get(&key)).map(ToString::to_string);
        approvals.push(Approval {
            approver: key.to_string(),
            time: entry.time,
            note: said.note,
            entry: index,
            statement: entry.statement,
            revoked,
            is_trainer: trainers.contains(&key),
        });
    }
    Ok(approvals)
}

/// How many approvals in the ledger hold, and what is wrong with the others.
pub(super) fn check(past: &Past, only: Option<&str>) -> (usize, Vec<Finding>) {
    let (mut verified, mut findings) = (0, Vec::new());
    for (index, entry) in past.entries() {
        let Subject::Approval { run, .. } = &entry.subject else { continue };
        if only.is_some_and(|only| only != run) {
            continue;
        }
        match read(past, *index, entry) {
            Ok(_) => verified += 1,
            Err(error) => {
                findings.push(Finding { what: format!("ledger entry {index} (approval)"), problem: error.to_string() });
            }
        }
    }
    (verified, findings)
}

/// An approval as its entry says it: of this run's adapter and decision, signed by a key that the trust root it names, which the
/// ledger has before it, lets approve at the time of the entry.
fn read(past: &Past, index: u64, entry: &Entry) -> Result<(KeyId, ApprovalStatement), WorkflowError> {
    let statement = || entry.statement.to_string();
    let wrong = |problem: &str| WorkflowError::FalseApproval { statement: statement(), problem: problem.into() };
    let Subject::Approval { run, adapter, approver } = &entry.subject else { return Err(wrong("is no approval")) };
    let approver: KeyId = approver.parse().map_err(|_| wrong("its entry names no key"))?;
    let named = |read: &Statement| read.predicate["trust_root"].as_u64();
    let signed = Statement::approved(&past.store.get(&entry.statement)?, &past.roots, (&approver, entry.time), named)
        .map_err(|source| WorkflowError::Statement { statement: statement(), source })?;
    let said: ApprovalStatement =
        serde_json::from_value(signed.predicate).map_err(malformed(format!("approval {}", entry.statement)))?;
    if !past.has_root_before(said.trust_root, index)? {
        return Err(wrong("names a trust root that the ledger does not have before it"));
    }
    let own = past.run(run)?;
    let record = own.phases.get(&Phase::Record).filter(|record| record.index < index);
    let fits = signed.predicate_type == APPROVAL_TYPE
        && signed.subject == [ResourceDescriptor::new("adapter", *adapter)]
        && said.run == *run
        && own.adapter() == Some(*adapter)
        && record.is_some_and(|record| record.statement == said.record);
    if fits { Ok((approver, said)) } else { Err(wrong("is of something else than its entry")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_table() {
        let approval = |what: &&str| {
            let mut parts = what.split(' ');
            let approver = parts.next().unwrap_or_default().to_owned();
            let marks: Vec<&str> = parts.collect();
            Approval {
                approver,
                time: Timestamp::UNIX_EPOCH,
                note: None,
                entry: 0,
                statement: Digest::of(b""),
                revoked: marks.contains(&"revoked").then(|| "left".into()),
                is_trainer: marks.contains(&"trainer"),
            }
        };
        for (given, distinct, of_anybody) in [
            (&[][..], 0, 0),
            (&["ada"], 1, 1),
            (&["ada", "grace"], 2, 2),
            (&["ada", "ada"], 1, 1),
            (&["ada trainer"], 0, 1),
            (&["ada", "eve trainer"], 1, 2),
            (&["ada revoked"], 0, 0),
            (&["ada revoked", "grace"], 1, 1),
            (&["ada revoked", "ada"], 1, 1),
            (&["ada trainer revoked"], 0, 0),
            (&["ada", "grace", "ada", "eve trainer", "joan revoked"], 2, 3),
        ] {
            let given: Vec<Approval> = given.iter().map(approval).collect();
            assert_eq!(
                (counting(&given, true).len(), counting(&given, false).len()),
                (distinct, of_anybody),
                "{given:?}"
            );
        }
        for (asked, needed_now) in [(0, 1), (1, 1), (2, 2)] {
            assert_eq!(needed(asked, None), needed_now);
        }
    }
}
