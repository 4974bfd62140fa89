//! What is about to be trained on, counted before it is: how much of it, how long, what is learned of it and what is not, and
//! how it is packed. The same rows and settings give the same counts; neither the clock nor the machine is asked.

use freehold_core::record::PhaseRecord;
use freehold_engine::Packing;
use freehold_store::{Blobs, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::journal::output_of;
use crate::WorkflowError;
use crate::statements::malformed;

mod count;
mod lengths;
mod problem;
mod settings;

pub(super) use count::Counter;
pub use lengths::{Bin, Lengths};
pub use problem::DataProblem;
pub(super) use settings::CountSettings;

/// Name of the output of phase tokenise that holds it, as JSON.
pub(super) const VALIDATION: &str = "validation";

/// What is about to be trained on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Validation {
    /// The rows that are learned.
    pub train: SplitCounts,
    /// The rows that are held out.
    pub eval: SplitCounts,
    /// How what is learned is packed into steps.
    pub packing: Packing,
    /// Tokens that the model can attend to.
    pub positions: usize,
    /// The token that answers are learned to end with.
    pub end: String,
}

/// A split, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct SplitCounts {
    /// Rows that came out of the transforms.
    pub rows: u64,
    /// Messages in them, of every role.
    pub turns: u64,
    /// Messages of the assistant of which something is learned; in the held-out split, would be.
    pub answers: u64,
    /// Examples: a row is several if the chat template writes earlier turns otherwise than they were said.
    pub examples: u64,
    /// Tokens of all examples.
    pub tokens: u64,
    /// Those that are learned: the assistant's, each with the token that ends it.
    pub learned: u64,
    /// Those that are masked: read, but not learned.
    pub masked: u64,
    /// How long the examples are, in tokens.
    pub lengths: Lengths,
    /// Examples that are longer than they may be.
    pub too_long: TooLong,
    /// Rows whose every token is masked. A run with some in the training split stops before it trains; of the held-out split
    /// they are those that are asked, but could not be learned.
    pub nothing_to_learn: Rows,
    /// Rows with an answer that is not learned to the token that stops generation.
    pub without_end: Rows,
}

/// Examples that are longer than they may be. None is cut: a run with some stops before it trains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct TooLong {
    /// Tokens that are allowed: `max_length` of what is learned; of the prompts of held-out rows, as many as leave the model
    /// `max_new_tokens` to answer in.
    pub limit: usize,
    /// How many are longer.
    pub examples: u64,
    /// Tokens that they have beyond the limit, together.
    pub tokens_beyond: u64,
    /// The first of them.
    pub first: Vec<NamedRow>,
}

/// Some rows of a split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Rows {
    /// How many.
    pub rows: u64,
    /// The first of them.
    pub first: Vec<NamedRow>,
}

/// A row, and where it comes from. Rows are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct NamedRow {
    /// Its place among the rows that came out of the transforms.
    pub row: u64,
    /// The dataset that it was in, and its place there, if the lineage says.
    #[serde(flatten)]
    pub origin: Option<Origin>,
    /// Tokens of its longest example, or of its prompt if it is held out; none if it could not be tokenised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// Where a row comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Origin {
    /// The dataset.
    pub dataset: String,
    /// The row of it, from 0.
    pub dataset_row: u64,
}

impl std::fmt::Display for NamedRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Some(Origin { dataset, dataset_row }) => write!(f, "row {dataset_row} of `{dataset}`")?,
            None => write!(f, "row {} of the split", self.row)?,
        }
        self.tokens.map_or(Ok(()), |tokens| write!(f, " ({tokens} tokens)"))
    }
}

impl Validation {
    /// What stops a run before it trains.
    pub fn problems(&self) -> Vec<DataProblem> {
        problem::of(self)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, WorkflowError> {
        serde_json::to_vec_pretty(self).map_err(malformed(VALIDATION))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, WorkflowError> {
        serde_json::from_slice(bytes).map_err(malformed(VALIDATION))
    }
}

/// The validation that a phase tokenise left behind; records of earlier versions have none.
pub(super) fn read(record: &PhaseRecord, store: &dyn Blobs) -> Result<Option<Validation>, WorkflowError> {
    let Ok(digest) = output_of(record, VALIDATION) else { return Ok(None) };
    match store.get(&digest) {
        Ok(bytes) => Validation::from_bytes(&bytes).map(Some),
        // That a blob is gone is for `audit verify` to say; what else is known of the run is shown.
        Err(StoreError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
