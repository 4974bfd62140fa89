//! What Arrow files and Parquet files have in common: batches of records in Arrow's layout, row by row into columns.

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Fields};
use freehold_core::batch::shown;

use crate::builder::{BatchBuilder, COLUMNS_MAX, Cell, CellProblem, Expected, Place};
use crate::values::{Value, Values};

/// Bytes of a row's values at most, as of a line.
pub const ROW_BYTES_MAX: usize = 16 << 20;
/// Bytes that a value counts beside its text, so that many empty ones are not nothing.
const VALUE_BYTES: usize = 8;

/// A table cannot be read. Says where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}; expected {expected}", place(*row, column.as_deref()))]
pub struct TableError {
    /// The row, from 1, if it is one that is wrong.
    pub row: Option<u64>,
    /// The column, if it is one that is wrong.
    pub column: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub expected: String,
}

fn place(row: Option<u64>, column: Option<&str>) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!("row {row}, column `{}`: ", shown(column)),
        (Some(row), None) => format!("row {row}: "),
        (None, Some(column)) => format!("column `{}`: ", shown(column)),
        (None, None) => String::new(),
    }
}

impl TableError {
    /// The whole file is not what it should be.
    pub(crate) fn of_file(problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { row: None, column: None, problem: problem.into(), expected: expected.into() }
    }

    /// Bytes are not what they should be.
    pub(crate) fn damaged(problem: impl std::fmt::Display) -> Self {
        let problem = shown(&problem.to_string());
        Self::of_file(format!("the file is damaged: {problem}"), "a whole file, as its writer left it")
    }

    /// A column is not what it should be.
    pub(crate) fn of_column(column: &str, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { column: Some(column.into()), ..Self::of_file(problem, expected) }
    }
}

/// A table cannot be read, or where its bytes come from fails.
#[derive(Debug)]
pub enum ReadError<E> {
    /// The source fails.
    Source(E),
    /// The table is wrong.
    Table(TableError),
}

impl<E> From<TableError> for ReadError<E> {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

/// Looks at the columns of a table before anything of them is read.
pub(crate) fn check_fields(fields: &Fields) -> Result<(), TableError> {
    if fields.is_empty() {
        return Err(TableError::of_file("the table has no columns", "at least one"));
    }
    if fields.len() > COLUMNS_MAX {
        let problem = format!("the table has {} columns", fields.len());
        return Err(TableError::of_file(problem, format!("at most {COLUMNS_MAX}")));
    }
    match fields.iter().find(|field| !Values::takes(field.name(), field.data_type())) {
        None => Ok(()),
        Some(field) => Err(TableError::of_column(field.name(), described(field), ANY_COLUMN)),
    }
}

const ANY_COLUMN: &str = "texts, numbers, true or false, nothing, or lists of messages {role, content} or {from, value}; \
                          leave the column out, or write it as text";

fn described(field: &Field) -> String {
    let kind = match field.data_type() {
        DataType::List(_) | DataType::LargeList(_) => "lists that are no dialogues".to_owned(),
        DataType::Struct(_) | DataType::Map(..) => "objects".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytes".to_owned()
        }
        DataType::ListView(_) | DataType::LargeListView(_) | DataType::FixedSizeList(..) | DataType::Union(..) => {
            "values of a nested kind".to_owned()
        }
        other => format!("values of the type {}", shown(&other.to_string())),
    };
    format!("it holds {kind}")
}

/// A batch of records on its way into columns.
pub(crate) struct Records {
    columns: Vec<(String, Values)>,
    rows: usize,
    at: usize,
}

impl Records {
    /// The columns have been looked at.
    pub(crate) fn new(batch: &RecordBatch) -> Result<Self, TableError> {
        let schema = batch.schema();
        let column = |(field, array): (&std::sync::Arc<Field>, &std::sync::Arc<dyn Array>)| {
            let values = Values::new(array.as_ref());
            let values = values.ok_or_else(|| TableError::of_column(field.name(), described(field), ANY_COLUMN))?;
            Ok((field.name().clone(), values))
        };
        let columns = schema.fields().iter().zip(batch.columns()).map(column).collect::<Result<_, TableError>>()?;
        Ok(Self { columns, rows: batch.num_rows(), at: 0 })
    }

    /// Adds the next row, which is `number` in its file; `false` when there is none.
    pub(crate) fn push(&mut self, builder: &mut BatchBuilder, number: u64) -> Result<bool, TableError> {
        if self.at >= self.rows {
            return Ok(false);
        }
        builder.begin_row(number);
        let (mut expected, mut bytes) = (0, 0_usize);
        for (name, values) in &self.columns {
            bytes = bytes.saturating_add(VALUE_BYTES);
            let refused = |problem: CellProblem| TableError {
                row: Some(number),
                column: Some(problem.name),
                problem: problem.problem,
                expected: problem.expected.told("rows"),
            };
            let value = values.get(self.at, ROW_BYTES_MAX.saturating_sub(bytes)).map_err(|(problem, expected)| {
                refused(CellProblem { name: name.clone(), problem, expected: Expected::Other(expected) })
            })?;
            let place = || builder.place(name, expected);
            let (place, cell, size) = match &value {
                None => continue,
                Some(Value::Text(text)) => (place(), Cell::Text(text), text.len()),
                Some(Value::Number(number)) => (place(), Cell::Number(*number), 0),
                Some(Value::Boolean(boolean)) => (place(), Cell::Boolean(*boolean), 0),
                Some(Value::Dialogue(messages, keys, size)) => (place(), Cell::Dialogue(messages, *keys), *size),
            };
            if let Place::Known(at) = place {
                expected = at + 1;
            }
            bytes = bytes.saturating_add(size);
            builder.set(place, cell, cell.kind().described()).map_err(refused)?;
        }
        builder.end_row(bytes);
        self.at += 1;
        Ok(true)
    }
}
