//! Datasets: files that are read where they are, line by line and twice. The first time their digest is taken, every line is
//! looked at and their columns are learned; the second time their rows go to the transforms. Their bytes are never kept.

use std::io::Read as _;

use cap_std::fs::File;
use freehold_core::batch::Batch;
use freehold_core::digest::{Digest, Hasher};
use freehold_core::recipe::{DataSettings, Split};
use freehold_rows::{BatchBuilder, LineError, Lines, RowError, Schema, Source};

use crate::observe::{Observer, progress_in_bytes};
use crate::project::Place;
use crate::{Project, WorkflowError};

/// Bytes of a line at most.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;
/// Lines between two looks at the progress.
const LINES_PER_EVENT: u64 = 4096;

/// A line that is no row of a table, in a file that is called `file`.
pub(crate) fn row_error(file: &str, error: RowError) -> WorkflowError {
    let RowError { line, column, problem, expected } = error;
    WorkflowError::Data { file: file.into(), line: line as usize, column, problem, expected }
}

/// There is no next line in a file that is called `file`.
pub(crate) fn line_error(file: &str, error: LineError<WorkflowError>) -> WorkflowError {
    match error {
        LineError::Source(error) => error,
        LineError::TooLong { line, limit } => WorkflowError::Data {
            file: file.into(),
            line: line as usize,
            column: limit + 1,
            problem: "the line does not end here".into(),
            expected: format!("at most {limit} bytes on a line"),
        },
    }
}

/// An open file, whose digest is taken while it is read.
struct DatasetFile {
    place: Place,
    file: File,
    hasher: Hasher,
    bytes: u64,
    read: u64,
}

impl DatasetFile {
    fn open(place: &Place) -> Result<Lines<Self>, WorkflowError> {
        let file = place.open(|dir, path| dir.open(path))?;
        let metadata = file.metadata().map_err(|error| place.failed(error))?;
        if !metadata.is_file() {
            return Err(place.failed("it is not a file"));
        }
        let file = Self { place: place.clone(), file, hasher: Hasher::new(), bytes: metadata.len(), read: 0 };
        Ok(Lines::new(file, LINE_BYTES_MAX))
    }

    /// The digest of what was read.
    fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }
}

impl Source for DatasetFile {
    type Error = WorkflowError;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, WorkflowError> {
        let count = self.file.read(buffer).map_err(|error| self.place.failed(error))?;
        self.hasher.update(&buffer[..count]);
        self.read += count as u64;
        Ok(count)
    }
}

/// Digest of a dataset's file, after a look at every line: a broken one is found before anything is recorded. `columns` learns
/// the columns; the datasets of a split share them.
pub(crate) fn scan(
    project: &Project,
    data: &DataSettings,
    columns: &mut BatchBuilder,
    observer: &mut dyn Observer,
) -> Result<Digest, WorkflowError> {
    let place = project.place("path", &data.path)?;
    let mut lines = DatasetFile::open(&place)?;
    let task = format!("read {}", data.name);
    while let Some(line) = lines.next_line().map_err(|error| line_error(&data.path, error))? {
        let number = line.number;
        columns.push(&line).map_err(|error| row_error(&data.path, error))?;
        if columns.is_full() {
            columns.take().map_err(|error| place.failed(error))?;
        }
        if number % LINES_PER_EVENT == 0 {
            let file = lines.source();
            progress_in_bytes(observer, &task, file.read, file.bytes, String::new());
        }
    }
    Ok(lines.source().digest())
}

/// What reading the rows of a split brings next.
pub(crate) enum Read {
    /// Rows, and how many bytes of the files were read so far.
    Batch(Batch, u64),
    /// The end: every file was the one that was locked. How many rows each dataset has, in their order.
    End(Vec<(String, u64)>),
}

struct LockedFile {
    name: String,
    place: Place,
    digest: Option<Digest>,
    rows: u64,
}

/// The rows of every dataset of a split, one after the other. One file is open at a time: there may be thousands.
pub(crate) struct SplitReader {
    files: Vec<LockedFile>,
    /// The file that is being read.
    at: usize,
    lines: Option<Lines<DatasetFile>>,
    /// Bytes of all files, and of those that were read.
    bytes: u64,
    read_before: u64,
    columns: BatchBuilder,
}

impl SplitReader {
    /// `schema` are the columns of the split, and `locked` says which digest a file has to have.
    pub(crate) fn open(
        project: &Project,
        split: Split,
        schema: &Schema,
        locked: impl Fn(&str) -> Option<Digest>,
    ) -> Result<Self, WorkflowError> {
        let (mut files, mut bytes) = (Vec::new(), 0);
        for data in project.recipe.data.iter().filter(|data| data.split == split) {
            let place = project.place("path", &data.path)?;
            bytes += place.open(|dir, path| dir.metadata(path))?.len();
            files.push(LockedFile { name: data.name.clone(), place, digest: locked(&data.name), rows: 0 });
        }
        Ok(Self { files, at: 0, lines: None, bytes, read_before: 0, columns: BatchBuilder::with_schema(schema) })
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next rows, or the end.
    pub(crate) fn next(&mut self) -> Result<Read, WorkflowError> {
        while let Some(file) = self.files.get_mut(self.at).filter(|_| !self.columns.is_full()) {
            let lines = match &mut self.lines {
                Some(lines) => lines,
                none => none.insert(DatasetFile::open(&file.place)?),
            };
            // Every line was looked at when the file was locked: what is wrong now has come since.
            let line = match lines.next_line() {
                Ok(line) => line,
                Err(LineError::Source(error)) => return Err(error),
                Err(LineError::TooLong { .. }) => return Err(changed(&file.place)),
            };
            match line.map(|line| self.columns.push(&line)) {
                Some(Ok(is_row)) => file.rows += u64::from(is_row),
                None if Some(lines.source().digest()) == file.digest => {
                    self.read_before += lines.source().read;
                    self.at += 1;
                    self.lines = None;
                }
                None | Some(Err(_)) => return Err(changed(&file.place)),
            }
        }
        let broken = |error| WorkflowError::Record { what: "rows".into(), problem: format!("{error}") };
        let read = self.lines.as_ref().map_or(0, |lines| lines.source().read);
        Ok(match self.columns.take().map_err(broken)? {
            Some(batch) => Read::Batch(batch, self.read_before + read),
            None => Read::End(self.files.iter().map(|file| (file.name.clone(), file.rows)).collect()),
        })
    }
}

fn changed(place: &Place) -> WorkflowError {
    place.failed("the file changed while the run was going on; start again")
}
