//! The changes that make a new trust root of the one before. Each keeps the root in agreement with itself or says why it
//! cannot; none is worth anything before it is signed.

use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_core::name::NamePattern;
use jiff::Timestamp;

use super::{PublisherRule, Revocation, Role, RoleKeys, RootError, TrustRoot, Validity, VerifiedRoot};
use crate::key::{KeyId, PublicKey};

/// A trust root cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// What came of it would contradict itself.
    #[error("the new {0}")]
    Broken(#[from] RootError),
    /// The key does not have what was to be taken from it.
    #[error("key {} is not {place}", key.short())]
    NotThere {
        /// The key.
        key: KeyId,
        /// The role, or publisher.
        place: String,
    },
    /// A key cannot take its own place.
    #[error("key {} cannot take its own place", .0.short())]
    Itself(KeyId),
    /// The old key is trusted with something else, which the end of its time would end as well.
    #[error("key {} is also {}, which ends when its time ends", key.short(), places.join(" and "))]
    OtherPlaces {
        /// The key.
        key: KeyId,
        /// What it is trusted with.
        places: Vec<String>,
    },
    /// It was revoked before.
    #[error("{what} is revoked since {time} already")]
    Revoked {
        /// The key or digest.
        what: String,
        /// When.
        time: Timestamp,
    },
    /// The versions have come to their end.
    #[error("there is no version after {0}")]
    Version(u64),
}

impl VerifiedRoot {
    /// What the next root is before anything is changed: as this one, one version higher.
    pub fn draft(&self, expires: Timestamp) -> Result<TrustRoot, ChangeError> {
        let version = self.version.checked_add(1).ok_or(ChangeError::Version(self.version))?;
        Ok(TrustRoot { version, expires, ..(**self).clone() })
    }
}

impl TrustRoot {
    /// Errors if a draft contradicts itself or cannot come after `before`. It is what reading it will say, but for signatures.
    pub fn check_draft(&self, before: &VerifiedRoot) -> Result<(), ChangeError> {
        self.check()?;
        Ok(self.check_follows(before)?)
    }

    /// Lists a key; one that is revoked cannot come back.
    pub(super) fn list(&mut self, key: &PublicKey) -> Result<KeyId, ChangeError> {
        let id = key.id();
        if let Some(revocation) = self.revoked_keys.get(&id) {
            return Err(ChangeError::Revoked { what: format!("key {}", id.short()), time: revocation.time });
        }
        self.keys.insert(id, key.clone());
        Ok(id)
    }

    /// Lets a key publish plugins of these names, besides those that it may publish already.
    pub fn add_publisher(&mut self, key: &PublicKey, names: &[NamePattern]) -> Result<(), ChangeError> {
        let id = self.list(key)?;
        match self.publishers.iter_mut().find(|rule| rule.key == id) {
            Some(rule) => {
                rule.names.extend(names.iter().cloned());
                rule.names.sort();
                rule.names.dedup();
            }
            None => self.publishers.push(PublisherRule { key: id, names: names.to_vec() }),
        }
        Ok(())
    }

    /// Adds a key to a role.
    pub fn add_to_role(&mut self, role: Role, key: &PublicKey) -> Result<(), ChangeError> {
        let id = self.list(key)?;
        if !role.is_needed() {
            self.roles.entry(role).or_insert_with(|| RoleKeys { keys: BTreeSet::new(), threshold: 1 });
        }
        self.role_mut(role)?.keys.insert(id);
        Ok(())
    }

    /// Sets how many keys of a role have to sign.
    pub fn set_threshold(&mut self, role: Role, threshold: usize) -> Result<(), ChangeError> {
        self.role_mut(role)?.threshold = threshold;
        Ok(())
    }

    /// Sets when a key is good. A side that is left out stays as it is.
    pub fn limit(&mut self, key: KeyId, validity: Validity) {
        let known = self.validity.entry(key).or_default();
        known.valid_from = validity.valid_from.or(known.valid_from);
        known.valid_until = validity.valid_until.or(known.valid_until);
        if *known == Validity::default() {
            self.validity.remove(&key);
        }
    }

    fn role_mut(&mut self, role: Role) -> Result<&mut RoleKeys, ChangeError> {
        self.roles.get_mut(&role).ok_or_else(|| RootError::MissingRole(role).into())
    }

    /// Takes a key out of a role.
    pub fn remove_from_role(&mut self, role: Role, key: &KeyId) -> Result<(), ChangeError> {
        if !self.role_mut(role)?.keys.remove(key) {
            return Err(ChangeError::NotThere { key: *key, place: format!("in role {role}") });
        }
        self.forget_empty_roles();
        self.forget_unused();
        Ok(())
    }

    /// A role that need not be there and has no key is written as one that never was.
    fn forget_empty_roles(&mut self) {
        self.roles.retain(|role, members| role.is_needed() || !members.keys.is_empty());
    }

    /// Takes names from a publisher; all of them if none is given.
    pub fn remove_publisher(&mut self, key: &KeyId, names: &[NamePattern]) -> Result<(), ChangeError> {
        for name in names {
            if !self.publishers.iter().any(|rule| rule.key == *key && rule.names.contains(name)) {
                return Err(ChangeError::NotThere { key: *key, place: format!("a publisher of {name}") });
            }
        }
        if !self.publishers.iter().any(|rule| rule.key == *key) {
            return Err(ChangeError::NotThere { key: *key, place: "a publisher".into() });
        }
        for rule in self.publishers.iter_mut().filter(|rule| rule.key == *key) {
            rule.names.retain(|name| !names.is_empty() && !names.contains(name));
        }
        self.publishers.retain(|rule| !rule.names.is_empty());
        self.forget_unused();
        Ok(())
    }

    /// Puts `new` in the place of `old`: in one role, or wherever it is. With `until`, the old key stays good up to then, so
    /// that nobody has to change at the same moment; without, and in role root, it goes at once. A new trust root is the moment
    /// of change for role root, and is signed by old and new.
    pub fn rotate(
        &mut self,
        old: &KeyId,
        new: &PublicKey,
        only: Option<Role>,
        until: Option<Timestamp>,
    ) -> Result<(), ChangeError> {
        if new.id() == *old {
            return Err(ChangeError::Itself(*old));
        }
        let roles: Vec<Role> = Role::ALL.into_iter().filter(|role| only.is_none_or(|only| only == *role)).collect();
        let (roles, rules): (Vec<Role>, Vec<PublisherRule>) = (
            roles.into_iter().filter(|role| self.keys_of(*role).contains_key(old)).collect(),
            self.publishers.iter().filter(|rule| only.is_none() && rule.key == *old).cloned().collect(),
        );
        let witness = self.witness_name(old).filter(|_| only.is_none());
        if roles.is_empty() && rules.is_empty() && witness.is_none() {
            let place =
                only.map_or_else(|| "in a role, nor a publisher or a witness".into(), |role| format!("in role {role}"));
            return Err(ChangeError::NotThere { key: *old, place });
        }
        let mut stays = false;
        for role in roles {
            self.add_to_role(role, new)?;
            if role == Role::Root || until.is_none() {
                self.role_mut(role)?.keys.remove(old);
            } else {
                stays = true;
            }
        }
        for rule in &rules {
            self.add_publisher(new, &rule.names)?;
            stays |= until.is_some();
        }
        // Cosignatures are judged by the root that governs their tree head: a new key begins with the new root.
        if let Some(name) = witness {
            self.set_witness(&name, new)?;
        }
        if until.is_none() {
            self.publishers.retain(|rule| rule.key != *old || only.is_some());
        }
        if let (true, Some(until)) = (stays, until) {
            self.end(old, only, until)?;
        }
        self.forget_unused();
        Ok(())
    }

    /// Ends the time of a key. If it was to be only that of a role, nothing else may end with it.
    fn end(&mut self, old: &KeyId, only: Option<Role>, until: Timestamp) -> Result<(), ChangeError> {
        let mut places = self.places_of(old);
        places.retain(|place| only.is_some_and(|role| *place != format!("in role {role}")));
        if !places.is_empty() {
            return Err(ChangeError::OtherPlaces { key: *old, places });
        }
        let known = self.validity_of(old).valid_until.map_or(until, |known| known.min(until));
        self.limit(*old, Validity { valid_from: None, valid_until: Some(known) });
        Ok(())
    }

    /// Revokes a key: it loses its roles and names, and whatever it signed for publishers no longer counts.
    pub fn revoke_key(&mut self, key: &PublicKey, why: Revocation) -> Result<(), ChangeError> {
        let id = self.list(key)?;
        for members in self.roles.values_mut() {
            members.keys.remove(&id);
        }
        self.publishers.retain(|rule| rule.key != id);
        self.forget_empty_roles();
        self.forget_witness(&id);
        self.revoked_keys.insert(id, why);
        Ok(())
    }

    /// Revokes a component or a signed manifest.
    pub fn revoke_digest(&mut self, digest: Digest, why: Revocation) -> Result<(), ChangeError> {
        if let Some(known) = self.revoked_digests.get(&digest) {
            return Err(ChangeError::Revoked { what: digest.to_string(), time: known.time });
        }
        self.revoked_digests.insert(digest, why);
        Ok(())
    }

    /// Keys that are trusted with nothing are not listed; a revoked one is, so that what it signed can be told.
    pub(super) fn forget_unused(&mut self) {
        let used = |id: &KeyId| !self.places_of(id).is_empty() || self.revoked_keys.contains_key(id);
        let unused: Vec<KeyId> = self.keys.keys().filter(|id| !used(id)).copied().collect();
        for id in unused {
            self.keys.remove(&id);
            self.validity.remove(&id);
        }
    }
}
