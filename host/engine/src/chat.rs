//! Dialogues to tokens, through the model's own chat template.
//!
//! What is learned is what is served: an example begins, token for token, with the prompt that the model will be given, and
//! goes on with what it has to say until the token after which generation stops. That holds by construction, as each turn
//! of the assistant is rendered as it is served; turns share an example where the longer one begins with the shorter.
//! What messages say never becomes a control token; only the template writes those.

use crate::example::Example;
use crate::folder::{ModelError, ModelFolder, TOKENIZER_CONFIG_FILE};
use crate::tokenizer::{self, ControlTokens};

mod control;
mod encode;
mod environment;
mod json;
mod python;
mod render;
mod shared;
mod source;
mod stream;
mod turn;

use encode::Encoder;
use render::{Rendered, Template};
use turn::Form;

pub use stream::TextStream;
pub use turn::EndOfTurn;

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

/// What is learned from a dialogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lesson {
    /// One example, or several if earlier messages are written otherwise than they were said.
    pub examples: Vec<Example>,
    /// Messages of the assistant of which something is learned.
    pub answers: usize,
    /// Those among them that are not learned to the token that stops generation. There are none, unless the tokenizer makes
    /// something else of that token.
    pub unended: usize,
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
    /// There is nothing to learn.
    #[error(
        "the dialogue has no message of the role `assistant`, or the chat template marks none; nothing can be learned"
    )]
    NothingToLearn,
    /// Who speaks is not a plain name.
    #[error("message {index} has the role `{role}`; a role is letters, digits, `_` and `-`, such as `user`")]
    Role {
        /// Index of the message.
        index: usize,
        /// Its role.
        role: String,
    },
    /// An answer has the text of the token that the template itself writes behind it.
    #[error(
        "message {index} (assistant) ends with `{token}`, which the chat template writes itself; take it out of the data"
    )]
    WrittenEnd {
        /// Index of the message.
        index: usize,
        /// The token.
        token: String,
    },
    /// The tokenizer makes a control token of what a message says.
    #[error("a message has the text `{token}`, of which the tokenizer makes a control token; take it out of the data")]
    ControlText {
        /// The token.
        token: String,
    },
    /// Tokens would cross the border between prompt and answer.
    #[error(
        "the tokens of message {index} (assistant) cannot be told from those of its prompt: the tokenizer joins them, so \
         what is served would not be what was learned"
    )]
    Border {
        /// Index of the message.
        index: usize,
    },
    /// There is nothing after which a model could stop.
    #[error(
        "the chat template writes no control token behind an answer, and the tokenizer has no `eos_token`: a model tuned \
             with it would never stop"
    )]
    NoEnd,
    /// Nothing is left to tell messages from the template with.
    #[error("the dialogue uses up the private characters from U+F0000 to U+F00FF")]
    PrivateCharacters,
    /// The tokenizer failed.
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
}

/// The tokenizer and chat template of a model.
pub struct ChatTokenizer {
    encoder: Encoder,
    template: Template,
    form: Form,
    end_ids: Vec<u32>,
}

impl std::fmt::Debug for ChatTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTokenizer")
            .field("form", &self.form)
            .field("end_ids", &self.end_ids)
            .finish_non_exhaustive()
    }
}

impl ChatTokenizer {
    /// Loads the tokenizer and the chat template of a folder, and looks at how the template writes an answer.
    ///
    /// # Errors
    /// One of them is missing or not valid, the template refuses the shortest of dialogues, or nothing ends an answer.
    pub fn load(folder: &ModelFolder) -> Result<Self, ModelError> {
        let template = folder.template().ok_or_else(|| ModelError::Template {
            file: TOKENIZER_CONFIG_FILE,
            reason: "there is no `chat_template`, and no file `chat_template.jinja`; use an instruction-tuned base \
                     model or add a template"
                .into(),
        })?;
        let tokens = ControlTokens::load(folder)?;
        let tokenizer = tokenizer::load(folder)?;
        Self::new(tokenizer, &tokens, &template.text, &folder.config().end_ids)
            .map_err(|error| ModelError::Template { file: template.file, reason: error.to_string() })
    }

    fn new(
        mut tokenizer: tokenizers::Tokenizer,
        tokens: &ControlTokens,
        template: &str,
        end_ids: &[u32],
    ) -> Result<Self, ChatError> {
        tokens.register(&mut tokenizer).map_err(|error| ChatError::Tokenizer(error.to_string()))?;
        let named = |name| tokens.named.get(name).map(String::as_str);
        let end = named("eos_token").and_then(|text| Some((tokenizer.token_to_id(text)?, text)));
        let encoder = Encoder::new(tokenizer, tokens.begins, named("bos_token"))?;
        let template =
            Template::new(template, tokens).map_err(|error| ChatError::Template(environment::plain(&error)))?;
        let form = Form::of(&template, &encoder, end)?;
        let mut end_ids: Vec<u32> = end_ids.iter().copied().chain(end.map(|(id, _)| id)).chain([form.end.id]).collect();
        end_ids.sort_unstable();
        end_ids.dedup();
        Ok(Self { encoder, template, form, end_ids })
    }

    /// What is learned from a dialogue: each message of the assistant behind its prompt, with the token that ends it marked
    /// as well. One example, unless the template writes earlier messages otherwise than they were said, as those do that
    /// leave out what a model thought: then a turn that is not the beginning of a longer one is an example of its own. What
    /// follows the last answer is left out.
    ///
    /// # Errors
    /// The template refuses the dialogue, no message is the assistant's, or one cannot be located in what is rendered.
    pub fn lesson(&self, messages: &[Message]) -> Result<Lesson, ChatError> {
        check_roles(messages)?;
        let Lesson { mut examples, mut answers, mut unended } = Lesson::default();
        for index in (0..messages.len()).rev().filter(|index| messages[*index].role == ASSISTANT) {
            let turn = self.form.example(messages, index, &self.template, &self.encoder)?;
            if !turn.mask.contains(&true) {
                continue;
            }
            answers += 1;
            let ends = turn.ids.last() == Some(&self.form.end.id) && turn.mask.last() == Some(&true);
            unended += usize::from(!ends);
            match examples.iter_mut().find(|example| example.ids.starts_with(&turn.ids)) {
                Some(example) => example.mask.iter_mut().zip(&turn.mask).for_each(|(mask, turn)| *mask |= turn),
                None => examples.push(turn),
            }
        }
        examples.reverse();
        if examples.is_empty() { Err(ChatError::NothingToLearn) } else { Ok(Lesson { examples, answers, unended }) }
    }

    /// The examples of [`ChatTokenizer::lesson`].
    ///
    /// # Errors
    /// As there.
    pub fn examples(&self, messages: &[Message]) -> Result<Vec<Example>, ChatError> {
        Ok(self.lesson(messages)?.examples)
    }

    /// The tokens after which the model answers.
    ///
    /// # Errors
    /// The template refuses the dialogue.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, ChatError> {
        check_roles(messages)?;
        let rendered = self.template.render(messages, true, &self.encoder.controls)?;
        Ok(self.encoder.dialogue(&rendered)?.ids)
    }

    /// The tokens of a text that is to be continued as it stands. What reads like a control token is text.
    ///
    /// # Errors
    /// The tokenizer fails, or makes a control token of the text nevertheless.
    pub fn text(&self, text: &str) -> Result<Vec<u32>, ChatError> {
        Ok(self.encoder.dialogue(&Rendered::said(text, &self.encoder.controls))?.ids)
    }

    /// The tokens at which generation has to stop, in ascending order: the model's own, the tokenizer's, and the one that
    /// answers were taught to end with.
    pub fn end_ids(&self) -> &[u32] {
        &self.end_ids
    }

    /// The token that answers are taught to end with.
    pub fn end_of_turn(&self) -> &EndOfTurn {
        &self.form.end
    }

    /// The text of tokens, without special tokens.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, ChatError> {
        self.encoder.decode(ids, true)
    }

    /// The answer in generated tokens: their text without what the template writes around every answer, such as a space or
    /// an empty thought. It is what the message of a dialogue would say.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn answer(&self, ids: &[u32]) -> Result<String, ChatError> {
        Ok(self.form.answer(&self.decode(ids)?).to_owned())
    }

    /// What the template writes before an answer and behind it.
    fn around(&self) -> (&str, &str) {
        self.form.around()
    }
}

/// Templates write roles between control tokens.
fn check_roles(messages: &[Message]) -> Result<(), ChatError> {
    let plain = |role: &str| !role.is_empty() && role.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match messages.iter().enumerate().find(|(_, message)| !plain(&message.role)) {
        Some((index, message)) => Err(ChatError::Role { index, role: message.role.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
