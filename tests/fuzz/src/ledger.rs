//! The log: any bytes in the place of one of its files, and any text as a tree head that the log's key signed.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Subject};
use freehold_ledger::Ledger;
use freehold_trust::{SecretKey, sign_note};
use tempfile::TempDir;

use crate::keys::{at, keys};

const ORIGIN: &str = "fuzz-log";
const ENTRIES: u64 = 20;
/// The files of a log of that many entries.
pub(crate) const FILES: [&str; 3] = ["checkpoint", "tile/0/000.p/20", "tile/entries/000.p/20"];
/// A first byte from here on means a signed tree head.
pub(crate) const SIGNED: u8 = 128;

/// A log, and what it is when nothing is changed.
pub(crate) struct Log {
    folder: TempDir,
    ledger: Ledger,
    entries: Vec<Entry>,
    files: Vec<Vec<u8>>,
}

fn key() -> &'static SecretKey {
    &keys()[0]
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).expect("a folder");
        let ledger = Ledger::open(dir, ORIGIN, key().public());
        ledger.begin(key()).expect("a log");
        for version in 1..=ENTRIES {
            let statement = Digest::of(&version.to_be_bytes());
            let entry = Entry { subject: Subject::TrustRoot { version }, statement, time: at(0) };
            ledger.appender(key()).and_then(|appender| appender.append(&entry)).expect("an entry");
        }
        let entries = ledger.entries().expect("entries");
        let files = FILES.iter().map(|file| std::fs::read(folder.path().join(file)).expect("a file")).collect();
        Self { folder, ledger, entries, files }
    }

    /// The bytes of each of [`FILES`].
    pub(crate) fn files(&self) -> &[Vec<u8>] {
        &self.files
    }

    fn path(&self, file: usize) -> PathBuf {
        self.folder.path().join(FILES[file])
    }

    /// Looks at the log with other bytes in one file, then puts the file back.
    fn with(&self, file: usize, bytes: &[u8]) {
        std::fs::write(self.path(file), bytes).expect("a file");
        let changed = bytes != self.files[file];
        self.look(changed && file != 0);
        std::fs::write(self.path(file), &self.files[file]).expect("a file");
    }

    /// Whatever lies there, nothing is read that was not entered, and what is wrong is found.
    fn look(&self, tile_changed: bool) {
        match self.ledger.entries() {
            Ok(entries) => assert!(self.entries.starts_with(&entries), "entries that nobody made"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        match self.ledger.check() {
            Ok(check) => {
                assert!(
                    check
                        .entries
                        .is_none_or(|entries| { self.entries.starts_with(&entries) || !check.problems.is_empty() })
                );
                assert!(!tile_changed || !check.problems.is_empty(), "a changed file is not noticed");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let size = self.ledger.tree_head().map_or(ENTRIES, |head| head.size);
        for index in [0, size / 2, size.wrapping_sub(1), u64::MAX] {
            let proven = self.ledger.prove(index);
            assert!(proven.is_err() || index < size);
        }
    }
}

/// The log of this process, for one at a time.
pub(crate) fn with_log<T>(act: impl FnOnce(&Log) -> T) -> T {
    static LOG: OnceLock<Mutex<Log>> = OnceLock::new();
    act(&LOG.get_or_init(|| Mutex::new(Log::new())).lock().unwrap_or_else(PoisonError::into_inner))
}

/// The first byte says which file; the others are its bytes, or the text of a tree head that is then signed.
pub fn run(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else { return };
    if which < SIGNED {
        return with_log(|log| log.with(usize::from(which) % FILES.len(), rest));
    }
    if let Ok(note) = sign_note(rest, ORIGIN, &[key()]) {
        with_log(|log| log.with(0, &note));
    }
}
