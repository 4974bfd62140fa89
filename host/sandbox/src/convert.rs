//! Between the contract's types and the host's. Whatever comes from a plugin is checked on the way.

use freehold_core::batch::{Batch, Column, ColumnData, DialogueColumn, DroppedRow, Outcome, ShapeError, TextColumn};
use freehold_core::evidence::{Attribute, Value};

use crate::bindings::{transform::exports::freehold::transform::transform as wit_transform, types as wit};

fn text_to_wit(column: &TextColumn) -> wit::TextColumn {
    let (offsets, bytes) = column.as_parts();
    wit::TextColumn { offsets: offsets.to_vec(), bytes: bytes.to_vec() }
}

fn text_from_wit(name: &str, column: wit::TextColumn) -> Result<TextColumn, ShapeError> {
    TextColumn::from_parts(name, column.offsets, column.bytes)
}

pub(crate) fn batch_to_wit(batch: &Batch) -> wit::Batch {
    let column = |column: &Column| wit::Column {
        name: column.name.clone(),
        validity: column.validity.clone(),
        data: match &column.data {
            ColumnData::Text(text) => wit::ColumnData::Text(text_to_wit(text)),
            ColumnData::Dialogue(dialogue) => {
                let (offsets, roles, texts) = dialogue.as_parts();
                wit::ColumnData::Dialogue(wit::DialogueColumn {
                    offsets: offsets.to_vec(),
                    roles: text_to_wit(roles),
                    texts: text_to_wit(texts),
                })
            }
            ColumnData::Numbers(values) => wit::ColumnData::Numbers(values.clone()),
            ColumnData::Booleans(values) => wit::ColumnData::Booleans(values.clone()),
        },
    };
    wit::Batch {
        first_row: batch.first_row(),
        rows: batch.rows() as u32,
        columns: batch.columns().iter().map(column).collect(),
    }
}

fn column_from_wit(column: wit::Column) -> Result<Column, ShapeError> {
    let name = column.name;
    let data = match column.data {
        wit::ColumnData::Text(text) => ColumnData::Text(text_from_wit(&name, text)?),
        wit::ColumnData::Dialogue(dialogue) => {
            let roles = text_from_wit(&name, dialogue.roles)?;
            let texts = text_from_wit(&name, dialogue.texts)?;
            ColumnData::Dialogue(DialogueColumn::from_parts(&name, dialogue.offsets, roles, texts)?)
        }
        wit::ColumnData::Numbers(values) => ColumnData::Numbers(values),
        wit::ColumnData::Booleans(values) => ColumnData::Booleans(values),
    };
    Ok(Column { name, data, validity: column.validity })
}

pub(crate) fn outcome_from_wit(outcome: wit_transform::Outcome) -> Result<Outcome, ShapeError> {
    let columns = outcome.batch.columns.into_iter().map(column_from_wit).collect::<Result<_, _>>()?;
    let batch = Batch::new(outcome.batch.first_row, outcome.batch.rows as usize, columns)?;
    let dropped = outcome.dropped.into_iter().map(|row| DroppedRow { row: row.row, reason: row.reason });
    Ok(Outcome {
        batch,
        origins: outcome.origins,
        dropped: dropped.collect(),
        counts: outcome.counts.into_iter().map(attribute_from_wit).collect(),
    })
}

fn attribute_from_wit(attribute: wit::Attribute) -> Attribute {
    let value = match attribute.value {
        wit::AttributeValue::Text(value) => Value::Text(value),
        wit::AttributeValue::Number(value) => Value::Number(value),
        wit::AttributeValue::Integer(value) => Value::Integer(value),
        wit::AttributeValue::Boolean(value) => Value::Boolean(value),
    };
    Attribute { key: attribute.key, value }
}

pub(crate) fn attribute_to_wit(attribute: &Attribute) -> wit::Attribute {
    let value = match &attribute.value {
        Value::Text(value) => wit::AttributeValue::Text(value.clone()),
        Value::Number(value) => wit::AttributeValue::Number(*value),
        Value::Integer(value) => wit::AttributeValue::Integer(*value),
        Value::Boolean(value) => wit::AttributeValue::Boolean(*value),
    };
    wit::Attribute { key: attribute.key.clone(), value }
}
