//! Signed statements: made, kept in the store, entered into the ledger, and read again.

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_ledger::{Appender, Ledger};
use freehold_store::Store;
use freehold_trust::{ResourceDescriptor, Role, SecretKey, Statement, VerifiedRoot};
use jiff::Timestamp;

use crate::home::{LOG_KEY, RECORDER_KEY};
use crate::{Home, WorkflowError};

/// Predicate type of a phase's statement.
pub(crate) const PHASE_TYPE: &str = "urn:freehold:phase:v1";
/// Predicate type of an alias's move.
pub(crate) const ALIAS_TYPE: &str = "urn:freehold:alias:v1";

/// All that is needed to write records.
pub(crate) struct Recorder {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) root: VerifiedRoot,
    key: SecretKey,
    log_key: SecretKey,
}

pub(crate) fn malformed(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> WorkflowError {
    let what = what.into();
    move |error| WorkflowError::Record { what, problem: error.to_string() }
}

impl Recorder {
    pub(crate) fn open(home: &Home) -> Result<Self, WorkflowError> {
        let root = home.trust_root()?;
        root.in_force(Timestamp::now())?;
        let key = home.key_in_role(RECORDER_KEY, Role::Recorder, &root)?;
        let log_key = home.key_in_role(LOG_KEY, Role::Log, &root)?;
        let (store, ledger) = (home.store()?, home.ledger()?);
        store.sweep();
        let entered = Subject::TrustRoot { version: root.version };
        if !ledger.entries()?.iter().any(|entry| entry.subject == entered) {
            return Err(WorkflowError::RootNotEntered(root.version));
        }
        Ok(Self { store, ledger, root, key, log_key })
    }

    /// Holds off other processes that append.
    pub(crate) fn appender(&self) -> Result<Appender<'_>, WorkflowError> {
        Ok(self.ledger.appender(&self.log_key)?)
    }

    /// Signs a statement and keeps it.
    pub(crate) fn keep(&self, statement: &Statement) -> Result<Digest, WorkflowError> {
        Ok(self.store.put(&statement.sign(&self.key).to_bytes())?)
    }

    /// Signs and keeps the statement of a phase and enters it. When this returns, the phase is done.
    pub(crate) fn record_phase(&self, record: &PhaseRecord) -> Result<Digest, WorkflowError> {
        let predicate = serde_json::to_value(record).map_err(malformed("statement of a phase"))?;
        let statement = self.keep(&Statement::new(subjects(record), PHASE_TYPE, predicate))?;
        let subject = Subject::Phase { run: record.run.clone(), key: record.key, phase: record.phase };
        self.enter(&self.appender()?, subject, statement)?;
        Ok(statement)
    }

    /// Enters a statement into the ledger.
    pub(crate) fn enter(
        &self,
        appender: &Appender<'_>,
        subject: Subject,
        statement: Digest,
    ) -> Result<(), WorkflowError> {
        appender.append(&Entry { subject, statement, time: Timestamp::now() })?;
        Ok(())
    }
}

/// The record of a phase behind a ledger entry, verified with the recorder keys of `root`.
pub(crate) fn read_phase(store: &Store, root: &VerifiedRoot, statement: &Digest) -> Result<PhaseRecord, WorkflowError> {
    let (read, _) = Statement::verify(&store.get(statement)?, &root.keys_of(Role::Recorder))
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
    Ok(record)
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
