//! The right edge of a tree: the hashes and the entries that what is appended next needs, and nothing else. It does not grow
//! with the log.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use tlog_tiles::{EMPTY_HASH, Error, Hash, HashReader, TileHashReader, stored_hash_index, sub_tree_index, tree_hash};

use crate::LedgerError;
use crate::tiles::{self, HEIGHT, TileFiles, WIDTH};
use crate::tree_head::TreeHead;

/// The right edge of a tree of `size` entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    size: u64,
    /// Hashes of complete subtrees that lead to the root, and of the tiles that are not full; since the last
    /// [`Edge::trim`] also all that were added. By their place in the order in which they are stored.
    hashes: BTreeMap<u64, Hash>,
    /// The bundle that is not full, encoded.
    bundle: Vec<u8>,
}

impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes.iter().map(|index| self.hashes.get(index).copied().ok_or(Error::IndexesNotInTree)).collect()
    }
}

/// The hashes at the edge of a tree of `size` entries.
fn indexes(size: u64) -> Vec<u64> {
    let mut indexes = if size == 0 { Vec::new() } else { sub_tree_index(0, size, Vec::new()) };
    for level in (0..64).step_by(usize::from(HEIGHT)) {
        let hashes = size >> level;
        let first = hashes - hashes % WIDTH;
        indexes.extend((first..hashes).map(|n| stored_hash_index(level, n)));
    }
    indexes.sort_unstable();
    indexes.dedup();
    indexes
}

impl Edge {
    /// The edge of the tree under `head`, from the files of a log: proven to lead to its root, and its entries to have its hashes.
    pub(crate) fn read(dir: &Dir, head: TreeHead) -> Result<Self, LedgerError> {
        if head.size == 0 {
            return Ok(Self::default());
        }
        let files = TileFiles::new(dir, head.size);
        let indexes = indexes(head.size);
        let read = TileHashReader::new(head.size, head.root, &files).read_hashes(&indexes);
        let hashes = read.map_err(|error| files.failed(error))?;
        let mut edge = Self { size: head.size, hashes: indexes.into_iter().zip(hashes).collect(), bundle: Vec::new() };
        let Some(tile) = tiles::last_bundle(head.size).filter(|tile| u64::from(tile.width()) < WIDTH) else {
            return Ok(edge);
        };
        let records = tiles::read_bundle(dir, &tile)?;
        for (record, n) in records.iter().zip(head.size - u64::from(tile.width())..) {
            if edge.hashes.get(&stored_hash_index(0, n)) != Some(&tlog_tiles::record_hash(record)) {
                let problem = format!("entry {n} is not what the signed tree head covers");
                return Err(LedgerError::Malformed { file: tiles::path_of(&tile), problem });
            }
        }
        edge.bundle = tiles::encode_bundle(&records)?;
        Ok(edge)
    }

    /// The number of entries.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds an entry; gives the bundle that it makes full.
    pub(crate) fn push(&mut self, record: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        tiles::encode_entry(record, &mut self.bundle)?;
        let hashes = tlog_tiles::stored_hashes(self.size, record, self).map_err(tiles::broken)?;
        let first = stored_hash_index(0, self.size);
        self.hashes.extend((first..).zip(hashes));
        self.size += 1;
        Ok(self.size.is_multiple_of(WIDTH).then(|| std::mem::take(&mut self.bundle)))
    }

    /// The bundle that is not full; empty if there is none.
    pub(crate) fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    /// The tree's root.
    pub(crate) fn root(&self) -> Result<Hash, LedgerError> {
        if self.size == 0 {
            return Ok(EMPTY_HASH);
        }
        tree_hash(self.size, self).map_err(tiles::broken)
    }

    /// Forgets what no later entry needs.
    pub(crate) fn trim(&mut self) {
        let kept = indexes(self.size).into_iter();
        self.hashes = kept.filter_map(|index| Some((index, *self.hashes.get(&index)?))).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the size, a trimmed edge goes on to the same roots as the whole tree, and stays small.
    #[test]
    fn a_trimmed_edge_goes_on_to_the_same_roots() {
        let (mut edge, mut whole) = (Edge::default(), Edge::default());
        for n in 0..1300_u64 {
            let record = n.to_be_bytes();
            let full = edge.push(&record).unwrap();
            assert_eq!(full.is_some(), (n + 1) % 256 == 0);
            assert_eq!(full.map_or(2560, |bundle| bundle.len()), 2560);
            whole.push(&record).unwrap();
            edge.trim();
            assert_eq!(edge.root().unwrap(), whole.root().unwrap(), "{n}");
            assert!(edge.hashes.len() < 3 * 256);
        }
        assert_eq!(edge.bundle().len(), 1300 % 256 * 10);
    }
}
