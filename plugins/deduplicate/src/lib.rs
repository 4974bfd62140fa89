//! Drops rows that repeat, or nearly repeat, an earlier row. The first stays, with all its columns.
//!
//! Near duplicates are found with MinHash signatures in bands and then compared shingle by shingle, so that no row is
//! dropped on the word of a signature.

mod near;
mod shingles;

use freehold_sdk::Transform;
use freehold_sdk::batch::{Batch, Values};
use freehold_sdk::transform::{Description, Outcome};
use near::NearDuplicates;
use std::collections::HashSet;

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    columns: Vec<String>,
    near: bool,
    threshold: f64,
    permutations: usize,
}

/// The transform.
pub struct Deduplicate {
    columns: Vec<String>,
    /// Two hashes of the key of every row that was kept.
    seen: HashSet<(u64, u64)>,
    near: Option<NearDuplicates>,
}

impl Transform for Deduplicate {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.columns.is_empty() {
            return Err("setting `columns` names no column".to_owned());
        }
        if !(settings.threshold > 0.0 && settings.threshold <= 1.0) {
            return Err("setting `threshold` must be above 0 and at most 1".to_owned());
        }
        if !(16..=512).contains(&settings.permutations) {
            return Err("setting `permutations` must be from 16 to 512".to_owned());
        }
        let near = settings.near.then(|| NearDuplicates::new(settings.threshold, settings.permutations));
        Ok(Self { columns: settings.columns, seen: HashSet::new(), near })
    }

    fn describe(&self) -> Description {
        Description::rows_together().reads(&self.columns)
    }

    fn process(&mut self, batch: Batch) -> Result<Outcome, String> {
        let mut key = String::new();
        let mut reasons = Vec::with_capacity(batch.rows());
        for row in 0..batch.rows() {
            key.clear();
            for column in &self.columns {
                add_to_key(&batch, column, row, &mut key)?;
            }
            reasons.push(self.repeats(&key));
        }
        let count = |reason| reasons.iter().filter(|&&other| other == Some(reason)).count() as u64;
        let counts = [EXACT, NEAR].map(|reason| (reason, count(reason)));
        let mut outcome = Outcome::select(batch, |row| reasons[row]);
        for (reason, found) in counts {
            outcome.count(reason, found);
        }
        Ok(outcome)
    }
}

const EXACT: &str = "exact-duplicate";
const NEAR: &str = "near-duplicate";

impl Deduplicate {
    /// Why the row is dropped; remembers it if it is not.
    fn repeats(&mut self, key: &str) -> Option<&'static str> {
        let hashes = (shingles::hash(1, key.as_bytes()), shingles::hash(2, key.as_bytes()));
        if !self.seen.insert(hashes) {
            return Some(EXACT);
        }
        self.near.as_mut().is_some_and(|near| near.repeats(key)).then_some(NEAR)
    }
}

/// Adds a column to the key: words in lower case with one space between, so that white space and case do not count.
fn add_to_key(batch: &Batch, column: &str, row: usize, key: &mut String) -> Result<(), String> {
    // Where a column ends must show: `a`, `b c` is not `a b`, `c`.
    if !key.is_empty() {
        key.push('\u{1f}');
    }
    let found = batch.column(column)?;
    if found.is_null(row) {
        key.push('\u{0}');
        return Ok(());
    }
    match found.values() {
        Values::Text(texts) => add_words(texts.get(row), key),
        Values::Dialogue(dialogues) => {
            for (role, text) in dialogues.messages(row) {
                key.push_str(role);
                key.push('\u{1e}');
                add_words(text, key);
                key.push('\u{1e}');
            }
        }
        Values::Numbers(numbers) => key.push_str(&numbers[row].to_string()),
        Values::Booleans(booleans) => key.push(if booleans[row] { '1' } else { '0' }),
    }
    Ok(())
}

fn add_words(text: &str, key: &mut String) {
    for (place, word) in text.split_whitespace().enumerate() {
        if place > 0 {
            key.push(' ');
        }
        key.extend(word.chars().flat_map(char::to_lowercase));
    }
}

freehold_sdk::transform!(Deduplicate);

#[cfg(test)]
mod tests;
