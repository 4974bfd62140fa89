//! The recipe, `freehold.toml`: what a run is made of.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use semver::VersionReq;
use serde::{Deserialize, Serialize};

use crate::hub::HubModel;
use crate::name::{Alias, PluginName};
use crate::verdict::Stage;

mod parse;

pub use parse::RecipeError;

/// A whole recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name and seed of the run.
    pub run: RunSettings,
    /// The base model.
    pub base: BaseSettings,
    /// Where plugins are looked for.
    #[serde(default)]
    pub plugins: PluginSettings,
    /// The datasets, at least one in each split.
    pub data: Vec<DataSettings>,
    /// The transforms, in the order in which they are applied.
    #[serde(default)]
    pub transform: Vec<TransformSettings>,
    /// What is trained further; a new adapter is trained if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartSettings>,
    /// The adapter that is trained.
    pub adapter: AdapterSettings,
    /// How it is trained.
    pub train: TrainSettings,
    /// How models are measured.
    #[serde(default)]
    pub evaluate: EvaluateSettings,
    /// The metrics, at least one.
    pub metric: Vec<MetricSettings>,
    /// The policies; none at stage `promote` means that nothing is promoted.
    #[serde(default)]
    pub policy: Vec<PolicySettings>,
    /// Plugins of world metric that describe rows, to see whether new ones are as those before; no run asks them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descriptor: Vec<MetricSettings>,
    /// Where the adapter goes when every policy allows it.
    #[serde(default)]
    pub promote: Option<PromoteSettings>,
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// Names the runs of this recipe: lowercase letters, digits and hyphens.
    pub name: String,
    /// Seed of everything random: initial weights, order of the data, dropout, resampling.
    #[serde(default)]
    pub seed: u64,
}

/// `[base]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseSettings {
    /// A Hugging Face model folder, relative to the recipe, or `hf:org/name@revision`: a model that was pulled from a hub.
    pub model: String,
    /// Its license, for policies; an SPDX expression.
    #[serde(default)]
    pub license: Option<String>,
}

impl BaseSettings {
    /// The model on a hub, if it is one.
    pub fn hub_model(&self) -> Option<HubModel> {
        self.model.parse().ok()
    }
}

/// `[plugins]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSettings {
    /// Folder of signed plugins, relative to the recipe.
    pub path: String,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self { path: "plugins".into() }
    }
}

/// What a dataset is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The adapter is trained on it.
    Train,
    /// Held out: models are measured on it.
    Eval,
}

impl Split {
    /// Every split, in the order in which they are treated.
    pub const ALL: [Self; 2] = [Self::Train, Self::Eval];

    /// The name used in recipes and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
        }
    }
}

/// `[[data]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// Name of the dataset in records and evidence.
    pub name: String,
    /// A file of JSON Lines, Parquet or Arrow, relative to the recipe.
    pub path: String,
    /// What it is for.
    pub split: Split,
    /// The part of its rows that is taken, above 0 and at most 1; all if not said. Which rows these are follows from the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Labels that policies judge: `residency`, `license`, `consent`, ...
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A file that a plugin may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Name under which the plugin asks for it.
    pub asset: String,
    /// The file, relative to the recipe.
    pub path: String,
}

/// Settings of a plugin, free in form; the manifest's schema says what is meant.
pub type Settings = toml::Table;

/// `[[transform]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformSettings {
    /// The plugin, `publisher/name`.
    pub plugin: PluginName,
    /// Which versions will do.
    pub version: VersionReq,
    /// The splits that it is applied to; all if not said.
    #[serde(default = "all_splits")]
    pub splits: Vec<Split>,
    /// Its settings.
    #[serde(default)]
    pub settings: Settings,
    /// What it may read.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

fn all_splits() -> Vec<Split> {
    Split::ALL.to_vec()
}

/// How weights are adapted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Low-rank adaptation (Hu et al., arXiv 2106.09685).
    Lora,
    /// With the scale `alpha / sqrt(rank)` (Kalajdzievski, arXiv 2312.03732).
    Rslora,
    /// With a trained length of each output's weights (Liu et al., arXiv 2402.09353).
    Dora,
    /// No adapter: every tensor of the model is trained.
    Full,
}

impl Method {
    /// The name used in recipes and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lora => "lora",
            Self::Rslora => "rslora",
            Self::Dora => "dora",
            Self::Full => "full",
        }
    }
}

/// `[start]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartSettings {
    /// What is trained further: an alias, a run, or the digest of an adapter in the store. Where it belongs to another base model it
    /// is brought to that of the recipe first.
    pub adapter: String,
}

/// `[adapter]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterSettings {
    /// The method.
    pub method: Method,
    /// Rank of the update, `r`; not with method `full`.
    #[serde(default)]
    pub rank: usize,
    /// Scale: the update is multiplied by `alpha / rank`; not with method `full`.
    #[serde(default)]
    pub alpha: f64,
    /// Probability with which an input of the update is dropped in training.
    #[serde(default)]
    pub dropout: f64,
    /// Linear layers that are adapted.
    #[serde(default = "all_targets")]
    pub targets: Vec<String>,
}

fn all_targets() -> Vec<String> {
    ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"].map(String::from).to_vec()
}

/// How the learning rate moves after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls on a straight line to zero.
    Linear,
    /// It falls on half a cosine to zero.
    #[default]
    Cosine,
}

/// In what matrices are multiplied; everything else is f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE 754 binary32: the same bits on every processor.
    #[default]
    F32,
    /// Factors rounded to bf16, sums in f32: much faster where the processor has instructions for it, and the same bits
    /// on processors with the same ones.
    Bf16,
}

impl Precision {
    /// The name used in recipes and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// Whether activations are kept for the backward pass or computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActivationCheckpointing {
    /// Computed again if they would take more than 2 GiB.
    #[default]
    Auto,
    /// Only the input of each block is kept: less memory, a third more work.
    Always,
    /// All are kept.
    Never,
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// How often the data is seen; a fraction is allowed, and 0 where there is a `[start]`, which then stays as it is.
    pub epochs: f64,
    /// Tokens of a step of the optimizer, padding not counted.
    pub tokens_per_step: usize,
    /// Tokens that are computed at once; a step of more is cut in parts, whose gradients are added.
    #[serde(default = "tokens_at_once")]
    pub tokens_at_once: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// How it moves.
    #[serde(default)]
    pub schedule: Schedule,
    /// Steps in which it rises from zero.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101).
    #[serde(default)]
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    #[serde(default = "one")]
    pub clip_norm: f64,
    /// Longest example in tokens; longer ones are an error, not cut in silence.
    pub max_length: usize,
    /// In what matrices are multiplied.
    #[serde(default)]
    pub precision: Precision,
    /// Whether activations are kept or computed again.
    #[serde(default)]
    pub activation_checkpointing: ActivationCheckpointing,
    /// Steps from one checkpoint to the next; 0 for none.
    #[serde(default = "checkpoint_every")]
    pub checkpoint_every: usize,
    /// How many of the last checkpoints are kept, besides the best.
    #[serde(default = "keep_checkpoints")]
    pub keep_checkpoints: usize,
    /// Measures the adapter during training, and stops when it gets no better.
    #[serde(default)]
    pub early_stopping: Option<EarlyStopping>,
}

/// `[train.early_stopping]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// `loss`, which is better when lower, or the name of a metric plugin of the recipe; on the held-out data.
    #[serde(default = "loss")]
    pub metric: String,
    /// Steps from one measurement to the next.
    pub every: usize,
    /// How many measurements in a row may be no better than the best.
    pub patience: usize,
    /// By how much a measurement has to be better to count.
    #[serde(default)]
    pub min_delta: f64,
}

fn loss() -> String {
    "loss".into()
}

fn tokens_at_once() -> usize {
    4096
}

fn checkpoint_every() -> usize {
    100
}

fn keep_checkpoints() -> usize {
    1
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            epochs: 1.0,
            tokens_per_step: 4096,
            tokens_at_once: tokens_at_once(),
            learning_rate: 1e-4,
            schedule: Schedule::default(),
            warmup_steps: 0,
            weight_decay: 0.0,
            clip_norm: one(),
            max_length: 2048,
            precision: Precision::default(),
            activation_checkpointing: ActivationCheckpointing::default(),
            checkpoint_every: checkpoint_every(),
            keep_checkpoints: keep_checkpoints(),
            early_stopping: None,
        }
    }
}

fn one() -> f64 {
    1.0
}

/// `[evaluate]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSettings {
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Confidence level of intervals.
    pub confidence: f64,
    /// Resamples of the bootstrap.
    pub resamples: usize,
}

impl Default for EvaluateSettings {
    fn default() -> Self {
        Self { max_new_tokens: 64, confidence: 0.95, resamples: 1000 }
    }
}

/// `[[metric]]`, and `[[descriptor]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSettings {
    /// The plugin, `publisher/name`.
    pub plugin: PluginName,
    /// Which versions will do.
    pub version: VersionReq,
    /// Name of the measurement; the plugin's own name if not said.
    #[serde(default)]
    pub name: Option<String>,
    /// Its settings.
    #[serde(default)]
    pub settings: Settings,
    /// What it may read.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

impl MetricSettings {
    /// Name of the measurement.
    pub fn measurement(&self) -> &str {
        self.name.as_deref().unwrap_or(self.plugin.name())
    }
}

/// `[[policy]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The plugin, `publisher/name`.
    pub plugin: PluginName,
    /// Which versions will do.
    pub version: VersionReq,
    /// When it is asked.
    pub stage: Stage,
    /// Its settings.
    #[serde(default)]
    pub settings: Settings,
    /// What it may read.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

/// `[promote]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoteSettings {
    /// The alias that moves, such as `support@production`.
    pub alias: Alias,
    /// Whose approval it takes before the alias moves; nobody's if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<ApprovalSettings>,
}

/// `approvals = { needed = 2 }` in `[promote]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalSettings {
    /// How many keys in role approver have to approve what the run made, other than those that signed its records. Where the trust
    /// root asks for more, so many.
    pub needed: usize,
}
