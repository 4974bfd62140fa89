//! Evidence for tests of policies: start with these and change the fields.

use crate::Attribute;
use crate::policy::{Estimate, Evidence, Measurement, Stage, Subject};

/// Evidence with a base model `base` and nothing else.
#[must_use]
pub fn evidence(stage: Stage) -> Evidence {
    Evidence {
        stage,
        run: "run-1".to_owned(),
        base: subject("base", &[]),
        datasets: Vec::new(),
        plugins: Vec::new(),
        measurements: Vec::new(),
        production: None,
        attributes: Vec::new(),
    }
}

/// A thing with text labels.
#[must_use]
pub fn subject(name: &str, labels: &[(&str, &str)]) -> Subject {
    Subject {
        name: name.to_owned(),
        digest: format!("sha256:{}", "0".repeat(64)),
        attributes: labels.iter().map(|(key, value)| Attribute::text(*key, *value)).collect(),
    }
}

/// A value with its interval.
#[must_use]
pub const fn estimate(value: f64, low: f64, high: f64) -> Estimate {
    Estimate { value, low, high }
}

/// A metric where higher is better, on 100 rows, with nothing in production.
#[must_use]
pub fn measurement(metric: &str, base: Estimate, adapted: Estimate) -> Measurement {
    Measurement {
        metric: metric.to_owned(),
        higher_is_better: true,
        rows: 100,
        confidence: 0.95,
        base,
        adapted,
        production: None,
        over_production: None,
        attributes: Vec::new(),
    }
}
