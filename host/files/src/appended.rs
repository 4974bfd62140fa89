//! Files of lines that are added to: a reader sees whole lines, also after a crash or on a full disk.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions};

use crate::{FileError, failed, make_secret_folder, parent_of, sync_folder};

/// How much is read at a time, to find the end of the last whole line.
const BLOCK: u64 = 64 << 10;

/// Adds lines, which end with a line break, to a file for the owner's eyes only; it is made if it is not there. When the call
/// returns, they are on the disk; if it fails, the file is as before. What a killed writer left of a line is cut off. Gives the
/// file's size in bytes.
pub fn append_lines(dir: &Dir, path: impl AsRef<Path>, lines: &[u8]) -> Result<u64, FileError> {
    let path = path.as_ref();
    make_secret_folder(dir, parent_of(path))?;
    let mut options = OpenOptions::new();
    options.create(true).read(true).append(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = dir.open_with(path, &options).map_err(failed("open", path))?.into_std();
    file.lock().map_err(failed("lock", path))?;
    let end = end_of_lines(&mut file).map_err(failed("read", path))?;
    file.set_len(end).map_err(failed("cut back", path))?;
    let size = end + lines.len() as u64;
    if let Err(source) = file.write_all(lines).and_then(|()| file.sync_all()) {
        // The error that matters is the one above.
        let _ = file.set_len(end);
        return Err(FileError::unwritten(path, size, source));
    }
    sync_folder(dir, parent_of(path))?;
    Ok(size)
}

/// Where the last whole line ends.
fn end_of_lines(file: &mut std::fs::File) -> std::io::Result<u64> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_behind_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        assert_eq!(append_lines(&dir, "a/lines", b"one\n").unwrap(), 4);
        assert_eq!(append_lines(&dir, "a/lines", b"two\nthree\n").unwrap(), 14);
        let path = folder.path().join("a/lines");
        for half in ["fo", &"x".repeat(200_000)] {
            let whole = std::fs::read(&path).unwrap();
            std::fs::write(&path, [&whole, half.as_bytes()].concat()).unwrap();
            assert_eq!(append_lines(&dir, "a/lines", b"four\n").unwrap(), whole.len() as u64 + 5);
            assert_eq!(std::fs::read(&path).unwrap(), [&whole[..], b"four\n"].concat());
        }
        std::fs::write(&path, "never ended").unwrap();
        assert_eq!(append_lines(&dir, "a/lines", b"one\n").unwrap(), 4);
    }
}
