//! One row: what was asked for, and how far it is.

use std::sync::Arc;

use super::served::Served;
use crate::adapter::Adapter;
use crate::generate::{Ending, GenerateError, GenerateSettings, Sampler};
use crate::model::{self, Part};

/// A row of a batcher; no two rows that it ever had are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub(super) u64);

/// What is to be generated.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is added to the base model. Rows with clones of the same `Arc` are computed together.
    pub adapter: Option<Arc<Adapter>>,
    /// What is continued.
    pub prompt: Vec<u32>,
    /// How it is continued; the seed is this row's own.
    pub settings: GenerateSettings,
}

/// What a step gives for a row: a token, its end, or both.
#[derive(Debug)]
pub struct Event {
    /// The row.
    pub row: RowId,
    /// The next token of the answer; none if the answer ended before.
    pub token: Option<u32>,
    /// Why the row ends, if it does, or the error that ends it; others go on.
    pub ending: Option<Result<Ending, GenerateError>>,
}

/// A row that is being generated.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: RowId,
    pub(super) adapter: Option<Arc<Served>>,
    pub(super) past: model::Row,
    /// What the model sees next: the prompt, then the last token of the answer.
    next: Vec<u32>,
    /// How many of these tokens it has seen.
    seen: usize,
    sampler: Sampler,
    settings: GenerateSettings,
    /// Tokens of the answer so far.
    answered: usize,
}

impl Row {
    pub(super) fn new(
        id: RowId,
        adapter: Option<Arc<Served>>,
        request: (Vec<u32>, GenerateSettings),
        layers: usize,
    ) -> Self {
        let (next, settings) = request;
        let sampler = Sampler::new(&settings, 0);
        Self { id, adapter, past: model::Row::new(layers), next, seen: 0, sampler, settings, answered: 0 }
    }

    /// The end of a row that is to have no token at all.
    pub(super) fn ends_at_once(&self) -> Option<Event> {
        let length = Event { row: self.id, token: None, ending: Some(Ok(Ending::Length)) };
        (self.settings.max_new_tokens == 0).then_some(length)
    }

    /// How many tokens the model has not seen yet.
    pub(super) fn unseen(&self) -> usize {
        self.next.len() - self.seen
    }

    /// A pass over the next tokens, so many of those that the model has not seen.
    pub(super) fn part(&mut self, count: usize) -> Part<'_> {
        let added = self.adapter.as_ref().map(|served| served.added());
        let ids = &self.next[self.seen..][..count];
        let wanted = self.seen + count == self.next.len();
        Part { past: &mut self.past, ids, added, answers: self.answered > 0, wanted }
    }

    /// Notes that the model has seen so many more tokens.
    pub(super) fn saw(&mut self, count: usize) {
        self.seen += count;
    }

    /// Chooses the token that follows what the model has seen.
    pub(super) fn answer(&mut self, logits: impl Iterator<Item = f32>, end_ids: &[u32]) -> Event {
        let row = self.id;
        let Some(token) = self.sampler.next(logits) else {
            return Event { row, token: None, ending: Some(Err(GenerateError::NotFinite { index: 0 })) };
        };
        if end_ids.contains(&token) || self.settings.end_ids.contains(&token) {
            return Event { row, token: None, ending: Some(Ok(Ending::EndToken)) };
        }
        (self.next, self.seen) = (vec![token], 0);
        self.answered += 1;
        let full = self.answered >= self.settings.max_new_tokens;
        Event { row, token: Some(token), ending: full.then_some(Ok(Ending::Length)) }
    }
}
