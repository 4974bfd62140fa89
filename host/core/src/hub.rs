//! Names of models on a Hugging Face hub: `hf:org/name@revision`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::{NameError, error};

const PREFIX: &str = "hf:";
const DEFAULT_REVISION: &str = "main";

/// A model on a hub, in a branch, at a tag or at a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HubModel {
    org: String,
    name: String,
    revision: String,
}

impl HubModel {
    /// Whether a text is meant as the name of a model on a hub, not as a path.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Whose it is. A safe name of a folder.
    pub fn org(&self) -> &str {
        &self.org
    }

    /// Its name. A safe name of a folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Branch, tag or commit. It may have slashes in it.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The same model at another revision, as long as that can be one.
    pub fn at(&self, revision: &str) -> Result<Self, NameError> {
        format!("{PREFIX}{}/{}@{revision}", self.org, self.name).parse()
    }
}

/// Like the hub's own rule: letters, digits, `-`, `_` and `.`, of which no two and none at an end are `-` or `.`. What it lets
/// through is a safe name of a folder as well.
fn is_part(text: &str) -> bool {
    let inner = |b: u8| b == b'-' || b == b'.';
    let bytes = text.as_bytes();
    (1..=96).contains(&bytes.len())
        && bytes.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_' || inner(b))
        && !bytes.first().is_some_and(|&b| inner(b))
        && !bytes.last().is_some_and(|&b| inner(b))
        && !text.contains("--")
        && !text.contains("..")
}

/// A name that git allows for a branch or tag, in the characters that need no escape in an address.
fn is_revision(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
        && text.split('/').all(|part| !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.'))
        && !text.contains("..")
}

impl FromStr for HubModel {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let expected =
            "a model on a hub; expected `hf:org/name@revision`, with a branch, a tag or a commit as revision";
        let failed = || error(text, expected);
        let rest = text.strip_prefix(PREFIX).ok_or_else(failed)?;
        let (path, revision) = rest.split_once('@').unwrap_or((rest, DEFAULT_REVISION));
        match path.split_once('/') {
            Some((org, name)) if is_part(org) && is_part(name) && is_revision(revision) => {
                Ok(Self { org: org.into(), name: name.into(), revision: revision.into() })
            }
            _ => Err(failed()),
        }
    }
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}@{}", self.org, self.name, self.revision)
    }
}

/// A git commit: 40 lowercase hexadecimal digits. A safe name of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit(String);

impl Commit {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for Commit {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let digits = text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if digits {
            Ok(Self(text.into()))
        } else {
            Err(error(text, "a commit; expected 40 lowercase hexadecimal digits"))
        }
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Commit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Commit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_are_read() {
        for text in ["hf:org/name@main", "hf:HuggingFaceTB/SmolLM2-135M@refs/pr/1", "hf:a/b_c.d@v1.0"] {
            assert_eq!(text.parse::<HubModel>().unwrap().to_string(), text);
        }
        let model: HubModel = "hf:org/name".parse().unwrap();
        assert_eq!((model.org(), model.name(), model.revision()), ("org", "name", "main"));
        assert_eq!(model.at("v2").unwrap().to_string(), "hf:org/name@v2");
        assert!(model.at("../x").is_err());
    }

    #[test]
    fn no_name_leads_anywhere() {
        for text in [
            "org/name@main",
            "hf:name@main",
            "hf:org/name/more@main",
            "hf:../name@main",
            "hf:org/..@main",
            "hf:/name@main",
            "hf:org/@main",
            "hf:.org/name@main",
            "hf:org/na me@main",
            "hf:org/name@",
            "hf:org/name@..",
            "hf:org/name@a/../b",
            "hf:org/name@/a",
            "hf:org/name@a//b",
            "hf:org/name@a?b",
            "hf:org/name@a#b",
            "hf:org/name@-a",
            "hf:org/name@a\nb",
            "hf:org/name@%2e%2e",
        ] {
            assert!(text.parse::<HubModel>().is_err(), "{text}");
        }
        let long = "a".repeat(97);
        assert!(format!("hf:org/{long}").parse::<HubModel>().is_err());
        for text in ["main", "A94a8fe5ccb19ba61c4c0873d391e987982fbbd3", "a94a8fe5", ""] {
            assert!(text.parse::<Commit>().is_err(), "{text}");
        }
        let commit: Commit = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3".parse().unwrap();
        assert_eq!(commit.short(), "a94a8fe5ccb1");
    }
}
