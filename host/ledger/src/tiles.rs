//! The files of the log: hash tiles of height 8 and entry bundles (C2SP tlog-tiles).

use std::cell::RefCell;

use cap_std::fs::Dir;
use freehold_core::record::Entry;
use freehold_files::FileError;
use tlog_tiles::{Error, Tile, TileReader};

use crate::LedgerError;
use crate::hashes::Hashes;

pub(crate) const HEIGHT: u8 = 8;
pub(crate) const WIDTH: u64 = 1 << HEIGHT;
/// Folder of all tiles.
pub(crate) const FOLDER: &str = "tile";
/// The most bytes of an entry.
pub(crate) const ENTRY_BYTES_MAX: usize = 65_535;
/// 256 entries, each with two bytes of length.
pub(crate) const FILE_LIMIT: u64 = WIDTH * (ENTRY_BYTES_MAX as u64 + 2);

/// Path of a tile. The crate writes the tile's height into it, as Go's checksum database does; C2SP fixes it at 8 and
/// leaves it out, and calls `entries` what the crate calls `data`.
pub(crate) fn path_of(tile: &Tile) -> String {
    let path = tile.path();
    let rest = path.strip_prefix("tile/8/").unwrap_or(&path);
    match rest.strip_prefix("data/") {
        Some(rest) => format!("tile/entries/{rest}"),
        None => format!("tile/{rest}"),
    }
}

/// The tile of a path, if it is one.
pub(crate) fn parse_path(path: &str) -> Option<Tile> {
    let rest = path.strip_prefix("tile/")?;
    let path = match rest.strip_prefix("entries/") {
        Some(rest) => format!("tile/8/data/{rest}"),
        None => format!("tile/8/{rest}"),
    };
    Tile::from_path(&path).ok()
}

/// What a tile holds in a tree of these records; `None` if the tree does not reach so far.
pub(crate) fn expected(tile: &Tile, hashes: &Hashes, records: &[Vec<u8>]) -> Option<Vec<u8>> {
    let first = usize::try_from(tile.level_index()).ok()?.checked_mul(WIDTH as usize)?;
    let end = first.checked_add(tile.width() as usize)?;
    if tile.is_data() {
        return encode_bundle(records.get(first..end)?).ok();
    }
    let shift = u32::from(HEIGHT) * u32::from(tile.level());
    (end <= records.len().checked_shr(shift).unwrap_or(0)).then(|| tile.read_data(hashes).ok())?
}

pub(crate) fn broken(error: Error) -> LedgerError {
    LedgerError::Malformed {
        file: "tile".into(),
        problem: format!("the tiles do not fit the signed tree head: {error:?}"),
    }
}

/// The entry bundles of a tree of `size` entries, one after the other: the size is what a tree head says, and may be any.
pub(crate) fn bundles(size: u64) -> impl Iterator<Item = Tile> {
    (0..size.div_ceil(WIDTH)).map(move |n| bundle(size, n))
}

/// The last entry bundle of a tree of `size` entries, the one that is still filled.
pub(crate) fn last_bundle(size: u64) -> Option<Tile> {
    Some(bundle(size, size.checked_sub(1)? / WIDTH))
}

fn bundle(size: u64, n: u64) -> Tile {
    Tile::new(HEIGHT, 0, n, (size - n * WIDTH).min(WIDTH) as u32, true)
}

/// The partial tiles of a tree of `old` entries that wider ones have replaced in one of `new`.
pub(crate) fn outgrown(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for level in 0.. {
        let height = u32::from(HEIGHT) * u32::from(level);
        let (before, now) = (old.checked_shr(height).unwrap_or(0), new.checked_shr(height).unwrap_or(0));
        if before == now {
            break;
        }
        if before % WIDTH > 0 {
            let tile = |data| Tile::new(HEIGHT, level, before / WIDTH, (before % WIDTH) as u32, data);
            tiles.push(tile(false));
            tiles.extend((level == 0).then(|| tile(true)));
        }
    }
    tiles
}

/// Whether a tile is beyond a tree of `size` entries, but not beyond one of `more` entries besides.
pub(crate) fn is_beyond(tile: &Tile, size: u64, more: u64) -> bool {
    let height = u32::from(HEIGHT) * u32::from(tile.level());
    let hashes = |size: u64| size.checked_shr(height).unwrap_or(0);
    let end = tile.level_index().checked_mul(WIDTH).and_then(|first| first.checked_add(u64::from(tile.width())));
    end.is_some_and(|end| hashes(size) < end && end <= hashes(size.saturating_add(more)))
}

/// The bytes of a tile, or of a wider one that has replaced it: an append may go on while the log is read. A wider one
/// begins with the same hashes or entries, and is never removed before one that is wider still is there.
fn read_grown(dir: &Dir, tile: &Tile, limit: u64) -> Result<Vec<u8>, FileError> {
    let wider = |width| Tile::new(HEIGHT, tile.level(), tile.level_index(), width, tile.is_data());
    let widths = tile.width()..=WIDTH as u32;
    let found = widths.map(|width| freehold_files::read(dir, path_of(&wider(width)), limit));
    let mut found = found.skip_while(|read| read.as_ref().is_err_and(FileError::is_not_found));
    found.next().unwrap_or_else(|| freehold_files::read(dir, path_of(tile), limit))
}

/// Whether a file could not be read for a reason that says nothing about what is in it. One that is missing or too large is
/// not what the log wrote.
fn says_nothing(error: &FileError) -> bool {
    matches!(error, FileError::Io { .. }) && !error.is_not_found()
}

/// Reads tiles of a tree of `size` entries. Nothing is trusted: the hash reader above checks each against the root.
pub(crate) struct TileFiles<'a> {
    dir: &'a Dir,
    size: u64,
    /// Why a tile could not be read, if it is there: the hash reader knows tiles that fit and tiles that do not.
    unread: RefCell<Option<FileError>>,
}

impl TileReader for TileFiles<'_> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            let needed = tile.width() as usize * 32;
            match read_grown(self.dir, &self.stored(tile), WIDTH * 32) {
                Ok(bytes) if bytes.len() >= needed => Ok(bytes[..needed].to_vec()),
                Err(error) if says_nothing(&error) => {
                    *self.unread.borrow_mut() = Some(error);
                    Err(Error::InvalidTile)
                }
                _ => Err(Error::InvalidTile),
            }
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

impl<'a> TileFiles<'a> {
    pub(crate) fn new(dir: &'a Dir, size: u64) -> Self {
        Self { dir, size, unread: RefCell::default() }
    }

    /// What an error of the hash reader means.
    pub(crate) fn failed(&self, error: Error) -> LedgerError {
        self.unread.take().map_or_else(|| broken(error), LedgerError::File)
    }

    /// The tile as it is kept for a tree of this size: as wide as the tree makes it, whatever width was asked for.
    fn stored(&self, tile: &Tile) -> Tile {
        let hashes = self.size >> (HEIGHT * tile.level());
        let width = (hashes.saturating_sub(tile.level_index() * WIDTH)).clamp(u64::from(tile.width()), WIDTH);
        Tile::new(HEIGHT, tile.level(), tile.level_index(), width as u32, false)
    }
}

/// The entries of a bundle, each after its length in two bytes, the higher first.
pub(crate) fn encode_bundle(entries: &[Vec<u8>]) -> Result<Vec<u8>, LedgerError> {
    let mut bytes = Vec::new();
    entries.iter().try_for_each(|entry| encode_entry(entry, &mut bytes))?;
    Ok(bytes)
}

pub(crate) fn encode_entry(entry: &[u8], bundle: &mut Vec<u8>) -> Result<(), LedgerError> {
    let length = u16::try_from(entry.len()).map_err(|_| LedgerError::TooLarge(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

pub(crate) fn decode_bundle(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(entries)
}

pub(crate) fn read_bundle(dir: &Dir, tile: &Tile) -> Result<Vec<Vec<u8>>, LedgerError> {
    let (file, width) = (path_of(tile), tile.width() as usize);
    let malformed = |problem: String| LedgerError::Malformed { file: file.clone(), problem };
    let bytes = read_grown(dir, tile, FILE_LIMIT).map_err(|error| match says_nothing(&error) {
        true => LedgerError::File(error),
        false => malformed(error.to_string()),
    })?;
    let mut entries = decode_bundle(&bytes)
        .filter(|entries| entries.len() >= width)
        .ok_or_else(|| malformed(format!("is not a bundle of {width} entries")))?;
    entries.truncate(width);
    Ok(entries)
}

/// The entries from `first` up to `size`, as bytes.
pub(crate) fn read_records(dir: &Dir, first: u64, size: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
    let mut records = Vec::new();
    for tile in bundles(size).skip_while(|tile| (tile.level_index() + 1) * WIDTH <= first) {
        let passed = first.saturating_sub(tile.level_index() * WIDTH) as usize;
        records.extend(read_bundle(dir, &tile)?.into_iter().skip(passed));
    }
    Ok(records)
}

/// Entries, of which the first has the index `first`.
pub(crate) fn parse(records: &[Vec<u8>], first: u64) -> Result<Vec<Entry>, LedgerError> {
    let parse = |(record, index): (&Vec<u8>, u64)| {
        serde_json::from_slice(record)
            .map_err(|error| LedgerError::Malformed { file: format!("entry {index}"), problem: error.to_string() })
    };
    records.iter().zip(first..).map(parse).collect()
}
