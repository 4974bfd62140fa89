//! Whose signatures make a tree head: those of the log keys of the newest trust root that its entries name, good when the last
//! of them was written. So a key that was rotated out can sign no tree head after the entry of the root that says so, and those
//! that it signed before still verify.

use std::collections::BTreeMap;
use std::fmt;

use freehold_core::record::{Entry, Subject};
use freehold_trust::{KeyId, PublicKey, Role, VerifiedRoot};

use crate::LedgerError;

/// Where a log finds the trust roots of its home. They are asked for whenever the log is read: another process may have
/// entered a new one meanwhile.
pub trait RootSource: fmt::Debug + Send + Sync {
    /// Every trust root, verified, oldest first; or why they cannot be read.
    fn roots(&self) -> Result<Vec<VerifiedRoot>, LedgerError>;
}

/// Who signs the tree heads of a log.
#[derive(Debug)]
pub(crate) enum Signers {
    /// One key, from beginning to end.
    Key(PublicKey),
    /// The keys of role log, as trust roots change them.
    Roots(Box<dyn RootSource>),
}

/// Keys, and how many of them have to sign.
pub(crate) struct Quorum {
    pub(crate) keys: BTreeMap<KeyId, PublicKey>,
    pub(crate) threshold: usize,
}

impl Signers {
    /// Whether one key signs from beginning to end, whatever the entries say.
    pub(crate) fn is_key(&self) -> bool {
        matches!(self, Self::Key(_))
    }

    /// The trust root that governs entries of which `version` is the newest that they name; `None` if one key signs.
    pub(crate) fn root(&self, version: u64) -> Result<Option<VerifiedRoot>, LedgerError> {
        let Self::Roots(source) = self else { return Ok(None) };
        let roots = source.roots()?;
        let root = roots.into_iter().find(|root| root.version == version);
        root.map(Some).ok_or(LedgerError::MissingRoot(version))
    }

    /// Keys of which at least one signed any tree head that is to be looked at further.
    pub(crate) fn any(&self) -> Result<Quorum, LedgerError> {
        let keys = match self {
            Self::Key(key) => [(key.id(), key.clone())].into(),
            Self::Roots(source) => {
                let roots = source.roots()?;
                roots.iter().flat_map(|root| root.keys_of(Role::Log)).collect()
            }
        };
        Ok(Quorum { keys, threshold: 1 })
    }

    /// The keys that have to have signed a tree head: `version` is the newest trust root that its entries name, `last` the last
    /// of them.
    pub(crate) fn over(&self, version: u64, last: Option<&Entry>) -> Result<Quorum, LedgerError> {
        let Some(root) = self.root(version)? else { return self.any() };
        let keys = match last {
            Some(last) => root.keys_at(Role::Log, last.time),
            None => root.keys_of(Role::Log),
        };
        Ok(Quorum { keys, threshold: root.threshold_of(Role::Log) })
    }
}

/// The newest trust root that these entries name. Before the first entry it is the one that the log begins with.
pub(crate) fn newest_root<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> u64 {
    let named = entries.into_iter().filter_map(|entry| match entry.subject {
        Subject::TrustRoot { version } => Some(version),
        _ => None,
    });
    named.max().unwrap_or(1)
}

#[cfg(test)]
mod tests;
