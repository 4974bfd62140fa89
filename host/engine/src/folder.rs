//! An unchanged Hugging Face model folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use cap_std::fs::Dir;
use freehold_core::digest::{Digest, Hasher};
use safetensors::Dtype;
use serde::Deserialize;

use crate::config::{CONFIG_FILE, Config, EndIds};
use crate::mapped::Mapped;

pub(crate) const WEIGHTS_FILE: &str = "model.safetensors";
pub(crate) const INDEX_FILE: &str = "model.safetensors.index.json";
const TEMPLATE_FILE: &str = "chat_template.jinja";
/// Where processors of older models keep the template.
const TEMPLATE_JSON_FILE: &str = "chat_template.json";
const GENERATION_FILE: &str = "generation_config.json";
pub(crate) const TOKENIZER_FILE: &str = "tokenizer.json";
pub(crate) const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";

/// Whether a file of the folder belongs to the tokenizer.
pub(crate) fn is_tokenizer_file(name: &str) -> bool {
    [TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, TEMPLATE_FILE, TEMPLATE_JSON_FILE].contains(&name)
}

/// A model folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file that every model needs is not there.
    #[error("the model folder has no `{file}`; it has to be a complete Hugging Face model")]
    MissingFile {
        /// The file.
        file: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{file}` of the model folder: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it was when the folder was opened.
    #[error("`{file}` changed while it was in use: expected {expected}, found {found}; start again")]
    Changed {
        /// The file.
        file: String,
        /// Digest when the folder was opened.
        expected: Digest,
        /// Digest now.
        found: Digest,
    },
    /// A file is not the JSON that is expected.
    #[error("`{file}` of the model folder is not valid: {source}")]
    Json {
        /// The file.
        file: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The model asks for something that the engine does not have.
    #[error("`{key}` in `{file}` is {found}; supported is {supported}")]
    Unsupported {
        /// The file.
        file: &'static str,
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        supported: &'static str,
    },
    /// A weights file is cut off or not in the safetensors format.
    #[error("`{file}` is not a complete safetensors file ({reason}); fetch the model again")]
    Weights {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A tensor that the configuration implies is not there.
    #[error("tensor `{tensor}` is in no weights file of the model folder")]
    MissingTensor {
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than the configuration implies.
    #[error("tensor `{tensor}` in `{file}` has shape {found:?}; config.json implies {expected:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The shape implied.
        expected: Vec<usize>,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor has a type that cannot be converted.
    #[error("tensor `{tensor}` in `{file}` has type {found}; supported are F32, F16 and BF16")]
    TensorType {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// The tokenizer cannot be loaded.
    #[error("`tokenizer.json` cannot be loaded: {reason}")]
    Tokenizer {
        /// Why.
        reason: String,
    },
    /// The tokenizer makes tokens that the model has no embedding for.
    #[error("the tokenizer's highest token is {highest}, but `vocab_size` in config.json is {vocab_size}")]
    Vocabulary {
        /// Highest token of the tokenizer.
        highest: u32,
        /// Embeddings of the model.
        vocab_size: usize,
    },
    /// There is no chat template, or it is not valid.
    #[error("the chat template in `{file}` cannot be used: {reason}")]
    Template {
        /// Where it was looked for.
        file: &'static str,
        /// Why.
        reason: String,
    },
    /// A tensor belongs to nothing that `config.json` describes.
    #[error("`{file}` has tensor `{tensor}`, which config.json does not imply; a model that needs it is not supported")]
    ExtraTensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// Two files have the same tensor.
    #[error("tensor `{tensor}` is in `{file}` and in another weights file; fetch the model again")]
    Twice {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor has a value that is infinite or not a number.
    #[error("tensor `{tensor}` in `{file}` has values that are not finite numbers; the weights are damaged")]
    NotFinite {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
}

/// A file of a model folder that the engine uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// Name within the folder.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// A model folder whose files are known by digest.
#[derive(Debug)]
pub struct ModelFolder {
    dir: Dir,
    files: Vec<FileDigest>,
    config: Config,
    weights: Vec<String>,
    template: Option<Template>,
}

/// Where the chat template comes from.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) file: &'static str,
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TokenizerConfig {
    chat_template: Option<TemplateEntry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TemplateEntry {
    Text(String),
    Named(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

#[derive(Deserialize)]
struct GenerationConfig {
    eos_token_id: Option<EndIds>,
}

impl ModelFolder {
    /// Opens a model folder and computes the digests of the files that the engine uses.
    ///
    /// # Errors
    /// A file is missing or not valid, or the configuration asks for what is not supported. The weights are checked
    /// when the model is loaded.
    pub fn open(dir: Dir) -> Result<Self, ModelError> {
        let config_bytes = required(&dir, CONFIG_FILE)?;
        let mut config = Config::parse(&config_bytes)?;
        let weights = weight_files(&dir)?;
        let mut names = BTreeSet::from([CONFIG_FILE.to_string(), TOKENIZER_FILE.to_string()]);
        names.extend(weights.iter().cloned());
        for name in [TOKENIZER_CONFIG_FILE, GENERATION_FILE, TEMPLATE_FILE, TEMPLATE_JSON_FILE, INDEX_FILE] {
            if is_file(&dir, name)? && (name != INDEX_FILE || !weights.contains(WEIGHTS_FILE)) {
                names.insert(name.to_string());
            }
        }
        let files = names.into_iter().map(|name| digest_file(&dir, name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(bytes) = optional(&dir, GENERATION_FILE)? {
            let generation: GenerationConfig = json(GENERATION_FILE, &bytes)?;
            for id in generation.eos_token_id.map(Vec::from).unwrap_or_default() {
                if !config.end_ids.contains(&id) {
                    config.end_ids.push(id);
                }
            }
        }
        let template = find_template(&dir)?;
        let folder = Self { dir, files, config, weights: weights.into_iter().collect(), template };
        // What was parsed has to be what was digested.
        folder.read(CONFIG_FILE)?;
        Ok(folder)
    }

    /// The files that the engine uses, sorted by name.
    pub fn files(&self) -> &[FileDigest] {
        &self.files
    }

    /// Digest of the whole model: of the lines `name NUL size NUL hex LF` of its files.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        for file in &self.files {
            hasher.update(format!("{}\0{}\0{}\n", file.name, file.size, file.digest.hex()).as_bytes());
        }
        hasher.finish()
    }

    /// Digest of `tokenizer.json`.
    pub fn tokenizer_digest(&self) -> Digest {
        let file = self.files.iter().find(|file| file.name == TOKENIZER_FILE);
        file.map_or_else(|| Digest::of(b""), |file| file.digest)
    }

    /// Digest of `tokenizer_config.json`, which names the control tokens, if there is one.
    pub fn control_tokens_digest(&self) -> Option<Digest> {
        self.files.iter().find(|file| file.name == TOKENIZER_CONFIG_FILE).map(|file| file.digest)
    }

    /// Digest of the text of the chat template, if there is one.
    pub fn template_digest(&self) -> Option<Digest> {
        self.template.as_ref().map(|template| Digest::of(template.text.as_bytes()))
    }

    /// Longest sequence in tokens that the model can attend to.
    pub fn max_positions(&self) -> usize {
        self.config.max_positions
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    /// Whether the file is one of the folder's.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }

    /// Reads one of the files and checks that it is still the one that was digested.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, ModelError> {
        let bytes = required(&self.dir, name)?;
        let found = Digest::of(&bytes);
        match self.files.iter().find(|file| file.name == name) {
            Some(file) if file.digest != found => {
                Err(ModelError::Changed { file: name.into(), expected: file.digest, found })
            }
            _ => Ok(bytes),
        }
    }

    /// Whether a file of the folder holds weights.
    pub(crate) fn is_weights(&self, name: &str) -> bool {
        self.weights.iter().any(|file| file == name)
    }

    /// Maps one of the weights files and checks that it is still the one that was digested.
    pub(crate) fn map(&self, name: &str) -> Result<Arc<Mapped>, ModelError> {
        let error = |source| ModelError::Read { file: name.into(), source };
        let mapped = self.dir.open(name).and_then(Mapped::open).map_err(error)?;
        let found = Digest::of(mapped.bytes());
        match self.files.iter().find(|file| file.name == name) {
            Some(file) if file.digest != found => {
                Err(ModelError::Changed { file: name.into(), expected: file.digest, found })
            }
            _ => Ok(Arc::new(mapped)),
        }
    }

    pub(crate) fn weight_files(&self) -> &[String] {
        &self.weights
    }
}

/// The values of a tensor as f32, if its type is a floating-point one.
pub(crate) fn to_f32(dtype: Dtype, data: &[u8]) -> Option<Vec<f32>> {
    let pairs = data.chunks_exact(2).map(|b| [b[0], b[1]]);
    match dtype {
        Dtype::F32 => Some(data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Some(pairs.map(|b| half::f16::from_le_bytes(b).to_f32()).collect()),
        Dtype::BF16 => Some(pairs.map(|b| half::bf16::from_le_bytes(b).to_f32()).collect()),
        _ => None,
    }
}

fn json<'a, T: Deserialize<'a>>(file: &str, bytes: &'a [u8]) -> Result<T, ModelError> {
    serde_json::from_slice(bytes).map_err(|source| ModelError::Json { file: file.into(), source })
}

fn optional(dir: &Dir, file: &str) -> Result<Option<Vec<u8>>, ModelError> {
    match dir.read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ModelError::Read { file: file.into(), source }),
    }
}

fn required(dir: &Dir, file: &str) -> Result<Vec<u8>, ModelError> {
    optional(dir, file)?.ok_or_else(|| ModelError::MissingFile { file: file.into() })
}

/// Whether there is such a file. One that cannot be looked at is an error: left out, it would make another model.
fn is_file(dir: &Dir, file: &str) -> Result<bool, ModelError> {
    match dir.metadata(file) {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ModelError::Read { file: file.into(), source }),
    }
}

/// The files that hold the weights: a single one, or the shards that the index names.
fn weight_files(dir: &Dir) -> Result<BTreeSet<String>, ModelError> {
    if is_file(dir, WEIGHTS_FILE)? {
        return Ok(BTreeSet::from([WEIGHTS_FILE.to_string()]));
    }
    let Some(bytes) = optional(dir, INDEX_FILE)? else {
        return Err(ModelError::MissingFile { file: WEIGHTS_FILE.into() });
    };
    let index: Index = json(INDEX_FILE, &bytes)?;
    Ok(index.weight_map.into_values().collect())
}

fn digest_file(dir: &Dir, name: String) -> Result<FileDigest, ModelError> {
    let error = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::MissingFile { file: name.clone() },
        _ => ModelError::Read { file: name.clone(), source },
    };
    let mut file = dir.open(&name).map_err(error)?;
    let (mut hasher, mut size, mut buffer) = (Hasher::new(), 0, vec![0; 1 << 16]);
    loop {
        let count = file.read(&mut buffer).map_err(error)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        hasher.update(&buffer[..count]);
    }
    Ok(FileDigest { digest: hasher.finish(), size, name })
}

/// The chat template: a file of its own, or an entry of the tokenizer's configuration or of a processor's file. Of several
/// that have names, `default` is the one for dialogues without tools; those in `additional_chat_templates` are others.
fn find_template(dir: &Dir) -> Result<Option<Template>, ModelError> {
    if let Some(bytes) = optional(dir, TEMPLATE_FILE)? {
        let text = String::from_utf8(bytes)
            .map_err(|error| ModelError::Template { file: TEMPLATE_FILE, reason: error.to_string() })?;
        return Ok(Some(Template { file: TEMPLATE_FILE, text }));
    }
    for file in [TOKENIZER_CONFIG_FILE, TEMPLATE_JSON_FILE] {
        let Some(bytes) = optional(dir, file)? else { continue };
        let config: TokenizerConfig = json(file, &bytes)?;
        let text = match config.chat_template {
            None => continue,
            Some(TemplateEntry::Text(text)) => text,
            Some(TemplateEntry::Named(list)) => {
                let found = list.into_iter().find(|entry| entry.name == "default");
                let reason = || "none of the named templates is called `default`".into();
                found.map(|entry| entry.template).ok_or_else(|| ModelError::Template { file, reason: reason() })?
            }
        };
        return Ok(Some(Template { file, text }));
    }
    Ok(None)
}

mod weights;

pub(crate) use weights::{weights, weights_of};

#[cfg(test)]
mod tests;
