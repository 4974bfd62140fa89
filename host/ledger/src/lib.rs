//! The transparency log: entries in a Merkle tree (RFC 6962) on C2SP tlog-tiles, under tree heads that the log's key signs.
//!
//! Order of an append, each step on the disk before the next: entry bundles, hash tiles, tree head. A tree head is thus
//! never ahead of what it covers; what a crash leaves beyond it is overwritten by the next append. A log has a tree head from
//! the beginning: one that is gone is a loss, never an empty log.

mod append;
mod check;
mod edge;
mod extract;
mod group;
mod hashes;
mod heads;
mod history;
mod proofs;
mod reading;
mod signers;
mod state;
mod tiles;
mod tree_head;
mod witnessed;

use std::sync::{Arc, Mutex};

use cap_std::fs::Dir;
use freehold_core::record::Entry;
use freehold_files::FileError;
use freehold_trust::{NoteError, PublicKey, SecretKey};

use hashes::Hashes;
use heads::Heads;
use signers::{Quorum, Signers, newest_root};
use state::State;

pub use append::Appender;
pub use check::{Check, Copied, Problem};
pub use extract::{Extract, Extracted};
pub use group::Group;
pub use proofs::{EntryProof, ProofError, verify_consistency, verify_inclusion};
pub use reading::Reading;
pub use signers::RootSource;
pub use tlog_tiles::{EMPTY_HASH, Hash};
pub use tree_head::TreeHead;
pub use witnessed::Checkpoint;

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
    /// A tree head covers more entries than the log has.
    #[error("rollback: the checkpoint covers {covered} entries, the ledger has {size}; entries are gone")]
    Rollback {
        /// How many the tree head covers.
        covered: u64,
        /// How many there are.
        size: u64,
    },
    /// A tree head covers other entries than the log has.
    #[error("fork: the first {0} entries of the ledger are not those that the checkpoint covers")]
    Fork(u64),
    /// A tree head covers entries of which it is not known what they were.
    #[error("the checkpoint covers the first {0} entries, and nothing here shows what they were")]
    Unproven(u64),
    /// An entry is needed that was left out.
    #[error("entry {0} was left out; when it was written has to be known")]
    LeftOut(u64),
    /// A proof does not hold or cannot be read.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The trust root names no witnesses.
    #[error("trust root {0} names no witnesses")]
    NoWitnesses(u64),
    /// Too few witnesses cosigned a tree head.
    #[error("the checkpoint of {size} entries is cosigned by {found} witnesses; trust root {root} asks for {needed}")]
    Quorum {
        /// Entries under the tree head.
        size: u64,
        /// How many cosigned it.
        found: usize,
        /// How many have to.
        needed: usize,
        /// The trust root that says so.
        root: u64,
    },
    /// No tree head is kept that was cosigned, though the trust root asks for it.
    #[error("trust root {root} asks for {needed} witnesses, and no checkpoint is kept that was cosigned so")]
    Unwitnessed {
        /// The trust root.
        root: u64,
        /// How many it asks for.
        needed: usize,
    },
    /// A newer cosigned tree head is kept already.
    #[error("a cosigned checkpoint of {kept} entries is kept already; this one covers {found}")]
    Older {
        /// Entries under the one that is kept.
        kept: u64,
        /// Entries under the other.
        found: u64,
    },
    /// Entries that waited together failed together.
    #[error(transparent)]
    Together(Arc<LedgerError>),
}

/// A log, read with the public keys of its signers.
#[derive(Debug)]
pub struct Ledger {
    dir: Dir,
    heads: Heads,
    /// What is known of the tree head that was judged last, so that a writer need not read everything for each entry.
    state: Mutex<Option<State>>,
}

/// How often the log is read again when another process appended meanwhile.
const ATTEMPTS: usize = 5;

impl Ledger {
    /// The log in `dir`, whose tree heads carry the name `origin` and are signed by `key`.
    pub fn open(dir: Dir, origin: &str, key: PublicKey) -> Self {
        let heads = Heads { origin: origin.into(), signers: Signers::Key(key) };
        Self { dir, heads, state: Mutex::default() }
    }

    /// The log in `dir`, whose tree heads carry the name `origin` and are signed by the keys of role log, as the trust roots
    /// that the log names change them.
    pub fn open_under(dir: Dir, origin: &str, roots: impl RootSource + 'static) -> Self {
        let heads = Heads { origin: origin.into(), signers: Signers::Roots(Box::new(roots)) };
        Self { dir, heads, state: Mutex::default() }
    }

    /// Begins a log where there is none: a signed tree head over no entries. A log that is there stays as it is.
    pub fn begin(&self, key: &SecretKey) -> Result<(), LedgerError> {
        let _lock = self.lock()?;
        let tiles = freehold_files::exists(&self.dir, tiles::FOLDER)?;
        match self.tree_head() {
            Err(LedgerError::NoTreeHead) if !tiles => {
                let note = self.sign_tree_head(TreeHead::empty(), &self.heads.signers.any()?, &[key])?;
                Ok(freehold_files::write(&self.dir, tree_head::FILE, &note)?)
            }
            other => other.map(|_| ()),
        }
    }

    /// The newest tree head, signed by a key that was a log's key at some time. Whether it was so when the tree head was made,
    /// the entries say: [`Ledger::entries`] and [`Ledger::check`] look at both.
    pub fn tree_head(&self) -> Result<TreeHead, LedgerError> {
        Ok(self.read_head()?.1)
    }

    /// The newest tree head, as it lies there and as [`Ledger::tree_head`] reads it.
    fn read_head(&self) -> Result<(Vec<u8>, TreeHead), LedgerError> {
        let note = self.read_note()?;
        let head = self.heads.open(&note)?;
        Ok((note, head))
    }

    fn read_note(&self) -> Result<Vec<u8>, LedgerError> {
        freehold_files::read(&self.dir, tree_head::FILE, 1 << 20).map_err(|error| match error.is_not_found() {
            true => LedgerError::NoTreeHead,
            false => error.into(),
        })
    }

    /// A signed tree head. One that nobody would accept is none.
    fn sign_tree_head(&self, head: TreeHead, quorum: &Quorum, keys: &[&SecretKey]) -> Result<Vec<u8>, LedgerError> {
        let note = head.sign(&self.heads.origin, keys)?;
        TreeHead::open(&note, &self.heads.origin, &quorum.keys, quorum.threshold)?;
        Ok(note)
    }

    /// Every entry, authenticated: their hashes lead to the tree head, and those who had to sign it did.
    pub fn entries(&self) -> Result<Vec<Entry>, LedgerError> {
        let mut attempt = 1;
        loop {
            let (note, head) = self.read_head()?;
            let read = self.entries_under(&note, head);
            // A log that goes on may remove partial tiles faster than a reader finds what has replaced them.
            if read.is_ok() || attempt == ATTEMPTS || self.tree_head().ok() == Some(head) {
                return read;
            }
            attempt += 1;
        }
    }

    fn entries_under(&self, note: &[u8], head: TreeHead) -> Result<Vec<Entry>, LedgerError> {
        let records = tiles::read_records(&self.dir, 0, head.size)?;
        if Hashes::of(&records).root()? != head.root {
            return Err(LedgerError::Malformed {
                file: "tile/entries".into(),
                problem: "the entries do not lead to the signed tree head".into(),
            });
        }
        let entries = tiles::parse(&records, 0)?;
        self.heads.judge(note, (newest_root(&entries), entries.last()))?;
        Ok(entries)
    }
}

#[cfg(test)]
mod tests;
