//! Evidence as it is written in a case: what is left out has a plain value.

use freehold_core::evidence::{Attribute, Estimate, Evidence, Measurement, Subject, Value};
use freehold_core::verdict::Stage;
use serde::Deserialize;
use std::collections::BTreeMap;

type Attributes = BTreeMap<String, Value>;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceCase {
    stage: Stage,
    #[serde(default = "run_name")]
    run: String,
    #[serde(default = "base")]
    base: SubjectCase,
    #[serde(default)]
    datasets: Vec<SubjectCase>,
    #[serde(default)]
    plugins: Vec<SubjectCase>,
    #[serde(default)]
    measurements: Vec<MeasurementCase>,
    production: Option<SubjectCase>,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectCase {
    name: String,
    #[serde(default = "digest")]
    digest: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeasurementCase {
    metric: String,
    #[serde(default = "yes")]
    higher_is_better: bool,
    #[serde(default = "rows")]
    rows: u64,
    #[serde(default = "confidence")]
    confidence: f64,
    base: EstimateCase,
    adapted: EstimateCase,
    production: Option<EstimateCase>,
    over_production: Option<EstimateCase>,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct EstimateCase {
    value: f64,
    low: f64,
    high: f64,
}

fn run_name() -> String {
    "run-1".into()
}

fn base() -> SubjectCase {
    SubjectCase { name: "base".into(), digest: digest(), attributes: Attributes::new() }
}

fn digest() -> String {
    format!("sha256:{}", "0".repeat(64))
}

fn yes() -> bool {
    true
}

fn rows() -> u64 {
    100
}

fn confidence() -> f64 {
    0.95
}

fn attributes(written: &Attributes) -> Vec<Attribute> {
    written.iter().map(|(key, value)| Attribute { key: key.clone(), value: value.clone() }).collect()
}

impl SubjectCase {
    fn to_subject(&self) -> Subject {
        let (name, digest) = (self.name.clone(), self.digest.clone());
        Subject { name, digest, attributes: attributes(&self.attributes) }
    }
}

impl EstimateCase {
    fn to_estimate(&self) -> Estimate {
        Estimate { value: self.value, low: self.low, high: self.high }
    }
}

impl MeasurementCase {
    fn to_measurement(&self) -> Measurement {
        Measurement {
            metric: self.metric.clone(),
            higher_is_better: self.higher_is_better,
            rows: self.rows,
            confidence: self.confidence,
            base: self.base.to_estimate(),
            adapted: self.adapted.to_estimate(),
            production: self.production.as_ref().map(EstimateCase::to_estimate),
            over_production: self.over_production.as_ref().map(EstimateCase::to_estimate),
            attributes: attributes(&self.attributes),
        }
    }
}

impl EvidenceCase {
    pub(super) fn to_evidence(&self) -> Evidence {
        let subjects = |written: &[SubjectCase]| written.iter().map(SubjectCase::to_subject).collect();
        Evidence {
            stage: self.stage,
            run: self.run.clone(),
            base: self.base.to_subject(),
            datasets: subjects(&self.datasets),
            plugins: subjects(&self.plugins),
            measurements: self.measurements.iter().map(MeasurementCase::to_measurement).collect(),
            production: self.production.as_ref().map(SubjectCase::to_subject),
            attributes: attributes(&self.attributes),
        }
    }
}
