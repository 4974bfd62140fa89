//! Denies promotion unless a metric is known, certain enough, above its bar and not worse than production.

use freehold_sdk::policy::{Estimate, Evidence, Measurement, Policy, Stage, Verdict};

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    metric: String,
    minimum: Option<f64>,
    maximum: Option<f64>,
    r#use: Use,
    margin: f64,
    minimum_rows: u64,
}

/// What is held against the bar.
#[derive(serde::Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// The end of the interval that is bad for the model.
    Bound,
    /// The value itself.
    Value,
}

/// The policy.
pub struct MetricGate(Settings);

/// A finding against the model: code and reason.
type Denial = (&'static str, String);

impl Policy for MetricGate {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.metric.is_empty() {
            return Err("setting `metric` is empty".to_owned());
        }
        for (name, bar) in [("minimum", settings.minimum), ("maximum", settings.maximum)] {
            if bar.is_some_and(|bar| !bar.is_finite()) {
                return Err(format!("setting `{name}` must be a finite number; leave it out for no bar"));
            }
        }
        if !settings.margin.is_finite() || settings.margin < 0.0 {
            return Err("setting `margin` must be 0 or more".to_owned());
        }
        Ok(Self(settings))
    }

    fn check(&self, evidence: &Evidence) -> Result<Verdict, String> {
        let metric = &self.0.metric;
        let named = evidence.measurements.iter().filter(|measurement| measurement.metric == *metric).count();
        let verdict = match evidence.measurement(metric) {
            Some(_) if named > 1 => Verdict::deny("ambiguous", format!("{metric} was measured {named} times")),
            None if evidence.stage == Stage::Admit => {
                Verdict::deny("wrong-stage", format!("{metric} is measured after training: use this gate at promote"))
            }
            None => Verdict::deny("no-evidence", format!("{metric} was not measured")),
            Some(measurement) => match self.judge(measurement, evidence.production.is_some()) {
                Ok(reason) => Verdict::allow("metric-reached", reason),
                Err((code, reason)) => Verdict::deny(code, reason),
            },
        };
        Ok(verdict.rests_on([format!("metric:{metric}")]))
    }
}

impl MetricGate {
    fn judge(&self, measured: &Measurement, in_production: bool) -> Result<String, Denial> {
        let Settings { metric, minimum, maximum, minimum_rows, .. } = &self.0;
        let bars = minimum.is_some() || maximum.is_some();
        let in_production = in_production || measured.production.is_some() || measured.over_production.is_some();
        let estimates = [Some(&measured.base), Some(&measured.adapted), measured.production.as_ref()];
        let all = estimates.into_iter().chain([measured.over_production.as_ref()]).flatten();
        if !measured.confidence.is_finite() || !all.into_iter().all(is_sound) {
            return Err(("not-a-number", format!("{metric} has a value or an interval that makes no sense")));
        }
        if measured.rows < *minimum_rows {
            let reason = format!("{metric} was measured on {} rows, {minimum_rows} are needed", measured.rows);
            return Err(("too-few-rows", reason));
        }
        if !bars && !in_production {
            return Err(("no-bar", format!("{metric} has neither minimum nor maximum, and nothing is in production")));
        }
        let mut findings = vec![format!("{metric} is {}", shown(&measured.adapted, measured.confidence))];
        if let Some(minimum) = minimum {
            findings.push(self.reaches_minimum(measured, *minimum)?);
        }
        if let Some(maximum) = maximum {
            findings.push(self.stays_under_maximum(measured, *maximum)?);
        }
        if in_production {
            findings.push(self.no_worse_than_production(measured)?);
        }
        Ok(findings.join("; "))
    }

    fn reaches_minimum(&self, measured: &Measurement, minimum: f64) -> Result<String, Denial> {
        let metric = &self.0.metric;
        let (used, what) = self.used(&measured.adapted, measured.adapted.low, "low");
        if used >= minimum {
            return Ok(format!("{what} {used:.3} reaches the minimum {minimum:.3}"));
        }
        let interval = shown(&measured.adapted, measured.confidence);
        Err(("below-minimum", format!("{metric} is {interval}: {what} {used:.3} is below the minimum {minimum:.3}")))
    }

    fn stays_under_maximum(&self, measured: &Measurement, maximum: f64) -> Result<String, Denial> {
        let metric = &self.0.metric;
        let (used, what) = self.used(&measured.adapted, measured.adapted.high, "high");
        if used <= maximum {
            return Ok(format!("{what} {used:.3} keeps to the maximum {maximum:.3}"));
        }
        let interval = shown(&measured.adapted, measured.confidence);
        Err(("above-maximum", format!("{metric} is {interval}: {what} {used:.3} is above the maximum {maximum:.3}")))
    }

    fn no_worse_than_production(&self, measured: &Measurement) -> Result<String, Denial> {
        let Settings { metric, margin, .. } = &self.0;
        let Some(over) = &measured.over_production else {
            let reason = format!("a model is in production, but {metric} was not compared with it");
            return Err(("no-comparison", reason));
        };
        // How much worse the model is at the end of the interval that is bad for it.
        let worse = if measured.higher_is_better { -over.low } else { over.high };
        let against = format!("against production {metric} changes by {}", shown(over, measured.confidence));
        if worse <= *margin {
            return Ok(format!("{against}, within the margin {margin:.3}"));
        }
        Err(("worse-than-production", format!("{against}: it may be worse by {worse:.3}, the margin is {margin:.3}")))
    }

    fn used(&self, adapted: &Estimate, bound: f64, end: &'static str) -> (f64, String) {
        match self.0.r#use {
            Use::Bound => (bound, format!("its {end} bound")),
            Use::Value => (adapted.value, "its value".to_owned()),
        }
    }
}

fn is_sound(estimate: &Estimate) -> bool {
    let Estimate { value, low, high } = *estimate;
    [value, low, high].iter().all(|number| number.is_finite()) && low <= high
}

fn shown(estimate: &Estimate, confidence: f64) -> String {
    format!("{:.3} ({:.3} to {:.3} at {}%)", estimate.value, estimate.low, estimate.high, confidence * 100.0)
}

freehold_sdk::policy!(MetricGate);

#[cfg(test)]
mod tests;
