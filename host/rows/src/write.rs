//! Batches as JSON Lines: one object a row, its keys in order, values that are null left out.

use freehold_core::batch::{Batch, Column, ColumnData};
use serde::Serialize;

/// Gives the line of every row, with its end, to `take`.
pub fn write_rows<E>(batch: &Batch, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut columns: Vec<(&Column, Vec<u8>)> = batch.columns().iter().map(|column| (column, key(column))).collect();
    columns.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let mut line = Vec::new();
    for row in 0..batch.rows() {
        line.clear();
        line.push(b'{');
        for (column, key) in columns.iter().filter(|(column, _)| column.is_valid(row)) {
            if line.len() > 1 {
                line.push(b',');
            }
            line.extend_from_slice(key);
            write_value(&column.data, row, &mut line);
        }
        line.extend_from_slice(b"}\n");
        take(&line)?;
    }
    Ok(())
}

fn key(column: &Column) -> Vec<u8> {
    let mut key = Vec::new();
    write_json(&column.name, &mut key);
    key.push(b':');
    key
}

fn write_value(data: &ColumnData, row: usize, line: &mut Vec<u8>) {
    match data {
        ColumnData::Text(column) => write_json(column.get(row).unwrap_or_default(), line),
        ColumnData::Numbers(values) => write_json(&values.get(row), line),
        ColumnData::Booleans(values) => write_json(&(values.get(row) == Some(&1)), line),
        ColumnData::Dialogue(column) => {
            line.push(b'[');
            for (at, (role, text)) in column.get(row).into_iter().enumerate() {
                line.extend_from_slice(if at == 0 { b"{\"content\":" } else { b",{\"content\":" });
                write_json(text, line);
                line.extend_from_slice(b",\"role\":");
                write_json(role, line);
                line.push(b'}');
            }
            line.push(b']');
        }
    }
}

fn write_json<T: Serialize + ?Sized>(value: &T, line: &mut Vec<u8>) {
    // Texts, numbers and booleans can be written, and memory takes them.
    let _ = serde_json::to_writer(line, value);
}
