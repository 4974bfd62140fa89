//! Reads the whole log again and compares every file with what its entries make of it.

use std::collections::BTreeSet;
use std::path::Path;

use cap_std::fs::Dir;
use freehold_core::record::Entry;
use freehold_files::FileError;
use tlog_tiles::Tile;

use crate::append::TOGETHER_MAX;
use crate::hashes::Hashes;
use crate::history::Whole;
use crate::tiles::{self, HEIGHT};
use crate::tree_head::{self, TreeHead};
use crate::witnessed::Checkpoint;
use crate::{Ledger, LedgerError};

/// Something that is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, from the root of the log.
    pub file: String,
    /// What is wrong.
    pub problem: String,
}

/// A signed tree head of the log that was kept elsewhere.
#[derive(Debug, Clone)]
pub struct Copied {
    /// What it is to be called where it does not fit.
    pub name: String,
    /// The signed note.
    pub note: Vec<u8>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The signed tree head.
    pub head: TreeHead,
    /// The entries; `None` if they cannot be read.
    pub entries: Option<Vec<Entry>>,
    /// What is wrong; empty if nothing is.
    pub problems: Vec<Problem>,
    /// The newest tree head that witnesses cosigned, if there is one and it holds.
    pub witnessed: Option<Checkpoint>,
    /// The tree heads from elsewhere that hold, in the order in which they were given.
    pub copies: Vec<Checkpoint>,
}

impl Ledger {
    /// Checks tree head, entries and tiles. An error means that there is no tree head to check against.
    pub fn check(&self) -> Result<Check, LedgerError> {
        self.check_against(&[])
    }

    /// As [`Ledger::check`], and holds the log against tree heads that were kept elsewhere: one is enough to show that entries are
    /// gone or were replaced, whoever signed what is there now.
    pub fn check_against(&self, copies: &[Copied]) -> Result<Check, LedgerError> {
        let (note, head) = self.read_head()?;
        let mut problems = Vec::new();
        let mut records = Vec::new();
        for tile in tiles::bundles(head.size) {
            match tiles::read_bundle(&self.dir, &tile) {
                Ok(entries) => records.extend(entries),
                Err(error) => {
                    problems.push(Problem { file: tiles::path_of(&tile), problem: error.to_string() });
                    return Ok(Check { head, entries: None, problems, witnessed: None, copies: Vec::new() });
                }
            }
        }
        let hashes = Hashes::of(&records);
        if hashes.root()? != head.root {
            problems.push(self.name_changed_bundle(&records, head.size)?);
        }
        self.check_tiles(&hashes, head.size, &mut problems)?;
        self.check_strays(&hashes, &records, head.size, &mut problems)?;
        let unreadable = problems.len();
        let mut entries = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            match serde_json::from_slice(record) {
                Ok(entry) => entries.push(entry),
                Err(error) => problems.push(Problem { file: format!("entry {index}"), problem: error.to_string() }),
            }
        }
        let entries = (problems.len() == unreadable).then_some(entries);
        let mut check = Check { head, entries: None, problems, witnessed: None, copies: Vec::new() };
        if let Some(entries) = entries {
            let history = Whole { entries: &entries, hashes: &hashes };
            let held = self.heads.check(&note, self.read_kept(), &history, copies);
            (check.witnessed, check.copies) = (held.witnessed, held.copies);
            check.problems.extend(held.problems);
            check.entries = Some(entries);
        }
        Ok(check)
    }

    /// The bundle whose entries do not fit the hash tiles beside them, as far as that can be told.
    fn name_changed_bundle(&self, records: &[Vec<u8>], size: u64) -> Result<Problem, LedgerError> {
        let problem = "its entries do not lead to the signed tree head".to_owned();
        for bundle in tiles::bundles(size) {
            let tile = Tile::new(HEIGHT, 0, bundle.level_index(), bundle.width(), false);
            let Ok(kept) = freehold_files::read(&self.dir, tiles::path_of(&tile), 1 << 20) else { continue };
            let first = (bundle.level_index() << HEIGHT) as usize;
            for (at, record) in records.iter().enumerate().skip(first).take(bundle.width() as usize) {
                let hash = tlog_tiles::record_hash(record).0;
                if kept.get((at - first) * 32..(at - first + 1) * 32) != Some(&hash[..]) {
                    return Ok(Problem { file: tiles::path_of(&bundle), problem: format!("{problem} (entry {at})") });
                }
            }
        }
        Ok(Problem { file: tree_head::FILE.into(), problem })
    }

    fn check_tiles(&self, hashes: &Hashes, size: u64, problems: &mut Vec<Problem>) -> Result<(), LedgerError> {
        for tile in Tile::new_tiles(HEIGHT, 0, size) {
            let expected = tile.read_data(hashes).map_err(tiles::broken)?;
            let file = tiles::path_of(&tile);
            let problem = match freehold_files::read(&self.dir, &file, 1 << 20) {
                Ok(bytes) if bytes == expected => continue,
                Ok(_) => "its hashes are not those of the entries".to_owned(),
                Err(error) => error.to_string(),
            };
            problems.push(Problem { file, problem });
        }
        Ok(())
    }

    /// Files beside the tiles of the signed tree. An append that was cut off leaves tiles of the tree before, which have to
    /// agree with what the tree says now, or of the tree after, which nobody has signed and a later append overwrites.
    fn check_strays(
        &self,
        hashes: &Hashes,
        records: &[Vec<u8>],
        size: u64,
        problems: &mut Vec<Problem>,
    ) -> Result<(), LedgerError> {
        let of_tree = tiles::bundles(size).chain(Tile::new_tiles(HEIGHT, 0, size));
        let known: BTreeSet<String> = of_tree.map(|tile| tiles::path_of(&tile)).collect();
        let mut files = Vec::new();
        list(&self.dir, tiles::FOLDER, &mut files)?;
        for file in files.into_iter().filter(|file| !known.contains(file)) {
            let tile = tiles::parse_path(&file);
            if tile.is_some_and(|tile| tiles::is_beyond(&tile, size, TOGETHER_MAX as u64)) {
                continue;
            }
            let expected = tile.and_then(|tile| tiles::expected(&tile, hashes, records));
            let problem = match (expected, freehold_files::read(&self.dir, &file, tiles::FILE_LIMIT)) {
                (None, _) => "is no tile of the signed tree".to_owned(),
                (Some(expected), Ok(bytes)) if bytes == expected => continue,
                (Some(_), Ok(_)) => "is not what the signed tree says".to_owned(),
                (Some(_), Err(error)) => error.to_string(),
            };
            problems.push(Problem { file, problem });
        }
        Ok(())
    }
}

fn list(dir: &Dir, folder: &str, files: &mut Vec<String>) -> Result<(), LedgerError> {
    let failed = |source| FileError::Io { action: "list", path: Path::new(folder).into(), source };
    if !freehold_files::exists(dir, folder)? {
        return Ok(());
    }
    for entry in dir.read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            list(dir, &path, files)?;
        } else if !freehold_files::is_unfinished(&entry.file_name().to_string_lossy()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}
