//! What a chat template makes of messages, and who wrote which part of it.

use std::collections::BTreeMap;
use std::ops::Range;

use minijinja::value::{Value, merge_maps};
use minijinja::{Environment, context};

use super::control::{Control, Controls};
use super::environment::{self, GENERATION_MARKS, TEMPLATE, plain};
use super::{ChatError, Message, source};
use crate::tokenizer::ControlTokens;

/// A rendered dialogue, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rendered {
    /// As transformers renders it.
    pub(super) text: String,
    /// The control tokens that the template wrote. What messages say is never one.
    pub(super) controls: Vec<Control>,
    /// What `{% generation %}` encloses, in bytes.
    pub(super) generated: Vec<Range<usize>>,
    /// Whether messages have text that reads like a control token.
    pub(super) quotes_controls: bool,
}

impl Rendered {
    /// A part of it. Control tokens that are cut in two are left out.
    pub(super) fn slice(&self, part: Range<usize>) -> Self {
        let within = |range: &Range<usize>| range.start.max(part.start)..range.end.min(part.end);
        let shift = |range: Range<usize>| range.start - part.start..range.end - part.start;
        let whole = self.controls.iter().filter(|control| within(&control.range) == control.range);
        Self {
            controls: whole.map(|control| Control { range: shift(control.range.clone()), id: control.id }).collect(),
            generated: self.generated.iter().map(within).filter(|range| !range.is_empty()).map(shift).collect(),
            text: self.text[part].to_owned(),
            quotes_controls: self.quotes_controls,
        }
    }

    /// This, and then `other`.
    pub(super) fn followed_by(mut self, other: &Self) -> Self {
        let by = self.text.len();
        let shift = |range: &Range<usize>| range.start + by..range.end + by;
        self.controls.extend(other.controls.iter().map(|c| Control { range: shift(&c.range), id: c.id }));
        self.generated.extend(other.generated.iter().map(shift));
        self.text.push_str(&other.text);
        self.quotes_controls |= other.quotes_controls;
        self
    }

    /// What the assistant says, as it stands.
    pub(super) fn said(text: &str, controls: &Controls) -> Self {
        Self {
            text: text.to_owned(),
            quotes_controls: !controls.find(text).is_empty(),
            generated: std::iter::once(0..text.len()).collect(),
            ..Self::default()
        }
    }

    /// Whether `other` begins with this.
    pub(super) fn begins(&self, other: &Self) -> bool {
        other.text.starts_with(&self.text)
            && self.controls.iter().eq(other.controls.iter().take_while(|c| c.range.end <= self.text.len()))
    }
}

/// A chat template with what it may use.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    variables: Value,
    /// Private characters that the template itself does not have.
    private: Vec<char>,
    pub(super) marks_generation: bool,
}

impl Template {
    pub(super) fn new(text: &str, tokens: &ControlTokens) -> Result<Self, minijinja::Error> {
        // A token that the tokenizer does not have is undefined, not none: templates concatenate them.
        let mut variables: BTreeMap<&str, Value> =
            tokens.named.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))).collect();
        variables.extend(tokens.additional.as_ref().map(|list| ("additional_special_tokens", list.iter().collect())));
        variables.extend(["tools", "documents"].map(|name| (name, Value::from(()))));
        Ok(Self {
            environment: environment::environment(text)?,
            variables: Value::from(variables),
            private: ('\u{f0000}'..='\u{f00ff}').filter(|c| !text.contains(*c)).collect(),
            marks_generation: source::marks_generation(text),
        })
    }

    /// Renders a dialogue.
    pub(super) fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        controls: &Controls,
    ) -> Result<Rendered, ChatError> {
        let failed = |error| ChatError::Template(plain(&error));
        let said = |c: &char| messages.iter().any(|message| message.text.contains(*c));
        let mut private = self.private.iter().copied().filter(|c| !said(c));
        let [Some(start), Some(end), Some(mark)] = [private.next(), private.next(), private.next()] else {
            return Err(ChatError::PrivateCharacters);
        };
        let list = messages.iter().map(|message| {
            let content = controls.disarm(&message.text, mark);
            context! { role => message.role.as_str(), content => content.as_ref() }
        });
        let marks = BTreeMap::from([(GENERATION_MARKS, String::from_iter([start, end]))]);
        let given = context! { messages => list.collect::<Value>(), add_generation_prompt };
        let variables = merge_maps([given, Value::from(marks), self.variables.clone()]);
        let template = self.environment.get_template(TEMPLATE).map_err(failed)?;
        let text = template.render(variables).map_err(failed)?;
        let (text, places) = take_out(text, &[start, end]);
        let (mut open, mut generated) = (Vec::new(), Vec::new());
        for (at, c) in places {
            if c == start {
                open.push(at);
            } else if let Some(from) = open.pop() {
                generated.push(from..at);
            }
        }
        let mut found = controls.find(&text);
        let (text, places) = take_out(text, &[mark]);
        // The places are those without the marks, those that were found are with them.
        let width = mark.len_utf8();
        let shift =
            |at: usize| at - width * places.iter().enumerate().take_while(|(n, (p, _))| p + n * width < at).count();
        for range in found.iter_mut().map(|control| &mut control.range).chain(&mut generated) {
            *range = shift(range.start)..shift(range.end);
        }
        let quotes_controls = !places.is_empty() && controls.find(&text) != found;
        Ok(Rendered { text, controls: found, generated, quotes_controls })
    }
}

/// Takes out some characters, and says where they were in what is left.
fn take_out(text: String, out: &[char]) -> (String, Vec<(usize, char)>) {
    if !text.contains(out) {
        return (text, Vec::new());
    }
    let (mut left, mut places) = (String::with_capacity(text.len()), Vec::new());
    for c in text.chars() {
        if out.contains(&c) {
            places.push((left.len(), c));
        } else {
            left.push(c);
        }
    }
    (left, places)
}
