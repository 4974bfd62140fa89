//! Rows that are generated together, each with an adapter of its own, which come and go between tokens.
//!
//! What [`generate()`](crate::generate()) is for a file of prompts, this is for a server: nobody waits for the longest answer.

use std::sync::Arc;

use freehold_core::recipe::Precision;
use freehold_kernels::map;

use crate::generate::{GenerateError, check, check_base, check_settings};
use crate::model::{Model, Part, advance};
use crate::precision::kernel_precision;

mod row;
mod served;
mod turns;

use row::Row;
use served::ServedAdapters;
use turns::turns;

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

    /// Bytes that the pasts of all rows take now; see [`Model::past_bytes_per_token`].
    pub fn past_bytes(&self) -> usize {
        self.rows.iter().map(|row| row.past.bytes()).sum()
    }

    /// One pass: gives one token for every row whose prompt was seen, in the order in which rows were added, and takes out
    /// those that end. Of prompts that were not, some tokens are seen, so that nobody waits for a long one; the first token
    /// comes with the last of them.
    pub fn step(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = self.rows.iter().filter_map(Row::ends_at_once).collect();
        self.take_out(&events);
        let counts = turns(self.rows.iter().map(Row::unseen));
        let mut rows: Vec<_> = self.rows.iter_mut().zip(counts).filter(|(_, count)| *count > 0).collect();
        rows.sort_by_key(|(row, _)| row.adapter.as_ref().map(Arc::as_ptr));
        let mut parts: Vec<Part<'_>> = rows.iter_mut().map(|(row, count)| row.part(*count)).collect();
        let logits =
            if parts.is_empty() { None } else { advance(&self.model, kernel_precision(self.precision), &mut parts) };
        rows.iter_mut().for_each(|(row, count)| row.saw(*count));
        if let Some(logits) = logits {
            let rows: Vec<_> = rows.into_iter().filter(|(row, _)| row.unseen() == 0).enumerate().collect();
            let end_ids = &self.model.config.end_ids;
            events.extend(map(rows, |(token, (row, _))| row.answer(logits.token(token), end_ids)));
        }
        events.sort_by_key(|event| event.row);
        self.take_out(&events);
        events
    }

    /// Takes out the rows that end.
    fn take_out(&mut self, events: &[Event]) {
        let ended = |row: &Row| events.iter().any(|event| event.row == row.id && event.ending.is_some());
        self.rows.retain(|row| !ended(row));
    }
}

#[cfg(test)]
mod tests;
