//! What policies judge. The same shapes as the contract's `policy` interface.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verdict::Stage;

/// One value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A text.
    Text(String),
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// The name.
    pub key: String,
    /// The value.
    pub value: Value,
}

impl Attribute {
    /// An attribute with a text.
    pub fn text(key: &str, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: Value::Text(value.into()) }
    }

    /// An attribute with any other number.
    pub fn number(key: &str, value: f64) -> Self {
        Self { key: key.into(), value: Value::Number(value) }
    }

    /// An attribute that is true or false.
    pub fn boolean(key: &str, value: bool) -> Self {
        Self { key: key.into(), value: Value::Boolean(value) }
    }

    /// An attribute with a whole number.
    pub fn integer(key: &str, value: i64) -> Self {
        Self { key: key.into(), value: Value::Integer(value) }
    }
}

/// A thing that evidence is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its digest, `sha256:...`.
    pub digest: String,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
}

/// A value with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Estimate {
    /// The value on all rows.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// One metric on the held-out data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Name of the measurement.
    pub metric: String,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// Rows that were measured.
    pub rows: u64,
    /// Confidence level of every interval here.
    pub confidence: f64,
    /// The base model.
    pub base: Estimate,
    /// The base model with the adapter.
    pub adapted: Estimate,
    /// The model in production on the same rows.
    pub production: Option<Estimate>,
    /// Adapted minus production, paired by row.
    pub over_production: Option<Estimate>,
    /// What else is known.
    pub attributes: Vec<Attribute>,
}

/// All that a policy is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it is asked.
    pub stage: Stage,
    /// The run.
    pub run: String,
    /// The base model.
    pub base: Subject,
    /// The datasets with their labels.
    pub datasets: Vec<Subject>,
    /// The plugins with version and signer.
    pub plugins: Vec<Subject>,
    /// Empty at stage `admit`.
    pub measurements: Vec<Measurement>,
    /// What is in production now.
    pub production: Option<Subject>,
    /// What may grow.
    pub attributes: Vec<Attribute>,
}
