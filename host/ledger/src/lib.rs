//! The transparency log: entries in a Merkle tree (RFC 6962) on C2SP tlog-tiles, under tree heads that the log's key signs.
//!
//! Order of an append, each step on the disk before the next: entry bundles, hash tiles, tree head. A tree head is thus
//! never ahead of what it covers; what a crash leaves beyond it is overwritten by the next append. A log has a tree head from
//! the beginning: one that is gone is a loss, never an empty log.

mod append;
mod check;
mod signers;
mod tiles;
mod tree_head;

use std::sync::{Mutex, PoisonError};

use cap_std::fs::Dir;
use freehold_core::record::Entry;
use freehold_files::FileError;
use freehold_trust::{NoteError, PublicKey, SecretKey};
use tlog_tiles::RecordProof;

use signers::{Quorum, Signers, newest_root};

pub use append::Appender;
pub use check::{Check, Problem};
pub use signers::RootSource;
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
    /// The trust roots that say who signs tree heads cannot be read.
    #[error("{0}")]
    Roots(String),
    /// The log names a trust root that there is not.
    #[error("the log names trust root {0}, which the folder `trust` does not have: the folder is older")]
    MissingRoot(u64),
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

/// A log, read with the public keys of its signers.
#[derive(Debug)]
pub struct Ledger {
    dir: Dir,
    origin: String,
    signers: Signers,
    /// The newest trust root under the tree head that was judged last, so that a writer need not read everything for each entry.
    judged: Mutex<Option<(TreeHead, u64)>>,
}

impl Ledger {
    /// The log in `dir`, whose tree heads carry the name `origin` and are signed by `key`.
    pub fn open(dir: Dir, origin: &str, key: PublicKey) -> Self {
        Self { dir, origin: origin.into(), signers: Signers::Key(key), judged: Mutex::default() }
    }

    /// The log in `dir`, whose tree heads carry the name `origin` and are signed by the keys of role log, as the trust roots
    /// that the log names change them.
    pub fn open_under(dir: Dir, origin: &str, roots: impl RootSource + 'static) -> Self {
        Self { dir, origin: origin.into(), signers: Signers::Roots(Box::new(roots)), judged: Mutex::default() }
    }

    /// Begins a log where there is none: a signed tree head over no entries. A log that is there stays as it is.
    pub fn begin(&self, key: &SecretKey) -> Result<(), LedgerError> {
        let _lock = self.appender(key)?;
        match self.tree_head() {
            Err(LedgerError::NoTreeHead) if !self.dir.exists(tiles::FOLDER) => {
                let note = self.sign_tree_head(TreeHead::empty(), &self.signers.any()?, &[key])?;
                Ok(freehold_files::write(&self.dir, tree_head::FILE, &note)?)
            }
            other => other.map(|_| ()),
        }
    }

    /// The newest tree head, signed by a key that was a log's key at some time. Whether it was so when the tree head was made,
    /// the entries say: [`Ledger::entries`] and [`Ledger::check`] look at both.
    pub fn tree_head(&self) -> Result<TreeHead, LedgerError> {
        let any = self.signers.any()?;
        TreeHead::open(&self.read_note()?, &self.origin, &any.keys, any.threshold)
    }

    fn read_note(&self) -> Result<Vec<u8>, LedgerError> {
        freehold_files::read(&self.dir, tree_head::FILE, 1 << 20).map_err(|error| match error.is_not_found() {
            true => LedgerError::NoTreeHead,
            false => error.into(),
        })
    }

    /// A signed tree head. One that nobody would accept is none.
    fn sign_tree_head(&self, head: TreeHead, quorum: &Quorum, keys: &[&SecretKey]) -> Result<Vec<u8>, LedgerError> {
        let note = head.sign(&self.origin, keys)?;
        TreeHead::open(&note, &self.origin, &quorum.keys, quorum.threshold)?;
        Ok(note)
    }

    /// Every entry, authenticated: their hashes lead to the tree head, and those who had to sign it did.
    pub fn entries(&self) -> Result<Vec<Entry>, LedgerError> {
        let note = self.read_note()?;
        let any = self.signers.any()?;
        let head = TreeHead::open(&note, &self.origin, &any.keys, any.threshold)?;
        let records = tiles::read_records(&self.dir, head.size)?;
        let root = tiles::root_of(&records)?;
        if root != head.root {
            return Err(LedgerError::Malformed {
                file: "tile/entries".into(),
                problem: "the entries do not lead to the signed tree head".into(),
            });
        }
        let parsed = records.iter().enumerate().map(|(index, record)| {
            serde_json::from_slice(record)
                .map_err(|error| LedgerError::Malformed { file: format!("entry {index}"), problem: error.to_string() })
        });
        let entries: Vec<Entry> = parsed.collect::<Result<_, _>>()?;
        self.judge(&note, &entries)?;
        self.remember(head, newest_root(&entries));
        Ok(entries)
    }

    /// An error if the tree head in `note` is not signed by those who had to sign one over these entries.
    fn judge(&self, note: &[u8], entries: &[Entry]) -> Result<(), LedgerError> {
        let quorum = self.signers.over(newest_root(entries), entries.last())?;
        TreeHead::open(note, &self.origin, &quorum.keys, quorum.threshold).map(|_| ())
    }

    fn remember(&self, head: TreeHead, newest: u64) {
        *self.judged.lock().unwrap_or_else(PoisonError::into_inner) = Some((head, newest));
    }

    /// The newest trust root that the entries under `head` name. They are read only if they were not before.
    fn newest_root_under(&self, head: TreeHead) -> Result<u64, LedgerError> {
        let judged = *self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        match judged {
            Some((known, newest)) if known == head => Ok(newest),
            _ => Ok(newest_root(&self.entries()?)),
        }
    }

    /// The proof that entry `index` is under the newest tree head (RFC 6962, section 2.1.1).
    pub fn prove(&self, index: u64) -> Result<RecordProof, LedgerError> {
        if let Signers::Roots(_) = self.signers {
            // Under a tree head that does not hold, nothing is proven.
            self.entries()?;
        }
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
