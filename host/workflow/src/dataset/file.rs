//! The rows of an open file, whatever it is.

use std::io::{Read as _, Seek as _, SeekFrom};

use cap_std::fs::File;
use freehold_core::digest::{Digest, Hasher};
use freehold_rows::{
    ArrowReader, BatchBuilder, FileKind, LineError, Lines, MAGIC_BYTES, ParquetReader, ReadError, RowError, Source,
    TableError,
};

use super::blocks::Blocks;
use crate::WorkflowError;
use crate::project::Place;

/// Bytes of a line at most.
const LINE_BYTES_MAX: usize = freehold_rows::ROW_BYTES_MAX;

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

/// A table is not what it should be, in a file that is called `file`.
pub(super) fn table_error(file: &str, error: TableError) -> WorkflowError {
    WorkflowError::Table { file: file.into(), error }
}

fn read_error(file: &str, error: ReadError<WorkflowError>) -> WorkflowError {
    match error {
        ReadError::Source(error) => error,
        ReadError::Table(error) => table_error(file, error),
    }
}

/// An open file, whose digest is taken while it is read from its beginning to its end.
pub(super) struct DatasetFile {
    place: Place,
    file: File,
    hasher: Hasher,
    bytes: u64,
    read: u64,
}

impl DatasetFile {
    fn open(place: &Place) -> Result<Self, WorkflowError> {
        let file = place.open(|dir, path| dir.open(path))?;
        let metadata = file.metadata().map_err(|error| place.failed(error))?;
        if !metadata.is_file() {
            return Err(place.failed("it is not a file"));
        }
        Ok(Self { place: place.clone(), file, hasher: Hasher::new(), bytes: metadata.len(), read: 0 })
    }

    /// How it begins. It is read from the beginning again.
    fn first_bytes(&mut self) -> Result<Vec<u8>, WorkflowError> {
        let mut first = Vec::with_capacity(MAGIC_BYTES);
        let mut look = || {
            (&self.file).take(MAGIC_BYTES as u64).read_to_end(&mut first)?;
            self.file.seek(SeekFrom::Start(0))
        };
        look().map_err(|error| self.place.failed(error))?;
        Ok(first)
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

/// Reads the rows of a file, one after the other.
pub(super) struct RowReader {
    /// As the recipe calls it.
    name: String,
    kind: FileKind,
    rows: Rows,
}

enum Rows {
    Lines(Box<Lines<DatasetFile>>),
    Arrow(Box<ArrowReader<DatasetFile>>),
    Parquet(Box<ParquetReader<Blocks>>),
}

impl RowReader {
    /// Opens a file. What it is, its first bytes say.
    pub(super) fn open(place: &Place, name: &str) -> Result<Self, WorkflowError> {
        let mut file = DatasetFile::open(place)?;
        let kind = FileKind::of(&file.first_bytes()?).map_err(|error| table_error(name, error))?;
        let arrow = |file, is_file| ArrowReader::new(file, is_file).map_err(|error| read_error(name, error));
        let rows = match kind {
            FileKind::Jsonl => Rows::Lines(Box::new(Lines::new(file, LINE_BYTES_MAX))),
            FileKind::Arrow => Rows::Arrow(Box::new(arrow(file, true)?)),
            FileKind::ArrowStream => Rows::Arrow(Box::new(arrow(file, false)?)),
            FileKind::Parquet => {
                let blocks = Blocks::new(file.place, file.file)?;
                Rows::Parquet(Box::new(ParquetReader::new(blocks).map_err(|error| read_error(name, error))?))
            }
        };
        Ok(Self { name: name.into(), kind, rows })
    }

    /// What the file is.
    pub(super) fn kind(&self) -> FileKind {
        self.kind
    }

    /// Adds the next row to `columns`; `Some(false)` if it was an empty line, `None` at the end.
    pub(super) fn next(&mut self, columns: &mut BatchBuilder) -> Result<Option<bool>, WorkflowError> {
        let row = match &mut self.rows {
            Rows::Lines(lines) => {
                let line = lines.next_line().map_err(|error| line_error(&self.name, error))?;
                let row = line.map(|line| columns.push(&line)).transpose();
                return row.map_err(|error| row_error(&self.name, error));
            }
            Rows::Arrow(reader) => reader.next_row(columns),
            Rows::Parquet(reader) => reader.next_row(columns),
        };
        let row = row.map_err(|error| read_error(&self.name, error))?;
        Ok(row.then_some(true))
    }

    /// The digest of the file's bytes, at the end of its rows.
    pub(super) fn digest(&self) -> Digest {
        match &self.rows {
            Rows::Lines(lines) => lines.source().hasher.clone().finish(),
            Rows::Arrow(reader) => reader.source().hasher.clone().finish(),
            Rows::Parquet(reader) => reader.file().digest(),
        }
    }

    /// Bytes that were read so far.
    pub(super) fn read(&self) -> u64 {
        match &self.rows {
            Rows::Lines(lines) => lines.source().read,
            Rows::Arrow(reader) => reader.source().read,
            Rows::Parquet(reader) => reader.file().read(),
        }
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        match &self.rows {
            Rows::Lines(lines) => lines.source().bytes,
            Rows::Arrow(reader) => reader.source().bytes,
            Rows::Parquet(reader) => reader.file().bytes(),
        }
    }
}
