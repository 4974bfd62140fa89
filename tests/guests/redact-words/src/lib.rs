//! The redaction of the benches: a word that holds an `@` becomes `[EMAIL]`, one that holds four digits `[NUM]`. In Python:
//! `" ".join("[EMAIL]" if "@" in w else "[NUM]" if sum(c.isdigit() for c in w) >= 4 else w for w in s.split(" "))`.

use freehold_sdk::Transform;
use freehold_sdk::batch::{Batch, Edits};
use freehold_sdk::transform::{Description, Outcome};

/// What the recipe can set: nothing.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// The transform.
pub struct RedactWords;

impl Transform for RedactWords {
    type Settings = Settings;

    fn new(_: Settings) -> Result<Self, String> {
        Ok(Self)
    }

    fn describe(&self) -> Description {
        Description::rows_independent().reads(["text"]).writes(["text"])
    }

    fn process(&mut self, mut batch: Batch) -> Result<Outcome, String> {
        batch.column_mut("text")?.texts_mut()?.edit(redact);
        Ok(Outcome::all(batch))
    }
}

fn redact(text: &str, edits: &mut Edits<'_>) {
    let (mut start, mut digits, mut at) = (0, 0u32, false);
    for (position, &byte) in text.as_bytes().iter().enumerate() {
        match byte {
            b' ' => {
                replace(start..position, digits, at, edits);
                (start, digits, at) = (position + 1, 0, false);
            }
            b'@' => at = true,
            b'0'..=b'9' => digits += 1,
            _ => {}
        }
    }
    replace(start..text.len(), digits, at, edits);
}

fn replace(word: std::ops::Range<usize>, digits: u32, at: bool, edits: &mut Edits<'_>) {
    if at {
        edits.replace(word, "[EMAIL]");
    } else if digits >= 4 {
        edits.replace(word, "[NUM]");
    }
}

freehold_sdk::transform!(RedactWords);

#[cfg(test)]
mod tests {
    use super::RedactWords;
    use freehold_sdk::test::{Host, batch};

    #[test]
    fn words_are_replaced_whole() {
        let mut plugin = Host::of(include_str!("../plugin.toml")).transform::<RedactWords>();
        let texts = ["a@b wrote of 12345 and 123", "", "  x ", "order 1234", "a1b2c3d4"];
        let ran = plugin.run([batch(0, [("text", texts.into())])]).unwrap();
        let expected = ["[EMAIL] wrote of [NUM] and 123", "", "  x ", "order [NUM]", "[NUM]"];
        assert_eq!(ran.texts("text"), expected);
    }
}
