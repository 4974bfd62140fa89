//! Every hash of a tree, computed from its entries.

use tlog_tiles::{EMPTY_HASH, Error, Hash, HashReader, node_hash, record_hash, tree_hash};

use crate::LedgerError;
use crate::tiles::broken;

/// The hashes of complete subtrees, in the order in which they are stored: that of each entry, followed by those of the subtrees
/// that it completes.
pub(crate) struct Hashes {
    stored: Vec<Hash>,
    size: u64,
}

impl HashReader for Hashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let get = |index: &u64| self.stored.get(usize::try_from(*index).ok()?).copied();
        indexes.iter().map(|index| get(index).ok_or(Error::InvalidTile)).collect()
    }
}

impl Hashes {
    pub(crate) fn of(records: &[Vec<u8>]) -> Self {
        let mut stored = Vec::with_capacity(records.len() * 2);
        // The complete subtrees so far, the widest first.
        let mut subtrees: Vec<Hash> = Vec::new();
        for (record, number) in records.iter().zip(1_u64..) {
            let mut hash = record_hash(record);
            stored.push(hash);
            for _ in 0..number.trailing_zeros() {
                let Some(left) = subtrees.pop() else { break };
                hash = node_hash(left, hash);
                stored.push(hash);
            }
            subtrees.push(hash);
        }
        Self { stored, size: records.len() as u64 }
    }

    /// The root of the whole tree.
    pub(crate) fn root(&self) -> Result<Hash, LedgerError> {
        self.root_at(self.size)
    }

    /// The root of the tree of the first `size` entries.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        if size == 0 {
            return Ok(EMPTY_HASH);
        }
        tree_hash(size, self).map_err(broken)
    }
}
