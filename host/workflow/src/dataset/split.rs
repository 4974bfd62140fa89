//! The rows of every dataset of a split, one after the other, as the first transform sees them.

use freehold_core::batch::Batch;
use freehold_core::recipe::Split;
use freehold_rows::{BatchBuilder, Origin, Schema};

use super::Dataset;
use super::file::RowReader;
use super::sample::Sample;
use crate::project::Place;
use crate::{Project, WorkflowError};

/// What reading the rows of a split brings next.
pub(crate) enum Read {
    /// Rows, and how many bytes of the files were read so far.
    Batch(Batch, u64),
    /// The end: every file was the one that was locked. The datasets in their order.
    End(Vec<ReadDataset>),
}

/// A dataset that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReadDataset {
    pub(crate) name: String,
    /// Its rows.
    pub(crate) rows: u64,
    /// Which of them were taken.
    pub(crate) sample: Option<Sample>,
}

struct LockedFile {
    place: Place,
    dataset: Dataset,
    rows: u64,
}

impl LockedFile {
    /// Whether its rows can be in one batch with those of others: they are as they were read.
    fn is_as_read(&self) -> bool {
        matches!(self.dataset.origin, Origin::Columns | Origin::Messages)
    }

    fn read(&self) -> ReadDataset {
        ReadDataset { name: self.dataset.name.clone(), rows: self.rows, sample: self.dataset.sample }
    }

    fn changed(&self) -> WorkflowError {
        self.place.failed("the file changed while the run was going on; start again")
    }
}

/// One file is open at a time: there may be thousands.
pub(crate) struct SplitReader {
    files: Vec<LockedFile>,
    /// The file that is being read.
    at: usize,
    rows: Option<RowReader>,
    /// Bytes of all files, and of those that were read.
    bytes: u64,
    read_before: u64,
    /// The columns of every batch.
    schema: Schema,
    columns: BatchBuilder,
    /// Where rows go that are not taken.
    left_out: BatchBuilder,
    /// The file whose rows are gathered, if they are made into dialogues.
    made: Option<usize>,
}

impl SplitReader {
    /// `schema` are the columns of the split.
    pub(crate) fn open(
        project: &Project,
        split: Split,
        schema: &Schema,
        datasets: &[Dataset],
    ) -> Result<Self, WorkflowError> {
        let (mut files, mut bytes) = (Vec::new(), 0);
        for dataset in datasets.iter().filter(|dataset| dataset.split == split) {
            let place = project.place("path", &dataset.path)?;
            bytes += place.open(|dir, path| dir.metadata(path))?.len();
            files.push(LockedFile { place, dataset: dataset.clone(), rows: 0 });
        }
        let [columns, left_out] = [schema, schema].map(BatchBuilder::with_schema);
        let schema = schema.clone();
        Ok(Self { files, at: 0, rows: None, bytes, read_before: 0, schema, columns, left_out, made: None })
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next rows, or the end.
    pub(crate) fn next(&mut self) -> Result<Read, WorkflowError> {
        let broken = |error| WorkflowError::Record { what: "rows".into(), problem: format!("{error}") };
        while !self.columns.is_full()
            && let Some(file) = self.files.get_mut(self.at)
        {
            let rows = match &mut self.rows {
                Some(rows) => rows,
                none => {
                    let made = (!file.is_as_read()).then_some(self.at);
                    if made != self.made {
                        if !self.columns.is_empty() {
                            break;
                        }
                        let schema = if made.is_some() { &file.dataset.columns } else { &self.schema };
                        self.made = made;
                        [self.columns, self.left_out] = [schema, schema].map(BatchBuilder::with_schema);
                    }
                    let rows = none
                        .insert(RowReader::open(&file.place, &file.dataset.path).map_err(|error| since(file, error))?);
                    if rows.kind() != file.dataset.kind {
                        return Err(file.changed());
                    }
                    rows
                }
            };
            let taken = file.dataset.sample.is_none_or(|sample| sample.takes(file.rows));
            let columns = if taken { &mut self.columns } else { &mut self.left_out };
            if !taken && columns.is_full() {
                columns.take().map_err(broken)?;
            }
            match rows.next(columns) {
                Ok(Some(is_row)) => file.rows += u64::from(is_row),
                Ok(None) if rows.digest() == file.dataset.digest => {
                    self.read_before += rows.read();
                    self.at += 1;
                    self.rows = None;
                }
                Ok(None) => return Err(file.changed()),
                Err(error) => return Err(since(file, error)),
            }
        }
        let read = self.rows.as_ref().map_or(0, RowReader::read);
        let origin = self.made.and_then(|at| self.files.get(at)).map_or(Origin::Columns, |file| file.dataset.origin);
        Ok(match self.columns.take().map_err(broken)? {
            Some(batch) => {
                let batch = origin.normalise(batch, &self.schema).map_err(broken)?;
                Read::Batch(batch, self.read_before + read)
            }
            None => Read::End(self.files.iter().map(LockedFile::read).collect()),
        })
    }
}

/// Every row was looked at when the file was locked: what is wrong with one now has come since.
fn since(file: &LockedFile, error: WorkflowError) -> WorkflowError {
    match error {
        WorkflowError::Data { .. } | WorkflowError::Table { .. } => file.changed(),
        other => other,
    }
}
