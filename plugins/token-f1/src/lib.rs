//! Mean F1 of the tokens that prediction and reference share, as SQuAD counts them: lower case, without punctuation,
//! without English articles.

use freehold_sdk::Metric;
use freehold_sdk::metric::Description;
use std::collections::HashMap;

/// There is nothing to set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// The metric.
pub struct TokenF1;

impl Metric for TokenF1 {
    type Settings = Settings;

    fn new(_: Settings) -> Result<Self, String> {
        Ok(Self)
    }

    fn describe(&self) -> Description {
        Description::higher_is_better(["f1", "rows"])
    }

    fn row(&self, prediction: &str, reference: &str, _prompt: &str, statistics: &mut [f64]) {
        statistics[0] = f1(prediction, reference);
        statistics[1] = 1.0;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        if sums[1] > 0.0 { sums[0] / sums[1] } else { 0.0 }
    }
}

fn f1(prediction: &str, reference: &str) -> f64 {
    let (prediction, reference) = (plain(prediction), plain(reference));
    let (predicted, expected) = (tokens(&prediction), tokens(&reference));
    if predicted.is_empty() || expected.is_empty() {
        // SQuAD: nothing is right only where nothing is expected.
        return f64::from(u8::from(predicted.is_empty() && expected.is_empty()));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for token in &expected {
        *left.entry(token).or_default() += 1;
    }
    let mut shared = 0usize;
    for token in &predicted {
        if let Some(count) = left.get_mut(token).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    2.0 * shared as f64 / (predicted.len() + expected.len()) as f64
}

fn plain(text: &str) -> String {
    let without = text.chars().filter(|letter| !letter.is_ascii_punctuation());
    without.flat_map(char::to_lowercase).collect()
}

fn tokens(plain: &str) -> Vec<&str> {
    plain.split_whitespace().filter(|token| !matches!(*token, "a" | "an" | "the")).collect()
}

freehold_sdk::metric!(TokenF1);

#[cfg(test)]
mod tests {
    use super::TokenF1;
    use freehold_sdk::test::{Host, Measuring};

    fn metric() -> Measuring<TokenF1> {
        Host::of(include_str!("../plugin.toml")).metric()
    }

    #[test]
    fn as_squad_counts() {
        for (prediction, reference, f1) in [
            ("the cat sat", "A cat sat!", 1.0),
            ("cat", "cat sat", 2.0 / 3.0),
            ("cat cat", "cat", 2.0 / 3.0),
            ("dog", "cat", 0.0),
            ("", "", 1.0),
            ("the", "", 1.0),
            ("", "cat", 0.0),
            ("cat", "", 0.0),
            ("Größe ÄNDERN", "größe ändern", 1.0),
        ] {
            let value = metric().value(&[(prediction, reference)]).unwrap();
            assert!((value - f1).abs() < 1e-12, "{prediction} / {reference}: {value}");
        }
    }

    #[test]
    fn every_row_counts_the_same() {
        let rows = [("cat", "cat"), ("dog dog dog dog", "cat")];
        assert_eq!(metric().statistics(&rows).unwrap(), [1.0, 1.0, 0.0, 1.0]);
        assert_eq!(metric().value(&rows).unwrap(), 0.5);
        assert_eq!(metric().values(&[0.0, 0.0]).unwrap(), [0.0]);
    }

    #[test]
    fn unknown_settings_are_errors() {
        assert!(Host::new().settings("lang = 'de'").metric::<TokenF1>().describe().unwrap_err().contains("`lang`"));
    }
}
