//! What a run leaves behind: one statement a phase, and an entry in the ledger for each.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::name::Alias;
use crate::schema::Time;
use crate::spent::Spent;

/// The phases of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Names become digests.
    Resolve,
    /// Policies at stage admit.
    Admit,
    /// Data goes through the transforms.
    Transform,
    /// Dialogues become tokens.
    Tokenise,
    /// The adapter is trained.
    Train,
    /// Base and adapted model are measured.
    Evaluate,
    /// Policies at stage promote.
    Promote,
    /// The decision and the provenance of the whole run.
    Record,
}

impl Phase {
    /// Every phase in order.
    pub const ALL: [Self; 8] = [
        Self::Resolve,
        Self::Admit,
        Self::Transform,
        Self::Tokenise,
        Self::Train,
        Self::Evaluate,
        Self::Promote,
        Self::Record,
    ];

    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Admit => "admit",
            Self::Transform => "transform",
            Self::Tokenise => "tokenise",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Promote => "promote",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that a phase read or wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Material {
    /// What it is, such as `data/tickets-eu` or `adapter`.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// Whether the store keeps its bytes. Raw data and base models are never copied: only their digests are known.
    pub kept: bool,
}

impl Material {
    /// Something whose bytes the store keeps.
    pub fn kept(name: impl Into<String>, digest: Digest) -> Self {
        Self { name: name.into(), digest, kept: true }
    }

    /// Something of which only the digest is known.
    pub fn referenced(name: impl Into<String>, digest: Digest) -> Self {
        Self { name: name.into(), digest, kept: false }
    }
}

/// The predicate of a phase's statement.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct PhaseRecord {
    /// The run.
    pub run: String,
    /// Digest of recipe and lockfile: two runs with the same key are runs of the same thing.
    pub key: Digest,
    /// The phase.
    pub phase: Phase,
    /// Version of the trust root that was in force.
    pub trust_root: u64,
    /// What it read.
    pub inputs: Vec<Material>,
    /// What it wrote.
    pub outputs: Vec<Material>,
    /// What happened: each phase has its own shape.
    pub detail: serde_json::Value,
    /// What it used up; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
    /// When it began.
    #[schemars(with = "Time")]
    pub started: Timestamp,
    /// When it ended.
    #[schemars(with = "Time")]
    pub finished: Timestamp,
}

/// What an entry of the ledger is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Subject {
    /// A phase of a run ended.
    Phase {
        /// The run.
        run: String,
        /// Digest of recipe and lockfile.
        key: Digest,
        /// The phase.
        phase: Phase,
    },
    /// An alias moved.
    Alias {
        /// The alias.
        alias: Alias,
        /// The adapter's manifest that it now names.
        adapter: Digest,
        /// The run that made it.
        run: String,
    },
    /// Somebody approved what a run made.
    Approval {
        /// The run.
        run: String,
        /// The adapter's manifest that was approved.
        adapter: Digest,
        /// Id of the approver's key, 64 hexadecimal digits.
        approver: String,
    },
    /// A trust root came into force.
    TrustRoot {
        /// Its version.
        version: u64,
    },
}

/// One entry of the ledger. It names a signed statement by digest; the statement itself is in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// Digest of the signed envelope in the store.
    pub statement: Digest,
    /// When it was written.
    pub time: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_flat_json() {
        let entry = Entry {
            subject: Subject::Phase { run: "a-1".into(), key: Digest::of(b""), phase: Phase::Train },
            statement: Digest::of(b"s"),
            time: Timestamp::UNIX_EPOCH,
        };
        let json = serde_json::to_value(&entry).unwrap();
        assert_eq!((json["kind"].as_str(), json["phase"].as_str()), (Some("phase"), Some("train")));
        assert_eq!(serde_json::from_value::<Entry>(json).unwrap(), entry);
    }
}
