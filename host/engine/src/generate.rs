//! Greedy generation, many rows at once.

use freehold_kernels::{Panels, Precision};

use crate::adapter::Adapter;
use crate::model::{self, Model, Network, last_logits};

/// Rows that are generated at once.
const ROWS: usize = 64;

/// Generation is not possible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// Nothing to continue.
    #[error("prompt {index} is empty")]
    Empty {
        /// Index of the prompt.
        index: usize,
    },
    /// The answer could become longer than the model can attend to.
    #[error(
        "prompt {index} has {length} tokens; with {new} new ones that is more than the model's \
         max_position_embeddings = {positions}"
    )]
    TooLong {
        /// Index of the prompt.
        index: usize,
        /// Its tokens.
        length: usize,
        /// Tokens that may be added.
        new: usize,
        /// What the model can do.
        positions: usize,
    },
    /// A token has no embedding.
    #[error("prompt {index} has token {id}, which the model does not have")]
    UnknownToken {
        /// Index of the prompt.
        index: usize,
        /// The token.
        id: u32,
    },
    /// The prompts have to be of one length.
    #[error("prompts {0} and 0 are not of the same length")]
    Ragged(usize),
    /// The model's output is not a number.
    #[error("the model gives logits that are not finite after prompt {index}; its weights or its adapter are damaged")]
    NotFinite {
        /// Index of the prompt.
        index: usize,
    },
    /// The adapter is for another model.
    #[error("the adapter belongs to base model {found}, not to {expected}")]
    OtherBase {
        /// The model.
        expected: freehold_core::digest::Digest,
        /// The adapter's.
        found: freehold_core::digest::Digest,
    },
}

/// Logits at all positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    /// Prompts, positions, vocabulary.
    pub shape: [usize; 3],
    /// Row by row.
    pub values: Vec<f32>,
}

/// A row that is being generated.
struct Row {
    index: usize,
    past: model::Row,
    /// Tokens that the model has not seen yet.
    next: Vec<u32>,
    answer: Vec<u32>,
}

/// Continues each prompt with the likeliest tokens, up to `max_new_tokens` or the first end token of the model, which
/// is left out. Of equal tokens the lowest is taken. A row does not depend on the other rows. `observe` gets the number
/// of rows done.
///
/// # Errors
/// A prompt is empty, too long or has unknown tokens; the adapter belongs to another model.
pub fn generate(
    model: &Model,
    adapter: Option<&Adapter>,
    prompts: &[Vec<u32>],
    max_new_tokens: usize,
    observe: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<u32>>, GenerateError> {
    check(model, prompts, max_new_tokens)?;
    let network = network(model, adapter, Precision::F32)?;
    let mut answers = vec![Vec::new(); prompts.len()];
    if max_new_tokens == 0 {
        return Ok(answers);
    }
    // Rows of like length finish together more often.
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&index| prompts[index].len());
    let mut waiting = order.into_iter();
    let (mut rows, mut done): (Vec<Row>, usize) = (Vec::new(), 0);
    loop {
        let free = if rows.len() <= ROWS / 2 { ROWS - rows.len() } else { 0 };
        let mut fresh: Vec<Row> = waiting.by_ref().take(free).map(|index| start(model, prompts, index)).collect();
        advance(&network, &mut rows)?;
        advance(&network, &mut fresh)?;
        rows.append(&mut fresh);
        if rows.is_empty() {
            return Ok(answers);
        }
        let before = done;
        rows.retain_mut(|row| {
            let ended = row.next.first().is_none_or(|id| model.config.end_ids.contains(id));
            if !ended {
                row.answer.extend(&row.next);
            }
            let finished = ended || row.answer.len() >= max_new_tokens;
            if finished {
                answers[row.index] = std::mem::take(&mut row.answer);
                done += 1;
            }
            !finished
        });
        if done > before {
            observe(done);
        }
    }
}

fn start(model: &Model, prompts: &[Vec<u32>], index: usize) -> Row {
    Row { index, past: model::Row::new(model.config.layers), next: prompts[index].clone(), answer: Vec::new() }
}

/// Shows each row its new tokens and replaces them by the one that follows.
fn advance(network: &Network<'_, f32>, rows: &mut [Row]) -> Result<(), GenerateError> {
    if rows.is_empty() {
        return Ok(());
    }
    let next: Vec<Vec<u32>> = rows.iter_mut().map(|row| std::mem::take(&mut row.next)).collect();
    let next: Vec<&[u32]> = next.iter().map(Vec::as_slice).collect();
    let mut past: Vec<&mut model::Row> = rows.iter_mut().map(|row| &mut row.past).collect();
    let logits = last_logits(network, &mut past, &next);
    for (token, row) in rows.iter_mut().enumerate() {
        row.next.push(likeliest(logits.token(token)).ok_or(GenerateError::NotFinite { index: row.index })?);
    }
    Ok(())
}

/// The highest logit; the first of equals. None if one is not a number.
fn likeliest(logits: impl IntoIterator<Item = f32>) -> Option<u32> {
    let (mut best, mut highest) = (0, f32::NEG_INFINITY);
    for (id, logit) in logits.into_iter().enumerate() {
        if !logit.is_finite() {
            return None;
        }
        if logit > highest {
            (best, highest) = (id as u32, logit);
        }
    }
    Some(best)
}

fn check(model: &Model, prompts: &[Vec<u32>], new: usize) -> Result<(), GenerateError> {
    let positions = model.config.max_positions;
    for (index, prompt) in prompts.iter().enumerate() {
        let length = prompt.len();
        if length == 0 {
            return Err(GenerateError::Empty { index });
        }
        if length.saturating_add(new) > positions {
            return Err(GenerateError::TooLong { index, length, new, positions });
        }
        if let Some(&id) = prompt.iter().find(|&&id| id as usize >= model.config.vocab_size) {
            return Err(GenerateError::UnknownToken { index, id });
        }
    }
    Ok(())
}

/// The model with what the adapter adds to it, as it was trained.
fn network<'a>(
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    precision: Precision,
) -> Result<Network<'a, f32>, GenerateError> {
    if let Some(adapter) = adapter.filter(|adapter| adapter.base() != model.digest()) {
        return Err(GenerateError::OtherBase { expected: model.digest(), found: adapter.base() });
    }
    let update = adapter.map(|adapter| &adapter.update);
    Ok(Network {
        model,
        weights: &model.weights,
        rope: &model.rope,
        update,
        factors: update.map(|update| update.factors(&model.weights)),
        dropout: None,
        precision,
        training: false,
        all: false,
    })
}

/// Logits at all positions of rows of equal length.
///
/// # Errors
/// As [`generate`]; rows are of different lengths.
pub fn logits(model: &Model, adapter: Option<&Adapter>, ids: &[Vec<u32>]) -> Result<Logits, GenerateError> {
    check(model, ids, 0)?;
    let length = ids.first().map_or(0, Vec::len);
    if let Some(index) = ids.iter().position(|row| row.len() != length) {
        return Err(GenerateError::Ragged(index));
    }
    let vocabulary = model.config.vocab_size;
    let shape = [ids.len(), length, vocabulary];
    if ids.is_empty() {
        return Ok(Logits { shape, values: Vec::new() });
    }
    let network = network(model, adapter, Precision::F32)?;
    let mut values = Vec::with_capacity(shape.iter().product());
    // A row at a time: logits take more memory than everything else.
    for row in ids {
        let logits: Panels<f32> = model::logits(&network, row, std::slice::from_ref(&(0..length)));
        (0..length).for_each(|token| values.extend(logits.token(token)));
    }
    Ok(Logits { shape, values })
}

#[cfg(test)]
mod tests;
