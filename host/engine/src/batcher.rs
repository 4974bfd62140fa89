//! Rows that are generated together, each with an adapter of its own, which come and go between tokens.
//!
//! What [`generate()`](crate::generate()) is for a file of prompts, this is for a server: nobody waits for the longest answer.

use std::borrow::Cow;
use std::sync::Arc;

use freehold_core::recipe::Precision;

use crate::generate::{GenerateError, check, check_base, check_settings};
use crate::model::{self, Model, Network, last_logits};
use crate::precision::kernel_precision;

mod row;
mod served;

use row::Row;
use served::{Served, ServedAdapters};

pub use row::{Event, Request, RowId};

/// Rows that are generated together over one base model, each with its own adapter or none.
///
/// A model that was trained as a whole is another base, and has a batcher of its own.
#[derive(Debug)]
pub struct Batcher {
    model: Arc<Model>,
    precision: Precision,
    limit: usize,
    adapters: ServedAdapters,
    /// In the order in which they came.
    rows: Vec<Row>,
    added: u64,
}

impl Batcher {
    /// No rows yet, and at most so many at a time.
    pub fn new(model: Arc<Model>, precision: Precision, rows: usize) -> Self {
        Self { model, precision, limit: rows, adapters: ServedAdapters::default(), rows: Vec::new(), added: 0 }
    }

    /// The base model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows may be added now.
    pub fn free(&self) -> usize {
        self.limit - self.rows.len()
    }

    /// Adds a row, which takes part from the next step on. Texts that end an answer are not looked for here, where there is
    /// no tokenizer: [`TextStream`](crate::TextStream) finds them, and whoever reads it removes the row.
    ///
    /// # Errors
    /// All rows are taken; the prompt is empty, too long or has unknown tokens; a setting is not possible, is another
    /// precision than the batcher's, or has texts that end an answer; the adapter belongs to another model.
    pub fn add(&mut self, request: Request) -> Result<RowId, GenerateError> {
        if self.free() == 0 {
            return Err(GenerateError::Full { rows: self.limit });
        }
        let Request { adapter, prompt, settings } = request;
        check(&self.model, std::slice::from_ref(&prompt), settings.max_new_tokens)?;
        check_settings(&settings, false)?;
        if settings.precision != self.precision {
            let found = settings.precision.as_str().into();
            return Err(GenerateError::Setting { key: "precision", found, expected: "the one that rows share" });
        }
        check_base(&self.model, adapter.as_deref())?;
        let adapter = adapter.map(|adapter| self.adapters.serve(adapter, &self.model));
        let id = RowId(self.added);
        self.added += 1;
        self.rows.push(Row::new(id, adapter, (prompt, settings), self.model.config.layers));
        Ok(id)
    }

    /// Takes a row out before its end; false if it is not there.
    pub fn remove(&mut self, row: RowId) -> bool {
        let before = self.rows.len();
        self.rows.retain(|other| other.id != row);
        self.rows.len() < before
    }

    /// One token for every row that goes on, and the first one for the oldest row that is new: what came, in the order in
    /// which rows were added. Rows that end are taken out.
    pub fn step(&mut self) -> Vec<Event> {
        let is_new = |row: &Row| row.past.tokens() == 0;
        let fresh = self.rows.iter().find(|row| is_new(row)).map(|row| row.id);
        let mut rows: Vec<&mut Row> =
            self.rows.iter_mut().filter(|row| !is_new(row) || Some(row.id) == fresh).collect();
        // Those that go on, by their adapters, then the new one.
        rows.sort_by_key(|row| (is_new(row), row.adapter.as_ref().map(Arc::as_ptr)));
        let alike = |a: &&mut Row, b: &&mut Row| {
            !is_new(b) && a.adapter.as_ref().map(Arc::as_ptr) == b.adapter.as_ref().map(Arc::as_ptr)
        };
        let mut events = Vec::with_capacity(rows.len());
        for rows in rows.chunk_by_mut(alike) {
            advance(&self.model, self.precision, rows, &mut events);
        }
        events.sort_by_key(|event| event.row);
        let ended = |row: &Row| events.iter().any(|event| event.row == row.id && event.ending.is_some());
        self.rows.retain(|row| !ended(row));
        events
    }
}

/// Shows rows of one adapter their new tokens; gives those that follow.
fn advance(model: &Model, precision: Precision, rows: &mut [&mut Row], events: &mut Vec<Event>) {
    let Some(served) = rows.first().map(|row| row.adapter.clone()) else { return };
    let network = Network {
        model,
        weights: &model.weights,
        rope: &model.rope,
        update: served.as_ref().map(|served| &served.adapter.update),
        factors: served.as_ref().map(|served| Cow::Borrowed(&served.factors)),
        dropout: None,
        precision: kernel_precision(precision),
        training: false,
        all: false,
    };
    let next: Vec<Vec<u32>> = rows.iter_mut().map(|row| std::mem::take(&mut row.next)).collect();
    let next: Vec<&[u32]> = next.iter().map(Vec::as_slice).collect();
    let mut past: Vec<&mut model::Row> = rows.iter_mut().map(|row| &mut row.past).collect();
    let logits = last_logits(&network, &mut past, &next);
    for (token, row) in rows.iter_mut().enumerate() {
        let next = row.sampler.next(logits.token(token));
        events.push(row.answer(next, &model.config.end_ids));
    }
}

#[cfg(test)]
mod tests;
