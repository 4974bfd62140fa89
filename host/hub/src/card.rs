//! The license that a model card says.

/// The longest label that is recorded, in characters.
const LABEL_LENGTH: usize = 200;

/// `license` in the front matter of a model card. For `other` there may be a `license_name` that says which. The front matter
/// is YAML; of it these two keys are read, with a plain value or a list of such.
pub(crate) fn license(card: &str) -> Option<String> {
    let mut lines = card.trim_start_matches('\u{feff}').lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let front: Vec<&str> = lines.take_while(|line| line.trim_end() != "---").collect();
    let license = value(&front, "license")?;
    match value(&front, "license_name") {
        Some(name) if license == "other" => Some(name),
        _ => Some(license),
    }
}

fn value(front: &[&str], key: &str) -> Option<String> {
    let after = |line: &str| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned());
    let at = front.iter().position(|line| after(line).is_some())?;
    let plain = after(front[at])?;
    let label = if plain.is_empty() {
        let entries = front[at + 1..].iter().map_while(|line| line.trim_start().strip_prefix("- "));
        entries.map(unquoted).collect::<Vec<_>>().join(", ")
    } else {
        unquoted(&plain).to_owned()
    };
    let label: String = label.chars().filter(|c| !c.is_control()).take(LABEL_LENGTH).collect();
    Some(label).filter(|label| !label.is_empty())
}

fn unquoted(text: &str) -> &str {
    let text = text.split(" #").next().unwrap_or_default().trim();
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::license;

    #[test]
    fn the_front_matter_says_the_license() {
        for (card, said) in [
            ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Model", Some("apache-2.0")),
            ("---\r\nlicense: \"mit\"\r\n---\r\n", Some("mit")),
            ("---\nlicense: 'mit' # as said\n---\n", Some("mit")),
            ("---\nlicense:\n- mit\n- apache-2.0\ntags: []\n---\n", Some("mit, apache-2.0")),
            ("---\nlicense: other\nlicense_name: llama3.2\n---\n", Some("llama3.2")),
            ("---\nlicense: mit\nlicense_name: x\n---\n", Some("mit")),
            ("---\nlicense_link: LICENSE\n---\nlicense: mit\n", None),
            ("---\nmodel:\n  license: mit\n---\n", None),
            ("license: mit\n", None),
            ("---\nlicense:\n---\n", None),
            ("", None),
        ] {
            assert_eq!(license(card).as_deref(), said, "{card}");
        }
        assert_eq!(license(&format!("---\nlicense: {}\n---\n", "x".repeat(5000))).unwrap().len(), 200);
    }
}
