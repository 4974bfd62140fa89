//! One row: what was asked for, and how far it is.

use std::sync::Arc;

use super::served::Served;
use crate::adapter::Adapter;
use crate::generate::{Ending, GenerateError, GenerateSettings, Sampler};
use crate::model;

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
    /// Tokens that the model has not seen yet: the prompt, or what is left of it, or the last token of the answer.
    pub(super) next: Vec<u32>,
    pub(super) sampler: Sampler,
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
        Self { id, adapter, past: model::Row::new(layers), next, sampler, settings, answered: 0 }
    }

    /// Whether it is to have no token at all.
    pub(super) fn wants_nothing(&self) -> bool {
        self.settings.max_new_tokens == 0
    }

    /// Takes the token that follows what the model has seen; none if logits were not finite.
    pub(super) fn answer(&mut self, token: Option<u32>, end_ids: &[u32]) -> Event {
        let row = self.id;
        let Some(token) = token else {
            return Event { row, token: None, ending: Some(Err(GenerateError::NotFinite { index: 0 })) };
        };
        if end_ids.contains(&token) || self.settings.end_ids.contains(&token) {
            return Event { row, token: None, ending: Some(Ok(Ending::EndToken)) };
        }
        self.next = vec![token];
        self.answered += 1;
        let full = self.answered >= self.settings.max_new_tokens;
        Event { row, token: Some(token), ending: full.then_some(Ok(Ending::Length)) }
    }
}
