//! Share of predictions that equal their reference, as texts or as JSON values.

use freehold_sdk::Metric;
use freehold_sdk::metric::Description;

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    trim: bool,
    case: bool,
    json: bool,
}

/// The metric.
pub struct ExactMatch(Settings);

impl Metric for ExactMatch {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn describe(&self) -> Description {
        Description::higher_is_better(["match", "rows"])
    }

    fn row(&self, prediction: &str, reference: &str, _prompt: &str, statistics: &mut [f64]) {
        statistics[0] = f64::from(u8::from(self.matches(prediction, reference)));
        statistics[1] = 1.0;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        if sums[1] > 0.0 { sums[0] / sums[1] } else { 0.0 }
    }
}

impl ExactMatch {
    fn matches(&self, prediction: &str, reference: &str) -> bool {
        if self.0.json
            && let Ok(reference) = parse(reference, self.0.case)
        {
            return parse(prediction, self.0.case).is_ok_and(|prediction| prediction == reference);
        }
        let plain = |text: &str| {
            let text = if self.0.trim { text.trim() } else { text };
            if self.0.case { text.to_owned() } else { text.to_lowercase() }
        };
        plain(prediction) == plain(reference)
    }
}

/// The JSON value; objects compare without regard to the order of keys.
fn parse(text: &str, case: bool) -> serde_json::Result<serde_json::Value> {
    if case { serde_json::from_str(text) } else { serde_json::from_str(&text.to_lowercase()) }
}

freehold_sdk::metric!(ExactMatch);

#[cfg(test)]
mod tests {
    use super::ExactMatch;
    use freehold_sdk::test::{Host, Measuring};

    fn metric(settings: &str) -> Measuring<ExactMatch> {
        Host::of(include_str!("../plugin.toml")).settings(settings).metric()
    }

    #[test]
    fn statistics_and_value() {
        let metric = metric("");
        assert_eq!(metric.describe().unwrap(), (vec!["match".to_owned(), "rows".to_owned()], true));
        let rows = [("a", "a"), (" a\n", "a"), ("A", "a"), ("", "a")];
        assert_eq!(metric.statistics(&rows).unwrap(), [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(metric.value(&rows).unwrap(), 0.5);
        assert_eq!(metric.values(&[0.0, 0.0, 3.0, 4.0]).unwrap(), [0.0, 0.75]);
        assert!(metric.values(&[1.0]).is_err());
    }

    #[test]
    fn settings_change_what_is_equal() {
        let matches =
            |settings: &str, prediction, reference| metric(settings).value(&[(prediction, reference)]) == Ok(1.0);
        assert!(!matches("trim = false", " a", "a"));
        assert!(matches("case = false", "ÄRGER Über", "ärger über"));
        assert!(matches("json = true", r#"{"b": [1, 2], "a": "x"}"#, r#"{"a":"x","b":[1,2]}"#));
        assert!(!matches("json = true", r#"{"a":"x"} and more"#, r#"{"a":"x"}"#));
        assert!(!matches("json = true", r#"{"a":"X"}"#, r#"{"a":"x"}"#));
        assert!(matches("json = true\ncase = false", r#"{"A":"X"}"#, r#"{"a":"x"}"#));
        assert!(!matches("json = true", "[1,2]", "[2,1]"));
        assert!(!matches("json = true", "not json", r#"{"a":1}"#));
        assert!(matches("json = true", "no json", "no json"));
        assert!(!matches("json = true", &"[".repeat(100_000), "[]"));
    }

    #[test]
    fn no_rows_are_no_statistics() {
        assert!(metric("").statistics(&[]).unwrap().is_empty());
        assert_eq!(metric("").value(&[]).unwrap(), 0.0);
    }
}
