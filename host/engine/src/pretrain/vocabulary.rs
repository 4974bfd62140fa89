//! A byte-level BPE tokenizer with a chat template (Sennrich et al., arXiv 1508.07909).

use serde_json::json;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, ModelWrapper, Tokenizer};

use super::PretrainError;
use crate::folder::{TOKENIZER_CONFIG_FILE, TOKENIZER_FILE};

/// The special tokens, in the order of their numbers.
const SPECIAL: [&str; 6] = ["<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|pad|>"];

const CHAT_TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + \
                             message['content'] + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ \
                             '<|assistant|>' }}{% endif %}";

/// Trains a tokenizer and gives its files. The same text gives the same files: candidates for a merge are ordered by
/// count and then by number.
pub(super) fn train(text: &[String], vocab_size: usize) -> Result<Vec<(String, Vec<u8>)>, PretrainError> {
    let least = SPECIAL.len() + 256;
    if vocab_size < least {
        let expected = format!("at least {least}: all bytes and the special tokens");
        return Err(PretrainError::Spec { key: "vocab_size", found: vocab_size, expected });
    }
    let error = |error: tokenizers::Error| PretrainError::Tokenizer(error.to_string());
    let byte_level = ByteLevel::new(false, true, true);
    let mut tokenizer = Tokenizer::new(ModelWrapper::BPE(BPE::default()));
    tokenizer.with_pre_tokenizer(Some(byte_level));
    tokenizer.with_decoder(Some(byte_level));
    let trainer = BpeTrainer::builder()
        .vocab_size(vocab_size)
        .show_progress(false)
        .special_tokens(SPECIAL.iter().map(|token| AddedToken::from(*token, true)).collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let pieces = text.iter().flat_map(|document| pieces(document));
    tokenizer.train(&mut TrainerWrapper::BpeTrainer(trainer), pieces).map_err(error)?;
    let config = json!({
        "bos_token": "<|begin|>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": false,
        "eos_token": "<|end|>",
        "model_max_length": 1_000_000,
        "pad_token": "<|pad|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    let mut config = serde_json::to_vec_pretty(&config).map_err(|error| PretrainError::Json(error.to_string()))?;
    config.push(b'\n');
    let tokenizer = tokenizer.to_string(true).map_err(error)?;
    Ok(vec![(TOKENIZER_FILE.into(), tokenizer.into_bytes()), (TOKENIZER_CONFIG_FILE.into(), config)])
}

/// The text between special tokens, from which merges are learnt.
fn pieces(document: &str) -> Vec<String> {
    let mut pieces = vec![document];
    for token in SPECIAL {
        pieces = pieces.into_iter().flat_map(|piece| piece.split(token)).collect();
    }
    pieces.into_iter().filter(|piece| !piece.is_empty()).map(String::from).collect()
}
