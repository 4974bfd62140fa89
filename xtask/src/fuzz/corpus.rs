//! What is kept of a search in the repository: a small part, for the tests and as a beginning for the next search.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{BUILD, cargo_fuzz, found, listed, make};
use crate::command::{run, step, workspace};
use crate::failure::Failure;

const FILES_MAX: usize = 150;
/// Bytes of all files of a target that a search found.
const BYTES_MAX: u64 = 192 << 10;

/// Reduces the corpus in the repository and all that searches found to a few small inputs that together reach most. Seeds, and
/// what ever broke something, stay.
pub(super) fn keep(target: &str) -> Result<(), Failure> {
    step(&format!("Keeping the best inputs of {target}"));
    let corpus = workspace().join("fuzz/corpus").join(target);
    let merged = workspace().join("fuzz/target/merged").join(target);
    let _ = std::fs::remove_dir_all(&merged);
    make(&merged)?;
    let mut merge = cargo_fuzz("run");
    merge.args(BUILD).arg(target).args([&merged, &corpus, &found(target)]).args(["--", "-merge=1"]);
    run(merge.stdout(Stdio::null()).stderr(Stdio::null()))?;
    for old in listed(&corpus).iter().filter(|path| !stays(path)) {
        std::fs::remove_file(old).map_err(Failure::file("remove", old))?;
    }
    for path in smallest(listed(&merged)) {
        let kept = corpus.join(path.file_name().unwrap_or_default());
        std::fs::copy(&path, &kept).map_err(Failure::file("copy", &path))?;
    }
    Ok(())
}

/// Files with names that people gave: `seed-` and what it is, `crash-` and what it broke.
fn stays(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ["seed-", "crash-"].iter().any(|prefix| name.starts_with(prefix))
}

/// The smallest files, as many as may be kept.
fn smallest(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let size = |path: &PathBuf| path.metadata().map_or(u64::MAX, |metadata| metadata.len());
    let mut sized: Vec<(u64, PathBuf)> = files.into_iter().map(|path| (size(&path), path)).collect();
    sized.sort();
    let mut total = 0_u64;
    let fitting = sized.into_iter().take(FILES_MAX).take_while(|(size, _)| {
        total = total.saturating_add(*size);
        total <= BYTES_MAX
    });
    fitting.map(|(_, path)| path).collect()
}
