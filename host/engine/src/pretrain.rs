//! Small models from scratch, and whole models further: for demonstrations and tests that must not fetch anything.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::recipe::{AdapterSettings, Method, Schedule, TrainSettings};
use serde::Deserialize;
use serde_json::json;
use tokenizers::Tokenizer;

use crate::config::{Biases, Config};
use crate::example::Example;
use crate::family::Family;
use crate::folder::{ModelError, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, is_tokenizer_file};
use crate::model::{Model, Origin, Weights};
use crate::random::Random;
use crate::rotary::{Rotary, Scaling};
use crate::safetensors_file::{self, Precision};
use crate::tensor::Tensor;
use crate::tokenizer::{self, SpecialToken, SpecialTokens};
use crate::train::{Course, Learned, Run, TrainError, TrainObserver, TrainReport, Training};

mod vocabulary;

/// Shape and training of a model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainSpec {
    /// Width of the stream.
    pub hidden_size: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads, a divisor of `heads`.
    pub kv_heads: usize,
    /// Width of the feed-forward part.
    pub intermediate_size: usize,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Longest sequence that the model can attend to.
    pub max_positions: usize,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// Steps of the optimizer.
    pub steps: usize,
    /// Tokens of a step.
    pub tokens_per_step: usize,
    /// Longest sequence in training; longer documents are cut into several.
    pub sequence_length: usize,
    /// Highest learning rate; it falls on half a cosine.
    pub learning_rate: f64,
    /// Steps in which it rises from zero.
    pub warmup_steps: usize,
    /// Decoupled weight decay of matrices.
    pub weight_decay: f64,
    /// Seed of weights and order.
    pub seed: u64,
}

/// A model cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainError {
    /// The model to start from has another shape.
    #[error("`{key}` is {found}, but the model to start from has {expected}")]
    OtherShape {
        /// The key.
        key: &'static str,
        /// Its value.
        found: usize,
        /// What the model has.
        expected: usize,
    },
    /// A value of the specification is not possible.
    #[error("`{key}` is {found}; it has to be {expected}")]
    Spec {
        /// The key.
        key: &'static str,
        /// Its value.
        found: usize,
        /// What would do.
        expected: String,
    },
    /// The shape is not possible, or the start model's tokenizer is not valid.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Training fails.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The tokenizer fails.
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
    /// The model to start from is of another family.
    #[error("the model to start from is a {0}; only a LlamaForCausalLM without stretched positions goes on here")]
    OtherFamily(&'static str),
    /// A file of the model cannot be written as JSON.
    #[error("a file of the model cannot be written: {0}")]
    Json(String),
}

/// A complete Hugging Face model folder.
#[derive(Debug, Clone)]
pub struct PretrainedFolder {
    /// Name and bytes of each file.
    pub files: Vec<(String, Vec<u8>)>,
    /// How it came about.
    pub report: TrainReport,
}

/// Trains every tensor of a model on documents: a new model with a tokenizer of its own, or `start` further.
///
/// Special tokens may be written out in the documents. Each document begins with the token that begins and ends with
/// the one that ends, which are added where they are missing. The weights are written as bf16.
///
/// # Errors
/// The specification is not possible or does not fit `start`; training fails.
pub fn pretrain(
    spec: &PretrainSpec,
    text: &[String],
    start: Option<&Model>,
    observe: &mut dyn TrainObserver,
) -> Result<PretrainedFolder, PretrainError> {
    check(spec, start)?;
    let (model, tokenizer_files) = match start {
        Some(start) => {
            let files = start.origin.files.iter().filter(|(name, _)| is_tokenizer_file(name)).cloned();
            (start.clone(), files.collect())
        }
        None => {
            let files = vocabulary::train(text, spec.vocab_size)?;
            (fresh(spec)?, files)
        }
    };
    let (tokenizer, special) = read_tokenizer(&tokenizer_files)?;
    let examples = documents(&tokenizer, &special, text, spec.sequence_length)?;
    let tokens: usize = examples.iter().map(|example| example.ids.len()).sum();
    let train = TrainSettings {
        epochs: (spec.steps as f64 * spec.tokens_per_step as f64 / tokens.max(1) as f64).ceil().min(9999.0) + 1.0,
        tokens_per_step: spec.tokens_per_step,
        learning_rate: spec.learning_rate,
        schedule: Schedule::Cosine,
        warmup_steps: spec.warmup_steps,
        weight_decay: spec.weight_decay,
        clip_norm: 1.0,
        max_length: spec.sequence_length,
        checkpoint_every: 0,
        ..TrainSettings::default()
    };
    let adapter = AdapterSettings { method: Method::Full, rank: 0, alpha: 0.0, dropout: 0.0, targets: Vec::new() };
    let training =
        Training { model: &model, examples: &examples, adapter: &adapter, train: &train, seed: spec.seed, start: None };
    let course = Course::new(training, Some(spec.steps))?;
    let trained = Run::new(course, Learned::Model(Box::new(model.clone())), 0.95).finish(observe)?;
    let report = trained.report;
    let Learned::Model(model) = trained.learned else { return Err(TrainError::Ended.into()) };

    let mut files = tokenizer_files;
    files.extend(model_files(&model, &tokenizer, &special, start.is_some())?);
    files.sort();
    Ok(PretrainedFolder { files, report })
}

fn check(spec: &PretrainSpec, start: Option<&Model>) -> Result<(), PretrainError> {
    let spec_error = |key, found, expected: &str| PretrainError::Spec { key, found, expected: expected.into() };
    for (key, value) in [
        ("steps", spec.steps),
        ("tokens_per_step", spec.tokens_per_step),
        ("heads", spec.heads),
        ("kv_heads", spec.kv_heads),
    ] {
        if value == 0 {
            return Err(spec_error(key, value, "a positive number"));
        }
    }
    if spec.sequence_length < 2 || spec.sequence_length > spec.max_positions {
        return Err(spec_error("sequence_length", spec.sequence_length, "from 2 to max_positions"));
    }
    let Some(start) = start else { return Ok(config(spec).check()?) };
    let theirs = &start.config;
    if theirs.family != Family::Llama || theirs.rotary.scaling != Scaling::None {
        return Err(PretrainError::OtherFamily(theirs.family.architecture()));
    }
    for (key, found, expected) in [
        ("hidden_size", spec.hidden_size, theirs.hidden_size),
        ("layers", spec.layers, theirs.layers),
        ("heads", spec.heads, theirs.heads),
        ("kv_heads", spec.kv_heads, theirs.key_heads),
        ("intermediate_size", spec.intermediate_size, theirs.intermediate_size),
        ("vocab_size", spec.vocab_size, theirs.vocab_size),
        ("max_positions", spec.max_positions, theirs.max_positions),
    ] {
        if found != expected {
            return Err(PretrainError::OtherShape { key, found, expected });
        }
    }
    Ok(())
}

fn config(spec: &PretrainSpec) -> Config {
    Config {
        family: Family::Llama,
        hidden_size: spec.hidden_size,
        intermediate_size: spec.intermediate_size,
        layers: spec.layers,
        heads: spec.heads,
        key_heads: spec.kv_heads,
        head_width: spec.hidden_size / spec.heads.max(1),
        vocab_size: spec.vocab_size,
        max_positions: spec.max_positions,
        norm_eps: 1e-5,
        rotary: Rotary { theta: spec.rope_theta, scaling: Scaling::None },
        tied_head: true,
        biases: Biases::default(),
        head_norm: false,
        windows: vec![None; spec.layers],
        end_ids: Vec::new(),
    }
}

/// A model with random weights: matrices normal with deviation 0.02, norms one.
fn fresh(spec: &PretrainSpec) -> Result<Model, PretrainError> {
    let config = config(spec);
    config.check()?;
    let built = Weights::build(&config, |name, shape| {
        let count = shape.iter().product();
        let mut random = Random::new(spec.seed, name);
        let values = match shape.len() {
            1 => vec![1.0; count],
            _ => (0..count).map(|_| (random.normal() * 0.02) as f32).collect(),
        };
        Ok::<_, std::convert::Infallible>(Tensor::of(values, shape))
    });
    let weights = match built {
        Ok(weights) => weights,
        Err(never) => match never {},
    };
    let nothing = Digest::of(b"");
    let origin = Origin { digest: nothing, tokenizer: nothing, template: None, files: Default::default() };
    Ok(Model::of(config, weights, origin))
}

fn read_tokenizer(files: &[(String, Vec<u8>)]) -> Result<(Tokenizer, SpecialTokens), PretrainError> {
    let find = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.as_slice());
    let tokenizer = tokenizer::parse(find(TOKENIZER_FILE).unwrap_or_default())?;
    let special = match find(TOKENIZER_CONFIG_FILE) {
        None => SpecialTokens::default(),
        Some(bytes) => serde_json::from_slice(bytes)
            .map_err(|source| ModelError::Json { file: TOKENIZER_CONFIG_FILE.into(), source })?,
    };
    Ok((tokenizer, special))
}

fn id(tokenizer: &Tokenizer, token: &Option<SpecialToken>) -> Option<u32> {
    tokenizer.token_to_id(token.as_ref()?.text())
}

/// The documents as tokens, cut to sequences; every token is to be learnt.
fn documents(
    tokenizer: &Tokenizer,
    special: &SpecialTokens,
    text: &[String],
    length: usize,
) -> Result<Vec<Example>, PretrainError> {
    let (begin, end) = (id(tokenizer, &special.bos_token), id(tokenizer, &special.eos_token));
    let mut examples = Vec::new();
    for document in text {
        let encoding =
            tokenizer.encode(document.as_str(), false).map_err(|error| PretrainError::Tokenizer(error.to_string()))?;
        let mut ids = encoding.get_ids().to_vec();
        if let Some(begin) = begin.filter(|begin| ids.first() != Some(begin)) {
            ids.insert(0, begin);
        }
        if let Some(end) = end.filter(|end| ids.last() != Some(end)) {
            ids.push(end);
        }
        let pieces = ids.chunks(length).filter(|piece| piece.len() > 1);
        examples.extend(pieces.map(|piece| Example { ids: piece.to_vec(), mask: vec![true; piece.len()] }));
    }
    Ok(examples)
}

/// Configuration and weights as transformers writes them.
fn model_files(
    model: &Model,
    tokenizer: &Tokenizer,
    special: &SpecialTokens,
    continued: bool,
) -> Result<Vec<(String, Vec<u8>)>, PretrainError> {
    let config = &model.config;
    let begin = id(tokenizer, &special.bos_token);
    let pad = id(tokenizer, &special.pad_token);
    let mut end_ids = config.end_ids.clone();
    if end_ids.is_empty() {
        end_ids.extend(id(tokenizer, &special.eos_token));
    }
    let end = match end_ids.as_slice() {
        [one] => json!(one),
        many => json!(many),
    };
    let mut json = json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": begin,
        "eos_token_id": end,
        "head_dim": config.head_width,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "mlp_bias": false,
        "model_type": "llama",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.key_heads,
        "pad_token_id": pad,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tied_head,
        "torch_dtype": "bfloat16",
        "use_cache": true,
        "vocab_size": config.vocab_size,
    });
    // Both spellings occur in the wild; a continued model has the newer one.
    if continued {
        json["rope_parameters"] = json!({ "rope_theta": config.rotary.theta, "rope_type": "default" });
    } else {
        json["rope_theta"] = json!(config.rotary.theta);
    }
    let generation = json!({ "bos_token_id": begin, "eos_token_id": end, "pad_token_id": pad });
    let pretty = |value: &serde_json::Value| {
        let bytes = serde_json::to_vec_pretty(value).map(|mut bytes| {
            bytes.push(b'\n');
            bytes
        });
        bytes.map_err(|error| PretrainError::Json(error.to_string()))
    };
    let tensors: BTreeMap<String, &Tensor> = model.weights.named().into_iter().collect();
    let metadata = BTreeMap::from([("format", "pt".to_string())]);
    let weights = safetensors_file::write(&tensors, &metadata, Precision::Bf16)
        .map_err(|error| PretrainError::Json(error.to_string()))?;
    Ok(vec![
        ("config.json".into(), pretty(&json)?),
        ("generation_config.json".into(), pretty(&generation)?),
        ("model.safetensors".into(), weights),
    ])
}

#[cfg(test)]
pub(crate) mod tests;
