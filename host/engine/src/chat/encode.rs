//! Text to tokens: the template's control tokens are tokens, what messages say is text.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use tokenizers::Tokenizer;

use super::ChatError;
use super::control::Controls;
use super::render::Rendered;

/// Tokens, and where each is in the text, in bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    pub(super) ids: Vec<u32>,
    pub(super) places: Vec<Range<usize>>,
}

/// A tokenizer that can tell control tokens from text that reads like them.
pub(super) struct Encoder {
    tokenizer: Tokenizer,
    pub(super) controls: Controls,
    /// The tokens that every text begins with.
    begin: Vec<u32>,
    renamed: OnceLock<Result<Renamed, String>>,
}

/// The same tokenizer with other names for control tokens, so that their own names are text.
struct Renamed {
    tokenizer: Tokenizer,
    /// The control tokens by their numbers here.
    controls: HashMap<u32, u32>,
    /// Other added tokens by their numbers here.
    others: HashMap<u32, u32>,
    /// The token of what has none, which is a control token that text becomes.
    unknown: Option<u32>,
}

fn failed(error: tokenizers::Error) -> ChatError {
    ChatError::Tokenizer(error.to_string())
}

impl Encoder {
    /// `begins` says whether text begins with `bos`, if the configuration says so.
    pub(super) fn new(tokenizer: Tokenizer, begins: Option<bool>, bos: Option<&str>) -> Result<Self, ChatError> {
        let bos = bos.and_then(|bos| tokenizer.token_to_id(bos));
        let begin = match begins {
            Some(false) => Vec::new(),
            Some(true) if bos.is_some() => bos.into_iter().collect(),
            _ => what_begins(&tokenizer)?,
        };
        Ok(Self { controls: Controls::of(&tokenizer), tokenizer, begin, renamed: OnceLock::new() })
    }

    #[cfg(test)]
    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The text of tokens, with special tokens or without.
    pub(super) fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, ChatError> {
        self.tokenizer.decode(ids, skip_special).map_err(failed)
    }

    /// The tokens of a whole dialogue. It begins once with what text begins with, whether the template writes that or not.
    pub(super) fn dialogue(&self, rendered: &Rendered) -> Result<Tokens, ChatError> {
        let mut tokens = self.part(rendered)?;
        if !tokens.ids.starts_with(&self.begin) {
            tokens.ids.splice(0..0, self.begin.iter().copied());
            tokens.places.splice(0..0, self.begin.iter().map(|_| 0..0));
        }
        Ok(tokens)
    }

    /// The tokens of a part of a dialogue.
    pub(super) fn part(&self, rendered: &Rendered) -> Result<Tokens, ChatError> {
        if rendered.quotes_controls {
            return self.part_with_quotes(rendered);
        }
        let encoding = self.tokenizer.encode(rendered.text.as_str(), false).map_err(failed)?;
        let places = encoding.get_offsets().iter().map(|&(start, end)| start..end).collect();
        Ok(Tokens { ids: encoding.get_ids().to_vec(), places })
    }

    /// The tokens of a prompt and of what is said behind it, where the tokenizer would join the two: the prompt is served as
    /// it is, so what is said begins with a token of its own. None if they do not read as the whole. `border` is where
    /// the prompt ends, in bytes.
    pub(super) fn behind(
        &self,
        prompt: &Tokens,
        said: &Rendered,
        border: usize,
        whole: &Tokens,
    ) -> Result<Option<Tokens>, ChatError> {
        let text = self.decode(&whole.ids, false)?;
        for rest in [self.behind_line(said)?, Some(self.part(said)?)].into_iter().flatten() {
            let mut tokens = prompt.clone();
            tokens.ids.extend(rest.ids);
            tokens.places.extend(rest.places.into_iter().map(|place| place.start + border..place.end + border));
            if self.decode(&tokens.ids, false)? == text {
                return Ok(Some(tokens));
            }
        }
        Ok(None)
    }

    /// The tokens of what is said, as they are behind the end of a line: no tokenizer puts the space there that some put
    /// before the first word of a text. None if the line's end is joined to them.
    fn behind_line(&self, said: &Rendered) -> Result<Option<Tokens>, ChatError> {
        let line = Rendered { text: "\n".into(), ..Rendered::default() };
        let end = self.part(&line)?.ids;
        let mut both = self.part(&line.followed_by(said))?;
        if !both.ids.starts_with(&end) || both.places[..end.len()].iter().any(|place| place.end > 1) {
            return Ok(None);
        }
        both.ids.drain(..end.len());
        both.places.drain(..end.len());
        both.places.iter_mut().for_each(|place| *place = place.start.saturating_sub(1)..place.end.saturating_sub(1));
        Ok(Some(both))
    }

    fn part_with_quotes(&self, rendered: &Rendered) -> Result<Tokens, ChatError> {
        let renamed = self.renamed.get_or_init(|| self.rename().map_err(|error| error.to_string()));
        let renamed = renamed.as_ref().map_err(|error| ChatError::Tokenizer(error.clone()))?;
        // Where the text with other names is longer than the text itself, and by how much until there.
        let (mut text, mut done, mut longer) = (String::new(), 0, Vec::new());
        for control in &rendered.controls {
            text.push_str(&rendered.text[done..control.range.start]);
            text.push_str(&other_name(control.id));
            done = control.range.end;
            longer.push((text.len(), done));
        }
        text.push_str(&rendered.text[done..]);
        let original = |at: usize| match longer.partition_point(|(end, _)| *end <= at) {
            0 => at,
            n => longer[n - 1].1 + at - longer[n - 1].0,
        };
        let encoding = renamed.tokenizer.encode(text, false).map_err(failed)?;
        let mut ids = Vec::with_capacity(encoding.len());
        for id in encoding.get_ids() {
            let control = renamed.controls.get(id).copied();
            let id = control.or_else(|| renamed.others.get(id).copied()).unwrap_or(*id);
            if control.is_none() && renamed.unknown != Some(id) && self.controls.contains(id) {
                return Err(self.control_text(id));
            }
            ids.push(id);
        }
        let written = encoding.get_ids().iter().filter(|id| renamed.controls.contains_key(id));
        if !written.map(|id| renamed.controls[id]).eq(rendered.controls.iter().map(|control| control.id)) {
            return Err(self.control_text(rendered.controls.first().map_or(0, |control| control.id)));
        }
        let places = encoding.get_offsets().iter().map(|&(start, end)| original(start)..original(end));
        Ok(Tokens { places: places.collect(), ids })
    }

    fn rename(&self) -> Result<Renamed, tokenizers::Error> {
        let mut json: serde_json::Value = serde_json::from_str(&self.tokenizer.to_string(false)?)?;
        for added in json["added_tokens"].as_array_mut().into_iter().flatten() {
            let id = added["id"].as_u64().and_then(|id| u32::try_from(id).ok());
            if let Some(id) = id.filter(|id| self.controls.contains(*id)) {
                added["content"] = other_name(id).into();
            }
        }
        let tokenizer = Tokenizer::from_bytes(serde_json::to_vec(&json)?)?;
        let other: HashMap<String, u32> = self.controls.tokens().iter().map(|(_, id)| (other_name(*id), *id)).collect();
        let unknown = match json["model"]["unk_token"].as_str() {
            Some(text) => self.tokenizer.token_to_id(text),
            None => json["model"]["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok()),
        };
        let (mut controls, mut others) = (HashMap::new(), HashMap::new());
        for (id, token) in tokenizer.get_added_tokens_decoder() {
            if let Some(control) = other.get(&token.content) {
                controls.insert(id, *control);
            } else if let Some(own) = self.tokenizer.token_to_id(&token.content) {
                others.insert(id, own);
            }
        }
        Ok(Renamed { tokenizer, controls, others, unknown })
    }

    fn control_text(&self, id: u32) -> ChatError {
        ChatError::ControlText { token: self.controls.text(id).unwrap_or_default().to_owned() }
    }
}

/// A name for a control token that nobody writes: between two private characters.
fn other_name(id: u32) -> String {
    format!("\u{f1000}{id}\u{f1001}")
}

/// What the tokenizer's post-processor puts before a text.
fn what_begins(tokenizer: &Tokenizer) -> Result<Vec<u32>, ChatError> {
    let encode = |special| tokenizer.encode("a", special).map_err(failed);
    let (plain, whole) = (encode(false)?, encode(true)?);
    let (plain, whole) = (plain.get_ids(), whole.get_ids());
    let at = whole.windows(plain.len().max(1)).position(|window| window == plain);
    Ok(at.map(|at| whole[..at].to_vec()).unwrap_or_default())
}
