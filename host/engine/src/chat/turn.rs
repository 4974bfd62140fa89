//! An assistant's turn: the prompt, then what the model has to say until it stops.

use std::ops::Range;

use super::encode::Encoder;
use super::python::is_space;
use super::render::{Rendered, Template};
use super::{ASSISTANT, ChatError, Message};
use crate::example::Example;

/// The token after which an answer is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfTurn {
    /// Its number.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// Whether the chat template writes none, so that the tokenizer's end token was put behind answers.
    pub appended: bool,
}

/// How a chat template writes answers.
#[derive(Debug)]
pub(super) struct Form {
    /// What it writes between the prompt and an answer; none if a dialogue does not begin with the prompt.
    lead: Option<String>,
    /// What only the prompt has: the beginning of the answer itself.
    opening: Option<String>,
    /// What it writes behind an answer.
    mark: Rendered,
    /// Bytes of `mark` until the end token is written, or has to be appended.
    until_end: usize,
    pub(super) end: EndOfTurn,
}

/// What is asked and answered to see how a template writes answers; no template has these words.
const PROBE: [&str; 2] = ["Zq7Question", "Zq7Answer"];

impl Form {
    /// Looks at how the template writes a short answer. `end` is the tokenizer's end token.
    pub(super) fn of(template: &Template, encoder: &Encoder, end: Option<(u32, &str)>) -> Result<Self, ChatError> {
        let [question, answer] = PROBE;
        let message = |role: &str, text: &str| Message { role: role.into(), text: text.into() };
        let dialogue = [message("user", question), message(ASSISTANT, answer)];
        let before = template.render(&dialogue[..1], true, &encoder.controls)?;
        let after = template.render(&dialogue, false, &encoder.controls)?;
        let lost = |reason| ChatError::NotLocated { index: 1, reason };
        let start = after.text.rfind(answer).ok_or_else(|| lost(CHANGED))?;
        let mark = after.slice(start + answer.len()..after.text.len());
        let written = mark.controls.first().map(|control| (control.range.end, control.id));
        let (until_end, id) = match written {
            Some(end) => end,
            None => (mark.text.trim_end().len(), end.map(|(id, _)| id).ok_or(ChatError::NoEnd)?),
        };
        let text = match end {
            Some((end, text)) if end == id => text.to_owned(),
            _ => encoder.controls.text(id).unwrap_or_default().to_owned(),
        };
        let begins = before.begins(&after) && before.text.len() <= start;
        let common = common_prefix(&before.text, &after.text);
        Ok(Self {
            lead: begins.then(|| after.text[before.text.len()..start].to_owned()),
            opening: Some(before.text[common..].to_owned()).filter(|text| common == start && !text.trim().is_empty()),
            end: EndOfTurn { id, text, appended: written.is_none() },
            mark,
            until_end,
        })
    }

    /// What stands before an answer and behind it in what a model generates.
    pub(super) fn around(&self) -> (&str, &str) {
        let tail = match self.mark.controls.first() {
            Some(control) => &self.mark.text[..control.range.start],
            None => &self.mark.text[..self.until_end],
        };
        (self.lead.as_deref().unwrap_or_default(), tail)
    }

    /// The answer in what a model generated.
    pub(super) fn answer<'a>(&self, generated: &'a str) -> &'a str {
        let (lead, tail) = self.around();
        let text = generated.strip_prefix(lead).unwrap_or(generated);
        text.strip_suffix(tail).unwrap_or(text)
    }

    /// The prompt for message `index`, and what follows it until the end.
    fn turn(
        &self,
        messages: &[Message],
        index: usize,
        render: impl Fn(&[Message], bool) -> Result<Rendered, ChatError>,
        encoder: &Encoder,
    ) -> Result<(Rendered, Rendered), ChatError> {
        let lost = |reason| ChatError::NotLocated { index, reason };
        let message = messages[index].text.as_str();
        if !self.end.text.is_empty() && message.trim_end().ends_with(&self.end.text) {
            return Err(ChatError::WrittenEnd { index, token: self.end.text.clone() });
        }
        let before = render(&messages[..index], true)?;
        if let Some(opening) = self.opening.as_deref().filter(|opening| before.text.ends_with(*opening)) {
            let rest = message.trim_start().strip_prefix(opening.trim()).ok_or_else(|| lost(NOT_OPENED))?;
            let rest = if opening.ends_with(is_space) { rest.trim_start() } else { rest };
            let said = Rendered::said(rest, &encoder.controls).followed_by(&self.mark.slice(0..self.until_end));
            return Ok((before, said));
        }
        let after = render(&messages[..=index], false)?;
        let end = after.text.strip_suffix(&self.mark.text).ok_or_else(|| lost(OTHER_END))?.len();
        let start = begin_of_said(&after.text[..end], message).ok_or_else(|| lost(CHANGED))?;
        // A prompt may have the beginning of the answer, such as `<think>`, if the template writes it there again.
        let from = if before.begins(&after) && before.text.len() <= end {
            before.text.len()
        } else {
            let lead = self.lead.as_deref().ok_or_else(|| lost(NOT_BEGUN))?;
            // What stands before the answer can have white space of the answer's own.
            let space = &message[..message.len() - message.trim_start().len()];
            let written = &after.text[..start];
            let lead = [format!("{lead}{space}"), lead.to_owned()].into_iter().find(|lead| written.ends_with(lead));
            start - lead.ok_or_else(|| lost(NOT_BEGUN))?.len()
        };
        let said = after.slice(from..end + self.until_end);
        Ok((before, said))
    }

    /// The example of message `index`: its prompt token for token as it is served, then the answer, learned to its end.
    pub(super) fn example(
        &self,
        messages: &[Message],
        index: usize,
        template: &Template,
        encoder: &Encoder,
    ) -> Result<Example, ChatError> {
        let render = |messages: &[Message], prompt| template.render(messages, prompt, &encoder.controls);
        let (before, said) = self.turn(messages, index, render, encoder)?;
        let (prompt, border) = (encoder.dialogue(&before)?, before.text.len());
        let whole = encoder.dialogue(&before.followed_by(&said))?;
        // A token that crosses the border is not the prompt's, even if it has the same number.
        let is_prompt = |places: &[Range<usize>]| places.iter().all(|place| place.end <= border);
        let mut tokens = if whole.ids.starts_with(&prompt.ids) && is_prompt(&whole.places[..prompt.ids.len()]) {
            whole
        } else {
            encoder.behind(&prompt, &said, border, &whole)?.ok_or(ChatError::Border { index })?
        };
        let is_generated = |place: &Range<usize>| {
            let overlaps = |range: &Range<usize>| place.end > range.start + border && place.start < range.end + border;
            !template.marks_generation || said.generated.iter().any(overlaps)
        };
        let mut mask: Vec<bool> = tokens.places.iter().map(is_generated).collect();
        mask[..prompt.ids.len()].fill(false);
        // A template may mark the answer without its end, but no model learns to stop from that.
        let learns = mask.contains(&true) || (!template.marks_generation && said.text.is_empty());
        if self.end.appended {
            tokens.ids.push(self.end.id);
            mask.push(learns);
        } else if let Some(last) = mask.last_mut() {
            *last = learns;
        }
        Ok(Example { ids: tokens.ids, mask })
    }
}

const CHANGED: &str = "the template changes its text";
const OTHER_END: &str = "the template ends it otherwise than it ends a short answer";
const NOT_BEGUN: &str = "the prompt for it is not how the dialogue begins";
const NOT_OPENED: &str =
    "the prompt ends with the beginning of an answer, such as `<think>`, and this answer begins otherwise";

/// Where a message begins in a text that ends with it, white space aside; none if the text ends otherwise.
fn begin_of_said(text: &str, message: &str) -> Option<usize> {
    let mut written = text.char_indices().rev().filter(|(_, c)| !is_space(*c));
    let mut begin = text.len();
    for said in message.chars().rev().filter(|c| !is_space(*c)) {
        let (at, c) = written.next()?;
        if c != said {
            return None;
        }
        begin = at;
    }
    Some(begin)
}

/// Bytes that two texts begin with.
fn common_prefix(a: &str, b: &str) -> usize {
    let differs = a.char_indices().zip(b.chars()).find(|((_, a), b)| a != b);
    differs.map_or(a.len().min(b.len()), |((at, _), _)| at)
}
