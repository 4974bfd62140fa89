//! What serde cannot check of a manifest. Its author, its publisher and its user are told the same.

use std::collections::BTreeSet;

use semver::Version;

use super::{Manifest, PluginSource};
use crate::name::is_label;
use crate::toml_text::{self, TomlError};

/// What a capability to read a file begins with.
const ASSET: &str = "asset:";

/// A manifest says something that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Versions that differ in build metadata alone are the same to ranges, and others to folders.
    #[error("the version {0} has build metadata, which no range can tell apart")]
    BuildMetadata(Version),
    /// There is no such capability.
    #[error("there is no capability {name:?}")]
    Capability {
        /// What is asked for.
        name: String,
        /// Its place in the list, from 0.
        at: usize,
    },
    /// A capability is asked for twice.
    #[error("the capability `{name}` is asked for twice")]
    Twice {
        /// What is asked for.
        name: String,
        /// Its second place in the list, from 0.
        at: usize,
    },
}

impl ManifestError {
    /// What its author can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::BuildMetadata(version) => {
                let Version { major, minor, patch, pre, .. } = version;
                let pre = if pre.is_empty() { String::new() } else { format!("-{pre}") };
                format!("write {major}.{minor}.{patch}{pre}, or raise it")
            }
            Self::Capability { name, .. } if name.starts_with(ASSET) => {
                "name the asset in lowercase letters, digits and hyphens; its path is the recipe's to say".into()
            }
            Self::Capability { .. } => "plugins can ask for `asset:NAME` and nothing else; remove it".into(),
            Self::Twice { .. } => "remove one of them".into(),
        }
    }

    /// Where it is in `plugin.toml`.
    fn span(&self, document: &str) -> Option<std::ops::Range<usize>> {
        match self {
            Self::BuildMetadata(_) => toml_text::span_of(document, &["version"]),
            Self::Capability { at, .. } | Self::Twice { at, .. } => {
                toml_text::span_of(document, &["capabilities", &at.to_string()])
            }
        }
    }
}

fn check(version: &Version, capabilities: &[String]) -> Result<(), ManifestError> {
    if !version.build.is_empty() {
        return Err(ManifestError::BuildMetadata(version.clone()));
    }
    let mut asked = BTreeSet::new();
    for (at, name) in capabilities.iter().enumerate() {
        if !name.strip_prefix(ASSET).is_some_and(is_label) {
            return Err(ManifestError::Capability { name: name.clone(), at });
        }
        if !asked.insert(name) {
            return Err(ManifestError::Twice { name: name.clone(), at });
        }
    }
    Ok(())
}

impl Manifest {
    /// Errors if it says something that means nothing.
    pub fn check(&self) -> Result<(), ManifestError> {
        check(&self.version, &self.capabilities)
    }
}

impl PluginSource {
    /// Reads `plugin.toml` and checks what it says.
    pub fn parse(document: &str) -> Result<Self, TomlError> {
        let source: Self = toml_text::parse(document)?;
        check(&source.version, &source.capabilities).map_err(|error| TomlError {
            message: error.to_string(),
            span: error.span(document),
            remedy: Some(error.remedy()),
        })?;
        Ok(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "name = \"acme/x\"\nversion = \"1.0.0\"\nworld = \"policy\"\ndescription = \"x\"\n\
        capabilities = [\n\"asset:a\",\n\"asset:b\",\n]\n[settings.mode]\ntype = \"string\"\ndefault = \"b\"\ndescription = \"y\"\n";

    #[test]
    fn what_means_something_is_read() {
        PluginSource::parse(SOURCE).unwrap();
        for (from, to) in [
            ("1.0.0", "1.0.0-rc.1"),
            ("[\n\"asset:a\",\n\"asset:b\",\n]", "[]"),
            ("type = \"string\"\ndefault = \"b\"", "type = \"number\"\ndefault = 1"),
            ("type = \"string\"\ndefault = \"b\"", "type = \"strings\"\ndefault = []"),
            ("default = \"b\"\n", ""),
        ] {
            assert!(SOURCE.contains(from), "{from}");
            PluginSource::parse(&SOURCE.replace(from, to)).unwrap();
        }
    }

    #[test]
    fn what_means_nothing_is_named_with_its_line() {
        for (from, to, line, part, remedy) in [
            ("1.0.0", "1.0.0+x", 2, "1.0.0+x has build metadata", "write 1.0.0,"),
            ("1.0.0", "1.0.0-rc.1+x.2", 2, "build metadata", "write 1.0.0-rc.1,"),
            ("asset:b", "network", 7, "no capability \"network\"", "nothing else"),
            ("asset:b", "asset:../x", 7, "no capability \"asset:../x\"", "lowercase letters"),
            ("asset:b", "asset:", 7, "no capability \"asset:\"", "lowercase letters"),
            ("asset:b", "Asset:b", 7, "no capability", "nothing else"),
            ("asset:b", "", 7, "no capability \"\"", "nothing else"),
            ("asset:b", "asset:\\u001b[2J", 7, "no capability \"asset:\\u{1b}[2J\"", "lowercase letters"),
            ("asset:b", "asset:a", 7, "`asset:a` is asked for twice", "remove one"),
        ] {
            assert!(SOURCE.contains(from), "{from}");
            let document = SOURCE.replace(from, to);
            let error = PluginSource::parse(&document).unwrap_err();
            assert!(error.message.contains(part), "{to}: {error}");
            assert_eq!(error.line(&document), Some(line), "{to}: {error}");
            assert!(error.remedy.as_ref().unwrap().contains(remedy), "{to}: {:?}", error.remedy);
        }
    }
}
