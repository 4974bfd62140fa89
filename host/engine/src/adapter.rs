//! Adapters in PEFT's format.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::recipe::{AdapterSettings, Method};
use safetensors::SafeTensors;
use serde::Serialize;
use serde_json::Value;

use crate::model::{Model, Target};
use crate::safetensors_file::{self, Precision};
use crate::tensor::Tensor;
use crate::update::{Part, Update, UpdateShape};

const CONFIG_FILE: &str = "adapter_config.json";
const TENSORS_FILE: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";
const BASE_KEY: &str = "freehold.base";
const TOKENIZER_KEY: &str = "freehold.tokenizer";
const TEMPLATE_KEY: &str = "freehold.template";

/// An adapter cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A setting of the recipe is not possible.
    #[error("`{key}` in [adapter] is {found}; it has to be {expected}")]
    Setting {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: String,
    },
    /// The configuration is not JSON of the expected form.
    #[error("adapter_config.json is not valid: {0}")]
    Config(String),
    /// The configuration asks for what the engine does not have.
    #[error("`{key}` in adapter_config.json is {found}; supported is {supported}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        supported: &'static str,
    },
    /// The tensors file is damaged.
    #[error("adapter_model.safetensors is damaged: {0}")]
    File(String),
    /// A tensor is not there.
    #[error("adapter_model.safetensors lacks tensor `{0}`, which adapter_config.json and the model imply")]
    MissingTensor(String),
    /// A tensor belongs to nothing.
    #[error("adapter_model.safetensors has tensor `{0}`, which neither adapter_config.json nor the model implies")]
    UnknownTensor(String),
    /// A tensor has the wrong shape.
    #[error("tensor `{tensor}` of the adapter has shape {found:?}; expected {expected:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// The shape implied.
        expected: Vec<usize>,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor has a type that is not a floating-point one, or values that are not finite.
    #[error("tensor `{0}` of the adapter is not made of finite floating-point numbers")]
    Values(String),
    /// The adapter was trained on something else.
    #[error(
        "the adapter was trained with {what} {found}, but the model has {expected}; rebase the adapter or use its own base"
    )]
    OtherBase {
        /// Base model, tokenizer or chat template.
        what: &'static str,
        /// What the model has.
        expected: String,
        /// What the adapter was trained with.
        found: String,
    },
}

/// LoRA weights for one base model.
#[derive(Debug, Clone)]
pub struct Adapter {
    shape: Shape,
    pub(crate) update: Update,
    base: Digest,
    tokenizer: Digest,
    template: Option<Digest>,
}

/// What the configuration of an adapter says.
#[derive(Debug, Clone)]
struct Shape {
    rank: usize,
    alpha: f64,
    dropout: f64,
    targets: Vec<Target>,
    dora: bool,
    rslora: bool,
}

impl Shape {
    fn update(&self) -> UpdateShape<'_> {
        let rank = self.rank as f64;
        let scale = self.alpha / if self.rslora { rank.sqrt() } else { rank };
        UpdateShape { rank: self.rank, scale, targets: &self.targets, dora: self.dora }
    }
}

/// `adapter_config.json`, in the order in which it is written.
#[derive(Serialize)]
struct Config<'a> {
    alpha_pattern: BTreeMap<String, f64>,
    base_model_name_or_path: String,
    bias: &'a str,
    fan_in_fan_out: bool,
    inference_mode: bool,
    init_lora_weights: bool,
    lora_alpha: Value,
    lora_dropout: f64,
    modules_to_save: Option<()>,
    peft_type: &'a str,
    r: usize,
    rank_pattern: BTreeMap<String, f64>,
    revision: Option<()>,
    target_modules: Vec<&'a str>,
    task_type: &'a str,
    use_dora: bool,
    use_rslora: bool,
}

impl Adapter {
    /// A new adapter with PEFT's initial values: it changes nothing yet.
    pub(crate) fn initial(model: &Model, settings: &AdapterSettings, seed: u64) -> Result<Self, AdapterError> {
        let setting =
            |key, found: String, expected: &str| AdapterError::Setting { key, found, expected: expected.into() };
        let least = model.config.hidden_size.min(model.config.key_heads * model.config.head_width);
        if settings.rank == 0 || settings.rank > least {
            return Err(setting("rank", settings.rank.to_string(), &format!("from 1 to {least} for this model")));
        }
        if !(settings.alpha.is_finite() && settings.alpha > 0.0) {
            return Err(setting("alpha", settings.alpha.to_string(), "a positive number"));
        }
        if !(0.0..1.0).contains(&settings.dropout) {
            return Err(setting("dropout", settings.dropout.to_string(), "from 0 to below 1"));
        }
        let mut targets = Vec::new();
        for name in &settings.targets {
            let known = Target::ALL.map(Target::name).join(", ");
            let target = Target::from_name(name)
                .ok_or_else(|| setting("targets", format!("\"{name}\""), &format!("some of {known}")))?;
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() {
            return Err(setting("targets", "empty".into(), "at least one linear layer"));
        }
        targets.sort_unstable();
        let shape = Shape {
            rank: settings.rank,
            alpha: settings.alpha,
            dropout: settings.dropout,
            targets,
            dora: settings.method == Method::Dora,
            rslora: settings.method == Method::Rslora,
        };
        let update = Update::initial((&model.config, &model.weights), shape.update(), seed);
        Ok(Self::of(shape, update, model))
    }

    fn of(shape: Shape, update: Update, model: &Model) -> Self {
        let origin = &model.origin;
        Self { shape, update, base: origin.digest, tokenizer: origin.tokenizer, template: origin.template }
    }

    /// The same adapter, trained without dropout from now on.
    pub(crate) fn without_dropout(mut self) -> Self {
        self.shape.dropout = 0.0;
        self
    }

    /// The probability of dropout in training.
    pub(crate) fn dropout(&self) -> f64 {
        self.shape.dropout
    }

    /// The rank of the update.
    pub(crate) fn rank(&self) -> usize {
        self.shape.rank
    }

    /// The same adapter, to be trained further as the recipe says.
    ///
    /// # Errors
    /// It belongs to another model, or `[adapter]` asks for an update of another kind.
    pub(crate) fn to_go_on(&self, model: &Model, settings: &AdapterSettings) -> Result<Self, AdapterError> {
        if self.base != model.digest() {
            let (expected, found) = (model.digest().to_string(), self.base.to_string());
            return Err(AdapterError::OtherBase { what: "base model", expected, found });
        }
        let Shape { rank, alpha, targets, dora, rslora, .. } = &self.shape;
        let method = match (dora, rslora) {
            (true, _) => Method::Dora,
            (_, true) => Method::Rslora,
            _ => Method::Lora,
        };
        let mut names: Vec<&str> = targets.iter().map(|target| target.name()).collect();
        let mut wanted: Vec<&str> = settings.targets.iter().map(String::as_str).collect();
        names.sort_unstable();
        wanted.sort_unstable();
        let other = |key, found: String, has: String| {
            let expected = format!("{has}, as in the adapter that [start] names");
            Err(AdapterError::Setting { key, found, expected })
        };
        if settings.method != method {
            return other("method", settings.method.as_str().into(), method.as_str().into());
        }
        if settings.rank != *rank {
            return other("rank", settings.rank.to_string(), rank.to_string());
        }
        if settings.alpha != *alpha {
            return other("alpha", settings.alpha.to_string(), alpha.to_string());
        }
        if wanted != names {
            return other("targets", wanted.join(", "), names.join(", "));
        }
        let mut adapter = self.clone();
        adapter.shape.dropout = settings.dropout;
        Ok(adapter)
    }

    /// An adapter of the same kind for another model, of tensors by PEFT's names; lengths of DoRA are those of the model's weights.
    ///
    /// # Errors
    /// A tensor is missing, has not the size that the model implies, or has values that are not finite.
    pub(crate) fn of_parts(&self, model: &Model, mut parts: BTreeMap<String, Vec<f32>>) -> Result<Self, AdapterError> {
        let update =
            Update::build((&model.config, &model.weights), self.shape.update(), |name, shape, part, squares| {
                let values = match part {
                    Part::Magnitude => squares.iter().map(|square| square.sqrt() as f32).collect(),
                    Part::A | Part::B => parts.remove(name).ok_or_else(|| AdapterError::MissingTensor(name.into()))?,
                };
                if values.len() != shape.iter().product::<usize>() {
                    let (tensor, expected) = (name.into(), shape.to_vec());
                    return Err(AdapterError::Shape { tensor, expected, found: vec![values.len()] });
                }
                if !values.iter().all(|x| x.is_finite()) {
                    return Err(AdapterError::Values(name.into()));
                }
                Ok(Tensor::of(values, shape))
            })?;
        Ok(Self::of(self.shape.clone(), update, model))
    }

    /// Digest of the base model that it belongs to.
    pub fn base(&self) -> Digest {
        self.base
    }

    /// Number of trained values.
    pub fn parameters(&self) -> usize {
        self.update.named().iter().map(|(_, tensor)| tensor.len()).sum()
    }

    /// PEFT's files, name and bytes. The same adapter gives the same bytes.
    ///
    /// # Errors
    /// The configuration cannot be written as JSON.
    pub fn to_files(&self) -> Result<Vec<(String, Vec<u8>)>, AdapterError> {
        let mut names: Vec<&str> = self.shape.targets.iter().map(|target| target.name()).collect();
        names.sort_unstable();
        // PEFT expects a whole number where it is one.
        let Shape { alpha, rank, dropout, dora, rslora, .. } = self.shape;
        let whole = alpha.fract() == 0.0 && alpha < 1e9;
        let config = Config {
            alpha_pattern: BTreeMap::new(),
            base_model_name_or_path: self.base.to_string(),
            bias: "none",
            fan_in_fan_out: false,
            inference_mode: true,
            init_lora_weights: true,
            lora_alpha: if whole { Value::from(alpha as u64) } else { Value::from(alpha) },
            lora_dropout: dropout,
            modules_to_save: None,
            peft_type: "LORA",
            r: rank,
            rank_pattern: BTreeMap::new(),
            revision: None,
            target_modules: names,
            task_type: "CAUSAL_LM",
            use_dora: dora,
            use_rslora: rslora,
        };
        let json = |error: serde_json::Error| AdapterError::Config(error.to_string());
        let mut config = serde_json::to_vec_pretty(&config).map_err(json)?;
        config.push(b'\n');
        let tensors =
            self.update.named().into_iter().map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor)).collect();
        let mut metadata = BTreeMap::from([
            ("format", "pt".to_string()),
            (BASE_KEY, self.base.to_string()),
            (TOKENIZER_KEY, self.tokenizer.to_string()),
        ]);
        metadata.extend(self.template.map(|template| (TEMPLATE_KEY, template.to_string())));
        let tensors = safetensors_file::write(&tensors, &metadata, Precision::F32).map_err(json)?;
        Ok(vec![(CONFIG_FILE.into(), config), (TENSORS_FILE.into(), tensors)])
    }

    /// Reads the two files of an adapter, ours or PEFT's own, for this model.
    ///
    /// # Errors
    /// The files are damaged, do not fit the model, or say that they belong to another one.
    pub fn from_files(config: &[u8], tensors: &[u8], model: &Model) -> Result<Self, AdapterError> {
        let (_, header) = SafeTensors::read_metadata(tensors).map_err(damaged)?;
        check_origin(header.metadata().as_ref(), model)?;
        Self::reapplied(config, tensors, model)
    }

    /// Reads the two files of an adapter for this model, whatever base they say that they belong to: the same update on other
    /// weights of the same shapes.
    ///
    /// # Errors
    /// The files are damaged, or do not fit the model.
    pub fn reapplied(config: &[u8], tensors: &[u8], model: &Model) -> Result<Self, AdapterError> {
        let parsed = Shape::parse(config)?;
        let file = SafeTensors::deserialize(tensors).map_err(damaged)?;
        let mut found: BTreeMap<String, _> = file.iter().map(|(name, view)| (name.to_string(), view)).collect();
        let update = Update::build((&model.config, &model.weights), parsed.update(), |name, shape, _, _| {
            let name = format!("{PREFIX}{name}");
            let view = found.remove(&name).ok_or_else(|| AdapterError::MissingTensor(name.clone()))?;
            if view.shape() != shape {
                let found = view.shape().to_vec();
                return Err(AdapterError::Shape { tensor: name, expected: shape.to_vec(), found });
            }
            let values = crate::folder::to_f32(view.dtype(), view.data());
            match values.filter(|values| values.iter().all(|x| x.is_finite())) {
                Some(values) => Ok(Tensor::of(values, shape)),
                None => Err(AdapterError::Values(name)),
            }
        })?;
        if let Some(name) = found.into_keys().next() {
            return Err(AdapterError::UnknownTensor(name));
        }
        Ok(Self::of(parsed, update, model))
    }
}

fn damaged(error: safetensors::SafeTensorError) -> AdapterError {
    AdapterError::File(error.to_string())
}

/// Refuses an adapter that says it belongs to another base. PEFT's own files say nothing.
fn check_origin(
    metadata: Option<&std::collections::HashMap<String, String>>,
    model: &Model,
) -> Result<(), AdapterError> {
    let Some(metadata) = metadata else { return Ok(()) };
    let origin = &model.origin;
    let template = origin.template.map(|template| template.to_string());
    for (key, what, expected) in [
        (BASE_KEY, "base model", Some(origin.digest.to_string())),
        (TOKENIZER_KEY, "tokenizer", Some(origin.tokenizer.to_string())),
        (TEMPLATE_KEY, "chat template", template),
    ] {
        if let Some(found) = metadata.get(key).filter(|found| Some(*found) != expected.as_ref()) {
            let expected = expected.unwrap_or_else(|| "none".into());
            return Err(AdapterError::OtherBase { what, expected, found: found.clone() });
        }
    }
    Ok(())
}

impl Shape {
    /// Reads `adapter_config.json`.
    fn parse(bytes: &[u8]) -> Result<Self, AdapterError> {
        let config: Value = serde_json::from_slice(bytes).map_err(|error| AdapterError::Config(error.to_string()))?;
        if config.get("peft_type").and_then(Value::as_str) != Some("LORA") {
            return Err(unsupported(&config, "peft_type", "\"LORA\""));
        }
        for key in ["fan_in_fan_out", "lora_bias"] {
            if config.get(key).is_some_and(|value| value.as_bool() != Some(false)) {
                return Err(unsupported(&config, key, "false"));
            }
        }
        for key in [
            "modules_to_save",
            "layers_to_transform",
            "rank_pattern",
            "alpha_pattern",
            "trainable_token_indices",
            "exclude_modules",
            "target_parameters",
        ] {
            let empty = |value: &Value| match value {
                Value::Null => true,
                Value::Array(list) => list.is_empty(),
                Value::Object(table) => table.is_empty(),
                _ => false,
            };
            if config.get(key).is_some_and(|value| !empty(value)) {
                return Err(unsupported(&config, key, "nothing"));
            }
        }
        if config.get("bias").is_some_and(|value| value.as_str() != Some("none")) {
            return Err(unsupported(&config, "bias", "\"none\""));
        }
        let rank = config.get("r").and_then(Value::as_u64).filter(|rank| (1..=1 << 14).contains(rank));
        let alpha = config.get("lora_alpha").and_then(Value::as_f64).filter(|alpha| alpha.is_finite());
        let names = config.get("target_modules").and_then(Value::as_array);
        let mut targets = Vec::new();
        for name in names.ok_or_else(|| unsupported(&config, "target_modules", "a list of names"))? {
            let target = name.as_str().and_then(Target::from_name);
            targets.push(
                target
                    .ok_or_else(|| unsupported(&config, "target_modules", "a list of the linear layers of a block"))?,
            );
        }
        targets.sort_unstable();
        targets.dedup();
        let flag = |key| match config.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| unsupported(&config, key, "true or false")),
        };
        Ok(Self {
            rank: rank.ok_or_else(|| unsupported(&config, "r", "a positive whole number"))? as usize,
            alpha: alpha.ok_or_else(|| unsupported(&config, "lora_alpha", "a number"))?,
            dropout: config.get("lora_dropout").and_then(Value::as_f64).unwrap_or(0.0),
            targets,
            dora: flag("use_dora")?,
            rslora: flag("use_rslora")?,
        })
    }
}

fn unsupported(config: &Value, key: &'static str, supported: &'static str) -> AdapterError {
    let found = config.get(key).map_or_else(|| "missing".into(), Value::to_string);
    AdapterError::Unsupported { key, found, supported }
}
