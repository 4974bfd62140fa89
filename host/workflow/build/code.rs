//! The digest of the code that makes tokens of rows.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// More than has a part in it, so that nothing can be forgotten: another build tokenises anew. The lockfile has the versions of
/// all that others wrote, such as tokenizers and minijinja.
pub(crate) const PARTS: [&str; 5] =
    ["Cargo.lock", "host/core/src", "host/engine/src", "host/rows/src", "host/workflow/src/run"];

/// SHA-256 of the names and bytes of all files, sorted by name, in hexadecimal digits.
pub(crate) fn digest(workspace: &Path) -> std::io::Result<String> {
    let mut files = Vec::new();
    for part in PARTS {
        list(&workspace.join(part), &mut files)?;
    }
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        let bytes = std::fs::read(&file)?;
        let name = file.strip_prefix(workspace).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        hasher.update(format!("{name}\0{}\0", bytes.len()));
        hasher.update(bytes);
    }
    Ok(hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        list(&entry?.path(), files)?;
    }
    Ok(())
}
