//! The share of answers that contain the reference somewhere.

use freehold_sdk::Metric;
use freehold_sdk::metric::Description;

/// What the recipe can set; `plugin.toml` has the defaults.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    ignore_case: bool,
}

struct Plugin(Settings);

impl Metric for Plugin {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    /// The host sums these over rows, and resamples the rows for confidence intervals.
    fn describe(&self) -> Description {
        Description::higher_is_better(["contains", "rows"])
    }

    fn row(&self, prediction: &str, reference: &str, _prompt: &str, statistics: &mut [f64]) {
        let contains = match self.0.ignore_case {
            true => prediction.to_lowercase().contains(&reference.to_lowercase()),
            false => prediction.contains(reference),
        };
        statistics[0] = f64::from(u8::from(contains));
        statistics[1] = 1.0;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        if sums[1] > 0.0 { sums[0] / sums[1] } else { 0.0 }
    }
}

freehold_sdk::metric!(Plugin);

#[cfg(test)]
mod tests {
    use super::Plugin;
    use freehold_sdk::test::Host;

    #[test]
    fn answers_that_contain_the_reference_count() {
        let rows = [("It is Paris.", "paris"), ("It is Rome.", "Paris")];
        let metric = |settings: &str| Host::of(include_str!("../plugin.toml")).settings(settings).metric::<Plugin>();
        assert_eq!(metric("").value(&rows).unwrap(), 0.5);
        assert_eq!(metric("ignore_case = false").value(&rows).unwrap(), 0.0);
        assert_eq!(metric("").value(&[]).unwrap(), 0.0);
    }
}
