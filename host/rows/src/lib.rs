//! Rows as JSON Lines, Parquet and Arrow, and as batches of columns: a few rows at a time, whatever the size of the file; and
//! dialogues of any form as one column `messages`. Nothing here opens a file.

mod arrow;
mod builder;
mod codec;
mod dialogue;
mod form;
mod guard;
mod kind;
mod lines;
mod message;
mod normalise;
mod pages;
mod parquet;
mod parse;
mod table;
mod values;
mod write;

pub use arrow::ArrowReader;
pub use builder::{BATCH_BYTES, BATCH_ROWS, BatchBuilder, COLUMNS_MAX, Kind, Schema};
pub use dialogue::MESSAGES;
pub use form::{ACCEPTED, Form, FormError, Origin};
pub use kind::{FileKind, MAGIC_BYTES};
pub use lines::{Line, LineError, Lines, Source};
pub use pages::RandomAccess;
pub use parquet::ParquetReader;
pub use table::{ROW_BYTES_MAX, ReadError, TableError};
pub use write::write_rows;

/// A line is not a row, or not one of the rows before it. Says where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}; expected {expected}")]
pub struct RowError {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub expected: String,
}

#[cfg(test)]
mod tests;
