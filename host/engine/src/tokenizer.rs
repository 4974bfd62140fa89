//! `tokenizer.json`, as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

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

/// The special tokens of `tokenizer_config.json` that every model has.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct SpecialTokens {
    pub(crate) bos_token: Option<SpecialToken>,
    pub(crate) eos_token: Option<SpecialToken>,
    pub(crate) pad_token: Option<SpecialToken>,
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

/// What `tokenizer_config.json` says of special tokens, as transformers reads it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ControlTokens {
    /// Those with a name, which chat templates use: `bos_token`, `eos_token` and so on.
    pub(crate) named: BTreeMap<String, String>,
    /// `additional_special_tokens`, which templates may look through.
    pub(crate) additional: Option<Vec<String>>,
    /// The text of all of them.
    pub(crate) all: BTreeSet<String>,
    /// Whether text begins with `bos_token`; if it is not said, `tokenizer.json` decides.
    pub(crate) begins: Option<bool>,
}

impl ControlTokens {
    /// Reads them from the folder, if they are there.
    pub(crate) fn load(folder: &ModelFolder) -> Result<Self, ModelError> {
        if !folder.has(TOKENIZER_CONFIG_FILE) {
            return Ok(Self::default());
        }
        Self::parse(&folder.read(TOKENIZER_CONFIG_FILE)?)
    }

    /// Reads the bytes of `tokenizer_config.json`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let json = |source| ModelError::Json { file: TOKENIZER_CONFIG_FILE.into(), source };
        let config: Map<String, Value> = serde_json::from_slice(bytes).map_err(json)?;
        let mut tokens = Self { begins: config.get("add_bos_token").and_then(Value::as_bool), ..Self::default() };
        for (name, value) in &config {
            match value {
                Value::Object(extra) if name == "extra_special_tokens" => {
                    tokens.named.extend(extra.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))));
                }
                Value::Object(added) if name == "added_tokens_decoder" => {
                    let special = added.values().filter(|token| token["special"] == Value::Bool(true));
                    tokens.all.extend(special.filter_map(text));
                }
                Value::Array(list) if name == "additional_special_tokens" || name == "extra_special_tokens" => {
                    let list: Vec<_> = list.iter().filter_map(text).collect();
                    tokens.all.extend(list.iter().cloned());
                    if name == "additional_special_tokens" {
                        tokens.additional = Some(list);
                    }
                }
                _ if name.ends_with("_token") => tokens.named.extend(text(value).map(|text| (name.clone(), text))),
                _ => {}
            }
        }
        tokens.all.extend(tokens.named.values().cloned());
        Ok(tokens)
    }

    /// Makes the tokenizer know that they are special; those that it does not have stay unknown.
    pub(crate) fn register(&self, tokenizer: &mut Tokenizer) -> Result<(), tokenizers::Error> {
        let known = tokenizer.get_added_tokens_decoder();
        let mut special = Vec::new();
        for text in &self.all {
            if let Some(id) = tokenizer.token_to_id(text) {
                let token = known.get(&id).cloned();
                special.push(token.unwrap_or_else(|| AddedToken::from(text.clone(), true)).special(true));
            }
        }
        tokenizer.add_special_tokens(special).map(drop)
    }
}

/// The text of a token that is written in one of two ways.
fn text(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
}
