//! Signed statements: made, kept in the store, entered into the ledger, and read again.

use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_ledger::{Appender, Ledger};
use freehold_store::{Blobs, Store};
use freehold_trust::{KeyId, ResourceDescriptor, Role, Statement, VerifiedRoot};
use jiff::Timestamp;

use crate::keys::Signers;
use crate::{Home, WorkflowError};

/// Predicate type of a phase's statement.
pub(crate) const PHASE_TYPE: &str = "urn:freehold:phase:v1";
/// Predicate type of an alias's move.
pub(crate) const ALIAS_TYPE: &str = "urn:freehold:alias:v1";

/// All that is needed to write records.
pub(crate) struct Recorder {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    /// The trust root in force when it was opened; statements name it.
    pub(crate) root: VerifiedRoot,
    /// Every trust root, by which earlier statements are judged.
    pub(crate) roots: Vec<VerifiedRoot>,
    recorders: Signers,
    loggers: Signers,
}

pub(crate) fn malformed(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> WorkflowError {
    let what = what.into();
    move |error| WorkflowError::Record { what, problem: error.to_string() }
}

impl Recorder {
    pub(crate) fn open(home: &Home) -> Result<Self, WorkflowError> {
        let root = home.trust_root()?;
        let roots = home.trust_roots()?.into_iter().map(|(root, _)| root).collect();
        let recorders = home.signers(Role::Recorder, &root)?;
        let loggers = home.signers(Role::Log, &root)?;
        let (store, ledger) = (home.store()?, home.ledger()?);
        store.sweep();
        let recorder = Self { store, ledger, root, roots, recorders, loggers };
        // Whoever cannot sign should not begin.
        recorder.recorders.at(&recorder.root, Timestamp::now())?;
        recorder.loggers.at(&recorder.root, Timestamp::now())?;
        Ok(recorder)
    }

    /// Reads the records of a home and can add none to them: it has no keys, and what it keeps goes to another store.
    pub(crate) fn without_keys(home: &Home, store: Store) -> Result<Self, WorkflowError> {
        let root = home.trust_root()?;
        let roots = home.trust_roots()?.into_iter().map(|(root, _)| root).collect();
        let (recorders, loggers) = (Signers::none(Role::Recorder), Signers::none(Role::Log));
        Ok(Self { store, ledger: home.ledger()?, root, roots, recorders, loggers })
    }

    /// Holds off other processes that append.
    pub(crate) fn appender(&self) -> Result<Appender<'_>, WorkflowError> {
        Ok(self.ledger.appender_with(self.loggers.at(&self.root, Timestamp::now())?)?)
    }

    /// Signs a statement and keeps it.
    pub(crate) fn keep(&self, statement: &Statement) -> Result<Digest, WorkflowError> {
        self.keep_at(statement, Timestamp::now())
    }

    /// Signs a statement that says of itself that it was made at `time`. A trust root that has expired meanwhile signs nothing.
    fn keep_at(&self, statement: &Statement, time: Timestamp) -> Result<Digest, WorkflowError> {
        self.root.in_force(Timestamp::now())?;
        let keys = self.recorders.at(&self.root, time)?;
        Ok(self.store.put(&statement.sign_with(&keys).map_err(WorkflowError::Signing)?.to_bytes())?)
    }

    /// Signs and keeps the statement of a phase and enters it. When this returns, the phase is done.
    pub(crate) fn record_phase(&self, record: &PhaseRecord) -> Result<Digest, WorkflowError> {
        let predicate = serde_json::to_value(record).map_err(malformed("statement of a phase"))?;
        let statement = self.keep_at(&Statement::new(subjects(record), PHASE_TYPE, predicate), record.finished)?;
        let subject = Subject::Phase { run: record.run.clone(), key: record.key, phase: record.phase };
        self.enter(&self.appender()?, subject, statement)?;
        Ok(statement)
    }

    /// Enters a statement into the ledger; gives the number of the entry.
    pub(crate) fn enter(
        &self,
        appender: &Appender<'_>,
        subject: Subject,
        statement: Digest,
    ) -> Result<u64, WorkflowError> {
        Ok(appender.append(&Entry { subject, statement, time: Timestamp::now() })?)
    }
}

/// The record of a phase behind a ledger entry, judged with the trust root that it names: a key that was rotated out or revoked
/// later does not undo what was recorded before.
pub(crate) fn read_phase(
    store: &dyn Blobs,
    roots: &[VerifiedRoot],
    statement: &Digest,
) -> Result<PhaseRecord, WorkflowError> {
    Ok(read_signed_phase(store, roots, statement)?.0)
}

/// As [`read_phase`], with the recorders who signed it.
pub(crate) fn read_signed_phase(
    store: &dyn Blobs,
    roots: &[VerifiedRoot],
    statement: &Digest,
) -> Result<(PhaseRecord, BTreeSet<KeyId>), WorkflowError> {
    let named = |read: &Statement| {
        let time = read.predicate["finished"].as_str()?.parse().ok()?;
        Some((read.predicate["trust_root"].as_u64()?, time))
    };
    let (read, signers) = Statement::recorded_by(&store.get(statement)?, roots, named)
        .map_err(|source| WorkflowError::Statement { statement: statement.to_string(), source })?;
    if read.predicate_type != PHASE_TYPE {
        let problem = format!("has the predicate type `{}`, expected `{PHASE_TYPE}`", read.predicate_type);
        return Err(WorkflowError::Record { what: format!("statement {statement}"), problem });
    }
    let record: PhaseRecord =
        serde_json::from_value(read.predicate).map_err(malformed(format!("statement {statement}")))?;
    if read.subject != subjects(&record) {
        let problem = "is about other artifacts than it says that the phase wrote".into();
        return Err(WorkflowError::Record { what: format!("statement {statement}"), problem });
    }
    Ok((record, signers))
}

/// What a phase's statement is about: what the phase wrote.
fn subjects(record: &PhaseRecord) -> Vec<ResourceDescriptor> {
    record.outputs.iter().map(|output| ResourceDescriptor::new(&output.name, output.digest)).collect()
}

/// The entries of a run's phases, in order.
pub(crate) fn phases_of<'a>(entries: &'a [Entry], name: &'a str) -> impl Iterator<Item = (Phase, &'a Digest)> {
    entries.iter().filter_map(move |entry| match &entry.subject {
        Subject::Phase { run, phase, .. } if run == name => Some((*phase, &entry.statement)),
        _ => None,
    })
}
