//! Every input that the searches kept, and every one that ever broke something, on its target. A few seconds; the searches
//! themselves are `cargo xtask fuzz`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

const FILE_BYTES_MAX: u64 = 100 << 10;
const CORPUS_BYTES_MAX: u64 = 3 << 20;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(folder: &Path) -> BTreeSet<String> {
    files(folder).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Runs the corpus of a target and names every file that breaks something.
fn replay(target: &str) {
    let run = freehold_fuzz::TARGETS.iter().find(|known| known.name == target).unwrap().run;
    let inputs = files(&fuzz().join("corpus").join(target));
    assert!(!inputs.is_empty(), "the corpus of {target} is empty");
    let mut broken = Vec::new();
    for path in inputs {
        let data = std::fs::read(&path).unwrap();
        if catch_unwind(|| run(&data)).is_err() {
            broken.push(path.display().to_string());
        }
    }
    assert!(broken.is_empty(), "{target}: {}", broken.join("\n"));
}

macro_rules! targets {
    ($($target:ident),* $(,)?) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
    };
}

targets!(
    plugin_source,
    recipe,
    manifest,
    yank,
    root,
    root_changes,
    batch,
    outcome,
    bundle,
    component,
    ledger,
    checkpoint,
    parquet,
    arrow,
    pack,
    proof,
    key_file,
    statement,
    model
);

#[test]
fn every_target_has_a_program_a_corpus_and_a_replay() {
    let targets: BTreeSet<String> = freehold_fuzz::TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), targets);
    assert_eq!(names(&fuzz().join("corpus")), targets);
    assert_eq!(REPLAYED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), targets);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "fuzz/Cargo.toml has no program {target}");
    }
}

#[test]
fn the_corpora_stay_small() {
    let mut total = 0;
    for path in files(&fuzz().join("corpus")).iter().flat_map(|folder| files(folder)) {
        let bytes = path.metadata().unwrap().len();
        assert!(bytes <= FILE_BYTES_MAX, "{} has {bytes} bytes", path.display());
        total += bytes;
    }
    assert!(total <= CORPUS_BYTES_MAX, "{total} bytes");
}
