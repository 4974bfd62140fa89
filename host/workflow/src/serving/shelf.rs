//! Files of captured rows, `captured/DATE-NUMBER.jsonl` in the home, and which of them are removed.

use std::time::Instant;

use cap_std::fs::Dir;
use freehold_files::FileError;
use jiff::{SignedDuration, Timestamp};

use crate::{Home, WorkflowError};

/// Folder of a home with captured rows.
pub(crate) const FOLDER: &str = "captured";
const SUFFIX: &str = ".jsonl";
/// A file that has this part of all that may be kept is full.
const PARTS: u64 = 8;

/// The time as it goes on from when the process began: a clock that jumps removes nothing.
struct SteadyClock {
    began: (Timestamp, Instant),
}

impl SteadyClock {
    fn now(&self) -> Timestamp {
        let (time, instant) = self.began;
        let elapsed = SignedDuration::try_from(instant.elapsed()).unwrap_or(SignedDuration::MAX);
        time.checked_add(elapsed).unwrap_or(time)
    }
}

/// Where captured rows lie.
pub(super) struct Shelf {
    dir: Dir,
    clock: SteadyClock,
    days_max: u64,
    bytes_max: u64,
}

/// A file on the shelf; they are ordered by their age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Volume {
    date: String,
    number: u32,
}

impl Volume {
    fn parse(name: &str) -> Option<Self> {
        let (date, number) = name.strip_suffix(SUFFIX)?.rsplit_once('-')?;
        date.parse::<jiff::civil::Date>().ok()?;
        Some(Self { date: date.into(), number: number.parse().ok()? })
    }

    fn name(&self) -> String {
        format!("{}-{:04}{SUFFIX}", self.date, self.number)
    }
}

impl Shelf {
    pub(super) fn open(home: &Home, (days_max, bytes_max): (u64, u64)) -> Result<Self, WorkflowError> {
        freehold_files::make_secret_folder(&home.dir, FOLDER)?;
        let clock = SteadyClock { began: (Timestamp::now(), Instant::now()) };
        Ok(Self { dir: home.folder(FOLDER)?, clock, days_max, bytes_max })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Adds lines, after what is too old or too much was removed.
    pub(super) fn add(&self, lines: &[u8]) -> Result<(), WorkflowError> {
        let room = self.bytes_max.saturating_sub(lines.len() as u64);
        let volumes = self.shrink(room)?;
        let date = self.now().strftime("%F").to_string();
        let newest = volumes.last().filter(|(volume, _)| volume.date >= date);
        let volume = match newest {
            Some((volume, bytes)) if *bytes < self.bytes_max / PARTS => volume.clone(),
            Some((volume, _)) => Volume { date: volume.date.clone(), number: volume.number.saturating_add(1) },
            None => Volume { date, number: 1 },
        };
        freehold_files::append_lines(&self.dir, volume.name(), lines)?;
        Ok(())
    }

    /// Removes what is too old, or too much.
    pub(super) fn sweep(&self) -> Result<(), WorkflowError> {
        self.shrink(self.bytes_max).map(drop)
    }

    /// Removes files that are too old, and the oldest while all have more than `bytes`; gives those that are left.
    fn shrink(&self, bytes: u64) -> Result<Vec<(Volume, u64)>, WorkflowError> {
        let days = SignedDuration::from_hours(24).saturating_mul(i32::try_from(self.days_max).unwrap_or(i32::MAX));
        let oldest =
            self.now().checked_sub(days).map_or_else(|_| String::new(), |time| time.strftime("%F").to_string());
        let mut volumes = self.volumes()?;
        let mut total: u64 = volumes.iter().map(|(_, bytes)| bytes).sum();
        let mut failed = Ok(());
        volumes.retain(|(volume, size)| {
            if failed.is_err() || (volume.date >= oldest && total <= bytes) {
                return true;
            }
            total -= size;
            let name = volume.name();
            failed = self.dir.remove_file(&name).map_err(|source| FileError::Io {
                action: "remove",
                path: format!("{FOLDER}/{name}").into(),
                source,
            });
            false
        });
        failed?;
        Ok(volumes)
    }

    /// All files, the oldest first.
    fn volumes(&self) -> Result<Vec<(Volume, u64)>, WorkflowError> {
        let failed = |source| FileError::Io { action: "list", path: FOLDER.into(), source };
        let mut volumes = Vec::new();
        for entry in self.dir.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(volume) = Volume::parse(&entry.file_name().to_string_lossy()) else { continue };
            volumes.push((volume, entry.metadata().map_err(failed)?.len()));
        }
        volumes.sort();
        Ok(volumes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(days_max: u64, bytes_max: u64) -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let clock = SteadyClock { began: ("2026-03-10T12:00:00Z".parse().unwrap(), Instant::now()) };
        (folder, Shelf { dir, clock, days_max, bytes_max })
    }

    fn names(folder: &tempfile::TempDir) -> Vec<String> {
        let names = std::fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_else() {
        let (folder, shelf) = shelf(7, 1 << 20);
        for name in
            ["2026-03-02-0001.jsonl", "2026-03-03-0002.jsonl", "2026-03-09-0001.jsonl", "2026-01-01.jsonl", "mine"]
        {
            std::fs::write(folder.path().join(name), "x\n").unwrap();
        }
        shelf.add(b"row\n").unwrap();
        assert_eq!(
            names(&folder),
            ["2026-01-01.jsonl", "2026-03-03-0002.jsonl", "2026-03-09-0001.jsonl", "2026-03-10-0001.jsonl", "mine"]
        );
    }

    #[test]
    fn there_is_never_more_than_may_be_kept() {
        let (folder, shelf) = shelf(7, 800);
        let total = || {
            names(&folder).iter().map(|name| std::fs::metadata(folder.path().join(name)).unwrap().len()).sum::<u64>()
        };
        for _ in 0..50 {
            shelf.add(&[b'x'; 59].into_iter().chain([b'\n']).collect::<Vec<u8>>()).unwrap();
            assert!(total() <= 800, "{}", total());
        }
        assert!(total() > 600, "{}", total());
        assert!(names(&folder).last().unwrap().starts_with("2026-03-10-00"));
    }
}
