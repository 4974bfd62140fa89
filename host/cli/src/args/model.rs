//! What can be said of models and adapters.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use freehold_core::hub::HubModel;
use freehold_core::recipe::Precision;
use freehold_engine::WeightType;
use freehold_workflow::DEFAULT_HUB;

fn parse_hub_model(text: &str) -> Result<HubModel, String> {
    text.parse().map_err(|error: freehold_core::name::NameError| error.to_string())
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Fetch a base model from a Hugging Face hub, or what is missing of it
    ///
    /// Only the files that the engine uses are fetched, from the commit that the revision stands for now, into the folder
    /// `models` of the home. This is the only command that uses the network. If it is interrupted, the same command goes on
    /// from the bytes that are there, in files that end in `.part`. A token for private and gated models is read from
    /// HF_TOKEN.
    Pull {
        /// The model: `hf:org/name@revision`, with a branch, a tag or a commit; `main` if none is named
        #[arg(value_parser = parse_hub_model)]
        model: HubModel,
        /// Address of the hub
        #[arg(long, env = "HF_ENDPOINT", default_value = DEFAULT_HUB, value_name = "URL", hide_env_values = true)]
        endpoint: String,
    },
    /// List the models that were pulled
    List,
    /// Load a model and show what it is
    Inspect {
        /// A Hugging Face model folder, or `hf:org/name@revision` that was pulled
        model: PathBuf,
    },
    /// Sign the files of a model or adapter folder, for OpenSSF's `model_signing verify key`
    ///
    /// One signature over the digests of all files, made with a P-256 key (`freehold key new NAME --p256`). What belongs to git is
    /// left out, and links are refused.
    Sign {
        /// The folder
        folder: PathBuf,
        /// The P-256 key; not needed if the home has one only
        #[arg(long, value_name = "NAME")]
        key: Option<String>,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Compute the same logits twice, with the engine and plainly with candle, and compare them
    ///
    /// Shows whether the engine computes this model right on this machine, with the instructions that its processor has.
    /// Exit code 4 if it does not.
    Check {
        /// A Hugging Face model folder
        model: PathBuf,
        /// A folder with an adapter in PEFT's format
        #[arg(long, value_name = "FOLDER")]
        adapter: Option<PathBuf>,
        /// Tokens that are computed
        #[arg(long, default_value_t = 64, value_name = "COUNT")]
        tokens: usize,
    },
    /// Compute the logits of every position, for comparison with other implementations
    Logits {
        /// The model folder
        model: PathBuf,
        /// A safetensors file with `ids`: i64 [rows, tokens]
        #[arg(long, value_name = "FILE")]
        ids: PathBuf,
        /// A folder with an adapter in PEFT's format
        #[arg(long, value_name = "FOLDER")]
        adapter: Option<PathBuf>,
        /// In what matrices are multiplied
        #[arg(long, value_enum, default_value_t = PrecisionName::F32)]
        precision: PrecisionName,
        /// The safetensors file to write, with `logits`: f32 [rows, tokens, vocabulary]
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Train an adapter some steps further on the same rows, and show the loss of each, for comparison with other
    /// implementations
    ///
    /// AdamW without decay, gradients clipped to a norm of 1, no dropout, every token but the first of a row predicted.
    Losses {
        /// The model folder
        model: PathBuf,
        /// A safetensors file with `ids`: i64 [rows, tokens]
        #[arg(long, value_name = "FILE")]
        ids: PathBuf,
        /// A folder with an adapter in PEFT's format
        #[arg(long, value_name = "FOLDER")]
        adapter: PathBuf,
        /// Steps to make
        #[arg(long, default_value_t = 5, value_name = "COUNT")]
        steps: usize,
        /// Learning rate of every step
        #[arg(long, default_value_t = 1e-3, value_name = "NUMBER")]
        learning_rate: f64,
        /// In what matrices are multiplied
        #[arg(long, value_enum, default_value_t = PrecisionName::F32)]
        precision: PrecisionName,
    },
    /// Continue prompts
    Generate(GenerateArguments),
    /// Train every tensor of a small model on documents: a new model, or one more edition of an old one
    Pretrain {
        /// What the model is to be, in TOML
        spec: PathBuf,
        /// Documents: a JSON Lines file, each line {"text": "..."}
        #[arg(long, value_name = "FILE")]
        text: PathBuf,
        /// The folder to write
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// The model to go on with
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// The model folder
    pub(crate) model: PathBuf,
    /// What the user says; may be repeated, for several prompts at once
    #[arg(long, value_name = "TEXT", required_unless_present = "messages")]
    pub(crate) prompt: Vec<String>,
    /// Dialogues: a JSON Lines file, each line {"messages": [{"role": "...", "content": "..."}]}
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub(crate) messages: Option<PathBuf>,
    /// A folder with an adapter in PEFT's format
    #[arg(long, value_name = "FOLDER")]
    pub(crate) adapter: Option<PathBuf>,
    /// Longest answer in tokens
    #[arg(long, default_value_t = 128, value_name = "COUNT")]
    pub(crate) max_new_tokens: usize,
    /// 0 takes the likeliest token; higher is more random
    #[arg(long, default_value_t = 0.0, value_name = "NUMBER")]
    pub(crate) temperature: f64,
    /// How many of the likeliest tokens may be chosen
    #[arg(long, value_name = "COUNT")]
    pub(crate) top_k: Option<usize>,
    /// Probability that the tokens which may be chosen have together
    #[arg(long, default_value_t = 1.0, value_name = "NUMBER")]
    pub(crate) top_p: f64,
    /// Seed of what is chosen: the same seed gives the same answers
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(crate) seed: u64,
    /// A text that ends an answer; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
    /// In what matrices are multiplied
    #[arg(long, value_enum, default_value_t = PrecisionName::F32)]
    pub(crate) precision: PrecisionName,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdapterCommand {
    /// Write the adapter of a run as a folder in PEFT's format
    Export {
        /// The run
        run: String,
        /// The folder to write, whole or not at all; it must not be there, or be empty
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// Write a Hugging Face model folder with an adapter's update in the weights
    Merge {
        /// The folder with the adapter, in PEFT's format
        adapter: PathBuf,
        /// The base model's folder
        #[arg(long, value_name = "FOLDER")]
        model: PathBuf,
        /// The folder to write; it must not be there, or be empty
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// In what type the weights are written
        #[arg(long, value_enum, default_value_t = TypeName::Base, value_name = "TYPE")]
        dtype: TypeName,
    },
}

/// In what matrices are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionName {
    /// IEEE 754 binary32: the same bits on every processor
    F32,
    /// Factors rounded to bf16, sums in f32
    Bf16,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Self::F32,
            PrecisionName::Bf16 => Self::Bf16,
        }
    }
}

/// In what type weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeName {
    /// Each tensor as the base model has it
    Base,
    /// F32, without rounding
    Float32,
}

impl From<TypeName> for WeightType {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::Base => Self::Base,
            TypeName::Float32 => Self::F32,
        }
    }
}
