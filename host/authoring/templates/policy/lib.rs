//! Denies promotion unless a metric gained enough over the base model.

use freehold_sdk::policy::{Evidence, Policy, Stage, Verdict};

/// What the recipe can set; `plugin.toml` has the defaults.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    metric: String,
    minimum_gain: f64,
}

struct Plugin(Settings);

impl Policy for Plugin {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if !settings.minimum_gain.is_finite() {
            return Err("setting `minimum_gain` must be a finite number".to_owned());
        }
        Ok(Self(settings))
    }

    /// No evidence, no allow: what is not known denies.
    fn check(&self, evidence: &Evidence) -> Result<Verdict, String> {
        let Settings { metric, minimum_gain } = &self.0;
        let Some(measured) = evidence.measurement(metric) else {
            let reason = match evidence.stage {
                Stage::Admit => format!("{metric} is measured after training: use this policy at promote"),
                Stage::Promote => format!("{metric} was not measured"),
            };
            return Ok(Verdict::deny("no-evidence", reason));
        };
        let more = measured.adapted.value - measured.base.value;
        let gain = if measured.higher_is_better { more } else { -more };
        let reason = format!("{metric} gained {gain:.3} over the base model; {minimum_gain:.3} is asked for");
        // Written so that a gain that is not a number denies.
        let verdict = match gain >= *minimum_gain {
            true => Verdict::allow("gained", reason),
            false => Verdict::deny("too-little-gain", reason),
        };
        Ok(verdict.rests_on([format!("metric:{metric}")]))
    }
}

freehold_sdk::policy!(Plugin);

#[cfg(test)]
mod tests {
    use super::Plugin;
    use freehold_sdk::policy::{Outcome, Stage};
    use freehold_sdk::test::{Host, estimate, evidence, measurement};

    fn outcome(adapted: Option<f64>) -> Outcome {
        let mut facts = evidence(Stage::Promote);
        let measured = |value| measurement("match", estimate(0.4, 0.3, 0.5), estimate(value, value, value));
        facts.measurements.extend(adapted.map(measured));
        let settings = "metric = 'match'\nminimum_gain = 0.1";
        let policy = Host::of(include_str!("../plugin.toml")).settings(settings).policy::<Plugin>();
        policy.check(&facts).unwrap().outcome
    }

    #[test]
    fn truth_table() {
        assert_eq!(outcome(Some(0.9)), Outcome::Allow);
        assert_eq!(outcome(Some(0.45)), Outcome::Deny);
        assert_eq!(outcome(Some(f64::NAN)), Outcome::Deny);
        assert_eq!(outcome(None), Outcome::Deny);
    }
}
