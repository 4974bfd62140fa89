//! Settings: from the host's TOML into the plugin's own type, with errors that name the key.

use serde::de::DeserializeOwned;

pub(crate) fn parse<T: DeserializeOwned>(document: &str) -> Result<T, String> {
    toml::from_str(document).map_err(|error| {
        let message = error.message().trim();
        match key_at(document, error.span()) {
            // Serde names the key of a missing or unknown field itself.
            Some(key) if !message.contains("field `") => format!("setting `{key}`: {message}"),
            _ => format!("settings: {message}"),
        }
    })
}

/// The key of the line in which the error lies.
fn key_at(document: &str, span: Option<std::ops::Range<usize>>) -> Option<&str> {
    let start = span?.start;
    let line_start = document.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let (key, _) = document.get(line_start..)?.lines().next()?.split_once('=')?;
    Some(key.trim())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[expect(dead_code, reason = "only parsed")]
        name: String,
        #[expect(dead_code, reason = "only parsed")]
        threshold: f64,
    }

    #[test]
    fn errors_name_the_key() {
        let error = |document| parse::<Settings>(document).unwrap_err();
        assert!(error("name = 'a'\nthreshold = 'high'").contains("`threshold`"));
        assert!(error("name = 'a'").contains("`threshold`"));
        assert!(error("name = 'a'\nthreshold = 1\nextra = 2").contains("`extra`"));
        assert!(parse::<Settings>("name = 'a'\nthreshold = 1").is_ok());
    }
}
