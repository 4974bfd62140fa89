//! Rows as they are written in a case, and batches as the sandbox takes them.

use freehold_core::batch::{Batch, Column, ColumnData, DialogueColumn, Outcome, TextColumn};
use toml::{Table, Value};

use super::RowsCase;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Boolean,
    Dialogue,
}

impl Kind {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::Text),
            Value::Integer(_) | Value::Float(_) => Some(Self::Number),
            Value::Boolean(_) => Some(Self::Boolean),
            Value::Array(messages) if messages.iter().all(|message| message_of(message).is_some()) => {
                Some(Self::Dialogue)
            }
            _ => None,
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Dialogue => "a list of messages",
        }
    }
}

fn message_of(value: &Value) -> Option<(&str, &str)> {
    Some((value.get("role")?.as_str()?, value.get("content")?.as_str()?))
}

/// What a run gives to a metric. What a case leaves out is an empty text.
const METRIC_COLUMNS: [&str; 3] = ["prompt", "prediction", "reference"];

/// Gives every row the columns that a metric is given, and refuses others.
pub(super) fn complete_for_metric(written: &mut [RowsCase]) -> Result<(), String> {
    for (at, row) in written.iter_mut().flat_map(|batch| &mut batch.rows).enumerate() {
        if let Some(other) = row.keys().find(|key| !METRIC_COLUMNS.contains(&key.as_str())) {
            return Err(format!("row {at}: a metric is given {}, and no `{other}`", METRIC_COLUMNS.join(", ")));
        }
        for name in METRIC_COLUMNS {
            row.entry(name).or_insert_with(|| "".into());
        }
    }
    Ok(())
}

/// The batches of one stream: rows are numbered through, and a column has one type in all of them.
pub(super) fn batches(written: &[RowsCase]) -> Result<Vec<Batch>, String> {
    let mut schema: Vec<(&str, Kind)> = Vec::new();
    for (at, row) in written.iter().flat_map(|batch| &batch.rows).enumerate() {
        for (name, value) in row {
            let kind = Kind::of(value).ok_or_else(|| {
                format!("row {at}: `{name}` must be a text, a number, true or false, or a list of {{ role, content }}")
            })?;
            match schema.iter().find(|(known, _)| known == name) {
                None => schema.push((name, kind)),
                Some((_, known)) if *known == kind => {}
                Some((_, known)) => {
                    let (known, kind) = (known.described(), kind.described());
                    return Err(format!("row {at}: `{name}` is {kind}, but {known} in a row before"));
                }
            }
        }
    }
    let (mut batches, mut first_row) = (Vec::new(), 0);
    for RowsCase { rows } in written {
        let columns = schema.iter().map(|(name, kind)| column(name, *kind, rows)).collect::<Result<_, _>>()?;
        batches.push(Batch::new(first_row, rows.len(), columns).map_err(|error| error.to_string())?);
        first_row += rows.len() as u64;
    }
    Ok(batches)
}

/// A column of rows; a row without the value has none.
fn column(name: &str, kind: Kind, rows: &[Table]) -> Result<Column, String> {
    let values: Vec<Option<&Value>> = rows.iter().map(|row| row.get(name)).collect();
    let too_large = || format!("column `{name}` would pass 4 GiB");
    let data = match kind {
        Kind::Text => {
            let mut column = TextColumn::default();
            let fits = values.iter().all(|value| column.push(value.and_then(Value::as_str).unwrap_or_default()));
            ColumnData::Text(fits.then_some(column).ok_or_else(too_large)?)
        }
        Kind::Number => ColumnData::Numbers(values.iter().map(|value| value.and_then(number).unwrap_or(0.0)).collect()),
        Kind::Boolean => {
            ColumnData::Booleans(values.iter().map(|value| u8::from(*value == Some(&Value::Boolean(true)))).collect())
        }
        Kind::Dialogue => {
            let mut column = DialogueColumn::default();
            let fits = values.iter().all(|value| {
                let messages = value.and_then(Value::as_array).into_iter().flatten();
                column.push(&messages.filter_map(message_of).collect::<Vec<_>>())
            });
            let column = fits.then_some(column).ok_or_else(too_large)?;
            let (offsets, roles, texts) = column.as_parts();
            // Checks the roles.
            DialogueColumn::from_parts(name, offsets.to_vec(), roles.clone(), texts.clone())
                .map(ColumnData::Dialogue)
                .map_err(|error| error.to_string())?
        }
    };
    let validity = values.iter().any(Option::is_none).then(|| {
        let mut bits = vec![0; rows.len().div_ceil(8)];
        for (row, _) in values.iter().enumerate().filter(|(_, value)| value.is_some()) {
            bits[row / 8] |= 1 << (row % 8);
        }
        bits
    });
    Ok(Column { name: name.into(), data, validity })
}

/// A whole number or another one.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|value| value as f64))
}

/// A number as it is written by hand: whole ones without a point.
pub(super) fn written(number: f64) -> Value {
    let whole = number.fract() == 0.0 && number.abs() < 1e15;
    if whole { Value::Integer(number as i64) } else { Value::Float(number) }
}

/// The rows that came out, as they would be written; a value that a row does not have is left out.
pub(super) fn rows_of(outcome: &Outcome) -> Vec<Value> {
    let batch = &outcome.batch;
    let row = |row: usize| {
        let valid = batch.columns().iter().filter(|column| column.is_valid(row));
        Value::Table(valid.map(|column| (column.name.clone(), value(&column.data, row))).collect())
    };
    (0..batch.rows()).map(row).collect()
}

fn value(data: &ColumnData, row: usize) -> Value {
    let message = |(role, text): (&str, &str)| {
        Value::Table(
            [("role", role), ("content", text)].map(|(key, text)| (key.to_owned(), text.into())).into_iter().collect(),
        )
    };
    match data {
        ColumnData::Text(column) => column.get(row).unwrap_or_default().into(),
        ColumnData::Numbers(values) => written(values.get(row).copied().unwrap_or(0.0)),
        ColumnData::Booleans(values) => (values.get(row) == Some(&1)).into(),
        ColumnData::Dialogue(column) => Value::Array(column.get(row).into_iter().map(message).collect()),
    }
}
