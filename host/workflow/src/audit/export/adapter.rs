//! The files of the adapter as they were recorded, for whoever loads them elsewhere.

use freehold_core::digest::Digest;
use freehold_core::verdict::Decision;

use super::DocumentError;
use super::run::FinishedRun;
use crate::{Home, WorkflowError, may_export};

/// The adapter of a finished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterFiles {
    /// Its manifest, by which records name it.
    pub digest: Digest,
    /// What was decided of it.
    pub decision: Decision,
    /// Name and bytes of each file, as PEFT writes them; of a model that was trained as a whole, as Hugging Face does.
    pub files: Vec<(String, Vec<u8>)>,
}

/// The adapter of a run, out of the store; every file is held to its digest. The rules of the home have to let it out.
pub fn adapter(home: &Home, run: &str) -> Result<AdapterFiles, WorkflowError> {
    let run = FinishedRun::read(home, run)?;
    let Some(digest) = run.report.adapter else { return Err(DocumentError::NoAdapter(run.name).into()) };
    may_export(home, &digest)?;
    let read = |(name, digest): (String, Digest)| Ok((name, run.store.get(&digest)?));
    let files = run.adapter_files()?.into_iter().map(read).collect::<Result<_, WorkflowError>>()?;
    Ok(AdapterFiles { digest, decision: run.report.decision, files })
}
