//! The trust root: who may do what. Roles with keys and thresholds as in TUF, publisher rules, which say whose key may sign
//! plugins of which names, times in which keys are good, and what is revoked. A new root is signed by the keys of the one
//! before it and by its own, each at its threshold; its version is one higher; what was revoked stays revoked.
//!
//! The semantics are TUF's, the format is ours: TUF libraries verify downloaded targets under metadata of a fixed shape, while
//! a home needs name-scoped publishers, recorders and log keys, in the same DSSE envelopes as everything else that it signs.

mod change;
mod check;
mod error;
mod unique;
mod verified;
mod witnesses;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use freehold_core::digest::Digest;
use freehold_core::name::{NamePattern, PluginName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::key::{KeyError, KeyId, PublicKey, SecretKey};

pub use change::ChangeError;
pub use error::RootError;
pub use verified::VerifiedRoot;
pub use witnesses::Witnesses;

const ROOT_TYPE: &str = "application/vnd.freehold.trust-root+json";

/// The most bytes that a signed trust root may have.
pub const ROOT_BYTES_MAX: usize = 4 << 20;

/// What a key is trusted with, apart from publishing plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Signs trust roots.
    Root,
    /// Signs statements of runs.
    Recorder,
    /// Signs tree heads of the ledger.
    Log,
    /// Signs approvals of models. A root need not have this role; its threshold says how many have to approve.
    Approver,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Root, Self::Recorder, Self::Log, Self::Approver];
    /// The roles that every root has to have.
    pub const NEEDED: [Self; 3] = [Self::Root, Self::Recorder, Self::Log];

    /// Whether every root has to have it.
    pub fn is_needed(self) -> bool {
        Self::NEEDED.contains(&self)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Root => "root",
            Self::Recorder => "recorder",
            Self::Log => "log",
            Self::Approver => "approver",
        })
    }
}

/// The keys of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleKeys {
    /// Ids of the keys.
    #[serde(deserialize_with = "unique::set")]
    pub keys: BTreeSet<KeyId>,
    /// How many distinct keys have to sign.
    pub threshold: usize,
}

/// A key and the names of plugins that it may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherRule {
    /// The key.
    pub key: KeyId,
    /// The names.
    pub names: Vec<NamePattern>,
}

/// When a key is good. What it signed at another time does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// From this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Up to this moment, which is no longer in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

impl Validity {
    /// Whether a key is good at `time`.
    pub fn covers(&self, time: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= time) && self.valid_until.is_none_or(|until| time < until)
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.valid_from, self.valid_until) {
            (None, None) => f.write_str("always"),
            (Some(from), None) => write!(f, "from {from}"),
            (None, Some(until)) => write!(f, "until {until}"),
            (Some(from), Some(until)) => write!(f, "from {from} until {until}"),
        }
    }
}

/// Why and when something was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revoked at {}: {}", self.time, self.reason)
    }
}

/// A trust root. Only a [`VerifiedRoot`] is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRoot {
    /// Rises by one with every change.
    pub version: u64,
    /// When it is no longer to be trusted.
    pub expires: Timestamp,
    /// Every key that is named below.
    #[serde(deserialize_with = "unique::map")]
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// The roles.
    #[serde(deserialize_with = "unique::map")]
    pub roles: BTreeMap<Role, RoleKeys>,
    /// The publisher rules.
    pub publishers: Vec<PublisherRule>,
    /// Who cosigns tree heads of the ledger. Older roots do not say it, and a home without witnesses need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnesses: Option<Witnesses>,
    /// When keys are good; one that is not here always is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique::map")]
    pub validity: BTreeMap<KeyId, Validity>,
    /// Keys whose signatures no longer count, whenever they were made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique::map")]
    pub revoked_keys: BTreeMap<KeyId, Revocation>,
    /// Components and signed manifests that may not run, whoever signed them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique::map")]
    pub revoked_digests: BTreeMap<Digest, Revocation>,
}

impl TrustRoot {
    /// The first root of a home: a key a role, and no publishers yet.
    pub fn first(expires: Timestamp, keys: [(Role, PublicKey); 3]) -> Self {
        let role = |(role, key): &(Role, PublicKey)| (*role, RoleKeys { keys: [key.id()].into(), threshold: 1 });
        Self {
            version: 1,
            expires,
            roles: keys.iter().map(role).collect(),
            keys: keys.into_iter().map(|(_, key)| (key.id(), key)).collect(),
            publishers: Vec::new(),
            witnesses: None,
            validity: BTreeMap::new(),
            revoked_keys: BTreeMap::new(),
            revoked_digests: BTreeMap::new(),
        }
    }

    /// The signed root.
    pub fn sign(&self, keys: &[&SecretKey]) -> Result<Envelope, KeyError> {
        // Keys of maps are strings; nothing else could fail.
        Envelope::sign(ROOT_TYPE, &serde_json::to_vec(self).unwrap_or_default(), keys)
    }

    /// The keys of a role.
    pub fn keys_of(&self, role: Role) -> BTreeMap<KeyId, PublicKey> {
        let members = self.roles.get(&role).map(|members| &members.keys);
        members.into_iter().flatten().filter_map(|id| Some((*id, self.keys.get(id)?.clone()))).collect()
    }

    /// The keys of a role that are good at `time`.
    pub fn keys_at(&self, role: Role, time: Timestamp) -> BTreeMap<KeyId, PublicKey> {
        self.keys_of(role).into_iter().filter(|(id, _)| self.validity_of(id).covers(time)).collect()
    }

    /// How many distinct keys of a role have to sign.
    pub fn threshold_of(&self, role: Role) -> usize {
        self.roles.get(&role).map_or(0, |members| members.threshold)
    }

    /// When a key is good.
    pub fn validity_of(&self, key: &KeyId) -> Validity {
        self.validity.get(key).copied().unwrap_or_default()
    }

    /// The keys that may publish plugins at all.
    pub fn publisher_keys(&self) -> BTreeMap<KeyId, PublicKey> {
        self.publishers.iter().filter_map(|rule| Some((rule.key, self.keys.get(&rule.key)?.clone()))).collect()
    }

    /// The revoked keys that are known, not only by their id.
    pub(crate) fn revoked_public_keys(&self) -> BTreeMap<KeyId, PublicKey> {
        self.revoked_keys.keys().filter_map(|id| Some((*id, self.keys.get(id)?.clone()))).collect()
    }

    /// Whether a publisher rule lets `key` sign a plugin of this name.
    pub fn may_publish(&self, key: &KeyId, name: &PluginName) -> bool {
        self.publishers.iter().any(|rule| rule.key == *key && rule.names.iter().any(|names| names.covers(name)))
    }

    /// Whether what `key` signed at `time` under this name counts: a rule lets it, it was good then, and it is not revoked.
    pub fn may_publish_at(&self, key: &KeyId, name: &PluginName, time: Timestamp) -> bool {
        !self.revoked_keys.contains_key(key) && self.may_publish(key, name) && self.validity_of(key).covers(time)
    }

    /// What a key is trusted with, in words.
    pub fn places_of(&self, key: &KeyId) -> Vec<String> {
        let roles = self.roles.iter().filter(|(_, members)| members.keys.contains(key));
        let rules = self.publishers.iter().filter(|rule| rule.key == *key);
        let witness = self.witness_keys().filter(|(_, known)| known.id() == *key);
        let places = roles.map(|(role, _)| format!("in role {role}")).chain(rules.map(|_| "a publisher".into()));
        places.chain(witness.map(|(name, _)| format!("the witness {name}"))).collect()
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
