//! Labels of data, and whether what is made of them may flow somewhere. Labels follow data: what was made of several data has the
//! labels of all of them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recipe::{DataSettings, Recipe, Split};

/// The label that says where data belong.
pub const RESIDENCY: &str = "residency";
/// The label that says under which license data are.
pub const LICENSE: &str = "license";

/// What one label says of all that something was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// The values, each once.
    pub values: BTreeSet<String>,
    /// Whether a part of it has no such label.
    pub unlabelled: bool,
}

impl Values {
    /// Of one thing, with its label if it has one. An empty text is none.
    pub fn of(label: Option<&str>) -> Self {
        let label = label.map(str::trim).filter(|label| !label.is_empty());
        Self { values: label.map(str::to_owned).into_iter().collect(), unlabelled: label.is_none() }
    }

    fn add(&mut self, other: Self) {
        self.values.extend(other.values);
        self.unlabelled |= other.unlabelled;
    }

    fn covers(&self, other: &Self) -> bool {
        self.values.is_superset(&other.values) && (self.unlabelled || !other.unlabelled)
    }

    /// The values, for people.
    pub fn shown(&self) -> String {
        let mut shown: Vec<&str> = self.values.iter().map(String::as_str).collect();
        if self.unlabelled || shown.is_empty() {
            shown.push("unlabelled");
        }
        shown.join(", ")
    }
}

/// The labels of an adapter, or of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// Where the data belong that it was trained on.
    pub residency: Values,
    /// The licenses of these data and of the base model.
    pub license: Values,
}

impl Labels {
    /// Of something of which nobody says what it was made of.
    pub fn unknown() -> Self {
        Self { residency: Values::of(None), license: Values::of(None) }
    }

    /// Of what a run of the recipe makes: those of the base model and of all data that it learns from. Data that are held out count
    /// where they decide which state of the adapter is taken.
    pub fn of(recipe: &Recipe) -> Self {
        let mut labels = Self { residency: Values::default(), license: Values::of(recipe.base.license.as_deref()) };
        let held_out_counts = recipe.train.early_stopping.is_some();
        for data in recipe.data.iter().filter(|data| data.split == Split::Train || held_out_counts) {
            labels.residency.add(Values::of(label(data, RESIDENCY)));
            labels.license.add(Values::of(label(data, LICENSE)));
        }
        labels
    }

    /// Takes on the labels of something more that it was made of.
    pub fn add(&mut self, other: Self) {
        self.residency.add(other.residency);
        self.license.add(other.license);
    }

    /// Whether it has all labels of the other.
    pub fn covers(&self, other: &Self) -> bool {
        self.residency.covers(&other.residency) && self.license.covers(&other.license)
    }
}

fn label<'d>(data: &'d DataSettings, name: &str) -> Option<&'d str> {
    data.labels.get(name).map(String::as_str)
}

/// Why something may not flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It has a label that is not on the list.
    #[error("`{0}`, which is not allowed")]
    NotAllowed(String),
    /// It, or a part of it, has no label.
    #[error("no value for a part of it")]
    Unlabelled,
    /// It was made of nothing that is known.
    #[error("no values at all")]
    Nothing,
}

/// Whether something with these values of a label may flow where a rule allows some values; without a rule it may. What is not known
/// does not flow where there is a rule, and nothing flows where a rule allows nothing. Everybody who asks asks this.
///
/// # Errors
/// It may not.
pub fn flow(values: &Values, rule: Option<&BTreeSet<String>>) -> Result<(), Broken> {
    let Some(allowed) = rule else { return Ok(()) };
    if let Some(other) = values.values.iter().find(|value| !allowed.contains(*value)) {
        return Err(Broken::NotAllowed(other.clone()));
    }
    if values.unlabelled {
        return Err(Broken::Unlabelled);
    }
    if values.values.is_empty() { Err(Broken::Nothing) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn truth_table() {
        let not = |value: &str| Err(Broken::NotAllowed(value.into()));
        let (eu, both) = (Some(set(&["eu"])), Some(set(&["eu", "us"])));
        for (values, unlabelled, rule, may) in [
            (&[][..], false, None, Ok(())),
            (&[], true, None, Ok(())),
            (&["us"], true, None, Ok(())),
            (&[], false, Some(set(&[])), Err(Broken::Nothing)),
            (&[], true, Some(set(&[])), Err(Broken::Unlabelled)),
            (&["eu"], false, Some(set(&[])), not("eu")),
            (&[], false, eu.clone(), Err(Broken::Nothing)),
            (&[], true, eu.clone(), Err(Broken::Unlabelled)),
            (&["eu"], false, eu.clone(), Ok(())),
            (&["eu"], true, eu.clone(), Err(Broken::Unlabelled)),
            (&["EU"], false, eu.clone(), not("EU")),
            (&["us"], false, eu.clone(), not("us")),
            (&["eu", "us"], false, eu, not("us")),
            (&["eu", "us"], false, both.clone(), Ok(())),
            (&["us"], false, both, Ok(())),
        ] {
            let values = Values { values: set(values), unlabelled };
            assert_eq!(flow(&values, rule.as_ref()), may, "{values:?} {rule:?}");
        }
    }

    #[test]
    fn labels_follow_what_is_learned_from() {
        let recipe = |stopping: &str, base: &str| {
            let document = format!(
                r#"
[run]
name = "support"
[base]
model = "models/base-1"
{base}
[[data]]
name = "a"
path = "a.jsonl"
split = "train"
labels = {{ residency = "eu", license = "MIT" }}
[[data]]
name = "b"
path = "b.jsonl"
split = "train"
labels = {{ residency = " ", license = "CC0-1.0" }}
[[data]]
name = "c"
path = "c.jsonl"
split = "eval"
labels = {{ residency = "us", license = "CC-BY-4.0" }}
[adapter]
method = "lora"
rank = 8
alpha = 16
[train]
epochs = 1
tokens_per_step = 512
learning_rate = 1e-3
max_length = 128
{stopping}
[[metric]]
plugin = "acme/exact-match"
version = "^1.0"
"#
            );
            Labels::of(&Recipe::parse(&document).unwrap())
        };
        let plain = recipe("", "license = \"Apache-2.0\"");
        assert_eq!(plain.residency, Values { values: set(&["eu"]), unlabelled: true });
        assert_eq!(plain.license, Values { values: set(&["Apache-2.0", "CC0-1.0", "MIT"]), unlabelled: false });
        assert_eq!(
            (plain.residency.shown(), plain.license.shown()),
            ("eu, unlabelled".into(), "Apache-2.0, CC0-1.0, MIT".into())
        );
        assert!(recipe("", "").license.unlabelled);
        // Held-out data that decide which state is taken are learned from.
        let stopped = recipe("early_stopping = { every = 1, patience = 1 }", "license = \"Apache-2.0\"");
        assert_eq!(stopped.residency.values, set(&["eu", "us"]));
        assert!(stopped.covers(&plain) && !plain.covers(&stopped) && !Labels::default().covers(&Labels::unknown()));
        let mut more = plain;
        more.add(stopped.clone());
        assert_eq!(more, stopped);
    }
}
