//! The trust roots of a home: numbered files, each signed by the one before. The ledger has an entry for each, with its digest:
//! a folder that ends before the newest of them, or has another file in its place, was rolled back.

mod change;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Subject};
use freehold_files::FileError;
use freehold_ledger::{LedgerError, RootSource};
use freehold_trust::{ROOT_BYTES_MAX, Role, TrustRoot, VerifiedRoot};
use jiff::{SignedDuration, Timestamp};

use crate::home::{LOG_KEY, RECORDER_KEY, ROOT_KEY};
use crate::{Home, WorkflowError};

pub use change::RootSigning;
pub(crate) use change::remedy;

pub(crate) const FOLDER: &str = "trust";
const FIRST_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

pub(crate) fn file(version: u64) -> String {
    format!("{FOLDER}/{version}.root.json")
}

/// The folder of trust roots, read anew whenever it is asked.
#[derive(Debug)]
pub(crate) struct TrustFolder(Dir);

impl TrustFolder {
    pub(crate) fn of(home: &Home) -> Result<Self, WorkflowError> {
        let failed = |source| FileError::Io { action: "open the folder", path: FOLDER.into(), source };
        Ok(Self(home.dir.try_clone().map_err(failed)?))
    }

    /// Every trust root with its signed bytes, oldest first; each verified against the one before.
    pub(crate) fn read(&self) -> Result<Vec<(VerifiedRoot, Vec<u8>)>, WorkflowError> {
        let mut roots: Vec<(VerifiedRoot, Vec<u8>)> = Vec::new();
        loop {
            let file = file(roots.len() as u64 + 1);
            let bytes = match freehold_files::read(&self.0, file, ROOT_BYTES_MAX as u64) {
                Ok(bytes) => bytes,
                Err(error) if error.is_not_found() && !roots.is_empty() => return Ok(roots),
                Err(error) => return Err(error.into()),
            };
            roots.push((following(roots.last().map(|(root, _)| root), &bytes)?, bytes));
        }
    }
}

/// The trust root in `bytes`, which is the first or follows another.
fn following(before: Option<&VerifiedRoot>, bytes: &[u8]) -> Result<VerifiedRoot, WorkflowError> {
    Ok(match before {
        None => VerifiedRoot::first(bytes)?,
        Some(before) => before.next(bytes)?,
    })
}

/// A chain of signed trust roots, oldest first; each verified against the one before.
pub(crate) fn chain(signed: Vec<Vec<u8>>) -> Result<Vec<(VerifiedRoot, Vec<u8>)>, WorkflowError> {
    let mut roots: Vec<(VerifiedRoot, Vec<u8>)> = Vec::new();
    for bytes in signed {
        roots.push((following(roots.last().map(|(root, _)| root), &bytes)?, bytes));
    }
    Ok(roots)
}

impl RootSource for TrustFolder {
    fn roots(&self) -> Result<Vec<VerifiedRoot>, LedgerError> {
        let roots = self.read().map_err(|error| match error {
            // One that is gone, or too large, is not what was there.
            WorkflowError::File(error @ FileError::Io { .. }) if !error.is_not_found() => LedgerError::File(error),
            error => LedgerError::Roots(error.to_string()),
        })?;
        Ok(roots.into_iter().map(|(root, _)| root).collect())
    }
}

/// What does not fit between the folder and the ledger.
pub(crate) struct RootProblem {
    pub(crate) version: u64,
    pub(crate) error: WorkflowError,
}

/// Compares the folder of trust roots with the ledger. The ledger names each version once, in order, by the digest of its file.
/// Roots that the ledger does not have yet come last.
pub(crate) fn compare<'a>(
    roots: &[(VerifiedRoot, Vec<u8>)],
    entries: impl IntoIterator<Item = (u64, &'a Entry)>,
) -> Vec<RootProblem> {
    let mut problems = Vec::new();
    let mut found = |version, error| problems.push(RootProblem { version, error });
    let mut entered = 0;
    for (index, entry) in entries {
        let Subject::TrustRoot { version } = entry.subject else { continue };
        if version != entered + 1 {
            found(version, WorkflowError::RootOrder { index, found: version, expected: entered + 1 });
        }
        entered = entered.max(version.min(u64::MAX - 1));
        let kept = roots.iter().find(|(root, _)| root.version == version);
        if kept.is_some_and(|(_, bytes)| Digest::of(bytes) != entry.statement) {
            found(version, WorkflowError::OtherRoot { version, index });
        }
    }
    let newest = roots.last().map_or(0, |(root, _)| root.version);
    if newest < entered {
        found(entered, WorkflowError::RolledBack { newest, entered });
    }
    for version in roots.iter().map(|(root, _)| root.version).filter(|version| *version > entered) {
        found(version, WorkflowError::RootNotEntered(version));
    }
    problems
}

impl Home {
    pub(crate) fn has_root(&self) -> Result<bool, WorkflowError> {
        Ok(freehold_files::exists(&self.dir, file(1))?)
    }

    pub(crate) fn make_first_root(&self) -> Result<(), WorkflowError> {
        let keys = [(Role::Root, ROOT_KEY), (Role::Recorder, RECORDER_KEY), (Role::Log, LOG_KEY)];
        let [root, recorder, log] = keys.map(|(role, name)| Ok::<_, WorkflowError>((role, self.public_key(name)?)));
        let first = TrustRoot::first(Timestamp::now() + FIRST_LIFETIME, [root?, recorder?, log?]);
        let signed = first.sign(&[&self.secret_key(ROOT_KEY)?]).map_err(WorkflowError::Signing)?.to_bytes();
        let verified = VerifiedRoot::first(&signed)?;
        self.write_root(&verified, &signed)
    }

    /// Only what was verified is written: a root that does not hold would make the home unusable.
    fn write_root(&self, root: &VerifiedRoot, signed: &[u8]) -> Result<(), WorkflowError> {
        Ok(freehold_files::write(&self.dir, file(root.version), signed)?)
    }

    /// Every trust root with its signed bytes, oldest first; each verified against the one before.
    pub fn trust_roots(&self) -> Result<Vec<(VerifiedRoot, Vec<u8>)>, WorkflowError> {
        TrustFolder::of(self)?.read()
    }

    /// The trust root of a version, as it once was in force.
    pub fn past_root(&self, version: u64) -> Result<VerifiedRoot, WorkflowError> {
        let mut roots = self.trust_roots()?.into_iter().map(|(root, _)| root);
        roots.find(|root| root.version == version).ok_or(WorkflowError::NoRoot(version))
    }

    /// The newest trust root, which is what the ledger says. It may have expired, and the ledger may not have it yet: enough to
    /// look at it and to sign the next, and for nothing else.
    pub fn newest_root(&self) -> Result<VerifiedRoot, WorkflowError> {
        Ok(self.compared_root()?.0)
    }

    /// The trust root in force: the newest that the ledger names, and not expired.
    pub fn trust_root(&self) -> Result<VerifiedRoot, WorkflowError> {
        let (root, entered) = self.compared_root()?;
        if !entered {
            return Err(WorkflowError::RootNotEntered(root.version));
        }
        root.in_force(Timestamp::now())?;
        Ok(root)
    }

    /// The newest trust root, and whether the ledger has it.
    fn compared_root(&self) -> Result<(VerifiedRoot, bool), WorkflowError> {
        // The ledger first: a root that is made meanwhile is then one that it does not have yet, not one that was lost.
        let entries = self.ledger()?.entries()?;
        let mut roots = self.trust_roots()?;
        let mut entered = true;
        for problem in compare(&roots, (0..).zip(&entries)) {
            match problem.error {
                WorkflowError::RootNotEntered(_) => entered = false,
                error => return Err(error),
            }
        }
        let (root, _) = roots.pop().ok_or(WorkflowError::NoRoot(1))?;
        Ok((root, entered))
    }

    /// Enters every trust root that the ledger does not have yet, each under a tree head that its own log keys sign.
    pub(crate) fn enter_roots(&self) -> Result<(), WorkflowError> {
        let (store, ledger) = (self.store()?, self.ledger()?);
        self.compared_root()?;
        for (root, bytes) in self.trust_roots()? {
            let subject = Subject::TrustRoot { version: root.version };
            if ledger.entries()?.iter().any(|entry| entry.subject == subject) {
                continue;
            }
            let loggers = self.signers(Role::Log, &root)?;
            let appender = ledger.appender_with(loggers.at(&root, Timestamp::now())?)?;
            // Another process may have entered it before this one could.
            if !ledger.entries()?.iter().any(|entry| entry.subject == subject) {
                let statement = store.put(&bytes)?;
                appender.append(&Entry { subject, statement, time: Timestamp::now() })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
