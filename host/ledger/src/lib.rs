//! The transparency log: entries in a Merkle tree (RFC 6962) on C2SP tlog-tiles, under tree heads that the log's key signs.
//!
//! Order of an append, each step on the disk before the next: entry bundles, hash tiles, tree head. A tree head is thus
//! never ahead of what it covers; what a crash leaves beyond it is overwritten by the next append. A log has a tree head from
//! the beginning: one that is gone is a loss, never an empty log.

mod append;
mod check;
mod tiles;
mod tree_head;

use cap_std::fs::Dir;
use freehold_core::record::Entry;
use freehold_files::FileError;
use freehold_trust::{NoteError, PublicKey, SecretKey};
use tlog_tiles::RecordProof;

pub use append::Appender;
pub use check::{Check, Problem};
pub use tree_head::TreeHead;

/// The log cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The tree head is not signed by the log's key.
    #[error("`checkpoint`: {0}")]
    TreeHead(#[from] NoteError),
    /// There is no tree head.
    #[error("the log has lost its tree head, the file `checkpoint`")]
    NoTreeHead,
    /// A file of the log cannot be understood or does not fit the tree head.
    #[error("`{file}`: {problem}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// An entry is larger than the format allows.
    #[error("an entry has {0} bytes; at most 65535 fit")]
    TooLarge(usize),
    /// There is no such entry.
    #[error("the ledger has {size} entries; there is no entry {index}")]
    NoEntry {
        /// What was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
}

/// A log, read with the public key of its signer.
#[derive(Debug)]
pub struct Ledger {
    dir: Dir,
    origin: String,
    key: PublicKey,
}

impl Ledger {
    /// The log in `dir`, whose tree heads carry the name `origin` and are signed by `key`.
    pub fn open(dir: Dir, origin: &str, key: PublicKey) -> Self {
        Self { dir, origin: origin.into(), key }
    }

    /// Begins a log where there is none: a signed tree head over no entries. A log that is there stays as it is.
    pub fn begin(&self, key: &SecretKey) -> Result<(), LedgerError> {
        let _lock = self.appender(key)?;
        match self.tree_head() {
            Err(LedgerError::NoTreeHead) if !self.dir.exists(tiles::FOLDER) => {
                self.write_tree_head(TreeHead::empty(), key)
            }
            other => other.map(|_| ()),
        }
    }

    /// The newest tree head.
    pub fn tree_head(&self) -> Result<TreeHead, LedgerError> {
        match freehold_files::read(&self.dir, tree_head::FILE, 1 << 20) {
            Ok(note) => TreeHead::open(&note, &self.origin, &self.key),
            Err(error) if error.is_not_found() => Err(LedgerError::NoTreeHead),
            Err(error) => Err(error.into()),
        }
    }

    fn write_tree_head(&self, head: TreeHead, key: &SecretKey) -> Result<(), LedgerError> {
        let note = head.sign(&self.origin, key)?;
        // A key that is not the log's would make a tree head that nobody accepts.
        TreeHead::open(&note, &self.origin, &self.key)?;
        Ok(freehold_files::write(&self.dir, tree_head::FILE, &note)?)
    }

    /// Every entry, authenticated: their hashes lead to the signed tree head.
    pub fn entries(&self) -> Result<Vec<Entry>, LedgerError> {
        let head = self.tree_head()?;
        let records = tiles::read_records(&self.dir, head.size)?;
        let root = tiles::root_of(&records)?;
        if root != head.root {
            return Err(LedgerError::Malformed {
                file: "tile/entries".into(),
                problem: "the entries do not lead to the signed tree head".into(),
            });
        }
        records
            .iter()
            .enumerate()
            .map(|(index, record)| {
                serde_json::from_slice(record).map_err(|error| LedgerError::Malformed {
                    file: format!("entry {index}"),
                    problem: error.to_string(),
                })
            })
            .collect()
    }

    /// The proof that entry `index` is under the newest tree head (RFC 6962, section 2.1.1).
    pub fn prove(&self, index: u64) -> Result<RecordProof, LedgerError> {
        let head = self.tree_head()?;
        if index >= head.size {
            return Err(LedgerError::NoEntry { index, size: head.size });
        }
        let files = tiles::TileFiles { dir: &self.dir, size: head.size };
        let reader = tlog_tiles::TileHashReader::new(head.size, head.root, &files);
        tlog_tiles::prove_record(head.size, index, &reader).map_err(tiles::broken)
    }
}

#[cfg(test)]
mod tests;
