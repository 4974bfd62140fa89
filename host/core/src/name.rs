//! Names of plugins, patterns that a publisher may sign, and aliases of adapters.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::schema;

/// A text is not a name of the kind that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct NameError {
    text: String,
    expected: &'static str,
}

/// Whether `text` is a name: 1 to 64 lowercase letters, digits and single hyphens, which neither begin nor end it.
/// Such a name is also a safe file name.
pub fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

pub(crate) fn error(text: &str, expected: &'static str) -> NameError {
    NameError { text: text.chars().take(100).collect(), expected }
}

/// Name of a plugin: `publisher/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName {
    publisher: String,
    name: String,
}

impl PluginName {
    /// The part before the slash.
    pub fn publisher(&self) -> &str {
        &self.publisher
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for PluginName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            Some((publisher, name)) if is_label(publisher) && is_label(name) => {
                Ok(Self { publisher: publisher.into(), name: name.into() })
            }
            _ => Err(error(text, "a plugin name; expected `publisher/name` in lowercase letters, digits and hyphens")),
        }
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.publisher, self.name)
    }
}

/// The names that a publisher may sign: one name, `publisher/*`, or `*` for all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamePattern {
    /// Every name.
    Any,
    /// Every name of one publisher.
    Publisher(String),
    /// One name.
    Exactly(PluginName),
}

impl NamePattern {
    /// Whether the pattern covers `name`.
    pub fn covers(&self, name: &PluginName) -> bool {
        match self {
            Self::Any => true,
            Self::Publisher(publisher) => publisher == name.publisher(),
            Self::Exactly(exact) => exact == name,
        }
    }
}

impl FromStr for NamePattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            None if text == "*" => Ok(Self::Any),
            Some((publisher, "*")) if is_label(publisher) => Ok(Self::Publisher(publisher.into())),
            _ => text
                .parse()
                .map(Self::Exactly)
                .map_err(|_| error(text, "a pattern of names; expected `publisher/name`, `publisher/*` or `*`")),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Publisher(publisher) => write!(f, "{publisher}/*"),
            Self::Exactly(name) => name.fmt(f),
        }
    }
}

/// A name that moves from adapter to adapter: `model@channel`, such as `support@production`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alias {
    model: String,
    channel: String,
}

impl Alias {
    /// The part before the at sign.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The part after the at sign.
    pub fn channel(&self) -> &str {
        &self.channel
    }
}

impl FromStr for Alias {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('@') {
            Some((model, channel)) if is_label(model) && is_label(channel) => {
                Ok(Self { model: model.into(), channel: channel.into() })
            }
            _ => Err(error(text, "an alias; expected `model@channel`, such as `support@production`")),
        }
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.model, self.channel)
    }
}

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(PluginName, NamePattern, Alias);

impl JsonSchema for Alias {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Alias".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema::text("an alias", "^[a-z0-9-]+@[a-z0-9-]+$")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_a_folder_are_refused() {
        for bad in ["", "a", "/", "a/", "/b", "../b", "a/..", "a/b/c", "A/b", "a/b ", "a/b\0", "-a/b", "a/b--c"] {
            assert!(bad.parse::<PluginName>().is_err(), "{bad:?}");
        }
        assert_eq!("acme/redact-pii".parse::<PluginName>().unwrap().to_string(), "acme/redact-pii");
        assert!("support".parse::<Alias>().is_err());
        assert_eq!("support@production".parse::<Alias>().unwrap().channel(), "production");
    }

    #[test]
    fn a_pattern_covers_its_publisher_only() {
        let name: PluginName = "acme/redact-pii".parse().unwrap();
        for (pattern, covers) in [
            ("*", true),
            ("acme/*", true),
            ("acme/redact-pii", true),
            ("acme/redact", false),
            ("acm/*", false),
            ("acme-evil/*", false),
        ] {
            assert_eq!(pattern.parse::<NamePattern>().unwrap().covers(&name), covers, "{pattern}");
        }
        for bad in ["", "*/x", "**", "acme/re*", "*/*"] {
            assert!(bad.parse::<NamePattern>().is_err(), "{bad:?}");
        }
    }
}
