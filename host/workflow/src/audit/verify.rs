//! Verifies everything offline: trust roots, ledger, statements, blobs, and that each fits the other.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_core::verdict::Stage;
use freehold_store::Store;
use freehold_trust::{PublicKey, Role, Statement, VerifiedRoot};
use serde::Serialize;

use super::{phase_record, root_for, roots, run_names};
use crate::statements::{ALIAS_TYPE, phases_of};
use crate::{Home, WorkflowError, aliases};

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, statement or entry.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What was verified, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Trust roots.
    pub trust_roots: usize,
    /// Ledger entries.
    pub entries: usize,
    /// Statements whose signature was verified.
    pub statements: usize,
    /// Blobs whose bytes were read.
    pub blobs: usize,
    /// Runs.
    pub runs: usize,
    /// What is wrong; empty if nothing is.
    pub findings: Vec<Finding>,
}

impl Verification {
    fn found(&mut self, what: impl Into<String>, problem: impl Into<String>) {
        self.findings.push(Finding { what: what.into(), problem: problem.into() });
    }

    /// Notes the error, if there is one.
    fn check<T>(&mut self, what: impl Into<String>, result: Result<T, WorkflowError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.found(what, error.to_string());
                None
            }
        }
    }
}

/// Verifies the whole home. `root_key`, if given, has to be one of the keys that signed the first trust root: it is what a
/// stranger was told by other means. `only` limits the look at statements to one run.
pub fn verify(home: &Home, root_key: Option<&PublicKey>, only: Option<&str>) -> Verification {
    let mut verification = Verification::default();
    let found = &mut verification;
    let Some(roots) = found.check("trust", roots(home)) else { return verification };
    found.trust_roots = roots.len();
    if let Some(key) = root_key {
        let first = home.trust_roots().ok().and_then(|roots| roots.into_iter().next());
        if first.is_none_or(|(_, envelope)| VerifiedRoot::is_signed_by(&envelope, key).is_err()) {
            found.found("trust/1.root.json", format!("is not signed by the key {}", key.id()));
        }
    }
    let Some(store) = found.check("store", home.store()) else { return verification };
    match store.check() {
        Ok((blobs, problems)) => {
            found.blobs = blobs;
            problems.into_iter().for_each(|problem| found.found(format!("store/{}", problem.file), problem.problem));
        }
        Err(error) => found.found("store", error.to_string()),
    }
    let Some(ledger) = found.check("ledger", home.ledger()) else { return verification };
    let entries = match ledger.check() {
        Ok(check) => {
            let problems = check.problems.into_iter();
            problems.for_each(|problem| found.found(format!("ledger/{}", problem.file), problem.problem));
            check.entries
        }
        Err(error) => {
            found.found("ledger/checkpoint", error.to_string());
            return verification;
        }
    };
    found.entries = entries.len();
    verify_entries(home, &store, &roots, &entries, only, found);
    verify_names(&store, &entries, found);
    verification
}

fn verify_entries(
    home: &Home,
    store: &Store,
    roots: &[VerifiedRoot],
    entries: &[Entry],
    only: Option<&str>,
    found: &mut Verification,
) {
    if entries.is_empty() {
        found.found("ledger", "has no entry; the first must be the trust root");
    }
    let wanted = |run: &str| only.is_none_or(|only| only == run);
    for (index, entry) in entries.iter().enumerate() {
        let what = format!("ledger entry {index}");
        if !store.contains(&entry.statement) {
            found.found(&what, format!("its statement {} is not in the store", entry.statement));
        }
        match &entry.subject {
            Subject::TrustRoot { version } => verify_root(home, &what, *version, entry, found),
            Subject::Alias { alias, adapter, run } if wanted(run) => {
                verify_alias(store, roots, &what, (&alias.to_string(), adapter, run), entry, found);
            }
            _ => {}
        }
    }
    for version in roots.iter().map(|root| root.version) {
        let subject = Subject::TrustRoot { version };
        if !entries.iter().any(|entry| entry.subject == subject) {
            found.found(crate::trust::file(version), "has no entry in the ledger");
        }
    }
    for run in run_names(entries).into_iter().filter(|run| wanted(run)) {
        found.runs += 1;
        verify_run(home, store, roots, entries, run, found);
    }
}

fn verify_root(home: &Home, what: &str, version: u64, entry: &Entry, found: &mut Verification) {
    let file = crate::trust::file(version);
    match freehold_files::read(&home.dir, &file, 4 << 20) {
        Ok(bytes) if Digest::of(&bytes) == entry.statement => {}
        Ok(_) => found.found(file, format!("is not the trust root of {what}")),
        Err(error) => found.found(file, error.to_string()),
    }
}

fn verify_alias(
    store: &Store,
    roots: &[VerifiedRoot],
    what: &str,
    (alias, adapter, run): (&str, &Digest, &str),
    entry: &Entry,
    found: &mut Verification,
) {
    let bytes = match store.get(&entry.statement) {
        Ok(bytes) => bytes,
        Err(error) => return found.found(format!("{what} (alias {alias})"), error.to_string()),
    };
    let verified = roots.iter().find_map(|root| Statement::verify(&bytes, &root.keys_of(Role::Recorder)).ok());
    let Some((statement, _)) = verified else {
        return found.found(format!("{what} (alias {alias})"), "its statement is not signed by a recorder");
    };
    found.statements += 1;
    let subject = statement.subject.first();
    let fits = statement.predicate_type == ALIAS_TYPE
        && subject.is_some_and(|subject| subject.name == alias && subject.sha256() == Some(*adapter))
        && statement.predicate["run"] == run;
    if !fits {
        found.found(format!("{what} (alias {alias})"), "its statement says something else");
    }
    if let Err(error) = store.artifact(adapter) {
        found.found(format!("{what} (alias {alias})"), error.to_string());
    }
}

fn verify_run(
    home: &Home,
    store: &Store,
    roots: &[VerifiedRoot],
    entries: &[Entry],
    run: &str,
    found: &mut Verification,
) {
    let mut records: BTreeMap<Phase, (Digest, PhaseRecord)> = BTreeMap::new();
    let mut last: Option<Phase> = None;
    for (phase, statement) in phases_of(entries, run) {
        let what = format!("{run}, phase {phase}");
        if last.is_some_and(|last| last >= phase) || (last.is_none() && phase != Phase::Resolve) {
            found.found(&what, "is out of order in the ledger");
        }
        last = Some(phase);
        let Some(record) = found.check(&what, phase_record(home, roots, statement)) else { continue };
        found.statements += 1;
        verify_phase(store, entries, (run, phase, statement), &record, found);
        records.insert(phase, (*statement, record));
    }
    if let Some((_, record)) = records.get(&Phase::Record) {
        verify_decision(store, roots, &records, record, found);
    }
}

/// A statement says what its entry says, and everything that it says is kept is there.
fn verify_phase(
    store: &Store,
    entries: &[Entry],
    (run, phase, statement): (&str, Phase, &Digest),
    record: &PhaseRecord,
    found: &mut Verification,
) {
    let what = format!("{run}, phase {phase}");
    let subject = Subject::Phase { run: record.run.clone(), key: record.key, phase: record.phase };
    let entered = |entry: &Entry| entry.statement == *statement && entry.subject == subject;
    if record.run != run || record.phase != phase || !entries.iter().any(entered) {
        found.found(&what, "its statement says something else than its ledger entry");
    }
    for material in record.inputs.iter().chain(&record.outputs).filter(|material| material.kept) {
        if !store.contains(&material.digest) {
            found.found(&what, format!("`{}` ({}) is not in the store", material.name, material.digest));
        }
    }
}

/// The record names the statements of all phases before it; a promoted run had every one; provenance is signed.
fn verify_decision(
    store: &Store,
    roots: &[VerifiedRoot],
    records: &BTreeMap<Phase, (Digest, PhaseRecord)>,
    record: &PhaseRecord,
    found: &mut Verification,
) {
    let what = format!("{}, phase record", record.run);
    for (phase, (statement, _)) in records.iter().filter(|(phase, _)| **phase != Phase::Record) {
        let name = format!("statement/{phase}");
        if !record.inputs.iter().any(|input| input.name == name && input.digest == *statement) {
            found.found(&what, format!("does not rest on the statement of phase {phase}"));
        }
    }
    match crate::run::recorded(record) {
        Err(error) => found.found(&what, error.to_string()),
        Ok(detail) if detail.decision == freehold_core::verdict::Decision::Promoted => {
            for phase in Phase::ALL.into_iter().filter(|phase| !records.contains_key(phase)) {
                found.found(&what, format!("is promoted without phase {phase}"));
            }
            for (phase, stage) in [(Phase::Admit, Stage::Admit), (Phase::Promote, Stage::Promote)] {
                if let Some((_, judged)) = records.get(&phase)
                    && !crate::run::passed(stage, judged)
                {
                    found.found(&what, format!("is promoted though stage {phase} was not passed"));
                }
            }
        }
        Ok(_) => {}
    }
    let provenance = record.outputs.iter().filter(|output| output.name == "provenance");
    for output in provenance {
        let keys = root_for(roots, record.trust_root).map(|root| root.keys_of(Role::Recorder)).unwrap_or_default();
        match store.get(&output.digest).map(|bytes| Statement::verify(&bytes, &keys)) {
            Ok(Ok(_)) => found.statements += 1,
            Ok(Err(error)) => found.found(format!("provenance {}", output.digest), error.to_string()),
            Err(error) => found.found(format!("provenance {}", output.digest), error.to_string()),
        }
    }
}

/// The index of the store says what the ledger says.
fn verify_names(store: &Store, entries: &[Entry], found: &mut Verification) {
    let expected: BTreeMap<String, Digest> =
        aliases::after(entries).into_iter().map(|(alias, state)| (alias, state.adapter)).collect();
    match store.has_names(&expected) {
        Ok(true) => {}
        Ok(false) => found.found("store/index.json", "is not what the ledger says"),
        Err(error) => found.found("store/index.json", error.to_string()),
    }
}
