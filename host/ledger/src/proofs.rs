//! Proofs that an entry is in the log and that one tree is the beginning of another (RFC 6962, sections 2.1.1 and 2.1.2). They are
//! verified with tree heads alone: no file of the log is needed.

mod text;

use tlog_tiles::{EMPTY_HASH, Hash, RecordProof, TileHashReader, TreeProof};

use crate::tiles::TileFiles;
use crate::tree_head::SIZE_MAX;
use crate::{Ledger, LedgerError, TreeHead};

pub use text::EntryProof;
pub(crate) use text::{hashes_of_lines, lines_of_hashes};

/// More hashes are in no proof over a tree of at most 2^62 entries.
pub(crate) const HASHES_MAX: usize = 64;

/// A proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The entry is not under the tree head at that index.
    #[error("the proof does not lead from entry {index} to the tree head over {size} entries")]
    Inclusion {
        /// The index of the entry.
        index: u64,
        /// Entries under the tree head.
        size: u64,
    },
    /// It is not written as proofs are.
    #[error("the proof is not written as C2SP tlog-proof has it: {0}")]
    Text(&'static str),
    /// The one tree is not the beginning of the other.
    #[error("the proof does not show the tree of {old} entries to be the beginning of that of {new}")]
    Consistency {
        /// Entries of the smaller tree.
        old: u64,
        /// Entries of the larger tree.
        new: u64,
    },
}

impl Ledger {
    /// The newest tree head and the proof that entry `index` is under it.
    pub fn prove(&self, index: u64) -> Result<(TreeHead, RecordProof), LedgerError> {
        // Under a tree head that does not hold, nothing is proven.
        let head = self.current()?.head;
        if index >= head.size {
            return Err(LedgerError::NoEntry { index, size: head.size });
        }
        let proof = self.with_tiles(head, |reader| tlog_tiles::prove_record(head.size, index, reader))?;
        Ok((head, proof))
    }

    /// The newest tree head and the proof that the tree of the first `size` entries is the beginning of its tree.
    pub fn prove_consistency(&self, size: u64) -> Result<(TreeHead, TreeProof), LedgerError> {
        let head = self.current()?.head;
        if size > head.size {
            return Err(LedgerError::Rollback { covered: size, size: head.size });
        }
        // Of no entries everything is a continuation, and there is nothing to prove.
        if size == 0 {
            return Ok((head, Vec::new()));
        }
        let proof = self.with_tiles(head, |reader| tlog_tiles::prove_tree(head.size, size, reader))?;
        Ok((head, proof))
    }

    fn with_tiles<T>(
        &self,
        head: TreeHead,
        prove: impl FnOnce(&TileHashReader<'_>) -> Result<T, tlog_tiles::Error>,
    ) -> Result<T, LedgerError> {
        let files = TileFiles::new(&self.dir, head.size);
        prove(&TileHashReader::new(head.size, head.root, &files)).map_err(|error| files.failed(error))
    }
}

/// An error unless `proof` shows that the entry with the bytes `record` has the index `index` under `head`.
pub fn verify_inclusion(head: &TreeHead, index: u64, record: &[u8], proof: &[Hash]) -> Result<(), ProofError> {
    let refused = ProofError::Inclusion { index, size: head.size };
    if index >= head.size || head.size > SIZE_MAX || proof.len() > HASHES_MAX {
        return Err(refused);
    }
    let hash = tlog_tiles::record_hash(record);
    tlog_tiles::check_record(&proof.to_vec(), head.size, head.root, index, hash).map_err(|_| refused)
}

/// An error unless `proof` shows that the tree under `old` is the beginning of that under `new`.
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, proof: &[Hash]) -> Result<(), ProofError> {
    let refused = ProofError::Consistency { old: old.size, new: new.size };
    if old.size > new.size || new.size > SIZE_MAX || proof.len() > HASHES_MAX {
        return Err(refused);
    }
    if old.size == 0 {
        return (old.root == EMPTY_HASH && proof.is_empty() && (new.size > 0 || new.root == EMPTY_HASH))
            .then_some(())
            .ok_or(refused);
    }
    tlog_tiles::check_tree(&proof.to_vec(), new.size, new.root, old.size, old.root).map_err(|_| refused)
}

#[cfg(test)]
mod tests;
