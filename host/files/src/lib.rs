//! Files that survive a crash: written whole or not at all, and on the disk before the call returns. Everything happens
//! below a cap-std directory, so that no path leaves its root.

mod appended;
mod ordered;
mod unfinished;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, DirBuilder, File, OpenOptions};
use zeroize::Zeroizing;

use unfinished::temporary_beside;

pub use appended::append_lines;
pub use ordered::write_ordered;
pub use unfinished::{Unfinished, is_unfinished, remove_unfinished};

/// A file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The disk is full, a quota is used up, or files may not become so large.
    #[error("there is no space for `{}`, which needs at least {bytes} bytes: {source}", path.display())]
    NoSpace {
        /// Which file.
        path: PathBuf,
        /// The bytes that it would have so far.
        bytes: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// A secret can be read by others than its owner.
    #[error("`{}` is a secret, and others than its owner may read it (mode {mode:03o})", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is larger than is allowed here.
    #[error("`{}` has {bytes} bytes; at most {limit} are allowed here", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

impl FileError {
    /// `bytes` could not be written to `path`.
    pub fn unwritten(path: impl Into<PathBuf>, bytes: u64, source: std::io::Error) -> Self {
        let path = path.into();
        if says_no_space(&source) {
            Self::NoSpace { path, bytes, source }
        } else {
            Self::Io { action: "write", path, source }
        }
    }

    /// Whether there is too little space for what was to be written.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::NoSpace { .. } => true,
            Self::Io { source, .. } => says_no_space(source),
            Self::TooLarge { .. } | Self::Exposed { .. } => false,
        }
    }

    /// Whether the file is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// Whether the path leads out of the folder that it has to stay below, as by a symbolic link. The system did not say so
    /// then, cap-std did.
    pub fn leads_out(&self) -> bool {
        let refused = |source: &std::io::Error| source.kind() == std::io::ErrorKind::PermissionDenied;
        matches!(self, Self::Io { source, .. } if refused(source) && source.raw_os_error().is_none())
    }
}

fn says_no_space(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { action, path, source }
}

/// Whether there is something at `path`. What cannot be looked at is an error: taken for missing, it would be made anew.
pub fn exists(dir: &Dir, path: impl AsRef<Path>) -> Result<bool, FileError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let path = path.as_ref();
    match dir.metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(false),
        Err(error) => Err(failed("look at", path)(error)),
    }
}

/// The bytes of `path`, if they are no more than `limit`.
pub fn read(dir: &Dir, path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>, FileError> {
    let path = path.as_ref();
    let file = dir.open(path).map_err(failed("open", path))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > limit {
        let size = dir.metadata(path).map_or(bytes.len() as u64, |metadata| metadata.len());
        return Err(FileError::TooLarge { path: path.into(), bytes: size, limit });
    }
    Ok(bytes)
}

/// The bytes of a secret, if they are no more than `limit` and nobody but the owner of the file may read it. They are zeroed
/// when dropped.
pub fn read_secret(dir: &Dir, path: impl AsRef<Path>, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let path = path.as_ref();
    let file = dir.open(path).map_err(failed("open", path))?;
    #[cfg(unix)]
    {
        use cap_std::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(failed("look at", path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FileError::Exposed { path: path.into(), mode });
        }
    }
    // As large as it will be from the beginning: one that grows leaves copies.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or(0).saturating_add(64)));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.into(), bytes: bytes.len() as u64, limit });
    }
    Ok(bytes)
}

/// Puts `bytes` at `path`, replacing what was there. A reader sees the old bytes or the new, never a part; when the call
/// returns, the new ones are on the disk. Folders on the way are made.
pub fn write(dir: &Dir, path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FileError> {
    let path = path.as_ref();
    make_folder(dir, parent_of(path))?;
    write_with_mode(dir, path, bytes, 0o644)
}

/// Like [`write`], for the owner's eyes only, and so are folders that are made on the way.
pub fn write_secret(dir: &Dir, path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FileError> {
    let path = path.as_ref();
    make_secret_folder(dir, parent_of(path))?;
    write_with_mode(dir, path, bytes, 0o600)
}

fn write_with_mode(dir: &Dir, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = Unfinished::with_mode(dir, path, mode)?;
    file.write(bytes)?;
    file.persist(path)
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts a folder with these files at `path`, where nothing may be yet but an empty folder. A reader sees all of it or nothing;
/// when the call returns, it is on the disk. Folders on the way are made.
pub fn write_folder(dir: &Dir, path: impl AsRef<Path>, files: &[(&str, &[u8])]) -> Result<(), FileError> {
    let path = path.as_ref();
    let parent = parent_of(path);
    make_folder(dir, parent)?;
    let temporary = loop {
        let temporary = temporary_beside(path);
        match dir.create_dir(&temporary) {
            Ok(()) => break temporary,
            // What a killed writer left that had the number of this process, as is usual in containers.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("create the folder", &temporary)(error)),
        }
    };
    let fill = || {
        for (name, bytes) in files {
            write(dir, temporary.join(name), bytes)?;
        }
        dir.rename(&temporary, dir, path).map_err(failed("rename to", path))
    };
    let result = fill();
    if result.is_err() {
        // The error that matters is the one above.
        let _ = dir.remove_dir_all(&temporary);
    }
    result?;
    sync_folder(dir, parent)
}

/// Gives a file or folder another name below `dir`. When the call returns, both folders are on the disk; that the bytes are is
/// the caller's to see to.
pub fn rename(dir: &Dir, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), FileError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    dir.rename(from, dir, to).map_err(failed("rename to", to))?;
    sync_folder(dir, parent_of(to))?;
    if parent_of(from) == parent_of(to) { Ok(()) } else { sync_folder(dir, parent_of(from)) }
}

/// Makes a folder and those on the way to it. When the call returns, their names are on the disk: a file in a folder whose
/// name is lost in a crash would be lost with it.
pub fn make_folder(dir: &Dir, folder: impl AsRef<Path>) -> Result<(), FileError> {
    make_with(dir, folder.as_ref(), &DirBuilder::new())
}

/// Like [`make_folder`]; nobody but the owner sees what is in those that are made.
pub fn make_secret_folder(dir: &Dir, folder: impl AsRef<Path>) -> Result<(), FileError> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there are no modes"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use cap_std::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    make_with(dir, folder.as_ref(), &builder)
}

fn make_with(dir: &Dir, folder: &Path, builder: &DirBuilder) -> Result<(), FileError> {
    if dir.is_dir(folder) {
        return Ok(());
    }
    let parent = parent_of(folder);
    make_with(dir, parent, builder)?;
    match dir.create_dir_with(folder, builder) {
        // Another process was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir(folder) => {}
        other => other.map_err(failed("create the folder", folder))?,
    }
    sync_folder(dir, parent)
}

/// Makes the names in a folder durable.
fn sync_folder(dir: &Dir, folder: &Path) -> Result<(), FileError> {
    // As a file: a cap-std directory is opened for its path only, and cannot be synced.
    let opened = dir.open(folder).map_err(failed("open the folder", folder))?;
    opened.sync_all().map_err(failed("sync the folder", folder))
}

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is held as long as the file is open")] std::fs::File);

/// Waits for the lock file `path` and takes it. The system frees it when the process ends, however it ends.
pub fn lock(dir: &Dir, path: impl AsRef<Path>) -> Result<Lock, FileError> {
    let path = path.as_ref();
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    let file: File = dir.open_with(path, &options).map_err(failed("open", path))?;
    let file = file.into_std();
    file.lock().map_err(failed("lock", path))?;
    Ok(Lock(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        (folder, dir)
    }

    #[test]
    fn files_are_replaced_whole_and_nothing_is_left_beside_them() {
        let (_folder, dir) = folder();
        write(&dir, "a/b/file", b"one").unwrap();
        write(&dir, "a/b/file", b"two").unwrap();
        assert_eq!(read(&dir, "a/b/file", 3).unwrap(), b"two");
        assert!(matches!(read(&dir, "a/b/file", 2), Err(FileError::TooLarge { bytes: 3, .. })));
        assert_eq!(dir.read_dir("a/b").unwrap().count(), 1);
    }

    #[test]
    fn folders_appear_whole_or_not_at_all() {
        let (_folder, dir) = folder();
        let files: [(&str, &[u8]); 2] = [("one", b"1"), ("two", b"2")];
        write_folder(&dir, "a/b", &files).unwrap();
        assert_eq!(
            (read(&dir, "a/b/one", 1).unwrap(), read(&dir, "a/b/two", 1).unwrap()),
            (b"1".to_vec(), b"2".to_vec())
        );
        // Nothing is replaced, and nothing is left beside.
        assert!(write_folder(&dir, "a/b", &[("one", b"x")]).is_err());
        assert_eq!(read(&dir, "a/b/one", 1).unwrap(), b"1");
        assert!(write_folder(&dir, "a/c", &[("one", b"x"), ("one/two", b"x")]).is_err());
        write(&dir, "a/file", b"x").unwrap();
        assert!(write_folder(&dir, "a/file", &files).is_err());
        let names: Vec<_> = dir.read_dir("a").unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(write_folder(&dir, "../out", &files).unwrap_err().leads_out());
    }

    /// Hosts in two containers have the same number of process.
    #[test]
    fn what_another_host_is_writing_is_left_alone() {
        let (_folder, dir) = folder();
        let ours = std::process::id();
        let theirs = |number| format!(".file.{ours}-{number}.tmp");
        (0..64).for_each(|number| dir.write(theirs(number), "theirs").unwrap());
        for _ in 0..32 {
            write(&dir, "file", b"ours").unwrap();
        }
        assert!((0..64).all(|number| dir.read_to_string(theirs(number)).is_ok_and(|text| text == "theirs")));
    }

    #[test]
    fn folders_are_made_on_the_way_and_files_are_no_folders() {
        let (_folder, dir) = folder();
        make_folder(&dir, "a/b/c").unwrap();
        make_folder(&dir, "a/b/c").unwrap();
        assert!(dir.is_dir("a/b/c"));
        write(&dir, "file", b"x").unwrap();
        assert!(make_folder(&dir, "file/under").is_err());
        assert!(make_folder(&dir, "../out").is_err());
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_missing() {
        let (_folder, dir) = folder();
        write(&dir, "file", b"x").unwrap();
        assert!(exists(&dir, "file").unwrap() && exists(&dir, ".").unwrap());
        assert!(!exists(&dir, "none").unwrap() && !exists(&dir, "file/under").unwrap());
        assert!(exists(&dir, "../out").unwrap_err().leads_out());
    }

    #[test]
    fn paths_do_not_leave_the_folder() {
        let (folder, dir) = folder();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::os::unix::fs::symlink("..", folder.path().join("inner/up")).unwrap();
        write(&dir, "secret", b"x").unwrap();
        let inner = dir.open_dir("inner").unwrap();
        for path in ["../secret", "/etc/passwd", "up/secret"] {
            assert!(read(&inner, path, 1 << 20).unwrap_err().leads_out(), "{path}");
            assert!(write(&inner, path, b"y").is_err(), "{path}");
        }
        assert!(!read(&inner, "none", 1 << 20).unwrap_err().leads_out());
        assert_eq!(read(&dir, "secret", 1).unwrap(), b"x");
    }

    #[test]
    #[cfg(unix)]
    fn secrets_are_for_their_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, dir) = folder();
        write_secret(&dir, "keys/key", b"x").unwrap();
        let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("keys/key"), mode("keys")), (0o600, 0o700));
        assert_eq!(**read_secret(&dir, "keys/key", 1).unwrap(), *b"x");
        assert!(matches!(read_secret(&dir, "keys/key", 0), Err(FileError::TooLarge { limit: 0, .. })));
        for exposed in [0o640, 0o604, 0o620, 0o777] {
            let permissions = std::fs::Permissions::from_mode(exposed);
            std::fs::set_permissions(folder.path().join("keys/key"), permissions).unwrap();
            let refused = read_secret(&dir, "keys/key", 1);
            assert!(matches!(refused, Err(FileError::Exposed { mode, .. }) if mode == exposed), "{refused:?}");
        }
    }

    #[test]
    fn one_holder_of_a_lock_at_a_time() {
        let (folder, dir) = folder();
        let held = lock(&dir, "lock").unwrap();
        let path = folder.path().to_owned();
        let (sender, receiver) = std::sync::mpsc::channel();
        let waiter = std::thread::spawn(move || {
            let dir = Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap();
            let _held = lock(&dir, "lock").unwrap();
            sender.send(()).unwrap();
        });
        assert!(receiver.try_recv().is_err());
        drop(held);
        receiver.recv().unwrap();
        waiter.join().unwrap();
    }
}
