//! Several files of which one comes last: whoever sees it finds the others, whatever happens to the machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::{FileError, Unfinished, failed, parent_of, sync_folder};

/// Puts `files` at their paths, then `last` at its. When the call returns, all are on the disk, and at no time is `last` at its
/// path before the others are on the disk. Paths of `files` should be new: what is there is replaced before all is on the disk.
///
/// The disk is waited for twice, however many files there are: all that has to be there before `last` gets its name is synced
/// at once, which a file system with a journal does in one commit.
pub fn write_ordered(dir: &Dir, files: &[(String, Vec<u8>)], last: (&str, &[u8])) -> Result<(), FileError> {
    let mut folders = BTreeSet::new();
    let mut written = Vec::with_capacity(files.len() + 1);
    for (path, bytes) in files {
        let path = Path::new(path);
        make_unsynced(dir, parent_of(path), &mut folders)?;
        let mut file = Unfinished::new(dir, path)?;
        file.write(bytes)?;
        written.push(file.rename(path)?);
        folders.insert(parent_of(path).to_owned());
    }
    let mut head = Unfinished::new(dir, last.0)?;
    head.write(last.1)?;
    std::thread::scope(|scope| {
        let files = written.iter().zip(files);
        let mut syncs: Vec<_> = files
            .map(|(file, (path, bytes))| {
                scope.spawn(move || {
                    file.sync_all().map_err(|error| FileError::unwritten(path, bytes.len() as u64, error))
                })
            })
            .collect();
        syncs.extend(folders.iter().map(|folder| scope.spawn(move || sync_folder(dir, folder))));
        let head = head.sync();
        let synced = syncs.into_iter().map(|sync| sync.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        synced.chain([head]).collect::<Result<(), FileError>>()
    })?;
    head.persist_synced(last.0)
}

/// Makes a folder and those on the way to it, and notes the folders in which a name is new.
fn make_unsynced(dir: &Dir, folder: &Path, changed: &mut BTreeSet<PathBuf>) -> Result<(), FileError> {
    if dir.is_dir(folder) {
        return Ok(());
    }
    let parent = parent_of(folder);
    make_unsynced(dir, parent, changed)?;
    match dir.create_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir(folder) => {}
        other => other.map_err(failed("create the folder", folder))?,
    }
    changed.insert(parent.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read, write};

    #[test]
    fn files_and_the_last_are_there_or_the_last_is_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let files = [("a/b/one".to_owned(), b"1".to_vec()), ("a/two".to_owned(), b"2".to_vec())];
        write_ordered(&dir, &files, ("last", b"x")).unwrap();
        assert_eq!(read(&dir, "a/b/one", 1).unwrap(), b"1");
        assert_eq!((read(&dir, "a/two", 1).unwrap(), read(&dir, "last", 1).unwrap()), (b"2".to_vec(), b"x".to_vec()));
        // A file that cannot be written keeps the last as it was, and nothing unfinished stays.
        write(&dir, "file", b"x").unwrap();
        let broken = [("a/three".to_owned(), b"3".to_vec()), ("file/four".to_owned(), b"4".to_vec())];
        assert!(write_ordered(&dir, &broken, ("last", b"y")).is_err());
        assert_eq!(read(&dir, "last", 1).unwrap(), b"x");
        assert!(write_ordered(&dir, &[], ("../out", b"y")).unwrap_err().leads_out());
        write_ordered(&dir, &[], ("last", b"y")).unwrap();
        assert_eq!(read(&dir, "last", 1).unwrap(), b"y");
        let names: Vec<_> = dir.read_dir(".").unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }
}
