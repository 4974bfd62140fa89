//! Tidies the spaces of a text column and drops rows with too few words to teach anything.

use freehold_sdk::Transform;
use freehold_sdk::batch::{Batch, Texts};
use freehold_sdk::transform::{Description, Outcome};

/// What the recipe can set; `plugin.toml` has the defaults.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    column: String,
    minimum_words: usize,
}

struct Plugin(Settings);

impl Transform for Plugin {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.column.is_empty() {
            return Err("setting `column` is empty".to_owned());
        }
        Ok(Self(settings))
    }

    fn describe(&self) -> Description {
        Description::rows_independent().reads([&self.0.column]).writes([&self.0.column])
    }

    fn process(&mut self, mut batch: Batch) -> Result<Outcome, String> {
        let texts = batch.column_mut(&self.0.column)?.texts_mut()?;
        let tidy: Texts = texts.iter().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let tidied = texts.iter().zip(tidy.iter()).filter(|(before, after)| before != after).count();
        *texts = tidy;
        // A word is what stands between spaces.
        let words: Vec<usize> = batch.text(&self.0.column)?.iter().map(|text| text.split_whitespace().count()).collect();
        let mut outcome = Outcome::select(batch, |row| (words[row] < self.0.minimum_words).then_some("too-short"));
        outcome.count("tidied", tidied as u64);
        Ok(outcome)
    }
}

freehold_sdk::transform!(Plugin);

#[cfg(test)]
mod tests {
    use super::Plugin;
    use freehold_sdk::test::{Host, batch};

    #[test]
    fn spaces_are_tidied_and_short_rows_dropped() {
        let mut plugin = Host::of(include_str!("../plugin.toml")).settings("minimum_words = 2").transform::<Plugin>();
        let ran = plugin.run([batch(0, [("text", ["  two   words ", "one", "three words here"].into())])]).unwrap();
        assert_eq!(ran.texts("text"), ["two words", "three words here"]);
        assert_eq!(ran.dropped, [(1, "too-short".to_owned())]);
        assert_eq!(ran.counts["tidied"], 1);
    }
}
