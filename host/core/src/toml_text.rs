//! Reads TOML so that an error says where it is and what was meant.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

/// A TOML document cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct TomlError {
    /// What is wrong.
    pub message: String,
    /// The bytes of the document that it is about.
    pub span: Option<Range<usize>>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl TomlError {
    /// The line, counted from 1, in `document`.
    pub fn line(&self, document: &str) -> Option<usize> {
        let start = self.span.as_ref()?.start.min(document.len());
        Some(document.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1)
    }
}

/// Reads `document`.
pub fn parse<T: DeserializeOwned>(document: &str) -> Result<T, TomlError> {
    toml::from_str(document).map_err(|error| {
        let message = error.message().to_owned();
        TomlError { remedy: remedy(&message), span: error.span(), message }
    })
}

/// The bytes of `document` that hold the value at `path`; places in lists are numbers from 0.
pub fn span_of(document: &str, path: &[&str]) -> Option<Range<usize>> {
    let document = DeTable::parse(document).ok()?;
    let (first, rest) = path.split_first()?;
    let mut value = document.get_ref().get(*first)?;
    for key in rest {
        value = match value.get_ref() {
            DeValue::Table(table) => table.get(*key)?,
            DeValue::Array(values) => values.get(key.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value.span())
}

/// The known key that is nearest to an unknown one, from serde's message "unknown field `x`, expected one of `a`, `b`".
fn remedy(message: &str) -> Option<String> {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(match nearest(unknown, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", known.join(", ")),
    })
}

/// The one of `known` that `unknown` was probably meant to be.
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(unknown, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Train {
        learning_rate: f64,
        epochs: u32,
    }

    #[test]
    fn a_value_is_found_by_its_path() {
        let document = "a = [1, \"two\"]\n[b.c]\nd = true\n";
        let found = |path: &[&str]| span_of(document, path).map(|span| &document[span]);
        assert_eq!(found(&["a", "1"]), Some("\"two\""));
        assert_eq!(found(&["b", "c", "d"]), Some("true"));
        for path in [&[][..], &["x"], &["a", "2"], &["a", "x"], &["b", "c", "d", "e"]] {
            assert_eq!(found(path), None, "{path:?}");
        }
    }

    #[test]
    fn an_unknown_key_gets_a_line_and_a_suggestion() {
        let document = "epochs = 1\nlerning_rate = 2.0\n";
        let error = parse::<Train>(document).unwrap_err();
        assert_eq!(error.line(document), Some(2));
        assert_eq!(error.remedy.as_deref(), Some("did you mean `learning_rate`?"));
        let error = parse::<Train>("zzz = 1").unwrap_err();
        assert_eq!(error.remedy.as_deref(), Some("known here: learning_rate, epochs"));
    }
}
