//! Whether a trust root agrees with itself, and with the one before it.

use super::{Role, RootError, TrustRoot};

impl TrustRoot {
    /// Errors if the root contradicts itself. Signatures are another matter.
    pub(super) fn check(&self) -> Result<(), RootError> {
        for (listed, key) in &self.keys {
            if key.id() != *listed {
                return Err(RootError::WrongId { listed: *listed, key: key.id() });
            }
        }
        self.check_roles()?;
        self.check_named_keys()?;
        self.check_witnesses()?;
        if let Some(rule) = self.publishers.iter().find(|rule| rule.names.is_empty()) {
            return Err(RootError::EmptyRule(rule.key));
        }
        for (key, validity) in &self.validity {
            if matches!((validity.valid_from, validity.valid_until), (Some(from), Some(until)) if until <= from) {
                return Err(RootError::EmptyWindow(*key));
            }
            if self.keys_of(Role::Root).contains_key(key) {
                return Err(RootError::LimitedRootKey(*key));
            }
        }
        for key in self.revoked_keys.keys() {
            if let Some(place) = self.places_of(key).into_iter().next() {
                return Err(RootError::RevokedInUse { key: *key, place });
            }
        }
        Ok(())
    }

    fn check_roles(&self) -> Result<(), RootError> {
        for role in Role::ALL {
            let members = match self.roles.get(&role) {
                Some(members) => members,
                None if role.is_needed() => return Err(RootError::MissingRole(role)),
                None => continue,
            };
            let (threshold, keys) = (members.threshold, members.keys.len());
            if threshold == 0 || threshold > keys {
                return Err(RootError::Threshold { role, threshold, keys });
            }
        }
        Ok(())
    }

    fn check_named_keys(&self) -> Result<(), RootError> {
        let roles = self
            .roles
            .iter()
            .flat_map(|(role, members)| members.keys.iter().map(move |key| (format!("role {role}"), key)));
        let rules = self.publishers.iter().map(|rule| ("a publisher rule".to_owned(), &rule.key));
        let validity = self.validity.keys().map(|key| ("a time of validity".to_owned(), key));
        let witnesses = self.witnesses.iter().flat_map(|witnesses| &witnesses.keys);
        let witnesses = witnesses.map(|(name, key)| (format!("the witness {name}"), key));
        match roles.chain(rules).chain(validity).chain(witnesses).find(|(_, key)| !self.keys.contains_key(key)) {
            Some((what, key)) => Err(RootError::UnlistedKey { what, key: *key }),
            None => Ok(()),
        }
    }

    /// Errors if `self` cannot come after `before`. Signatures are another matter.
    pub(super) fn check_follows(&self, before: &Self) -> Result<(), RootError> {
        let found = self.version;
        if found < before.version {
            return Err(RootError::Rollback { before: before.version, found });
        }
        if found == before.version {
            return Err(RootError::SameVersion(found));
        }
        if before.version.checked_add(1) != Some(found) {
            return Err(RootError::Skipped { before: before.version, found });
        }
        let keys = before.revoked_keys.iter().filter(|(key, why)| self.revoked_keys.get(*key) != Some(*why));
        let digests =
            before.revoked_digests.iter().filter(|(digest, why)| self.revoked_digests.get(*digest) != Some(*why));
        let mut lost = keys
            .map(|(key, _)| format!("the key {}", key.short()))
            .chain(digests.map(|(digest, _)| digest.to_string()));
        match lost.next() {
            Some(what) => Err(RootError::Unrevoked { version: found, what }),
            None => Ok(()),
        }
    }
}
