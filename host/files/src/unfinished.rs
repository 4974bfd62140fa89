//! Files that are being written: they appear under their names when they are whole and on the disk, or never.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cap_std::fs::{Dir, OpenOptions};

use crate::{FileError, failed, parent_of, sync_folder};

/// A file that is being written. If it is dropped before it is whole, it is removed. As long as it is being written it is
/// locked, so that whoever removes what killed writers left can tell the living from the dead.
#[derive(Debug)]
pub struct Unfinished<'d> {
    dir: &'d Dir,
    file: std::fs::File,
    path: PathBuf,
    /// What it is told by while it has no name of its own.
    beside: PathBuf,
    /// Bytes that were written, or were to be.
    bytes: u64,
    /// It has its name, or never will.
    done: bool,
}

impl<'d> Unfinished<'d> {
    /// Begins a file in the folder of `beside`, which has to be there.
    pub fn new(dir: &'d Dir, beside: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::with_mode(dir, beside.as_ref(), 0o644)
    }

    pub(crate) fn with_mode(dir: &'d Dir, beside: &Path, mode: u32) -> Result<Self, FileError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;
            options.mode(mode);
        }
        let (path, file) = loop {
            let path = temporary_beside(beside);
            match dir.open_with(&path, &options) {
                // Left by a killed process that had this number, or in use by one that has it in another container.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                opened => break (path.clone(), opened.map_err(failed("create", &path))?.into_std()),
            }
        };
        // Where files cannot be locked, their age has to do.
        let _ = file.try_lock();
        Ok(Self { dir, file, path, beside: beside.into(), bytes: 0, done: false })
    }

    /// Adds bytes. Many small ones are better gathered before.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|source| self.unwritten(source))
    }

    fn unwritten(&self, source: std::io::Error) -> FileError {
        FileError::unwritten(&self.beside, self.bytes, source)
    }

    /// Gives the file its name, which has to be in the same folder; what was there before is replaced. When the call returns,
    /// file and name are on the disk.
    pub fn persist(self, path: impl AsRef<Path>) -> Result<(), FileError> {
        // Some systems find out only now that there is no space.
        self.sync()?;
        self.persist_synced(path)
    }

    /// Waits until its bytes are on the disk.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_all().map_err(|source| self.unwritten(source))
    }

    /// As [`Self::persist`], for a file that was synced since it was written.
    pub(crate) fn persist_synced(mut self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        self.take_name(path)?;
        sync_folder(self.dir, parent_of(path))
    }

    /// Gives the file its name, and gives it back, still open: neither its bytes nor its name need be on the disk.
    pub(crate) fn rename(mut self, path: &Path) -> Result<std::fs::File, FileError> {
        self.take_name(path)?;
        self.file.try_clone().map_err(failed("open", path))
    }

    fn take_name(&mut self, path: &Path) -> Result<(), FileError> {
        self.dir.rename(&self.path, self.dir, path).map_err(failed("rename to", path))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.done {
            // What matters is the error that is the reason for this.
            let _ = self.dir.remove_file(&self.path);
        }
    }
}

/// Whether a file or folder is one that is being written, or was when its process ended. It never becomes one of its own.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

/// Removes what killed writers left in `folder` and nobody has touched for `age`. What is still being written stays, and what
/// cannot be removed is left for the next time: it is no harm.
pub fn remove_unfinished(dir: &Dir, folder: impl AsRef<Path>, age: Duration) {
    let folder = folder.as_ref();
    let Ok(entries) = dir.read_dir(folder) else { return };
    for name in entries.flatten().map(|entry| entry.file_name()) {
        let path = folder.join(&name);
        let modified = || dir.metadata(&path).ok()?.modified().ok()?.into_std().elapsed().ok();
        let old = || modified().is_some_and(|since| since >= age);
        if is_unfinished(&name.to_string_lossy()) && old() && !is_being_written(dir, &path) {
            let _ = if dir.is_dir(&path) { dir.remove_dir_all(&path) } else { dir.remove_file(&path) };
        }
    }
}

fn is_being_written(dir: &Dir, path: &Path) -> bool {
    let Ok(file) = dir.open(path) else { return false };
    matches!(file.into_std().try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

pub(crate) fn temporary_beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{number}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read, write};

    fn folder() -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        (folder, dir)
    }

    #[test]
    fn a_file_appears_when_it_is_whole_or_never() {
        let (_folder, dir) = folder();
        dir.create_dir("a").unwrap();
        let mut file = Unfinished::new(&dir, "a/b").unwrap();
        file.write(b"one").unwrap();
        file.write(b"two").unwrap();
        assert!(!dir.exists("a/c"));
        file.persist("a/c").unwrap();
        assert_eq!(read(&dir, "a/c", 6).unwrap(), b"onetwo");
        let mut file = Unfinished::new(&dir, "a/b").unwrap();
        file.write(b"three").unwrap();
        assert_eq!(dir.read_dir("a").unwrap().count(), 2);
        drop(file);
        assert_eq!(dir.read_dir("a").unwrap().count(), 1);
    }

    #[test]
    fn what_killed_writers_left_is_removed_when_it_is_old() {
        let (_folder, dir) = folder();
        for file in ["a/.blob.1-0.tmp", "a/blob.tmp", "a/.hidden", "a/.folder.1-0.tmp/file"] {
            write(&dir, file, b"x").unwrap();
        }
        let living = Unfinished::new(&dir, "a/blob").unwrap();
        remove_unfinished(&dir, "a", Duration::from_secs(3600));
        assert_eq!(dir.read_dir("a").unwrap().count(), 5);
        remove_unfinished(&dir, "a", Duration::ZERO);
        assert!(!dir.exists("a/.blob.1-0.tmp") && !dir.exists("a/.folder.1-0.tmp"));
        assert_eq!(dir.read_dir("a").unwrap().count(), 3);
        living.persist("a/blob").unwrap();
        remove_unfinished(&dir, "none", Duration::ZERO);
    }
}
