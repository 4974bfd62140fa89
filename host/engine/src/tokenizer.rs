//! `tokenizer.json`, as it is.

use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::folder::{ModelError, ModelFolder, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE};

/// Loads the tokenizer, without padding and truncation, which are not the tokenizer's to decide.
pub(crate) fn load(folder: &ModelFolder) -> Result<Tokenizer, ModelError> {
    parse(&folder.read(TOKENIZER_FILE)?)
}

/// Reads the bytes of `tokenizer.json`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Tokenizer, ModelError> {
    let error = |error: tokenizers::Error| ModelError::Tokenizer { reason: error.to_string() };
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(error)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(error)?;
    Ok(tokenizer)
}

/// Refuses a tokenizer that makes tokens which the model has no embedding for.
pub(crate) fn check_vocabulary(folder: &ModelFolder) -> Result<(), ModelError> {
    let highest = load(folder)?.get_vocab(true).into_values().max().unwrap_or(0);
    let vocab_size = folder.config().vocab_size;
    if highest as usize >= vocab_size {
        return Err(ModelError::Vocabulary { highest, vocab_size });
    }
    Ok(())
}

/// The named special tokens of `tokenizer_config.json`, which chat templates use.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct SpecialTokens {
    pub(crate) bos_token: Option<SpecialToken>,
    pub(crate) eos_token: Option<SpecialToken>,
    pub(crate) pad_token: Option<SpecialToken>,
    pub(crate) unk_token: Option<SpecialToken>,
}

/// A token is written as its text, or as a table with the text in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum SpecialToken {
    Text(String),
    Table { content: String },
}

impl SpecialToken {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Table { content: text } => text,
        }
    }
}

impl SpecialTokens {
    /// Reads them from the folder, if they are there.
    pub(crate) fn load(folder: &ModelFolder) -> Result<Self, ModelError> {
        if !folder.has(TOKENIZER_CONFIG_FILE) {
            return Ok(Self::default());
        }
        let bytes = folder.read(TOKENIZER_CONFIG_FILE)?;
        serde_json::from_slice(&bytes).map_err(|source| ModelError::Json { file: TOKENIZER_CONFIG_FILE.into(), source })
    }
}
