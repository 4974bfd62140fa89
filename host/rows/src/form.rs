//! The forms in which others write dialogues, told by the columns of a row.

use std::fmt;

use freehold_core::batch::shown;
use serde::{Deserialize, Serialize};

use crate::builder::Kind;
use crate::dialogue::{HISTORY, Keys, MESSAGES};

pub(crate) const CONVERSATIONS: &str = "conversations";
pub(crate) const SYSTEM: &str = "system";
pub(crate) const INSTRUCTION: &str = "instruction";
pub(crate) const INPUT: &str = "input";
pub(crate) const OUTPUT: &str = "output";
pub(crate) const PROMPT: &str = "prompt";
pub(crate) const COMPLETION: &str = "completion";

/// The columns that make a form; a row is told by which of them have a value.
const MARKERS: [&str; 6] = [MESSAGES, CONVERSATIONS, INSTRUCTION, OUTPUT, PROMPT, COMPLETION];
/// What is accepted, for an error.
pub const ACCEPTED: &str = "`messages` or `conversations` (lists of messages), `instruction` and `output`, or `prompt` and \
                            `completion`";

/// How a dataset writes its dialogues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// No dialogues: columns, of which a transform makes some.
    Columns,
    /// `messages` or `conversations`: lists of `{"role", "content"}`.
    Messages,
    /// `conversations` or `messages`: lists of `{"from", "value"}`; perhaps `system`.
    Sharegpt,
    /// `instruction` and `output`; perhaps `input`, `system` and `history`.
    Alpaca,
    /// `prompt` and `completion`: texts or lists of messages.
    PromptCompletion,
}

impl Form {
    /// As it is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Messages => "messages",
            Self::Sharegpt => "sharegpt",
            Self::Alpaca => "alpaca",
            Self::PromptCompletion => "prompt-completion",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The columns that the dialogues of a dataset are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// No dialogues are made.
    Columns,
    /// `messages`, as it is.
    Messages,
    /// `conversations`.
    Conversations,
    /// `instruction` and those beside it.
    Alpaca,
    /// `prompt` and `completion`.
    PromptCompletion,
}

impl Origin {
    const FORMS: [(Self, Present); 4] = [
        (Self::Messages, Present(1)),
        (Self::Conversations, Present(1 << 1)),
        (Self::Alpaca, Present(1 << 2 | 1 << 3)),
        (Self::PromptCompletion, Present(1 << 4 | 1 << 5)),
    ];

    /// The columns that become `messages`.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Columns | Self::Messages => &[],
            Self::Conversations => &[CONVERSATIONS, SYSTEM],
            Self::Alpaca => &[INSTRUCTION, INPUT, OUTPUT, SYSTEM, HISTORY],
            Self::PromptCompletion => &[PROMPT, COMPLETION],
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::Columns => "no dialogue",
            Self::Messages => "`messages`",
            Self::Conversations => "`conversations`",
            Self::Alpaca => "`instruction` and `output`",
            Self::PromptCompletion => "`prompt` and `completion`",
        }
    }
}

/// Which of the columns that make a form have a value in a row, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Present(pub(crate) u8);

impl Present {
    /// The bit of a column of this name and kind, if it makes a form.
    pub(crate) fn marker(name: &str, kind: Kind) -> Self {
        let fits = match name {
            MESSAGES | CONVERSATIONS => kind == Kind::Dialogue,
            PROMPT | COMPLETION => matches!(kind, Kind::Text | Kind::Dialogue),
            _ => kind == Kind::Text,
        };
        let at = MARKERS.iter().position(|marker| *marker == name).filter(|_| fits);
        Self(at.map_or(0, |at| 1 << at))
    }

    /// The forms that a row with these columns has.
    fn sources(self) -> impl Iterator<Item = Origin> {
        Origin::FORMS.into_iter().filter(move |(_, needs)| self.0 & needs.0 == needs.0).map(|(source, _)| source)
    }
}

/// A row has no form of dialogue, or not one alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {problem}; expected {expected}")]
pub struct FormError {
    /// The line or row of the file, from 1.
    pub row: u64,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub expected: String,
}

/// What is known of a kind of rows: which was the first, and what it had.
#[derive(Debug, Clone)]
struct First {
    present: Present,
    row: u64,
    columns: Vec<String>,
}

/// Counts the rows of a dataset, and which forms they have.
#[derive(Debug, Default)]
pub(crate) struct Census {
    rows: u64,
    /// The first row of each kind, in their order.
    firsts: Vec<First>,
    /// The first row whose dialogue begins with a system message though it has a column `system` too.
    pub(crate) two_systems: Option<u64>,
}

/// What the columns of a dataset are, as far as forms ask: name, kind, keys of messages and the first row with a value.
pub(crate) type Known<'a> = (&'a str, Kind, Option<Keys>, u64);

impl Census {
    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Counts a row. `columns` are named once for each kind of rows.
    pub(crate) fn count(&mut self, present: Present, row: u64, columns: impl FnOnce() -> Vec<String>) {
        self.rows += 1;
        // Most files have one kind of rows, and no file has more than 64.
        if !self.firsts.iter().any(|first| first.present == present) {
            self.firsts.push(First { present, row, columns: columns() });
        }
    }

    /// The form of all rows, and what it is made of.
    pub(crate) fn form<'a>(&self, known: impl Iterator<Item = Known<'a>> + Clone) -> Result<(Form, Origin), FormError> {
        let mut found: Option<Origin> = None;
        if self.firsts.iter().all(|first| first.present.sources().next().is_none()) {
            return Ok((Form::Columns, Origin::Columns));
        }
        for first in &self.firsts {
            let sources: Vec<_> = first.present.sources().collect();
            let error = |problem: String, expected: String| FormError { row: first.row, problem, expected };
            match (sources.as_slice(), found) {
                ([], _) => {
                    let columns: Vec<_> = first.columns.iter().map(|name| shown(name)).collect();
                    let problem = format!("there is no dialogue in the columns {}", columns.join(", "));
                    return Err(error(problem, ACCEPTED.into()));
                }
                ([source], None) => found = Some(*source),
                ([source], Some(before)) if *source == before => {}
                ([source], Some(before)) => {
                    let problem = format!("the dialogue is in {}", source.described());
                    return Err(error(problem, format!("{}, as before", before.described())));
                }
                ([one, other, ..], _) => {
                    let problem = format!("there are two dialogues: {} and {}", one.described(), other.described());
                    return Err(error(problem, "one of them: remove the other columns".into()));
                }
            }
        }
        let source = found.unwrap_or(Origin::Columns);
        self.check(source, known.clone())?;
        let keys_of = |name: &str| known.clone().find(|(column, ..)| *column == name).and_then(|(_, _, keys, _)| keys);
        let form = match source {
            Origin::Columns => Form::Columns,
            Origin::Messages if keys_of(MESSAGES) == Some(Keys::FromValue) => Form::Sharegpt,
            Origin::Conversations if keys_of(CONVERSATIONS) == Some(Keys::FromValue) => Form::Sharegpt,
            Origin::Messages | Origin::Conversations => Form::Messages,
            Origin::Alpaca => Form::Alpaca,
            Origin::PromptCompletion => Form::PromptCompletion,
        };
        Ok((form, source))
    }

    /// Columns beside those that make the form have to be of the kind that it takes.
    fn check<'a>(&self, source: Origin, known: impl Iterator<Item = Known<'a>>) -> Result<(), FormError> {
        let beside = known.filter(|(name, ..)| source.columns().contains(name));
        for (name, kind, _, row) in beside {
            let wanted = if name == HISTORY { Kind::Dialogue } else { Kind::Text };
            if matches!(name, SYSTEM | INPUT | HISTORY) && kind != wanted {
                let (problem, expected) = (format!("`{name}` is {}", kind.described()), wanted.described());
                return Err(FormError { row, problem, expected: expected.into() });
            }
        }
        match self.two_systems.filter(|_| source == Origin::Conversations) {
            None => Ok(()),
            Some(row) => Err(FormError {
                row,
                problem: "the dialogue begins with a system message, and there is a column `system`".into(),
                expected: "one of them".into(),
            }),
        }
    }
}
