//! What is kept of a search in the repository: a small part, for the tests and as a beginning for the next search.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{BUILD, cargo_fuzz, found, listed, make};
use crate::command::{run, step, workspace};
use crate::failure::Failure;

const FILES_MAX: usize = 150;
/// Bytes of all files of a target that a search found.
const BYTES_MAX: u64 = 192 << 10;

/// Reduces the corpus in the repository and all that searches found to a few inputs, long and short. Seeds, and
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
    for path in spread(listed(&merged)) {
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

/// As many files as may be kept, from the smallest to the largest, as far apart as they can be: short ones alone would reach
/// only what is looked at first.
fn spread(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let size = |path: &PathBuf| path.metadata().map_or(u64::MAX, |metadata| metadata.len());
    let mut sized: Vec<(u64, PathBuf)> = files.into_iter().map(|path| (size(&path), path)).collect();
    sized.sort();
    let chosen = |count: usize| (0..count).filter_map(|n| sized.get(n * sized.len() / count)).collect::<Vec<_>>();
    let fits = |chosen: &Vec<&(u64, PathBuf)>| {
        chosen.iter().fold(0_u64, |total, (size, _)| total.saturating_add(*size)) <= BYTES_MAX
    };
    let most = sized.len().min(FILES_MAX);
    let best = (1..=most).rev().map(chosen).find(fits).unwrap_or_default();
    best.into_iter().map(|(_, path)| path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_spread_and_small() {
        let folder = workspace().join("target/fuzz-corpus-test");
        let _ = std::fs::remove_dir_all(&folder);
        make(&folder).unwrap();
        for n in 0..300 {
            std::fs::write(folder.join(n.to_string()), vec![0; n * 20]).unwrap();
        }
        let sizes: Vec<u64> = spread(listed(&folder)).iter().map(|path| path.metadata().unwrap().len()).collect();
        assert!(sizes.iter().sum::<u64>() <= BYTES_MAX && sizes.len() > 50, "{sizes:?}");
        assert!(sizes.is_sorted() && sizes.iter().any(|size| *size > 5_000), "{sizes:?}");
        assert!(spread(vec![]).is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
