//! Rows of JSON as the files that others write.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, NullArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

/// Rows of a batch of records or a row group, so that even small tables have several.
const GROUP_ROWS: usize = 7;

/// What rows are written in.
pub const FILE_KINDS: [&str; 4] = ["jsonl", "parquet", "arrow", "arrow-stream"];

/// The bytes of a file of a kind.
pub fn table(kind: &str, rows: &[Value]) -> Vec<u8> {
    if kind == "jsonl" {
        return rows.iter().map(|row| format!("{row}\n")).collect::<String>().into_bytes();
    }
    let batch = batch(rows);
    let batches = (0..batch.num_rows()).step_by(GROUP_ROWS);
    let batches: Vec<RecordBatch> = batches.map(|at| batch.slice(at, GROUP_ROWS.min(batch.num_rows() - at))).collect();
    let mut bytes = Vec::new();
    match kind {
        "parquet" => {
            let settings = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(settings)).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.close().unwrap();
        }
        "arrow" => {
            let mut writer = FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
        "arrow-stream" => {
            let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
        other => panic!("there is no file of the kind {other}"),
    }
    bytes
}

/// The rows as one batch of records; the kind of a column is that of its first value.
fn batch(rows: &[Value]) -> RecordBatch {
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.as_object().unwrap().keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let arrays: Vec<ArrayRef> =
        names.iter().map(|name| array(&rows.iter().map(|row| &row[name.as_str()]).collect::<Vec<_>>())).collect();
    let fields =
        names.iter().zip(&arrays).map(|(name, array)| Field::new(name.as_str(), array.data_type().clone(), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays).unwrap()
}

fn array(values: &[&Value]) -> ArrayRef {
    let first = values.iter().find(|value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    match first {
        Some(Value::String(_)) => Arc::new(values.iter().map(|value| value.as_str()).collect::<StringArray>()),
        Some(Value::Bool(_)) => Arc::new(values.iter().map(|value| value.as_bool()).collect::<BooleanArray>()),
        Some(Value::Number(number)) if number.is_i64() => {
            Arc::new(values.iter().map(|value| value.as_i64()).collect::<Int64Array>())
        }
        Some(Value::Number(_)) => Arc::new(values.iter().map(|value| value.as_f64()).collect::<Float64Array>()),
        Some(Value::Array(_)) => Arc::new(lists(values)),
        Some(Value::Object(_)) => Arc::new(objects(values)),
        _ => Arc::new(NullArray::new(values.len())),
    }
}

fn lists(values: &[&Value]) -> ListArray {
    let all: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
    let items = array(&all);
    let lengths = values.iter().map(|value| value.as_array().map_or(0, Vec::len));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths(lengths);
    let valid = values.iter().map(|value| value.is_array()).collect::<Vec<_>>();
    let item = Field::new_list_field(items.data_type().clone(), true);
    ListArray::new(Arc::new(item), offsets, items, Some(valid.into()))
}

fn objects(values: &[&Value]) -> StructArray {
    let batch = batch(&values.iter().map(|value| (*value).clone()).collect::<Vec<_>>());
    StructArray::from(batch)
}
