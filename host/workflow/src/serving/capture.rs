//! Traffic that is kept: prompt and answer go through the transforms of `[serve.capture]` before a byte of them is stored. What
//! a transform does not let through, or fails on, is stored nowhere.

use freehold_core::batch::{Batch, Column, ColumnData, DialogueColumn};
use freehold_core::digest::Digest;
use freehold_rows::{MESSAGES, write_rows};
use freehold_sandbox::SandboxError;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::shelf::Shelf;
use super::transforms::Transforms;
use super::{CaptureSettings, Folders};
use crate::statements::malformed;
use crate::{Home, WorkflowError};

/// A request and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Id of the request.
    pub id: String,
    /// The name under which the model was asked for.
    pub model: String,
    /// The adapter that answered.
    pub adapter: Digest,
    /// The run that made it.
    pub run: String,
    /// Roles and texts: the prompt, and last the answer.
    pub messages: Vec<(String, String)>,
}

/// Rows that were not kept.
#[derive(Debug, thiserror::Error)]
pub enum CaptureFailure {
    /// A transform failed. What it said is not told: it may quote the rows.
    #[error("a transform failed on {rows} of {of} rows, and these are not kept: {kind}")]
    Transform {
        /// Rows that it failed on.
        rows: usize,
        /// Rows that were given.
        of: usize,
        /// What kind of failure it was.
        kind: &'static str,
    },
    /// The rows cannot be written.
    #[error("{rows} rows cannot be kept: {source}")]
    Unwritten {
        /// How many.
        rows: usize,
        /// Why not.
        source: Box<WorkflowError>,
    },
}

/// Keeps what is captured.
pub struct Capture {
    transforms: Transforms,
    shelf: Shelf,
}

/// Whether a request is one of those of which something is kept: the same id gives the same answer.
pub fn is_sampled(id: &str, sampling: f64) -> bool {
    let digest = Digest::of(id.as_bytes());
    let high = digest.as_bytes().iter().take(8).fold(0_u64, |high, byte| high << 8 | u64::from(*byte));
    // 2^64: an id is below it, so that all are sampled at 1.
    (high as f64) < sampling * 18_446_744_073_709_551_616.0 || sampling >= 1.0
}

impl Capture {
    /// Loads the transforms, and opens the folder `captured` of the home.
    ///
    /// # Errors
    /// A plugin is not there, does not verify or cannot be started; the folder cannot be made.
    pub fn open(home: &Home, folders: &Folders, settings: &CaptureSettings) -> Result<Self, WorkflowError> {
        let transforms = Transforms::load(home, folders, settings)?;
        let shelf = Shelf::open(home, (settings.days_max, settings.bytes_max))?;
        shelf.sweep()?;
        Ok(Self { transforms, shelf })
    }

    /// Removes what is too old.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn sweep(&self) -> Result<(), WorkflowError> {
        self.shelf.sweep()
    }

    /// Keeps what the transforms let through, on the disk; gives how many rows that are. Where a transform fails on some rows,
    /// each is tried alone, so that one does not take the others with it.
    ///
    /// # Errors
    /// A transform fails, or the rows cannot be written; what the others came to is kept.
    pub fn keep(&self, conversations: &[Conversation]) -> Result<usize, CaptureFailure> {
        let of = conversations.len();
        let (mut lines, mut kept, mut failed) = (Vec::new(), 0, None);
        let mut take = |some: &[Conversation]| match self.transformed(some) {
            Ok((bytes, rows)) => {
                lines.extend(bytes);
                kept += rows;
                Ok(())
            }
            Err(kind) => Err(kind),
        };
        if let Err(kind) = take(conversations) {
            let alone = conversations.iter().filter(|_| of > 1);
            let rows = if of > 1 { alone.filter(|one| take(std::slice::from_ref(one)).is_err()).count() } else { of };
            failed = (rows > 0).then_some(CaptureFailure::Transform { rows, of, kind });
        }
        if kept > 0 {
            let unwritten = |source| CaptureFailure::Unwritten { rows: kept, source: Box::new(source) };
            self.shelf.add(&lines).map_err(unwritten)?;
        }
        failed.map_or(Ok(kept), Err)
    }

    /// The lines of what comes out, and how many there are.
    fn transformed(&self, conversations: &[Conversation]) -> Result<(Vec<u8>, usize), &'static str> {
        let batch = batch(conversations).ok_or("the rows have no form that transforms know")?;
        let (mut lines, mut rows) = (Vec::new(), 0);
        for (batch, origins) in self.transforms.run(batch).map_err(|error| kind(&error))? {
            let mut origins = origins.into_iter();
            write_rows(&batch, |row| {
                let from = origins.next().and_then(|row| conversations.get(usize::try_from(row).ok()?));
                let from = from.ok_or("a row comes from none")?;
                lines.extend(line(row, from, self.shelf.now()).map_err(|_| "a row cannot be written")?);
                rows += 1;
                Ok::<(), &'static str>(())
            })?;
        }
        Ok((lines, rows))
    }
}

/// What transforms see: the dialogues and nothing else. Names and digests could look to them like what they redact.
fn batch(conversations: &[Conversation]) -> Option<Batch> {
    let mut dialogues = DialogueColumn::default();
    for conversation in conversations {
        let messages = conversation.messages.iter().map(|(role, text)| (role.as_str(), text.as_str()));
        if !dialogues.push(&messages.collect::<Vec<_>>()) {
            return None;
        }
    }
    let column = Column { name: MESSAGES.into(), data: ColumnData::Dialogue(dialogues), validity: None };
    Batch::new(0, conversations.len(), vec![column]).ok()
}

/// A row as it is kept: what came out of the transforms, and what it is an answer of.
fn line(row: &[u8], of: &Conversation, time: Timestamp) -> Result<Vec<u8>, WorkflowError> {
    let mut row: Map<String, Value> = serde_json::from_slice(row).map_err(malformed("captured row"))?;
    let Conversation { id, model, adapter, run, .. } = of;
    for (key, value) in [
        ("request", id.clone()),
        ("model", model.clone()),
        ("adapter", adapter.to_string()),
        ("run", run.clone()),
        ("time", time.to_string()),
    ] {
        row.insert(key.into(), value.into());
    }
    let mut line = serde_json::to_vec(&row).map_err(malformed("captured row"))?;
    line.push(b'\n');
    Ok(line)
}

/// What may be told of a failure: not what a plugin said.
fn kind(error: &SandboxError) -> &'static str {
    match error {
        SandboxError::Limit { .. } => "a limit",
        SandboxError::Busy { .. } => "no slot for a plugin",
        SandboxError::Lineage { .. } | SandboxError::Shape { .. } | SandboxError::Numbers { .. } => {
            "what it returned is not possible"
        }
        _ => "it reported a failure or trapped",
    }
}

#[cfg(test)]
mod tests {
    use super::is_sampled;

    #[test]
    fn the_same_requests_are_sampled_in_the_share_that_was_asked_for() {
        let ids: Vec<String> = (0..10_000).map(|n| format!("chatcmpl-{n}")).collect();
        for sampling in [0.01, 0.25, 0.9] {
            let sampled = ids.iter().filter(|id| is_sampled(id, sampling)).count() as f64 / 10_000.0;
            assert!((sampled - sampling).abs() < 0.02, "{sampling}: {sampled}");
        }
        assert!(ids.iter().all(|id| is_sampled(id, 1.0)));
        assert!(ids.iter().all(|id| !is_sampled(id, 0.1) || is_sampled(id, 0.2)));
    }
}
