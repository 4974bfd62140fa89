//! Between the contract's types and the host's. Whatever comes from a plugin is checked on the way.

use freehold_core::batch::{
    Batch, Column, ColumnData, DialogueColumn, DroppedRow, Outcome, ShapeError, TextColumn, check_name,
};
use freehold_core::evidence::{Attribute, Value};

use crate::bindings::{transform as wit_transform, types as wit};

fn lend_text(column: &TextColumn) -> wit::TextColumnParam<'_> {
    let (offsets, bytes) = column.as_parts();
    wit::TextColumnParam { offsets, bytes }
}

fn text_from_wit(name: &str, column: wit::TextColumnResult) -> Result<TextColumn, ShapeError> {
    TextColumn::from_parts(name, column.offsets, column.bytes)
}

/// The columns of a batch as plugins get them, not copied.
pub(crate) fn lend_columns(batch: &Batch) -> Vec<wit::ColumnParam<'_>> {
    let lend = |column| {
        let Column { name, data, validity }: &Column = column;
        let data = match data {
            ColumnData::Text(text) => wit::ColumnDataParam::Text(lend_text(text)),
            ColumnData::Dialogue(dialogue) => {
                let (offsets, roles, texts) = dialogue.as_parts();
                let (roles, texts) = (lend_text(roles), lend_text(texts));
                wit::ColumnDataParam::Dialogue(wit::DialogueColumnParam { offsets, roles, texts })
            }
            ColumnData::Numbers(values) => wit::ColumnDataParam::Numbers(values),
            ColumnData::Booleans(values) => wit::ColumnDataParam::Booleans(values),
        };
        wit::ColumnParam { name, data, validity: validity.as_deref() }
    };
    batch.columns().iter().map(lend).collect()
}

/// The batch that holds these columns.
pub(crate) fn lend_batch<'a>(batch: &Batch, columns: &'a [wit::ColumnParam<'a>]) -> wit::BatchParam<'a> {
    wit::BatchParam { first_row: batch.first_row(), rows: batch.rows() as u32, columns }
}

fn column_from_wit(column: wit::ColumnResult) -> Result<Column, ShapeError> {
    let name = column.name;
    check_name(&name)?;
    let data = match column.data {
        wit::ColumnDataResult::Text(text) => ColumnData::Text(text_from_wit(&name, text)?),
        wit::ColumnDataResult::Dialogue(dialogue) => {
            let roles = text_from_wit(&name, dialogue.roles)?;
            let texts = text_from_wit(&name, dialogue.texts)?;
            ColumnData::Dialogue(DialogueColumn::from_parts(&name, dialogue.offsets, roles, texts)?)
        }
        wit::ColumnDataResult::Numbers(values) => ColumnData::Numbers(values),
        wit::ColumnDataResult::Booleans(values) => ColumnData::Booleans(values),
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
