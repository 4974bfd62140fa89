//! Signed tree heads: C2SP tlog-checkpoint in a signed note.

use std::collections::BTreeMap;

use freehold_trust::{KeyId, PublicKey, SecretKey, open_note, sign_note};
use tlog_tiles::{Checkpoint, EMPTY_HASH, Hash};

use crate::LedgerError;

pub(crate) const FILE: &str = "checkpoint";

/// The positions of a tree's hashes, two for each entry, have to fit 64 bits.
pub(crate) const SIZE_MAX: u64 = 1 << 62;

/// Size and root of the tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TreeHead {
    /// Number of entries.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
}

fn malformed(problem: &str) -> LedgerError {
    LedgerError::Malformed { file: FILE.into(), problem: problem.into() }
}

impl TreeHead {
    pub(crate) fn empty() -> Self {
        Self { size: 0, root: EMPTY_HASH }
    }

    /// The tree head in `note`, if at least `threshold` of `keys` signed it for `origin`.
    pub fn open(
        note: &[u8],
        origin: &str,
        keys: &BTreeMap<KeyId, PublicKey>,
        threshold: usize,
    ) -> Result<Self, LedgerError> {
        let text = open_note(note, origin, keys, threshold)?;
        let checkpoint = Checkpoint::from_bytes(&text).map_err(|_| malformed("not a C2SP checkpoint"))?;
        if checkpoint.origin() != origin {
            return Err(malformed(&format!("is of the log `{}`, expected `{origin}`", checkpoint.origin())));
        }
        if checkpoint.size() > SIZE_MAX {
            return Err(malformed("says that the log has more entries than any log can have"));
        }
        Ok(Self { size: checkpoint.size(), root: *checkpoint.hash() })
    }

    /// The root hash in lowercase hexadecimal digits.
    pub fn root_hex(&self) -> String {
        self.root.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn sign(&self, origin: &str, keys: &[&SecretKey]) -> Result<Vec<u8>, LedgerError> {
        let checkpoint =
            Checkpoint::new(origin, self.size, self.root, "").map_err(|_| malformed("the origin is empty"))?;
        Ok(sign_note(&checkpoint.to_bytes(), origin, keys)?)
    }
}
