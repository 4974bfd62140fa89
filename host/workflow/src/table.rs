//! Rows of a split between transforms: batches of columns.

use freehold_core::batch::{Batch, Column, ColumnData, DialogueColumn, TextColumn};
use serde_json::{Map, Value};

/// Rows of a batch that the host makes.
pub(crate) const BATCH_ROWS: usize = 1024;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Boolean,
    Dialogue,
}

impl Kind {
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::Text),
            Value::Number(_) => Some(Self::Number),
            Value::Bool(_) => Some(Self::Boolean),
            Value::Array(messages) if messages.iter().all(is_message) => Some(Self::Dialogue),
            _ => None,
        }
    }

    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Dialogue => "a list of messages, each {\"role\": ..., \"content\": ...}",
        }
    }
}

const ROLES: [&str; 3] = ["system", "user", "assistant"];

fn is_message(value: &Value) -> bool {
    let role = value.get("role").and_then(Value::as_str);
    role.is_some_and(|role| ROLES.contains(&role)) && value.get("content").is_some_and(Value::is_string)
}

/// Rows of a split.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) batches: Vec<Batch>,
}

/// A row as JSON.
pub(crate) type Row = Map<String, Value>;

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.batches.iter().map(Batch::rows).sum()
    }

    /// Names of the columns; every batch of a table has the same.
    pub(crate) fn columns(&self) -> Vec<String> {
        let first = self.batches.first().map(Batch::columns).unwrap_or_default();
        first.iter().map(|column| column.name.clone()).collect()
    }

    /// Rows of these columns. A value that is missing or null is null.
    pub(crate) fn from_rows(schema: &[(String, Kind)], rows: &[Row]) -> Option<Self> {
        let mut batches = Vec::new();
        for (at, rows) in rows.chunks(BATCH_ROWS).enumerate() {
            let columns = schema.iter().map(|(name, kind)| column(name, *kind, rows)).collect::<Option<_>>()?;
            batches.push(Batch::new((at * BATCH_ROWS) as u64, rows.len(), columns).ok()?);
        }
        Some(Self { batches })
    }

    /// Adds the rows of `batch`, renumbered to follow those that are there.
    pub(crate) fn push(&mut self, batch: &Batch) -> Result<(), freehold_core::batch::ShapeError> {
        if batch.rows() > 0 {
            self.batches.push(Batch::new(self.rows() as u64, batch.rows(), batch.columns().to_vec())?);
        }
        Ok(())
    }

    /// Every row as a JSON object; nulls are left out.
    pub(crate) fn to_rows(&self) -> Vec<Row> {
        let rows = self.batches.iter().flat_map(|batch| (0..batch.rows()).map(move |row| (batch, row)));
        rows.map(|(batch, row)| {
            let valid = batch.columns().iter().filter(|column| column.is_valid(row));
            valid.map(|column| (column.name.clone(), value(&column.data, row))).collect()
        })
        .collect()
    }

    /// The dialogues of the column `name`, if there is one.
    pub(crate) fn dialogues(&self, name: &str) -> Option<Vec<Vec<(&str, &str)>>> {
        let mut dialogues = Vec::new();
        for batch in &self.batches {
            let ColumnData::Dialogue(column) = &batch.column(name)?.data else { return None };
            dialogues.extend((0..column.len()).map(|row| column.get(row)));
        }
        Some(dialogues)
    }
}

fn value(data: &ColumnData, row: usize) -> Value {
    match data {
        ColumnData::Text(column) => column.get(row).unwrap_or_default().into(),
        ColumnData::Numbers(values) => values.get(row).copied().into(),
        ColumnData::Booleans(values) => (values.get(row) == Some(&1)).into(),
        ColumnData::Dialogue(column) => column
            .get(row)
            .into_iter()
            .map(|(role, text)| serde_json::json!({ "role": role, "content": text }))
            .collect(),
    }
}

/// `None` if the column would pass 4 GiB.
fn column(name: &str, kind: Kind, rows: &[Row]) -> Option<Column> {
    let values: Vec<Option<&Value>> = rows.iter().map(|row| row.get(name).filter(|value| !value.is_null())).collect();
    let data = match kind {
        Kind::Text => {
            let mut column = TextColumn::default();
            let fits = values.iter().all(|value| column.push(value.and_then(Value::as_str).unwrap_or_default()));
            fits.then_some(ColumnData::Text(column))?
        }
        Kind::Number => {
            ColumnData::Numbers(values.iter().map(|value| value.and_then(Value::as_f64).unwrap_or_default()).collect())
        }
        Kind::Boolean => {
            ColumnData::Booleans(values.iter().map(|value| u8::from(*value == Some(&Value::Bool(true)))).collect())
        }
        Kind::Dialogue => {
            let mut column = DialogueColumn::default();
            let fits = values.iter().all(|value| column.push(&messages(value.and_then(Value::as_array))));
            fits.then_some(ColumnData::Dialogue(column))?
        }
    };
    let validity = values.iter().any(Option::is_none).then(|| {
        let mut bits = vec![0; rows.len().div_ceil(8)];
        for (row, _) in values.iter().enumerate().filter(|(_, value)| value.is_some()) {
            bits[row / 8] |= 1 << (row % 8);
        }
        bits
    });
    Some(Column { name: name.into(), data, validity })
}

fn messages(value: Option<&Vec<Value>>) -> Vec<(&str, &str)> {
    let messages = value.map(Vec::as_slice).unwrap_or_default().iter();
    messages.filter_map(|message| Some((message.get("role")?.as_str()?, message.get("content")?.as_str()?))).collect()
}
