//! What is known of a log when a tree head is held against it: all of its entries, or some with their proofs.

use std::collections::BTreeMap;

use freehold_core::record::Entry;
use tlog_tiles::Hash;

use crate::LedgerError;
use crate::hashes::Hashes;
use crate::signers::newest_root;

/// What is known of a log.
pub(crate) trait History {
    /// How many entries it has.
    fn size(&self) -> u64;

    /// The root of the tree of its first `size` entries; `None` if that is not known.
    fn root_at(&self, size: u64) -> Result<Option<Hash>, LedgerError>;

    /// The newest trust root that its first `size` entries name, and the last of them.
    fn under(&self, size: u64) -> Result<(u64, Option<&Entry>), LedgerError>;
}

/// Every entry.
pub(crate) struct Whole<'a> {
    pub(crate) entries: &'a [Entry],
    pub(crate) hashes: &'a Hashes,
}

impl History for Whole<'_> {
    fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    fn root_at(&self, size: u64) -> Result<Option<Hash>, LedgerError> {
        self.hashes.root_at(size).map(Some)
    }

    fn under(&self, size: u64) -> Result<(u64, Option<&Entry>), LedgerError> {
        let under = usize::try_from(size).ok().and_then(|size| self.entries.get(..size)).unwrap_or(self.entries);
        Ok((newest_root(under), under.last()))
    }
}

/// Some entries of a log of so many, and the roots of some of its trees.
pub(crate) struct Partial<'a> {
    pub(crate) size: u64,
    pub(crate) entries: &'a BTreeMap<u64, Entry>,
    pub(crate) roots: BTreeMap<u64, Hash>,
}

impl History for Partial<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn root_at(&self, size: u64) -> Result<Option<Hash>, LedgerError> {
        Ok(self.roots.get(&size).copied())
    }

    fn under(&self, size: u64) -> Result<(u64, Option<&Entry>), LedgerError> {
        let Some(last) = size.checked_sub(1) else { return Ok((newest_root([]), None)) };
        // Whose keys were good is judged by when the last entry was written.
        let entry = self.entries.get(&last).ok_or(LedgerError::LeftOut(last))?;
        Ok((newest_root(self.entries.range(..size).map(|(_, entry)| entry)), Some(entry)))
    }
}
