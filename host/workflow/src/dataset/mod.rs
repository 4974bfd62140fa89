//! Datasets: files that are read where they are, a few rows at a time and twice. The first time their digest is taken, every
//! row is looked at and their columns and forms are learned; the second time their rows go to the transforms. Their bytes are
//! never kept.

mod blocks;
mod file;
mod plan;
mod sample;
mod split;

use freehold_core::digest::Digest;
use freehold_core::recipe::DataSettings;
use freehold_rows::{BatchBuilder, FileKind};

use crate::observe::{Observer, progress_in_bytes};
use crate::{Project, WorkflowError};
use file::RowReader;

pub(crate) use file::{line_error, row_error};
pub(crate) use plan::{Dataset, Splits, makes_messages, plan};
pub(crate) use sample::stretches;
pub(crate) use split::{Read, ReadDataset, SplitReader};

/// Rows between two looks at the progress.
const ROWS_PER_EVENT: u64 = 4096;

/// A dataset after the first look at every row.
pub(crate) struct Scanned {
    pub(crate) digest: Digest,
    pub(crate) kind: FileKind,
    /// What was learned of its columns, and of the form of its rows.
    pub(crate) columns: BatchBuilder,
}

/// Looks at every row of a dataset: a broken one is found before anything is recorded.
pub(crate) fn scan(
    project: &Project,
    data: &DataSettings,
    observer: &mut dyn Observer,
) -> Result<Scanned, WorkflowError> {
    let place = project.place("path", &data.path)?;
    let mut columns = BatchBuilder::default();
    let (mut rows, mut count) = (RowReader::open(&place, &data.path)?, 0_u64);
    let task = format!("read {}", data.name);
    while rows.next(&mut columns)?.is_some() {
        count += 1;
        if columns.is_full() {
            columns.take().map_err(|error| place.failed(error))?;
        }
        if count.is_multiple_of(ROWS_PER_EVENT) {
            progress_in_bytes(observer, &task, rows.read(), rows.bytes(), String::new());
        }
    }
    columns.take().map_err(|error| place.failed(error))?;
    Ok(Scanned { digest: rows.digest(), kind: rows.kind(), columns })
}
