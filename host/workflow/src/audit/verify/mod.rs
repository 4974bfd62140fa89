//! Verifies everything offline: trust roots, ledger, statements, blobs, and that each fits the other.

mod alias;
mod moved;
mod pack;
mod run;
mod seen;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Subject};
use freehold_ledger::{Copied, TreeHead};
use freehold_store::{Blobs, Store};
use freehold_trust::{PublicKey, Statement, VerifiedRoot};
use schemars::JsonSchema;
use serde::Serialize;

use super::pack::{Extra, concerns};
use super::past::Past;
use super::preregistered::{Bar, preregistered};
use super::{CheckpointView, approvals, no_run, root_for, run_names};
use crate::{Home, WorkflowError, aliases, trust};

use alias::Named;

pub(crate) use moved::{Moved, MovedRun, MovedRuns, verify_moved};
pub(super) use pack::Source;
pub use pack::{VerifiedPack, verify_pack};

/// How often everything is read again when something was found while another process appended.
const ATTEMPTS: usize = 5;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The file, statement or entry.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What is to be verified, and against what.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Has to be one of the keys that signed the first trust root: it is what a stranger was told by other means.
    pub root_key: Option<PublicKey>,
    /// Limits the look at statements to one run.
    pub run: Option<String>,
    /// Signed tree heads of the ledger that were kept elsewhere, by name: what they cover has to be there still.
    pub checkpoints: Vec<(String, Vec<u8>)>,
    /// Whether the bars that runs had to pass have to have been in the ledger before their results.
    pub preregistered: bool,
}

/// What was verified, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// Signed manifests and yanks of plugins that the home remembers.
    pub seen: usize,
    /// The newest tree head of the ledger that witnesses cosigned, and by whom.
    pub witnessed: Option<CheckpointView>,
    /// The tree heads from elsewhere that the ledger goes on from, and who cosigned them.
    pub checkpoints: Vec<CheckpointView>,
    /// The bars that were set before the results, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bars: Option<Vec<Bar>>,
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

    /// Notes the problem if `holds` is false.
    fn require(&mut self, holds: bool, what: &str, problem: impl Into<String>) {
        if !holds {
            self.found(what, problem);
        }
    }
}

/// Verifies the whole home. An error says that there is no run of the name that was asked for.
pub fn verify(home: &Home, request: &Request) -> Result<Verification, WorkflowError> {
    let mut attempt = 1;
    loop {
        let before = head(home);
        let verification = verify_once(home, request)?;
        // What was found while the ledger grew may be no more than two moments seen as one.
        if verification.findings.is_empty() || attempt == ATTEMPTS || head(home) == before {
            return Ok(verification);
        }
        attempt += 1;
    }
}

fn head(home: &Home) -> Option<TreeHead> {
    home.ledger().ok()?.tree_head().ok()
}

fn verify_once(home: &Home, request: &Request) -> Result<Verification, WorkflowError> {
    let only = request.run.as_deref();
    let mut verification = Verification::default();
    let found = &mut verification;
    let Some(signed) = found.check("trust", home.trust_roots()) else { return Ok(verification) };
    let roots = verify_roots(&signed, request, found);
    seen::verify_seen(home, &roots, found);
    let Some(store) = found.check("store", home.store()) else { return Ok(verification) };
    match store.check() {
        Ok((blobs, problems)) => {
            found.blobs = blobs;
            problems.into_iter().for_each(|problem| found.found(format!("store/{}", problem.file), problem.problem));
        }
        Err(error) => found.found("store", error.to_string()),
    }
    let Some(entries) = verify_ledger(home, &request.checkpoints, found) else { return Ok(verification) };
    if let Some(run) = only
        && !run_names(&entries).contains(&run)
    {
        return Err(no_run(run, run_names(&entries).into_iter()));
    }
    verify_names(&store, &entries, found);
    verify_records(&Past::of(store, roots, entries)?, &signed, Extent::Home, request, found);
    Ok(verification)
}

/// The trust roots, of which the first has to be signed by the key that was given.
fn verify_roots(signed: &[(VerifiedRoot, Vec<u8>)], request: &Request, found: &mut Verification) -> Vec<VerifiedRoot> {
    found.trust_roots = signed.len();
    if let Some(key) = &request.root_key {
        let first = signed.first();
        let by_key = first.is_some_and(|(_, envelope)| VerifiedRoot::is_signed_by(envelope, key).is_ok());
        found.require(by_key, "trust/1.root.json", format!("is not signed by the key {}", key.id()));
    }
    signed.iter().map(|(root, _)| root.clone()).collect()
}

/// Everything that the entries of a ledger and what they name say, held against each other and against the trust roots.
fn verify_records(
    past: &Past,
    signed: &[(VerifiedRoot, Vec<u8>)],
    extent: Extent,
    request: &Request,
    found: &mut Verification,
) {
    let only = request.run.as_deref();
    let numbered = past.entries().iter().map(|(number, entry)| (*number, entry));
    for problem in trust::compare(signed, numbered) {
        found.found(trust::file(problem.version), problem.error.to_string());
    }
    let books = Books { past, store: &*past.store, roots: &past.roots, extent };
    books.verify_entries(only, found);
    let (approvals, problems) = approvals::check(past, only);
    found.statements += approvals;
    found.findings.extend(problems);
    if request.preregistered
        && let Some((bars, problems)) = found.check("bars", preregistered(past, only))
    {
        found.bars = Some(bars);
        found.findings.extend(problems);
    }
}

fn copies(checkpoints: &[(String, Vec<u8>)]) -> Vec<Copied> {
    checkpoints.iter().map(|(name, note)| Copied { name: name.clone(), note: note.clone() }).collect()
}

/// The entries, if they can be read.
fn verify_ledger(home: &Home, checkpoints: &[(String, Vec<u8>)], found: &mut Verification) -> Option<Vec<Entry>> {
    let ledger = found.check("ledger", home.ledger())?;
    let check = match ledger.check_against(&copies(checkpoints)) {
        Ok(check) => check,
        Err(error) => {
            found.found("ledger/checkpoint", error.to_string());
            return None;
        }
    };
    found_in_ledger(check.problems, checkpoints, found);
    found.witnessed = check.witnessed.map(CheckpointView::from);
    found.checkpoints = check.copies.into_iter().map(CheckpointView::from).collect();
    // Without the entries nothing more can be said, and everything would look missing.
    found.entries = check.entries.as_ref()?.len();
    found.require(found.entries > 0, "ledger", "has no entry; the first must be the trust root");
    check.entries
}

fn found_in_ledger(
    problems: Vec<freehold_ledger::Problem>,
    checkpoints: &[(String, Vec<u8>)],
    found: &mut Verification,
) {
    for problem in problems {
        let of_copy = checkpoints.iter().any(|(name, _)| *name == problem.file);
        let what = if of_copy { problem.file } else { format!("ledger/{}", problem.file) };
        found.found(what, problem.problem);
    }
}

/// What has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// A home: all that a record says is kept.
    Home,
    /// A pack: what concerns one run, but for what packs may leave out.
    Pack,
}

/// All that is verified against each other.
struct Books<'a> {
    past: &'a Past,
    store: &'a dyn Blobs,
    roots: &'a [VerifiedRoot],
    extent: Extent,
}

impl Books<'_> {
    /// Why a blob is not to be had, if it is not.
    fn absent(&self, digest: &Digest) -> Option<String> {
        match self.store.contains(digest) {
            Ok(true) => None,
            Ok(false) if self.extent == Extent::Pack => Some("is not in the pack".into()),
            Ok(false) => Some("is not in the store".into()),
            Err(error) => Some(format!("cannot be looked for: {error}")),
        }
    }

    /// Whether the statement of an entry has to be there.
    fn has_to_be_here(&self, entry: &Entry, only: Option<&str>) -> bool {
        match self.extent {
            Extent::Home => true,
            Extent::Pack => only.is_some_and(|run| concerns(entry, run)),
        }
    }

    /// Whether the bytes of this may be left out.
    fn may_be_left_out(&self, name: &str) -> bool {
        self.extent == Extent::Pack && Extra::of(name).is_some()
    }

    fn verify_entries(&self, only: Option<&str>, found: &mut Verification) {
        let wanted = |run: &str| only.is_none_or(|only| only == run);
        let mut named = Named::default();
        for (number, entry) in self.past.entries() {
            if self.has_to_be_here(entry, only)
                && let Some(problem) = self.absent(&entry.statement)
            {
                found.found(format!("ledger entry {number}"), format!("its statement {} {problem}", entry.statement));
            }
            if let Subject::Alias { alias, adapter, run } = &entry.subject {
                let before = named.moved(alias, adapter, run);
                if wanted(run) {
                    self.verify_alias((*number, entry), (alias, adapter, run), &before, found);
                }
            }
        }
        for run in run_names(self.past.entries().iter().map(|(_, entry)| entry)) {
            if wanted(run) {
                found.runs += 1;
                self.verify_run(run, found);
            }
        }
    }

    /// A statement can only name a trust root that was in the ledger before it.
    fn has_root_before(&self, version: u64, number: u64) -> bool {
        root_for(self.roots, version).is_some() && self.past.has_root_before(version, number).unwrap_or(false)
    }

    /// The statement of an alias's move, signed by recorders under the trust root that it names.
    fn recorded(&self, number: u64, entry: &Entry) -> Result<Statement, String> {
        let bytes = self.store.get(&entry.statement).map_err(|error| error.to_string())?;
        let named = |read: &Statement| Some((read.predicate["trust_root"].as_u64()?, entry.time));
        let statement = Statement::recorded(&bytes, self.roots, named).map_err(|error| error.to_string())?;
        let version = statement.predicate["trust_root"].as_u64().unwrap_or_default();
        if !self.has_root_before(version, number) {
            return Err(format!("names the trust root {version}, which the ledger does not have before it"));
        }
        Ok(statement)
    }
}

/// The index of the store says what the ledger says. It follows: a process may have ended, or may just be, between an
/// alias's entry and the index, so that it may also say what the ledger said before its last move.
fn verify_names(store: &Store, entries: &[Entry], found: &mut Verification) {
    let last = entries.iter().rposition(|entry| matches!(entry.subject, Subject::Alias { .. }));
    let ends = [Some(entries.len()), last];
    let states = ends.into_iter().flatten().map(|end| aliases::names(&entries[..end]));
    let mut has = Ok(false);
    for names in states {
        if !matches!(has, Ok(true)) {
            has = store.has_names(&names);
        }
    }
    match has {
        Ok(has) => found.require(has, "store/index.json", "is not what the ledger says"),
        Err(error) => found.found("store/index.json", error.to_string()),
    }
}
