//! Appending: one writer at a time, and nothing acknowledged that is not on the disk.

use std::collections::BTreeMap;

use freehold_core::record::Entry;
use freehold_files::Lock;
use freehold_trust::SecretKey;
use tlog_tiles::{Error, Hash, HashReader, Tile, TileHashReader, stored_hash_index, stored_hashes, tree_hash};

use crate::signers::{Quorum, Signers, newest_root};
use crate::tiles::{self, HEIGHT, TileFiles};
use crate::tree_head::{self, TreeHead};
use crate::{Ledger, LedgerError};

const LOCK: &str = ".lock";

/// The right to append, held by one process at a time.
#[derive(Debug)]
pub struct Appender<'a> {
    ledger: &'a Ledger,
    keys: Vec<&'a SecretKey>,
    _lock: Lock,
}

/// New hashes over those that the tiles hold.
struct Overlay<'a, R> {
    new: BTreeMap<u64, Hash>,
    old: &'a R,
}

impl<R: HashReader> HashReader for Overlay<'_, R> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let missing: Vec<u64> = indexes.iter().copied().filter(|index| !self.new.contains_key(index)).collect();
        let mut old = if missing.is_empty() { Vec::new() } else { self.old.read_hashes(&missing)? }.into_iter();
        let find = |index: &u64| self.new.get(index).copied().or_else(|| old.next()).ok_or(Error::InvalidTile);
        indexes.iter().map(find).collect()
    }
}

impl Ledger {
    /// Waits until no other process appends, then holds them off until the appender is dropped. What is read meanwhile is
    /// the newest state, so that a decision and its entry go together.
    pub fn appender<'a>(&'a self, key: &'a SecretKey) -> Result<Appender<'a>, LedgerError> {
        self.appender_with(vec![key])
    }

    /// As [`Ledger::appender`], with tree heads that each of `keys` signs.
    pub fn appender_with<'a>(&'a self, keys: Vec<&'a SecretKey>) -> Result<Appender<'a>, LedgerError> {
        let _lock = freehold_files::lock(&self.dir, LOCK)?;
        Ok(Appender { ledger: self, keys, _lock })
    }
}

impl Appender<'_> {
    /// Appends `entry` and returns its index. When the call returns, it is on the disk under a signed tree head.
    pub fn append(&self, entry: &Entry) -> Result<u64, LedgerError> {
        let malformed =
            |error: serde_json::Error| LedgerError::Malformed { file: "entry".into(), problem: error.to_string() };
        let record = serde_json::to_vec(entry).map_err(malformed)?;
        let head = self.ledger.tree_head()?;
        let (quorum, newest) = self.quorum_with(head, entry)?;
        let files = TileFiles { dir: &self.ledger.dir, size: head.size };
        let old = TileHashReader::new(head.size, head.root, &files);
        let mut overlay = Overlay { new: BTreeMap::new(), old: &old };
        let hashes = stored_hashes(head.size, &record, &overlay).map_err(tiles::broken)?;
        let first = stored_hash_index(0, head.size);
        overlay.new.extend(hashes.into_iter().enumerate().map(|(at, hash)| (first + at as u64, hash)));
        let size = head.size + 1;
        let root = tree_hash(size, &overlay).map_err(tiles::broken)?;
        let note = self.ledger.sign_tree_head(TreeHead { size, root }, &quorum, &self.keys)?;
        self.write_bundle(head.size, record)?;
        for tile in Tile::new_tiles(HEIGHT, head.size, size) {
            let bytes = tile.read_data(&overlay).map_err(tiles::broken)?;
            freehold_files::write(&self.ledger.dir, tiles::path_of(&tile), &bytes)?;
        }
        freehold_files::write(&self.ledger.dir, tree_head::FILE, &note)?;
        self.ledger.remember(TreeHead { size, root }, newest);
        // Only now: a reader of the old tree head may still look for them, and then finds the wider ones. One that stays is
        // no harm.
        for tile in tiles::outgrown(head.size) {
            let _ = self.ledger.dir.remove_file(tiles::path_of(&tile));
        }
        Ok(head.size)
    }

    /// Who has to sign the tree head once `entry` is in, and the newest trust root then. An entry does not go on a tree head that
    /// does not hold.
    fn quorum_with(&self, head: TreeHead, entry: &Entry) -> Result<(Quorum, u64), LedgerError> {
        let signers = &self.ledger.signers;
        match signers {
            Signers::Key(_) => Ok((signers.any()?, newest_root([entry]))),
            Signers::Roots(_) => {
                let newest = self.ledger.newest_root_under(head)?.max(newest_root([entry]));
                Ok((signers.over(newest, Some(entry))?, newest))
            }
        }
    }

    fn write_bundle(&self, size: u64, record: Vec<u8>) -> Result<(), LedgerError> {
        let dir = &self.ledger.dir;
        let mut entries = match tiles::last_bundle(size) {
            Some(tile) if tile.width() < 1 << HEIGHT => tiles::read_bundle(dir, &tile)?,
            _ => Vec::new(),
        };
        entries.push(record);
        let tile = tiles::last_bundle(size + 1).ok_or_else(|| tiles::broken(Error::InvalidTile))?;
        Ok(freehold_files::write(dir, tiles::path_of(&tile), &tiles::encode_bundle(&entries)?)?)
    }
}
