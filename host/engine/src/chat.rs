//! Dialogues to tokens, through the model's own chat template.

use std::ops::Range;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};
use tokenizers::Tokenizer;

use crate::example::Example;
use crate::folder::{ModelError, ModelFolder};
use crate::tokenizer::{self, SpecialToken, SpecialTokens};

/// The role whose words are learnt.
const ASSISTANT: &str = "assistant";

/// One message of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub text: String,
}

/// A dialogue cannot be turned into tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The chat template refuses the dialogue.
    #[error("the model's chat template refuses the dialogue: {0}")]
    Template(String),
    /// It is not clear which part of the rendered dialogue is the assistant's.
    #[error("message {index} (assistant) cannot be located in what the chat template makes of the dialogue: {reason}")]
    NotLocated {
        /// Index of the message.
        index: usize,
        /// Why.
        reason: &'static str,
    },
    /// The tokenizer failed.
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
}

/// The tokenizer and chat template of a model.
pub struct ChatTokenizer {
    tokenizer: Tokenizer,
    environment: Environment<'static>,
    special: SpecialTokens,
}

impl std::fmt::Debug for ChatTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTokenizer").finish_non_exhaustive()
    }
}

/// The name of the only template.
const TEMPLATE: &str = "chat";

impl ChatTokenizer {
    /// Loads the tokenizer and the chat template of a folder.
    ///
    /// # Errors
    /// One of them is missing or not valid.
    pub fn load(folder: &ModelFolder) -> Result<Self, ModelError> {
        let template = folder.template().cloned().ok_or_else(|| ModelError::Template {
            file: crate::folder::TOKENIZER_CONFIG_FILE,
            reason: "there is no `chat_template`, and no file `chat_template.jinja`; use an instruction-tuned base \
                     model or add a template"
                .into(),
        })?;
        let file = template.file;
        let environment =
            environment(template.text).map_err(|error| ModelError::Template { file, reason: plain(&error) })?;
        Ok(Self { tokenizer: tokenizer::load(folder)?, environment, special: SpecialTokens::load(folder)? })
    }

    /// A dialogue to train on. The mask marks the tokens of the assistant's messages, with the token that ends each.
    ///
    /// # Errors
    /// The template refuses the dialogue, or an assistant's message cannot be located in its output.
    pub fn example(&self, messages: &[Message]) -> Result<Example, ChatError> {
        let full = self.render(messages, false)?;
        let mut ranges = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            if message.role == ASSISTANT {
                ranges.push(self.locate(messages, index, &full)?);
            }
        }
        let encoding =
            self.tokenizer.encode(full.as_str(), false).map_err(|error| ChatError::Tokenizer(error.to_string()))?;
        let said = |start: usize| ranges.iter().any(|range| range.contains(&start));
        let mask = encoding.get_offsets().iter().map(|&(start, _)| said(start)).collect();
        Ok(Example { ids: encoding.get_ids().to_vec(), mask })
    }

    /// The tokens after which the model answers.
    ///
    /// # Errors
    /// The template refuses the dialogue.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, ChatError> {
        let text = self.render(messages, true)?;
        let encoding = self.tokenizer.encode(text, false).map_err(|error| ChatError::Tokenizer(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, without special tokens.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, ChatError> {
        self.tokenizer.decode(ids, true).map_err(|error| ChatError::Tokenizer(error.to_string()))
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ChatError> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => message.role.as_str(), content => message.text.as_str() })
            .collect();
        let text = |token: &Option<SpecialToken>| token.as_ref().map(|token| token.text().to_string());
        let template = self.environment.get_template(TEMPLATE).map_err(|error| ChatError::Template(plain(&error)))?;
        // A token that the tokenizer does not have is undefined, not none: templates concatenate them.
        let mut variables = std::collections::BTreeMap::new();
        let special = &self.special;
        for (name, token) in [
            ("bos_token", &special.bos_token),
            ("eos_token", &special.eos_token),
            ("pad_token", &special.pad_token),
            ("unk_token", &special.unk_token),
        ] {
            if let Some(text) = text(token) {
                variables.insert(name, Value::from(text));
            }
        }
        let variables = context! { messages, add_generation_prompt, ..Value::from(variables) };
        template.render(variables).map_err(|error| ChatError::Template(plain(&error)))
    }

    /// Where message `index` and the mark that ends it lie in the rendered dialogue, in bytes.
    ///
    /// Templates seldom say what they generate, so prefixes are rendered: what the assistant says begins where the
    /// prompt for it ends.
    fn locate(&self, messages: &[Message], index: usize, full: &str) -> Result<Range<usize>, ChatError> {
        let lost = |reason| ChatError::NotLocated { index, reason };
        let before = self.render(&messages[..index], true)?;
        let after = self.render(&messages[..=index], false)?;
        if !full.starts_with(&before) {
            return Err(lost("the prompt for it is not how the dialogue begins"));
        }
        if !full.starts_with(&after) || after.len() < before.len() {
            return Err(lost("the template writes it otherwise when messages follow"));
        }
        let said = &after[before.len()..];
        let text = messages[index].text.trim();
        let at = said.find(text).ok_or_else(|| lost("the template changes its text"))?;
        let text_end = at + text.len();
        // White space behind the mark that ends the message is the template's, not the assistant's.
        let mark = said[text_end..].trim_end();
        let end = if mark.is_empty() { said.len() } else { text_end + mark.len() };
        Ok(before.len()..before.len() + end)
    }
}

/// An error with its cause, on one line.
fn plain(error: &minijinja::Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    format!("{}{detail}{line}", error.kind())
}

/// Jinja as transformers sets it up.
fn environment(template: String) -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
        Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message))
    });
    environment.add_template_owned(TEMPLATE, template)?;
    Ok(environment)
}

#[cfg(test)]
mod tests;
