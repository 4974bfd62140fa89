//! What a plugin author adds: implement one trait, call one macro.
//!
//! A plugin is a `cdylib` for `wasm32-unknown-unknown`. It implements [`Transform`], [`Metric`] or [`Policy`] and calls
//! the macro of the same name, which exports it to the host. Its settings, in TOML in the recipe, come as typed values and are
//! read into its own type; it can log and read granted assets, and nothing else: no clock, no randomness, no files, no network.
//!
//! A whole plugin:
//!
//! ```
//! use freehold_sdk::{Transform, batch::Batch, transform::{Description, Outcome}};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     column: String,
//!     minimum: usize,
//! }
//!
//! /// Drops rows whose text is too short to teach anything.
//! struct DropShort(Settings);
//!
//! impl Transform for DropShort {
//!     type Settings = Settings;
//!
//!     fn new(settings: Settings) -> Result<Self, String> {
//!         Ok(Self(settings))
//!     }
//!
//!     fn describe(&self) -> Description {
//!         Description::rows_independent().reads([&self.0.column])
//!     }
//!
//!     fn process(&mut self, batch: Batch) -> Result<Outcome, String> {
//!         let short: Vec<bool> = batch.text(&self.0.column)?.iter().map(|text| text.len() < self.0.minimum).collect();
//!         Ok(Outcome::select(batch, |row| short[row].then_some("too-short")))
//!     }
//! }
//!
//! freehold_sdk::transform!(DropShort);
//!
//! // And its test, which runs natively with the settings a recipe would give:
//! use freehold_sdk::test::{Host, batch};
//! let mut plugin = Host::new().settings("column = 'text'\nminimum = 3").transform::<DropShort>();
//! let ran = plugin.run([batch(0, [("text", ["hello", "no"].into())])]).unwrap();
//! assert_eq!(ran.origins, [0]);
//! assert_eq!(ran.dropped, [(1, "too-short".to_owned())]);
//! ```

pub mod batch;
pub mod bindings;
pub mod dialogues;
pub mod instance;
pub mod log;
pub mod metric;
pub mod platform;
pub mod policy;
mod settings;
#[cfg(not(target_family = "wasm"))]
pub mod test;
pub mod texts;
pub mod transform;

pub use bindings::shared::freehold::types::types::{Attribute, AttributeValue};
pub use metric::Metric;
pub use policy::Policy;
pub use transform::Transform;

impl Attribute {
    /// A named text.
    pub fn text(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: AttributeValue::Text(value.into()) }
    }

    /// A named integer.
    pub fn integer(key: impl Into<String>, value: i64) -> Self {
        Self { key: key.into(), value: AttributeValue::Integer(value) }
    }
}

/// The value of the first attribute named `key`.
pub fn attribute<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a AttributeValue> {
    attributes.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
}

/// The text of the first attribute named `key`; nothing if it is no text.
pub fn text_attribute<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    match attribute(attributes, key)? {
        AttributeValue::Text(text) => Some(text),
        _ => None,
    }
}
