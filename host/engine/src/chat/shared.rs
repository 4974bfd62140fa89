//! A dialogue as two models read it, with the places that their tokens end at.

use super::encode::Tokens;
use super::render::Rendered;
use super::{ChatError, ChatTokenizer, Message, check_roles};

/// Tokens, and where each ends.
type Read = (Vec<u32>, Vec<usize>);

impl ChatTokenizer {
    /// The tokens of a dialogue under two tokenizers, and where in the same text each ends, in bytes. It is what the template
    /// makes of the dialogue where both have the same one, else what its messages say.
    ///
    /// # Errors
    /// The template refuses the dialogue, or a tokenizer fails.
    pub(crate) fn shared(first: &Self, second: &Self, messages: &[Message]) -> Result<[Read; 2], ChatError> {
        check_roles(messages)?;
        let render = |tokenizer: &Self| tokenizer.template.render(messages, false, &tokenizer.encoder.controls);
        let rendered = [render(first)?, render(second)?];
        let rendered = if rendered[0].text == rendered[1].text { rendered } else { [said(messages), said(messages)] };
        let tokens = [first.encoder.dialogue(&rendered[0])?, second.encoder.dialogue(&rendered[1])?];
        Ok(tokens.map(|Tokens { ids, places }| (ids, places.iter().map(|place| place.end).collect())))
    }
}

/// What messages say, without roles and control tokens.
fn said(messages: &[Message]) -> Rendered {
    let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
    // What reads like a control token may be one here: nothing is learned from it, nor shown.
    Rendered { text: texts.join("\n"), ..Rendered::default() }
}
