//! Rows as JSON Lines and as batches of columns, and the way from one to the other: a line in, a line out, whatever the size
//! of the file. Nothing here opens a file.

mod builder;
mod lines;
mod parse;
mod write;

pub use builder::{BATCH_BYTES, BATCH_ROWS, BatchBuilder, COLUMNS_MAX, Kind, Schema};
pub use lines::{Line, LineError, Lines, Source};
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
