//! Checkpoints of a training under way, in the home: the last ones and the best. They are for going on, not evidence: what a
//! training gave is in the store, and its checkpoints are removed then.

use std::path::PathBuf;
use std::time::Duration;

use cap_std::fs::Dir;
use freehold_core::spent::Spent;
use freehold_files::FileError;

use crate::statements::malformed;
use crate::{Home, WorkflowError};

const FOLDER: &str = "checkpoints";
const BEST: &str = "best.safetensors";
const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";
/// What was used up until the last checkpoint.
const SPENT: &str = "spent.json";
const SPENT_BYTES_MAX: u64 = 4096;
/// Bytes of a checkpoint at most: values and moments of a whole model.
const BYTES_MAX: u64 = 1 << 40;

/// The checkpoints of one run.
pub(super) struct Checkpoints {
    home: Dir,
    /// Their folder in the home.
    folder: String,
    keep: usize,
}

impl Checkpoints {
    /// Opens the folder of a run, of which so many of the last checkpoints are kept.
    pub(super) fn open(home: &Home, run: &str, keep: usize) -> Result<Self, WorkflowError> {
        let folder = format!("{FOLDER}/{run}");
        freehold_files::make_folder(&home.dir, &folder)?;
        // What a killed process was writing: nobody else writes here, and a full disk may need its space.
        freehold_files::remove_unfinished(&home.dir, &folder, Duration::ZERO);
        Ok(Self { home: home.folder(".")?, folder, keep: keep.max(1) })
    }

    fn path(&self, name: &str) -> PathBuf {
        format!("{}/{name}", self.folder).into()
    }

    /// The steps after which a checkpoint was kept, ascending.
    fn steps(&self) -> Result<Vec<usize>, WorkflowError> {
        let failed = |source| FileError::Io { action: "list the folder", path: self.folder.clone().into(), source };
        let mut steps = Vec::new();
        for entry in self.home.read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
            steps.extend(step.and_then(|step| step.parse::<usize>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// The last checkpoint, and the step after which it was kept.
    pub(super) fn last(&self) -> Result<Option<(usize, Vec<u8>)>, WorkflowError> {
        match self.steps()?.last() {
            Some(step) => Ok(Some((*step, freehold_files::read(&self.home, self.path(&name(*step)), BYTES_MAX)?))),
            None => Ok(None),
        }
    }

    /// What was used up until the last checkpoint, if that was kept. A file that says nothing of it stops no training.
    pub(super) fn spent(&self) -> Result<Option<Spent>, WorkflowError> {
        match freehold_files::read(&self.home, self.path(SPENT), SPENT_BYTES_MAX) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or(Spent::UNKNOWN))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps what was used up until the last checkpoint.
    pub(super) fn keep_spent(&self, spent: &Spent) -> Result<(), WorkflowError> {
        let bytes = serde_json::to_vec(spent).map_err(malformed(SPENT))?;
        Ok(freehold_files::write(&self.home, self.path(SPENT), &bytes)?)
    }

    /// Keeps a checkpoint, and removes those that are older than the last few.
    pub(super) fn keep(&self, step: usize, bytes: &[u8], best: bool) -> Result<(), WorkflowError> {
        freehold_files::write(&self.home, self.path(&name(step)), bytes)?;
        if best {
            freehold_files::write(&self.home, self.path(BEST), bytes)?;
        }
        let steps = self.steps()?;
        for old in steps.iter().rev().skip(self.keep) {
            let path = self.path(&name(*old));
            self.home.remove_file(&path).map_err(|source| FileError::Io { action: "remove", path, source })?;
        }
        Ok(())
    }
}

/// Removes the checkpoints of a run whose training is recorded.
pub(super) fn remove(home: &Home, run: &str) -> Result<(), WorkflowError> {
    let run = format!("{FOLDER}/{run}");
    match home.dir.remove_dir_all(&run) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::Io { action: "remove the folder", path: run.into(), source }.into())
        }
        _ => Ok(()),
    }
}

fn name(step: usize) -> String {
    format!("{PREFIX}{step:08}{SUFFIX}")
}
