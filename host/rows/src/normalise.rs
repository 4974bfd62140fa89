//! Dialogues of any form as one column `messages`. Rows keep their number and their order, so that lineage knows nothing of it.

use freehold_core::batch::{Batch, Column, ColumnData, DialogueColumn, Message, ShapeError};

use crate::builder::{Kind, Schema};
use crate::dialogue::{HISTORY, MESSAGES};
use crate::form::{COMPLETION, CONVERSATIONS, INPUT, INSTRUCTION, OUTPUT, Origin, PROMPT, SYSTEM};

impl Origin {
    /// The columns of a dataset when its dialogues are `messages`.
    pub fn schema(self, columns: &Schema) -> Schema {
        let mut schema = Schema::new();
        for (name, kind) in columns {
            match self.columns().contains(&name.as_str()) {
                false => schema.push((name.clone(), *kind)),
                true if schema.iter().any(|(name, _)| name == MESSAGES) => {}
                true => schema.push((MESSAGES.into(), Kind::Dialogue)),
            }
        }
        schema
    }

    /// The batch with its dialogues in `messages`, and with every column of `schema`, in its order.
    ///
    /// # Errors
    /// Texts are too long for one batch.
    pub fn normalise(self, batch: Batch, schema: &Schema) -> Result<Batch, ShapeError> {
        if matches!(self, Self::Columns | Self::Messages) && has_columns(&batch, schema) {
            return Ok(batch);
        }
        let (first_row, rows) = (batch.first_row(), batch.rows());
        let messages = match self {
            Self::Columns | Self::Messages => None,
            _ => Some(self.messages(&batch)?),
        };
        let (mut columns, mut messages) = (batch.into_columns(), messages);
        let mut column = |(name, kind): &(String, Kind)| {
            if name == MESSAGES
                && let Some(data) = messages.take()
            {
                return Column { name: name.clone(), data: ColumnData::Dialogue(data), validity: None };
            }
            match columns.iter().position(|column| column.name == *name) {
                Some(at) => columns.swap_remove(at),
                None => Column::absent(name.clone(), kind.empty(), rows),
            }
        };
        Batch::new(first_row, rows, schema.iter().map(&mut column).collect())
    }

    /// A dialogue for each row.
    fn messages(self, batch: &Batch) -> Result<DialogueColumn, ShapeError> {
        let mut dialogues = DialogueColumn::default();
        let mut query = String::new();
        for row in 0..batch.rows() {
            let mut messages: Vec<Message<'_>> = Vec::new();
            query.clear();
            let text = |name| text(batch, name, row);
            let system = text(SYSTEM).filter(|text| !text.is_empty());
            match self {
                Self::Columns | Self::Messages => {}
                Self::Conversations => {
                    messages.extend(system.map(|text| ("system", text)));
                    messages.extend(dialogue(batch, CONVERSATIONS, row));
                }
                Self::Alpaca => {
                    messages.extend(system.map(|text| ("system", text)));
                    messages.extend(dialogue(batch, HISTORY, row));
                    query.push_str(text(INSTRUCTION).unwrap_or_default());
                    if let Some(input) = text(INPUT).filter(|text| !text.is_empty()) {
                        query.push('\n');
                        query.push_str(input);
                    }
                    messages.extend([("user", query.as_str()), ("assistant", text(OUTPUT).unwrap_or_default())]);
                }
                Self::PromptCompletion => {
                    for (name, role) in [(PROMPT, "user"), (COMPLETION, "assistant")] {
                        messages.extend(text(name).map(|text| (role, text)));
                        messages.extend(dialogue(batch, name, row));
                    }
                }
            }
            if !dialogues.push(&messages) {
                return Err(ShapeError::Offsets { column: MESSAGES.into(), problem: "pass 4 GiB" });
            }
        }
        Ok(dialogues)
    }
}

fn has_columns(batch: &Batch, schema: &Schema) -> bool {
    let names = batch.columns().iter().map(|column| &column.name);
    names.eq(schema.iter().map(|(name, _)| name))
}

/// The text of a row in the column `name`, if there is one.
fn text<'a>(batch: &'a Batch, name: &str, row: usize) -> Option<&'a str> {
    let column = batch.column(name).filter(|column| column.is_valid(row))?;
    match &column.data {
        ColumnData::Text(texts) => texts.get(row),
        _ => None,
    }
}

/// The messages of a row in the column `name`; none if there are none.
fn dialogue<'a>(batch: &'a Batch, name: &str, row: usize) -> Vec<Message<'a>> {
    match batch.column(name).map(|column| &column.data) {
        Some(ColumnData::Dialogue(dialogues)) => dialogues.get(row),
        _ => Vec::new(),
    }
}
