//! What a plugin says of itself: `plugin.toml`, written by its author, and the manifest, which its publisher signs.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::contract::CONTRACT;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::name::PluginName;
use crate::recipe::Settings;
use crate::toml_text::nearest;

mod check;

pub use check::ManifestError;

/// Which world a plugin is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Changes data.
    Transform,
    /// Measures models.
    Metric,
    /// Judges runs.
    Policy,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transform => "transform",
            Self::Metric => "metric",
            Self::Policy => "policy",
        })
    }
}

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingType {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list of texts.
    Strings,
}

impl SettingType {
    fn accepts(self, value: &toml::Value) -> bool {
        match (self, value) {
            (Self::String, toml::Value::String(_))
            | (Self::Integer | Self::Number, toml::Value::Integer(_))
            | (Self::Boolean, toml::Value::Boolean(_)) => true,
            (Self::Number, toml::Value::Float(number)) => number.is_finite(),
            (Self::Strings, toml::Value::Array(values)) => values.iter().all(toml::Value::is_str),
            _ => false,
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Strings => "a list of texts",
        }
    }
}

/// What one setting may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedSchema")]
pub struct SettingSchema {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// Its value if the recipe gives none; without one, and not optional, the recipe must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<toml::Value>,
    /// Whether it may be left out though it has no default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// What it does.
    pub description: String,
}

/// What one setting may be, before its default was held against its type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedSchema {
    #[serde(rename = "type")]
    kind: SettingType,
    default: Option<toml::Value>,
    #[serde(default)]
    optional: bool,
    description: String,
}

impl TryFrom<UncheckedSchema> for SettingSchema {
    type Error = String;

    /// A default that a recipe could not give is none: nobody else looks at it, and a number that is not finite would be lost
    /// in the signed manifest, which is JSON.
    fn try_from(unchecked: UncheckedSchema) -> Result<Self, String> {
        let UncheckedSchema { kind, default, optional, description } = unchecked;
        match &default {
            Some(value) if !kind.accepts(value) => {
                Err(format!("the default of a setting must be {}", kind.described()))
            }
            _ => Ok(Self { kind, default, optional, description }),
        }
    }
}

/// The settings of a plugin by name.
pub type SettingsSchema = BTreeMap<String, SettingSchema>;

/// Settings do not fit a plugin's schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The plugin has no such setting.
    #[error("`{plugin}` has no setting `{key}`; {hint}")]
    Unknown {
        /// The plugin.
        plugin: PluginName,
        /// The key in the recipe.
        key: String,
        /// The nearest key, or all.
        hint: String,
    },
    /// The value has another type.
    #[error("setting `{key}` of `{plugin}` must be {expected}")]
    Type {
        /// The plugin.
        plugin: PluginName,
        /// The key in the recipe.
        key: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// A setting without a default is not given.
    #[error("`{plugin}` needs the setting `{key}`: {description}")]
    Missing {
        /// The plugin.
        plugin: PluginName,
        /// The key.
        key: String,
        /// What it does.
        description: String,
    },
}

/// `plugin.toml`: what the author writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSource {
    /// The name.
    pub name: PluginName,
    /// The version.
    pub version: Version,
    /// The world.
    pub world: World,
    /// What it does, in a line.
    pub description: String,
    /// What it asks for: `asset:NAME`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// What it may use up.
    #[serde(default)]
    pub limits: Limits,
    /// Its settings.
    #[serde(default)]
    pub settings: SettingsSchema,
}

/// What the publisher signs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name.
    pub name: PluginName,
    /// The version.
    pub version: Version,
    /// The world.
    pub world: World,
    /// Version of the contract that it was built for.
    pub contract: Version,
    /// What it does, in a line.
    pub description: String,
    /// Digest of the component.
    pub component: Digest,
    /// What it asks for.
    pub capabilities: Vec<String>,
    /// What it may use up.
    pub limits: Limits,
    /// Its settings.
    pub settings: SettingsSchema,
    /// When it was signed.
    pub created: Timestamp,
    /// When it is no longer to be loaded.
    pub expires: Timestamp,
}

impl Manifest {
    /// The manifest of a component built from `source` for the contract that this build speaks.
    pub fn new(source: PluginSource, component: Digest, created: Timestamp, expires: Timestamp) -> Self {
        let PluginSource { name, version, world, description, capabilities, limits, settings } = source;
        let contract = CONTRACT;
        Self {
            name,
            version,
            world,
            contract,
            description,
            component,
            capabilities,
            limits,
            settings,
            created,
            expires,
        }
    }

    /// Whether the asset named `name` was asked for.
    pub fn asks_for_asset(&self, name: &str) -> bool {
        self.capabilities.iter().any(|capability| capability.strip_prefix("asset:") == Some(name))
    }

    /// `given`, checked against the schema and completed with its defaults.
    pub fn complete(&self, given: &Settings) -> Result<Settings, SettingsError> {
        let plugin = || self.name.clone();
        for (key, value) in given {
            let Some(schema) = self.settings.get(key) else {
                let names = || self.settings.keys().map(String::as_str);
                let hint = match nearest(key, names()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it has: {}", names().collect::<Vec<_>>().join(", ")),
                };
                return Err(SettingsError::Unknown { plugin: plugin(), key: key.clone(), hint });
            };
            if !schema.kind.accepts(value) {
                let expected = schema.kind.described();
                return Err(SettingsError::Type { plugin: plugin(), key: key.clone(), expected });
            }
        }
        let mut complete = given.clone();
        for (key, schema) in &self.settings {
            if complete.contains_key(key) || (schema.optional && schema.default.is_none()) {
                continue;
            }
            let Some(default) = &schema.default else {
                let description = schema.description.clone();
                return Err(SettingsError::Missing { plugin: plugin(), key: key.clone(), description });
            };
            complete.insert(key.clone(), default.clone());
        }
        Ok(complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml_text;

    const SOURCE: &str = r#"
name = "acme/redact"
version = "1.0.0"
world = "transform"
description = "Redacts"
[settings.columns]
type = "strings"
default = ["text"]
description = "Columns"
[settings.kind]
type = "string"
description = "Kind"
[settings.limit]
type = "number"
optional = true
description = "Limit"
"#;

    fn manifest() -> Manifest {
        let source = toml_text::parse(SOURCE).unwrap();
        Manifest::new(source, Digest::of(b""), Timestamp::UNIX_EPOCH, Timestamp::MAX)
    }

    #[test]
    fn settings_are_completed_or_refused() {
        let given = |text: &str| manifest().complete(&text.parse().unwrap());
        let complete = given("kind = \"x\"").unwrap();
        assert_eq!(complete.to_string().trim(), "columns = [\"text\"]\nkind = \"x\"");
        for (text, part) in [
            ("", "needs the setting `kind`"),
            ("kind = 1", "must be a text"),
            ("kind = \"x\"\ncolums = []", "did you mean `columns`"),
            ("kind = \"x\"\ncolumns = [1]", "a list of texts"),
            ("kind = \"x\"\nlimit = nan", "a number"),
        ] {
            let error = given(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_default_is_one_that_a_recipe_could_give() {
        let source = |default: &str| {
            toml_text::parse::<PluginSource>(&SOURCE.replace("optional = true", &format!("default = {default}")))
        };
        for good in ["1", "0.5", "-1e3"] {
            assert!(source(good).is_ok(), "{good}");
        }
        for bad in ["inf", "nan", "'1'", "true", "[1]", "1979-05-27"] {
            let error = source(bad).unwrap_err();
            assert!(error.to_string().contains("default of a setting must be a number"), "{bad}: {error}");
            assert!(error.line(SOURCE).is_some(), "{bad}");
        }
        let json = serde_json::to_string(&manifest()).unwrap();
        assert!(serde_json::from_str::<Manifest>(&json.replace("[\"text\"]", "[1]")).is_err());
    }

    #[test]
    fn a_manifest_survives_json() {
        let json = serde_json::to_string(&manifest()).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest());
    }
}
