//! What aliases named, verified for whoever uses it now: as the whole home is verified, but for what no model of theirs rests on.

use std::collections::{BTreeMap, BTreeSet};

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::record::{Entry, Subject};
use freehold_trust::{KeyId, Statement, VerifiedRoot};
use jiff::Timestamp;

use super::alias::Named;
use super::{Books, Extent, Finding, Request, Verification, head, verify_ledger, verify_roots};
use crate::audit::approvals;
use crate::audit::explain::{Explanation, of_run};
use crate::audit::past::Past;
use crate::{Home, WorkflowError, trust};

/// How often everything is read again when something was found while another process appended.
const ATTEMPTS: usize = 5;

/// A move of an alias, as its entry says.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    pub(crate) alias: Alias,
    pub(crate) adapter: Digest,
    pub(crate) run: String,
    pub(crate) time: Timestamp,
}

/// A run that an alias named, and what its records are worth.
#[derive(Debug)]
pub(crate) struct MovedRun {
    /// What is wrong with its records, or with the moves to it; empty if nothing is.
    pub(crate) findings: Vec<Finding>,
    /// What its records say; an error if they cannot be read.
    pub(crate) explained: Result<Explanation, WorkflowError>,
    /// Everyone who signed its records and the moves to it.
    pub(crate) signers: BTreeSet<KeyId>,
}

/// All that aliases named.
#[derive(Debug)]
pub(crate) struct MovedRuns {
    /// Entries of the ledger.
    pub(crate) entries: u64,
    /// The newest trust root, which may have expired.
    pub(crate) root: VerifiedRoot,
    /// Every move, oldest first.
    pub(crate) moves: Vec<Moved>,
    /// Every run that was named.
    pub(crate) runs: BTreeMap<String, MovedRun>,
}

/// Verifies trust roots and ledger, and of every run that an alias named its statements, its decision, its provenance and its
/// moves. Blobs are not read here: whoever uses one holds it to its digest.
///
/// # Errors
/// Something is wrong with the trust roots or the ledger, so that nothing that rests on them counts.
pub(crate) fn verify_moved(home: &Home) -> Result<MovedRuns, WorkflowError> {
    let mut attempt = 1;
    loop {
        let before = head(home);
        let verified = verify_moved_once(home);
        let sound = verified.as_ref().is_ok_and(|all| all.runs.values().all(|run| run.findings.is_empty()));
        // What was found while the ledger grew may be no more than two moments seen as one.
        if sound || attempt == ATTEMPTS || head(home) == before {
            return verified;
        }
        attempt += 1;
    }
}

fn verify_moved_once(home: &Home) -> Result<MovedRuns, WorkflowError> {
    let mut found = Verification::default();
    let signed = home.trust_roots()?;
    let roots = verify_roots(&signed, &Request::default(), &mut found);
    let root = roots.last().cloned().ok_or(WorkflowError::NoRoot(1))?;
    let entries = verify_ledger(home, &[], &mut found).unwrap_or_default();
    for problem in trust::compare(&signed, (0..).zip(&entries)) {
        found.found(trust::file(problem.version), problem.error.to_string());
    }
    if let Some(Finding { what, problem }) = found.findings.into_iter().next() {
        return Err(WorkflowError::Record { what, problem });
    }
    let past = Past::of(home.store()?, roots, entries)?;
    let books = Books { past: &past, store: &*past.store, roots: &past.roots, extent: Extent::Home };
    let (moves, verified) = books.verify_moves();
    let runs = verified.into_iter().map(|(run, (found, signers))| {
        let moved = books.moved_run(&run, found, signers);
        (run, moved)
    });
    Ok(MovedRuns { entries: past.size(), root, moves, runs: runs.collect() })
}

/// What was found of the moves to a run, and who signed them.
type VerifiedMoves = BTreeMap<String, (Verification, BTreeSet<KeyId>)>;

impl Books<'_> {
    fn verify_moves(&self) -> (Vec<Moved>, VerifiedMoves) {
        let (mut named, mut moves, mut runs) = (Named::default(), Vec::new(), VerifiedMoves::new());
        for (number, entry) in self.past.entries() {
            let Subject::Alias { alias, adapter, run } = &entry.subject else { continue };
            let before = named.moved(alias, adapter, run);
            let (found, signers) = runs.entry(run.clone()).or_default();
            self.verify_alias((*number, entry), (alias, adapter, run), &before, found);
            signers.extend(self.movers(entry));
            moves.push(Moved { alias: alias.clone(), adapter: *adapter, run: run.clone(), time: entry.time });
        }
        (moves, runs)
    }

    /// Who signed a move; nobody if it does not verify, which is found elsewhere.
    fn movers(&self, entry: &Entry) -> BTreeSet<KeyId> {
        let named = |read: &Statement| Some((read.predicate["trust_root"].as_u64()?, entry.time));
        let read = self.store.get(&entry.statement).ok();
        let read = read.and_then(|bytes| Statement::recorded_by(&bytes, self.roots, named).ok());
        read.map(|(_, signers)| signers).unwrap_or_default()
    }

    fn moved_run(&self, run: &str, mut found: Verification, mut signers: BTreeSet<KeyId>) -> MovedRun {
        self.verify_run(run, &mut found);
        let (_, problems) = approvals::check(self.past, Some(run));
        found.findings.extend(problems);
        let explained = self.past.run(run).and_then(|read| {
            signers.extend(read.signers());
            of_run(self.past, &read)
        });
        MovedRun { findings: found.findings, explained, signers }
    }
}
