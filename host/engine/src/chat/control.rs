//! Control tokens: those that a chat template writes and that no message may write.

use std::borrow::Cow;
use std::ops::Range;

use tokenizers::Tokenizer;

/// A control token in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    /// Where, in bytes.
    pub(super) range: Range<usize>,
    pub(super) id: u32,
}

/// The control tokens of a tokenizer.
#[derive(Debug)]
pub(super) struct Controls {
    /// Longer ones first: where two fit, the tokenizer takes the longer one.
    tokens: Vec<(String, u32)>,
    /// Which bytes they begin with.
    first: [bool; 256],
}

impl Controls {
    /// Those that the tokenizer calls special. One of a single character cannot be told from text and is none.
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        let added = tokenizer.get_added_tokens_decoder();
        let special = added.into_iter().filter(|(_, token)| token.special && token.content.chars().nth(1).is_some());
        let mut tokens: Vec<_> = special.map(|(id, token)| (token.content, id)).collect();
        tokens.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        let mut first = [false; 256];
        tokens.iter().for_each(|(text, _)| first[usize::from(text.as_bytes()[0])] = true);
        Self { tokens, first }
    }

    pub(super) fn tokens(&self) -> &[(String, u32)] {
        &self.tokens
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.tokens.iter().any(|(_, control)| *control == id)
    }

    pub(super) fn text(&self, id: u32) -> Option<&str> {
        self.tokens.iter().find(|(_, control)| *control == id).map(|(text, _)| text.as_str())
    }

    /// Where they are in a text, from its beginning to its end.
    pub(super) fn find(&self, text: &str) -> Vec<Control> {
        let (bytes, mut found, mut at) = (text.as_bytes(), Vec::new(), 0);
        while at < bytes.len() {
            let fits = |(token, _): &&(String, u32)| bytes[at..].starts_with(token.as_bytes());
            match Some(&self.tokens)
                .filter(|_| self.first[usize::from(bytes[at])])
                .and_then(|all| all.iter().find(fits))
            {
                Some((token, id)) => {
                    found.push(Control { range: at..at + token.len(), id: *id });
                    at += token.len();
                }
                None => at += 1,
            }
        }
        found
    }

    /// A message in which no control token is whole, nor becomes whole at its borders: `mark` stands within each.
    pub(super) fn disarm<'a>(&self, message: &'a str, mark: char) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(message);
        // Breaking one can leave another that overlapped with it.
        loop {
            let found = self.find(&text);
            if found.is_empty() {
                break;
            }
            let broken = text.to_mut();
            for control in found.iter().rev() {
                let width = broken[control.range.start..].chars().next().map_or(1, char::len_utf8);
                broken.insert(control.range.start + width, mark);
            }
        }
        // Templates strip white space, so what counts is where the words begin and end.
        let (start, end) = (text.len() - text.trim_start().len(), text.trim_end().len());
        if start < end {
            let (begins, ends) = (self.is_end_of_one(&text[start..end]), self.is_start_of_one(&text[start..end]));
            if ends {
                text.to_mut().insert(end, mark);
            }
            if begins {
                text.to_mut().insert(start, mark);
            }
        }
        text
    }

    /// Whether the text ends with the beginning of a control token.
    fn is_start_of_one(&self, text: &str) -> bool {
        self.tokens.iter().any(|(token, _)| token.char_indices().skip(1).any(|(at, _)| text.ends_with(&token[..at])))
    }

    /// Whether the text begins with the end of a control token.
    fn is_end_of_one(&self, text: &str) -> bool {
        self.tokens.iter().any(|(token, _)| token.char_indices().skip(1).any(|(at, _)| text.starts_with(&token[at..])))
    }
}
