//! The trust root: who may do what. Roles with keys and thresholds as in TUF, and publisher rules, which say whose key may
//! sign plugins of which names. A new root is signed by the old one's keys and by its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use freehold_core::name::{NamePattern, PluginName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, EnvelopeError};
use crate::key::{KeyId, PublicKey, SecretKey};

const ROOT_TYPE: &str = "application/vnd.freehold.trust-root+json";

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
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Root => "root",
            Self::Recorder => "recorder",
            Self::Log => "log",
        })
    }
}

/// The keys of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleKeys {
    /// Ids of the keys.
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

/// A trust root. Only a [`VerifiedRoot`] is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRoot {
    /// Rises by one with every change.
    pub version: u64,
    /// When it is no longer to be trusted.
    pub expires: Timestamp,
    /// Every key that is named below.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// The roles.
    pub roles: BTreeMap<Role, RoleKeys>,
    /// The publisher rules.
    pub publishers: Vec<PublisherRule>,
}

/// A trust root cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// It is not signed as it has to be.
    #[error("trust root: {0}")]
    Envelope(#[from] EnvelopeError),
    /// It contradicts itself.
    #[error("trust root: {0}")]
    Malformed(String),
    /// It has expired.
    #[error("trust root {version} expired at {expires}; sign a new one with `freehold trust add`")]
    Expired {
        /// Its version.
        version: u64,
        /// When.
        expires: Timestamp,
    },
    /// It does not follow the one before it.
    #[error("trust root {found} cannot follow {before}: versions rise by one")]
    Version {
        /// The version that was there.
        before: u64,
        /// The version that was to follow.
        found: u64,
    },
}

impl TrustRoot {
    /// The signed root.
    pub fn sign(&self, keys: &[&SecretKey]) -> Envelope {
        // Keys of maps are strings; nothing else could fail.
        Envelope::sign(ROOT_TYPE, &serde_json::to_vec(self).unwrap_or_default(), keys)
    }

    fn check(&self) -> Result<(), RootError> {
        let broken = |problem: String| Err(RootError::Malformed(problem));
        for (id, key) in &self.keys {
            if key.id() != *id {
                return broken(format!("key {} is listed under the id {}", key.id().short(), id.short()));
            }
        }
        for role in [Role::Root, Role::Recorder, Role::Log] {
            let Some(members) = self.roles.get(&role) else {
                return broken(format!("role {role} is missing"));
            };
            if members.threshold == 0 || members.threshold > members.keys.len() {
                let (threshold, keys) = (members.threshold, members.keys.len());
                return broken(format!("role {role} has a threshold of {threshold} with {keys} keys"));
            }
            if let Some(id) = members.keys.iter().find(|id| !self.keys.contains_key(id)) {
                return broken(format!("role {role} names the key {}, which is not listed", id.short()));
            }
        }
        for rule in &self.publishers {
            if !self.keys.contains_key(&rule.key) {
                return broken(format!("a publisher rule names the key {}, which is not listed", rule.key.short()));
            }
        }
        Ok(())
    }

    /// The keys of a role.
    pub fn keys_of(&self, role: Role) -> BTreeMap<KeyId, PublicKey> {
        let members = self.roles.get(&role).map(|members| &members.keys);
        members.into_iter().flatten().filter_map(|id| Some((*id, self.keys.get(id)?.clone()))).collect()
    }

    fn threshold_of(&self, role: Role) -> usize {
        self.roles.get(&role).map_or(0, |members| members.threshold)
    }

    /// The keys that may publish plugins at all.
    pub fn publisher_keys(&self) -> BTreeMap<KeyId, PublicKey> {
        self.publishers.iter().filter_map(|rule| Some((rule.key, self.keys.get(&rule.key)?.clone()))).collect()
    }

    /// Whether a publisher rule lets `key` sign a plugin of this name.
    pub fn may_publish(&self, key: &KeyId, name: &PluginName) -> bool {
        self.publishers.iter().any(|rule| rule.key == *key && rule.names.iter().any(|names| names.covers(name)))
    }
}

/// A trust root whose signatures and form were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRoot(TrustRoot);

impl std::ops::Deref for VerifiedRoot {
    type Target = TrustRoot;

    fn deref(&self) -> &TrustRoot {
        &self.0
    }
}

impl VerifiedRoot {
    /// The first root: signed by its own keys. That it is the right one has to be known from elsewhere.
    pub fn first(envelope: &[u8]) -> Result<Self, RootError> {
        let root = parse_and_check_own_signatures(envelope)?;
        if root.version != 1 {
            return Err(RootError::Version { before: 0, found: root.version });
        }
        Ok(Self(root))
    }

    /// Whether `key` itself signed the root in `envelope`; to be listed in it is not enough.
    pub fn is_signed_by(envelope: &[u8], key: &PublicKey) -> Result<(), RootError> {
        let keys = BTreeMap::from([(key.id(), key.clone())]);
        Envelope::from_bytes(envelope)?.verify(ROOT_TYPE, &keys, 1)?;
        Ok(())
    }

    /// The root after this one: signed by this one's keys and by its own.
    pub fn next(&self, envelope: &[u8]) -> Result<Self, RootError> {
        let root = parse_and_check_own_signatures(envelope)?;
        if root.version != self.version + 1 {
            return Err(RootError::Version { before: self.version, found: root.version });
        }
        let (keys, threshold) = (self.keys_of(Role::Root), self.threshold_of(Role::Root));
        Envelope::from_bytes(envelope)?.verify(ROOT_TYPE, &keys, threshold)?;
        Ok(Self(root))
    }

    /// An error if the root has expired.
    pub fn in_force(&self, now: Timestamp) -> Result<(), RootError> {
        if now < self.expires {
            Ok(())
        } else {
            Err(RootError::Expired { version: self.version, expires: self.expires })
        }
    }
}

fn parse_and_check_own_signatures(bytes: &[u8]) -> Result<TrustRoot, RootError> {
    let envelope = Envelope::from_bytes(bytes)?;
    let unverified: TrustRoot = serde_json::from_slice(&envelope.unverified_payload()?)
        .map_err(|error| RootError::Malformed(error.to_string()))?;
    unverified.check()?;
    let (keys, threshold) = (unverified.keys_of(Role::Root), unverified.threshold_of(Role::Root));
    envelope.verify(ROOT_TYPE, &keys, threshold)?;
    Ok(unverified)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(version: u64, signers: &[&SecretKey], threshold: usize) -> TrustRoot {
        let keys: BTreeSet<_> = signers.iter().map(|key| key.public().id()).collect();
        let role = RoleKeys { keys, threshold };
        TrustRoot {
            version,
            expires: Timestamp::from_second(1000).unwrap(),
            keys: signers.iter().map(|key| (key.public().id(), key.public())).collect(),
            roles: [Role::Root, Role::Recorder, Role::Log].map(|name| (name, role.clone())).into(),
            publishers: vec![],
        }
    }

    #[test]
    fn a_first_root_is_signed_by_its_own_threshold() {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        for (keys, threshold, signers, holds) in [
            (vec![&a], 1, vec![&a], true),
            (vec![&a], 1, vec![], false),
            (vec![&a], 1, vec![&b], false),
            (vec![&a, &b], 2, vec![&a], false),
            (vec![&a, &b], 2, vec![&a, &a], false),
            (vec![&a, &b], 2, vec![&b, &a], true),
            (vec![&a], 0, vec![&a], false),
            (vec![&a], 2, vec![&a], false),
            (vec![], 0, vec![], false),
            (vec![], 1, vec![], false),
        ] {
            let signed = root(1, &keys, threshold).sign(&signers).to_bytes();
            assert_eq!(VerifiedRoot::first(&signed).is_ok(), holds, "{threshold} of {}", keys.len());
        }
    }

    #[test]
    fn a_listed_key_that_did_not_sign_is_no_signer() {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let signed = root(1, &[&a, &b], 1).sign(&[&b]).to_bytes();
        assert!(VerifiedRoot::first(&signed).is_ok());
        assert!(VerifiedRoot::is_signed_by(&signed, &b.public()).is_ok());
        assert!(VerifiedRoot::is_signed_by(&signed, &a.public()).is_err());
    }

    #[test]
    fn a_next_root_needs_the_old_keys_and_rises_by_one() {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let first = VerifiedRoot::first(&root(1, &[&a], 1).sign(&[&a]).to_bytes()).unwrap();
        for (version, signers, holds) in [
            (2, vec![&a, &b], true),
            (2, vec![&b], false),
            (2, vec![&a], false),
            (1, vec![&a, &b], false),
            (3, vec![&a, &b], false),
        ] {
            let signed = root(version, &[&b], 1).sign(&signers).to_bytes();
            assert_eq!(first.next(&signed).is_ok(), holds, "version {version}");
        }
    }

    #[test]
    fn keys_under_a_wrong_id_and_expiry_are_noticed() {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let mut crossed = root(1, &[&a], 1);
        crossed.keys.insert(b.public().id(), a.public());
        assert!(VerifiedRoot::first(&crossed.sign(&[&a]).to_bytes()).is_err());
        let first = VerifiedRoot::first(&root(1, &[&a], 1).sign(&[&a]).to_bytes()).unwrap();
        assert!(first.in_force(Timestamp::from_second(999).unwrap()).is_ok());
        assert!(first.in_force(Timestamp::from_second(1000).unwrap()).is_err());
    }

    #[test]
    fn publisher_rules_are_scoped_and_an_empty_list_allows_nobody() {
        let a = SecretKey::generate().unwrap();
        let id = a.public().id();
        let name = "acme/x".parse().unwrap();
        let mut root = root(1, &[&a], 1);
        assert!(!root.may_publish(&id, &name));
        for (patterns, allowed) in
            [(vec![], false), (vec!["other/*"], false), (vec!["acme/*"], true), (vec!["*"], true)]
        {
            let names = patterns.iter().map(|text| text.parse().unwrap()).collect();
            root.publishers = vec![PublisherRule { key: id, names }];
            assert_eq!(root.may_publish(&id, &name), allowed, "{patterns:?}");
        }
    }
}
