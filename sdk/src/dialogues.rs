//! Dialogue columns: a list of messages in every row, each with a role and a text.

use crate::bindings::shared::freehold::types::types as raw;
use crate::texts::{Texts, check_offsets, position};

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The instruction that goes before.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One dialogue a row. Add messages with [`say`](Self::say) and close each row with [`end_row`](Self::end_row).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialogues {
    offsets: Vec<u32>,
    roles: Texts,
    texts: Texts,
}

impl Dialogues {
    /// No rows yet.
    #[must_use]
    pub fn new() -> Self {
        Self { offsets: vec![0], roles: Texts::new(), texts: Texts::new() }
    }

    /// Adds a message to the open row.
    pub fn say(&mut self, role: Role, text: &str) {
        self.roles.push(role.name());
        self.texts.push(text);
    }

    /// Closes the row.
    pub fn end_row(&mut self) {
        self.offsets.push(position(self.texts.len()));
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Role and text of every message of row `row`, which must exist.
    pub fn messages(&self, row: usize) -> impl Iterator<Item = (&str, &str)> {
        (self.offsets[row] as usize..self.offsets[row + 1] as usize)
            .map(|message| (self.roles.get(message), self.texts.get(message)))
    }

    /// The texts of all messages, to be [edited](Texts::edit) in place. Their number must stay.
    pub fn texts_mut(&mut self) -> &mut Texts {
        &mut self.texts
    }

    /// The rows named, in that order.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        let mut taken = Self::new();
        for &row in rows {
            for (role, text) in self.messages(row) {
                taken.roles.push(role);
                taken.texts.push(text);
            }
            taken.end_row();
        }
        taken
    }

    pub(crate) fn from_raw(column: raw::DialogueColumn) -> Result<Self, String> {
        let roles = Texts::from_raw(column.roles).map_err(|error| format!("roles: {error}"))?;
        let texts = Texts::from_raw(column.texts).map_err(|error| format!("texts: {error}"))?;
        if roles.len() != texts.len() {
            return Err(format!("{} roles but {} texts", roles.len(), texts.len()));
        }
        check_offsets(&column.offsets, texts.len())?;
        Ok(Self { offsets: column.offsets, roles, texts })
    }

    pub(crate) fn into_raw(self) -> raw::DialogueColumn {
        raw::DialogueColumn { offsets: self.offsets, roles: self.roles.into_raw(), texts: self.texts.into_raw() }
    }
}

impl Default for Dialogues {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_messages() {
        let mut dialogues = Dialogues::new();
        dialogues.say(Role::User, "hello");
        dialogues.say(Role::Assistant, "good day");
        dialogues.end_row();
        dialogues.end_row();
        let again = Dialogues::from_raw(dialogues.clone().into_raw()).unwrap();
        assert_eq!(again, dialogues);
        let turned = again.take(&[1, 0]);
        assert_eq!(turned.messages(0).count(), 0);
        assert_eq!(turned.messages(1).collect::<Vec<_>>(), [("user", "hello"), ("assistant", "good day")]);
    }
}
