//! Appending: one writer at a time, and nothing acknowledged that is not on the disk.

use freehold_core::record::Entry;
use freehold_files::Lock;
use freehold_trust::SecretKey;
use tlog_tiles::Tile;

use crate::edge::Edge;
use crate::signers::{Signers, newest_root};
use crate::state::State;
use crate::tiles::{self, HEIGHT};
use crate::tree_head::{self, TreeHead};
use crate::{Ledger, LedgerError};

const LOCK: &str = ".lock";

/// The most entries that go in under one tree head. What an append that was cut off may have left depends on it.
pub(crate) const TOGETHER_MAX: usize = 1024;

/// The right to append, held by one process at a time.
#[derive(Debug)]
pub struct Appender<'a> {
    ledger: &'a Ledger,
    keys: Vec<&'a SecretKey>,
    _lock: Lock,
}

/// The bytes of an entry.
pub(crate) fn encode(entry: &Entry) -> Result<Vec<u8>, LedgerError> {
    let malformed =
        |error: serde_json::Error| LedgerError::Malformed { file: "entry".into(), problem: error.to_string() };
    let record = serde_json::to_vec(entry).map_err(malformed)?;
    if record.len() > tiles::ENTRY_BYTES_MAX {
        return Err(LedgerError::TooLarge(record.len()));
    }
    Ok(record)
}

impl Ledger {
    /// Waits until no other process appends, then holds them off until the appender is dropped. What is read meanwhile is
    /// the newest state, so that a decision and its entry go together.
    pub fn appender<'a>(&'a self, key: &'a SecretKey) -> Result<Appender<'a>, LedgerError> {
        self.appender_with(vec![key])
    }

    /// As [`Ledger::appender`], with tree heads that each of `keys` signs.
    pub fn appender_with<'a>(&'a self, keys: Vec<&'a SecretKey>) -> Result<Appender<'a>, LedgerError> {
        let _lock = self.lock()?;
        Ok(Appender { ledger: self, keys, _lock })
    }

    pub(crate) fn lock(&self) -> Result<Lock, LedgerError> {
        Ok(freehold_files::lock(&self.dir, LOCK)?)
    }
}

impl Appender<'_> {
    /// Appends `entry` and returns its index. When the call returns, it is on the disk under a signed tree head.
    pub fn append(&self, entry: &Entry) -> Result<u64, LedgerError> {
        self.append_all(std::slice::from_ref(entry))
    }

    /// Appends `entries` in their order and returns the index of the first. When the call returns, they are on the disk under
    /// a signed tree head. Up to 1024 cost what one costs, and go in together or not at all; of more, an error may leave the
    /// first ones in the log.
    pub fn append_all(&self, entries: &[Entry]) -> Result<u64, LedgerError> {
        let records = entries.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let first = self.ledger.current()?.edge.size();
        for (entries, records) in entries.chunks(TOGETHER_MAX).zip(records.chunks(TOGETHER_MAX)) {
            self.commit(entries, records)?;
        }
        Ok(first)
    }

    /// One tree head over the log and these entries. An entry does not go on a tree head that does not hold.
    fn commit(&self, entries: &[Entry], records: &[Vec<u8>]) -> Result<(), LedgerError> {
        let ledger = self.ledger;
        let State { edge: old, newest, .. } = ledger.current()?;
        let newest = match &ledger.heads.signers {
            Signers::Key(_) => 1,
            Signers::Roots(_) => newest.max(newest_root(entries)),
        };
        let quorum = ledger.heads.signers.over(newest, entries.last())?;
        let mut edge = old.clone();
        let mut files = add(&mut edge, records)?;
        let head = TreeHead { size: edge.size(), root: edge.root()? };
        let note = ledger.sign_tree_head(head, &quorum, &self.keys)?;
        for tile in Tile::new_tiles(HEIGHT, old.size(), head.size) {
            files.push((tiles::path_of(&tile), tile.read_data(&edge).map_err(tiles::broken)?));
        }
        freehold_files::write_ordered(&ledger.dir, &files, (tree_head::FILE, &note))?;
        edge.trim();
        ledger.remember(State { head, newest, edge });
        // Only now: a reader of the old tree head may still look for them, and then finds the wider ones. One that stays is
        // no harm.
        for tile in tiles::outgrown(old.size(), head.size) {
            let _ = ledger.dir.remove_file(tiles::path_of(&tile));
        }
        Ok(())
    }
}

/// Adds entries to the edge; gives the bundles that they change.
fn add(edge: &mut Edge, records: &[Vec<u8>]) -> Result<Vec<(String, Vec<u8>)>, LedgerError> {
    let mut files = Vec::new();
    for record in records {
        if let Some(full) = edge.push(record)? {
            files.extend(tiles::last_bundle(edge.size()).map(|tile| (tiles::path_of(&tile), full)));
        }
    }
    if !edge.bundle().is_empty() {
        files.extend(tiles::last_bundle(edge.size()).map(|tile| (tiles::path_of(&tile), edge.bundle().to_vec())));
    }
    Ok(files)
}
