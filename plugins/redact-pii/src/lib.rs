//! Replaces personal data in text and dialogue columns with placeholders such as `[EMAIL]` and `[PHONE]`.
//!
//! The scanners look for shapes and check sums, not for meaning; README.md says what that finds and what it does not.

mod card;
mod email;
mod iban;
mod ip;
mod phone;
mod scan;

use freehold_sdk::Transform;
use freehold_sdk::batch::Batch;
use freehold_sdk::transform::{Description, Outcome};
use scan::{KINDS, Kind, Kinds};

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    columns: Vec<String>,
    kinds: Vec<String>,
}

/// The transform.
pub struct RedactPii {
    columns: Vec<String>,
    kinds: Kinds,
}

impl Transform for RedactPii {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.columns.is_empty() {
            return Err("setting `columns` names no column".to_owned());
        }
        let mut kinds = Kinds::default();
        for name in &settings.kinds {
            let kind = KINDS.into_iter().find(|kind| kind.name() == name);
            kinds.add(kind.ok_or_else(|| format!("setting `kinds`: `{name}` is not one of {}", names().join(", ")))?);
        }
        Ok(Self { columns: settings.columns, kinds })
    }

    fn describe(&self) -> Description {
        Description::rows_independent().reads(&self.columns).writes(&self.columns)
    }

    fn process(&mut self, mut batch: Batch) -> Result<Outcome, String> {
        let mut counts = [0u64; KINDS.len()];
        for column in &self.columns {
            batch.column_mut(column)?.texts_mut()?.edit(|text, edits| {
                scan::scan(text, self.kinds, &mut |kind: Kind, range| {
                    counts[kind as usize] += 1;
                    edits.replace(range, kind.placeholder());
                });
            });
        }
        let mut outcome = Outcome::all(batch);
        for kind in KINDS.into_iter().filter(|&kind| self.kinds.has(kind)) {
            outcome.count(kind.name(), counts[kind as usize]);
        }
        Ok(outcome)
    }
}

fn names() -> Vec<&'static str> {
    KINDS.into_iter().map(Kind::name).collect()
}

freehold_sdk::transform!(RedactPii);

#[cfg(test)]
mod tests;
