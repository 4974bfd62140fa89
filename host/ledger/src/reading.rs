//! A log under one tree head, read piece by piece: each entry is authenticated by the tiles on its way to the root, so that who
//! wants a few need not read all.

use freehold_core::record::Entry;
use tlog_tiles::{HashReader as _, Tile, TileHashReader, stored_hash_index, tree_hash};

use crate::tiles::{self, TileFiles, WIDTH};
use crate::{EMPTY_HASH, Hash, Ledger, LedgerError, TreeHead};

/// A log under the tree head that was the newest when this was made.
#[derive(Debug)]
pub struct Reading {
    ledger: Ledger,
    note: Vec<u8>,
    head: TreeHead,
}

impl Ledger {
    /// The log under its newest tree head, which a key signed that was a log's key at some time. Whether it was so when the tree
    /// head was made, [`Reading::judge`] says.
    pub fn reading(self) -> Result<Reading, LedgerError> {
        let (note, head) = self.read_head()?;
        Ok(Reading { ledger: self, note, head })
    }
}

impl Reading {
    /// The tree head.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// An error if those who had to sign the tree head did not: `newest` is the newest trust root that the entries name.
    pub fn judge(&self, newest: u64) -> Result<(), LedgerError> {
        let last = match self.head.size {
            0 => None,
            size => self.entries_at(&[size - 1])?.pop().map(|(_, entry)| entry),
        };
        self.ledger.heads.judge(&self.note, (newest, last.as_ref()))
    }

    /// The root of the tree of the first `size` entries.
    pub fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        if size > self.head.size {
            return Err(LedgerError::Rollback { covered: size, size: self.head.size });
        }
        if size == 0 {
            return Ok(EMPTY_HASH);
        }
        let files = TileFiles::new(&self.ledger.dir, self.head.size);
        tree_hash(size, &self.hashes(&files)).map_err(|error| files.failed(error))
    }

    /// The entries at these places, as far as there are such, each with its place. What lies together is best asked for together.
    pub fn entries_at(&self, places: &[u64]) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let mut entries = Vec::with_capacity(places.len());
        for together in places.chunk_by(|one, next| one / WIDTH == next / WIDTH) {
            let there: Vec<u64> = together.iter().copied().filter(|place| *place < self.head.size).collect();
            if let Some(first) = there.first() {
                entries.extend(self.of_bundle(first / WIDTH, &there)?);
            }
        }
        Ok(entries)
    }

    fn hashes<'a>(&self, files: &'a TileFiles<'_>) -> TileHashReader<'a> {
        TileHashReader::new(self.head.size, self.head.root, files)
    }

    /// Entries of one bundle.
    fn of_bundle(&self, bundle: u64, places: &[u64]) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let width = (self.head.size - bundle * WIDTH).min(WIDTH) as u32;
        let tile = Tile::new(tiles::HEIGHT, 0, bundle, width, true);
        let records = tiles::read_bundle(&self.ledger.dir, &tile)?;
        let files = TileFiles::new(&self.ledger.dir, self.head.size);
        let stored: Vec<u64> = places.iter().map(|place| stored_hash_index(0, *place)).collect();
        let hashes = self.hashes(&files).read_hashes(&stored).map_err(|error| files.failed(error))?;
        let entry = |(place, hash): (&u64, &Hash)| {
            let malformed = |problem: String| LedgerError::Malformed { file: tiles::path_of(&tile), problem };
            let record = records.get((place % WIDTH) as usize);
            let record = record.filter(|record| tlog_tiles::record_hash(record) == *hash);
            let record =
                record.ok_or_else(|| malformed(format!("entry {place} is not what the signed tree head covers")))?;
            let entry = serde_json::from_slice(record).map_err(|error| malformed(format!("entry {place}: {error}")))?;
            Ok((*place, entry))
        };
        places.iter().zip(&hashes).map(entry).collect()
    }
}
