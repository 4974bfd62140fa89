//! The dialogues that came out of the phase transform, a few at a time.

use freehold_core::batch::{Batch, ColumnData};
use freehold_core::digest::Digest;
use freehold_core::recipe::Split;
use freehold_core::record::{Phase, PhaseRecord};
use freehold_engine::Message;
use freehold_rows::{BatchBuilder, Lines, Source};
use freehold_store::{BlobReader, Store};

use super::journal::{Work, output_of};
use super::transform::rows_output;
use crate::WorkflowError;
use crate::dataset::{line_error, row_error};

/// The column that models learn from.
const DIALOGUES: &str = "messages";
/// Bytes of a row that a transform made, at most: more than any host lets a plugin return.
const ROW_BYTES_MAX: usize = 4 << 30;

/// A dialogue in the engine's form.
pub(crate) type Dialogue = Vec<Message>;

/// A blob of lines.
pub(super) struct RowBlob {
    blob: BlobReader,
    read: u64,
}

impl RowBlob {
    pub(super) fn open(store: &Store, digest: &Digest) -> Result<Self, WorkflowError> {
        Ok(Self { blob: store.reader(digest)?, read: 0 })
    }
}

impl Source for RowBlob {
    type Error = WorkflowError;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, WorkflowError> {
        let count = self.blob.read(buffer)?;
        self.read += count as u64;
        Ok(count)
    }
}

/// Reads the dialogues of a split. That they are those that were recorded is known when the last was read.
pub(super) struct Dialogues {
    split: Split,
    lines: Lines<RowBlob>,
    rows: BatchBuilder,
}

impl Dialogues {
    pub(super) fn open(work: &Work<'_>, split: Split) -> Result<Self, WorkflowError> {
        Self::of_record(work.store(), work.before(Phase::Transform)?, split)
    }

    /// Those that a record of the phase names.
    pub(super) fn of_record(store: &Store, transformed: &PhaseRecord, split: Split) -> Result<Self, WorkflowError> {
        let blob = RowBlob::open(store, &output_of(transformed, &rows_output(split))?)?;
        Ok(Self { split, lines: Lines::new(blob, ROW_BYTES_MAX), rows: BatchBuilder::default() })
    }

    /// How many bytes were read, of how many.
    pub(super) fn progress(&self) -> (u64, u64) {
        let source = self.lines.source();
        (source.read, source.blob.bytes())
    }

    /// Some more dialogues; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Dialogue>>, WorkflowError> {
        let name = rows_output(self.split);
        while !self.rows.is_full() {
            let Some(line) = self.lines.next_line().map_err(|error| line_error(&name, error))? else { break };
            self.rows.push(&line).map_err(|error| row_error(&name, error))?;
        }
        let broken = |error| WorkflowError::Record { what: name, problem: format!("{error}") };
        let Some(batch) = self.rows.take().map_err(broken)? else { return Ok(None) };
        match batch.column(DIALOGUES).map(|column| &column.data) {
            Some(ColumnData::Dialogue(column)) => {
                let message = |(role, text): (&str, &str)| Message { role: role.into(), text: text.into() };
                let dialogue = |row| column.get(row).into_iter().map(message).collect();
                Ok(Some((0..column.len()).map(dialogue).collect()))
            }
            _ => Err(self.no_column(&batch)),
        }
    }

    fn no_column(&self, batch: &Batch) -> WorkflowError {
        let columns: Vec<_> = batch.columns().iter().map(|column| column.name.as_str()).collect();
        WorkflowError::NoColumn { split: self.split.as_str(), column: DIALOGUES, found: columns.join(", ") }
    }
}
