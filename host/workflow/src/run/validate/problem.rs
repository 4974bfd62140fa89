//! What in the data stops a run before it trains.

use super::{NamedRow, Rows, TooLong, Validation};

/// The data cannot be trained on, or what is learned could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataProblem {
    /// Every token of some rows, or of all, is masked.
    #[error(
        "nothing can be learned of {rows} of the {all} rows of split `train`, which have no message of the role `assistant`, \
         or the chat template marks none: {}",
        listed(first, *rows)
    )]
    NothingToLearn {
        /// How many rows.
        rows: u64,
        /// How many rows there are.
        all: u64,
        /// The first of them.
        first: Vec<NamedRow>,
    },
    /// Examples are longer than `max_length`.
    #[error(
        "split `train` has {} with more than `max_length` = {limit} tokens, {tokens_beyond} too many in all, and none is \
         cut: {}",
        counted(*examples, "example"),
        listed(first, *examples)
    )]
    TooLong {
        /// How many.
        examples: u64,
        /// The limit in tokens.
        limit: usize,
        /// Tokens beyond it.
        tokens_beyond: u64,
        /// The longest example in tokens.
        longest: u64,
        /// Tokens that the model can attend to.
        positions: usize,
        /// The first of them.
        first: Vec<NamedRow>,
    },
    /// Answers are not learned to the token that stops generation.
    #[error(
        "split `train` has {} with an answer that does not end with the token that stops generation, so that the model \
         would not learn to stop: {}",
        counted(*rows, "row"),
        listed(first, *rows)
    )]
    WithoutEnd {
        /// How many rows.
        rows: u64,
        /// The first of them.
        first: Vec<NamedRow>,
    },
    /// Held-out rows leave the model no room to answer.
    #[error(
        "split `eval` has {} with a prompt of more than {limit} tokens, which leaves a model of {positions} positions fewer \
         than `max_new_tokens` to answer in: {}",
        counted(*rows, "row"),
        listed(first, *rows)
    )]
    NoRoom {
        /// How many.
        rows: u64,
        /// The limit in tokens.
        limit: usize,
        /// Tokens that the model can attend to.
        positions: usize,
        /// The first of them.
        first: Vec<NamedRow>,
    },
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Some rows, and how many more there are.
fn listed(first: &[NamedRow], all: u64) -> String {
    let named: Vec<String> = first.iter().map(NamedRow::to_string).collect();
    let more = all.saturating_sub(first.len() as u64);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", named.join(", "))
}

impl DataProblem {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NothingToLearn { .. } => {
                "drop these rows in a transform, bring dialogues with answers of the role `assistant`, or make them with \
                 freehold/chat-format; a chat template with `generation` blocks has to have one around the answer"
                    .into()
            }
            Self::TooLong { longest, positions, .. } if *longest <= *positions as u64 => format!(
                "set `max_length` in [train] to at least {longest}, or drop or split these rows in a transform; `freehold \
                 check` shows how long all of them are"
            ),
            Self::TooLong { positions, .. } => format!(
                "drop or split these rows in a transform; this model cannot attend to more than {positions} tokens"
            ),
            Self::WithoutEnd { .. } => {
                "use a tokenizer that has the control token that the chat template writes behind an answer".into()
            }
            Self::NoRoom { .. } => "lower `max_new_tokens` in [evaluate], or drop these rows in a transform".into(),
        }
    }
}

/// What stops a run, the worst first.
pub(super) fn of(validation: &Validation) -> Vec<DataProblem> {
    let Validation { train, eval, positions, .. } = validation;
    let positions = *positions;
    let mut problems = Vec::new();
    if train.nothing_to_learn.rows > 0 || train.learned == 0 {
        let Rows { rows, first } = train.nothing_to_learn.clone();
        problems.push(DataProblem::NothingToLearn { rows, all: train.rows, first });
    }
    if train.too_long.examples > 0 {
        let TooLong { limit, examples, tokens_beyond, first } = train.too_long.clone();
        let longest = train.lengths.max;
        problems.push(DataProblem::TooLong { examples, limit, tokens_beyond, longest, positions, first });
    }
    if train.without_end.rows > 0 {
        let Rows { rows, first } = train.without_end.clone();
        problems.push(DataProblem::WithoutEnd { rows, first });
    }
    if eval.too_long.examples > 0 {
        let TooLong { limit, examples, first, .. } = eval.too_long.clone();
        problems.push(DataProblem::NoRoom { rows: examples, limit, positions, first });
    }
    problems
}
