//! A transform in one screen: writes a text column in lower case and counts the rows that changed.
//!
//! A plugin of its own would be a `cdylib`; here `main` runs it on the test harness.

use freehold_sdk::Transform;
use freehold_sdk::batch::{Batch, Texts, Values};
use freehold_sdk::test::{Host, batch};
use freehold_sdk::transform::{Description, Outcome};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    column: String,
}

struct Lowercase(Settings);

impl Transform for Lowercase {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn describe(&self) -> Description {
        Description::rows_independent().reads([&self.0.column]).writes([&self.0.column])
    }

    fn process(&mut self, mut batch: Batch) -> Result<Outcome, String> {
        let texts = batch.column_mut(&self.0.column)?.texts_mut()?;
        let lower: Texts = texts.iter().map(str::to_lowercase).collect();
        let changed = texts.iter().zip(lower.iter()).filter(|(before, after)| before != after).count();
        *texts = lower;
        let mut outcome = Outcome::all(batch);
        outcome.count("changed", changed as u64);
        Ok(outcome)
    }
}

freehold_sdk::transform!(Lowercase);

fn main() -> Result<(), String> {
    let rows = batch(0, [("text", Values::from(["HELLO", "quiet"]))]);
    let ran = Host::new().settings("column = 'text'").transform::<Lowercase>().run([rows])?;
    println!("{:?}, {} changed", ran.texts("text"), ran.counts["changed"]);
    Ok(())
}
