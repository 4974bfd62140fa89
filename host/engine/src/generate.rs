//! Generation, many rows at once.

use freehold_core::recipe::Precision;
use freehold_kernels::Panels;

use crate::adapter::Adapter;
use crate::batch::{Packed, pack, target_positions};
use crate::chat::{ChatError, ChatTokenizer};
use crate::example::Example;
use crate::model::{self, Model, Network, last_logits};
use crate::precision::kernel_precision;

mod sample;

pub(crate) use sample::Sampler;

/// Rows that are generated at once: two panels.
pub(crate) const ROWS: usize = 64;

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
    /// A setting is not possible.
    #[error("`{key}` is {found}; it has to be {expected}")]
    Setting {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// What was generated so far cannot be read, to look for what stops it.
    #[error(transparent)]
    Text(#[from] ChatError),
    /// The prompts have to be of one length.
    #[error("prompts {0} and 0 are not of the same length")]
    Ragged(usize),
    /// The model's output is not a number.
    #[error("the model gives logits that are not finite after prompt {index}; its weights or its adapter are damaged")]
    NotFinite {
        /// Index of the prompt.
        index: usize,
    },
    /// No more rows can be generated together.
    #[error("all {rows} rows that are generated together are taken")]
    Full {
        /// How many there are.
        rows: usize,
    },
    /// The second implementation fails.
    #[error("candle, which computes for comparison, failed: {0}")]
    SecondOpinion(String),
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

/// How prompts are continued.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateSettings {
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Zero takes the likeliest token; higher is more random.
    pub temperature: f64,
    /// How many of the likeliest tokens may be chosen.
    pub top_k: Option<usize>,
    /// Probability that the tokens which may be chosen have together.
    pub top_p: f64,
    /// Seed of what is chosen.
    pub seed: u64,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Tokens that end an answer, besides those that the model names.
    pub end_ids: Vec<u32>,
    /// In what matrices are multiplied.
    pub precision: Precision,
}

impl Default for GenerateSettings {
    fn default() -> Self {
        Self {
            max_new_tokens: 64,
            temperature: 0.0,
            top_k: None,
            top_p: 1.0,
            seed: 0,
            stop: Vec::new(),
            end_ids: Vec::new(),
            precision: Precision::F32,
        }
    }
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The model gave an end token, which is left out.
    EndToken,
    /// It has one of the texts that end an answer.
    Stop,
    /// It is as long as it may be.
    Length,
}

/// What continues a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its tokens.
    pub ids: Vec<u32>,
    /// Its text up to what stopped it, where there are texts that stop it.
    pub text: Option<String>,
    /// Why it ends.
    pub ending: Ending,
}

/// A row that is being generated.
struct Row {
    index: usize,
    past: model::Row,
    sampler: Sampler,
    /// Tokens that the model has not seen yet.
    next: Vec<u32>,
    answer: Vec<u32>,
}

/// Continues each prompt up to `max_new_tokens`, an end token of the model, or a text that stops it; `tokenizer` reads what
/// was generated, and is needed only for such texts. In f32 a row does not depend on the other rows; in bf16 it does so by
/// the rounding of sums alone. `observe` gets the number of rows done.
///
/// # Errors
/// A prompt is empty, too long or has unknown tokens; a setting is not possible; the adapter belongs to another model.
pub fn generate(
    model: &Model,
    adapter: Option<&Adapter>,
    prompts: &[Vec<u32>],
    settings: &GenerateSettings,
    tokenizer: Option<&ChatTokenizer>,
    observe: &mut dyn FnMut(usize),
) -> Result<Vec<Answer>, GenerateError> {
    check(model, prompts, settings.max_new_tokens)?;
    check_settings(settings, tokenizer.is_some())?;
    let network = network(model, adapter, settings.precision)?;
    let empty = Answer { ids: Vec::new(), text: None, ending: Ending::Length };
    let mut answers = vec![empty; prompts.len()];
    if settings.max_new_tokens == 0 {
        return Ok(answers);
    }
    // Rows of like length finish together more often.
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&index| prompts[index].len());
    let start = |index: usize| Row {
        index,
        past: model::Row::new(model.config.layers),
        sampler: Sampler::new(settings, index),
        next: prompts[index].clone(),
        answer: Vec::new(),
    };
    let mut waiting = order.into_iter();
    let (mut rows, mut done): (Vec<Row>, usize) = (Vec::new(), 0);
    loop {
        let free = if rows.len() <= ROWS / 2 { ROWS - rows.len() } else { 0 };
        let mut fresh: Vec<Row> = waiting.by_ref().take(free).map(start).collect();
        advance(&network, &mut rows)?;
        advance(&network, &mut fresh)?;
        rows.append(&mut fresh);
        if rows.is_empty() {
            return Ok(answers);
        }
        let before = done;
        let mut going = Vec::with_capacity(rows.len());
        for mut row in rows {
            match row.finish(model, settings, tokenizer)? {
                Some(answer) => {
                    answers[row.index] = answer;
                    done += 1;
                }
                None => going.push(row),
            }
        }
        rows = going;
        if done > before {
            observe(done);
        }
    }
}

impl Row {
    /// Takes the new token; gives the answer if it is complete.
    fn finish(
        &mut self,
        model: &Model,
        settings: &GenerateSettings,
        tokenizer: Option<&ChatTokenizer>,
    ) -> Result<Option<Answer>, GenerateError> {
        let ends = |id: &u32| model.config.end_ids.contains(id) || settings.end_ids.contains(id);
        let ended = self.next.first().is_none_or(ends);
        if !ended {
            self.answer.extend(&self.next);
        }
        let mut text = None;
        let mut ending = if ended { Some(Ending::EndToken) } else { None };
        if let Some(tokenizer) = tokenizer.filter(|_| !settings.stop.is_empty()) {
            let whole = tokenizer.decode(&self.answer)?;
            let first = settings.stop.iter().filter_map(|stop| whole.find(stop)).min();
            text = Some(first.map_or_else(|| whole.clone(), |at| whole[..at].to_string()));
            ending = ending.or(first.map(|_| Ending::Stop));
        }
        let full = self.answer.len() >= settings.max_new_tokens;
        let ending = ending.or(full.then_some(Ending::Length));
        Ok(ending.map(|ending| Answer { ids: std::mem::take(&mut self.answer), text, ending }))
    }
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
        row.next.push(row.sampler.next(logits.token(token)).ok_or(GenerateError::NotFinite { index: row.index })?);
    }
    Ok(())
}

pub(crate) fn check(model: &Model, prompts: &[Vec<u32>], new: usize) -> Result<(), GenerateError> {
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

pub(crate) fn check_settings(settings: &GenerateSettings, readable: bool) -> Result<(), GenerateError> {
    let require = |key, found: String, ok, expected| {
        if ok { Ok(()) } else { Err(GenerateError::Setting { key, found, expected }) }
    };
    let GenerateSettings { temperature, top_k, top_p, stop, .. } = settings;
    let warm = temperature.is_finite() && *temperature >= 0.0;
    require("temperature", temperature.to_string(), warm, "0 or a positive number")?;
    require("top_p", top_p.to_string(), *top_p > 0.0 && *top_p <= 1.0, "above 0 and at most 1")?;
    require("top_k", "0".into(), *top_k != Some(0), "a positive number")?;
    require("stop", "an empty text".into(), !stop.iter().any(String::is_empty), "a text that is not empty")?;
    require("stop", format!("{stop:?}"), stop.is_empty() || readable, "empty where there is no tokenizer")
}

/// Refuses an adapter of another model.
pub(crate) fn check_base(model: &Model, adapter: Option<&Adapter>) -> Result<(), GenerateError> {
    match adapter.filter(|adapter| adapter.base() != model.digest()) {
        Some(adapter) => Err(GenerateError::OtherBase { expected: model.digest(), found: adapter.base() }),
        None => Ok(()),
    }
}

/// The model with what the adapter adds to it, as it was trained.
pub(crate) fn network<'a>(
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    precision: Precision,
) -> Result<Network<'a, f32>, GenerateError> {
    check_base(model, adapter)?;
    Ok(Network::computing(model, adapter.map(|adapter| &adapter.update), kernel_precision(precision)))
}

/// Logits at all positions of rows of equal length.
///
/// # Errors
/// As [`generate`]; rows are of different lengths.
pub fn logits(
    model: &Model,
    adapter: Option<&Adapter>,
    ids: &[Vec<u32>],
    precision: Precision,
) -> Result<Logits, GenerateError> {
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
    let network = network(model, adapter, precision)?;
    let mut values = Vec::with_capacity(shape.iter().product());
    // A row at a time: logits take more memory than everything else.
    for row in ids {
        let logits: Panels<f32> = model::logits(&network, row, std::slice::from_ref(&(0..length)));
        (0..length).for_each(|token| values.extend(logits.token(token)));
    }
    Ok(Logits { shape, values })
}

/// The mean cross-entropy of what examples are to predict, in nats; none if they are to predict nothing.
///
/// # Errors
/// An example is not valid, or the adapter belongs to another model.
pub fn mean_loss(
    model: &Model,
    adapter: Option<&Adapter>,
    examples: &[Example],
    precision: Precision,
) -> Result<Option<f64>, GenerateError> {
    const TOKENS_AT_ONCE: usize = 4096;
    for (index, example) in examples.iter().enumerate() {
        let positions = model.config.max_positions;
        if example.ids.len() > positions || example.mask.len() != example.ids.len() {
            return Err(GenerateError::TooLong { index, length: example.ids.len(), new: 0, positions });
        }
        if let Some(&id) = example.ids.iter().find(|&&id| id as usize >= model.config.vocab_size) {
            return Err(GenerateError::UnknownToken { index, id });
        }
    }
    let useful = |index: &usize| target_positions(&examples[*index]).next().is_some();
    let indices: Vec<usize> = (0..examples.len()).filter(useful).collect();
    let total = indices.iter().map(|index| target_positions(&examples[*index]).count()).sum();
    if total == 0 {
        return Ok(None);
    }
    let network = network(model, adapter, precision)?;
    let parts = pack(examples, &indices, TOKENS_AT_ONCE);
    let loss = |part: &Packed| model::loss(&network, &part.ids, &part.segments, &part.targets, total);
    Ok(Some(parts.iter().map(loss).sum()))
}

#[cfg(test)]
mod tests;
