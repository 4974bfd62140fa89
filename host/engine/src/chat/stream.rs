//! The text of an answer while its tokens come.

use std::sync::Arc;

use super::{ChatError, ChatTokenizer};

/// What a decoder writes for bytes that are no character, or not yet one.
const REPLACEMENT: char = '\u{FFFD}';
/// Tokens that a character has at most: what is none by then never becomes one.
const LONGEST: usize = 8;

/// Text of tokens as they come, only what cannot change any more: no half of a character, and nothing that may be the
/// beginning of a text that ends the answer. What was given is, put together, the text of all tokens up to such a text.
#[derive(Debug)]
pub struct TextStream {
    tokenizer: Arc<ChatTokenizer>,
    stop: Vec<String>,
    /// What the template writes before an answer, until it has come or something else has.
    lead: Option<String>,
    /// What the template writes behind an answer.
    tail: String,
    /// Tokens whose text is not known yet, behind those that the decoder has to see before them: it may treat the first
    /// token of a text otherwise.
    ids: Vec<u32>,
    /// How many of them were seen.
    seen: usize,
    /// Text that may still turn out to be none.
    held: String,
    stopped: bool,
}

impl TextStream {
    /// The text that [`ChatTokenizer::decode`] gives, up to one of the texts that end it.
    pub fn of_text(tokenizer: Arc<ChatTokenizer>, stop: &[String]) -> Self {
        let stop = stop.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        let (lead, tail) = (None, String::new());
        Self { tokenizer, stop, lead, tail, ids: Vec::new(), seen: 0, held: String::new(), stopped: false }
    }

    /// The text that [`ChatTokenizer::answer`] gives: without what the template writes around every answer. Texts that end
    /// it are looked for in the answer alone.
    pub fn of_answer(tokenizer: Arc<ChatTokenizer>, stop: &[String]) -> Self {
        let (lead, tail) = tokenizer.around();
        let (lead, tail) = (Some(lead.to_owned()).filter(|lead| !lead.is_empty()), tail.to_owned());
        Self { lead, tail, ..Self::of_text(tokenizer, stop) }
    }

    /// Takes a token; gives the text that is certain now. Nothing more comes after a text that ends the answer.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn push(&mut self, token: u32) -> Result<String, ChatError> {
        self.ids.push(token);
        let new = self.decode_new(false)?;
        self.held.push_str(&new);
        Ok(self.certain())
    }

    /// The text that was held back, when no more tokens come.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn finish(mut self) -> Result<(String, bool), ChatError> {
        let new = self.decode_new(true)?;
        self.held.push_str(&new);
        let before = self.certain();
        let held = std::mem::take(&mut self.held);
        let rest = match self.lead.take() {
            Some(_) => held.as_str(),
            None => held.strip_suffix(self.tail.as_str()).unwrap_or(&held),
        };
        Ok((before + rest, self.stopped))
    }

    /// Whether one of the texts that end the answer came.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Text of tokens that were not seen yet; all of it at the end, else only whole characters.
    fn decode_new(&mut self, ends: bool) -> Result<String, ChatError> {
        let before = self.tokenizer.decode(&self.ids[..self.seen])?;
        let whole = self.tokenizer.decode(&self.ids)?;
        let waits = whole.ends_with(REPLACEMENT) && self.ids.len() - self.seen < LONGEST;
        if !ends && waits {
            return Ok(String::new());
        }
        // Where what came changes the text before it, as bytes do that make what follows no character, that text was given.
        let new = match whole.strip_prefix(&before) {
            Some(new) => new.to_owned(),
            None => self.tokenizer.decode(&self.ids[self.seen..])?,
        };
        if !new.is_empty() {
            self.ids.drain(..self.seen);
        }
        self.seen = self.ids.len();
        Ok(new)
    }

    /// Takes out of the held text what is certain.
    fn certain(&mut self) -> String {
        if self.stopped {
            self.held.clear();
            return String::new();
        }
        if let Some(lead) = &self.lead {
            if lead.starts_with(&self.held) && lead.len() > self.held.len() {
                return String::new();
            }
            if let Some(rest) = self.held.strip_prefix(lead.as_str()) {
                self.held = rest.to_owned();
            }
            self.lead = None;
        }
        if let Some(at) = self.stop.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(at);
            self.stopped = true;
            return std::mem::take(&mut self.held);
        }
        let ends = self.stop.iter().chain((!self.tail.is_empty()).then_some(&self.tail));
        let from = ends.filter_map(|end| begin_of(&self.held, end)).min().unwrap_or(self.held.len());
        let rest = self.held.split_off(from);
        std::mem::replace(&mut self.held, rest)
    }
}

/// Where in a text its end begins that is the beginning of another, or all of it.
fn begin_of(text: &str, end: &str) -> Option<usize> {
    let first = text.len().saturating_sub(end.len());
    text.char_indices().map(|(at, _)| at).filter(|at| *at >= first).find(|at| end.starts_with(&text[*at..]))
}
