//! Keys with which clients say who they are. The home has their digests only.

use freehold_core::digest::Digest;
use freehold_core::name::is_label;
use freehold_trust::ApiKey;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statements::malformed;
use crate::{Home, WorkflowError};

const FILE: &str = "serve/keys.json";
const FILE_LIMIT: u64 = 16 << 20;
const LOCK: &str = "api-keys";

/// A key, as the home knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyEntry {
    /// Its name.
    pub name: String,
    /// SHA-256 of the key.
    pub sha256: Digest,
    /// When it was made.
    #[schemars(with = "freehold_core::schema::Time")]
    pub created: Timestamp,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<freehold_core::schema::Time>")]
    pub revoked: Option<Timestamp>,
}

/// All keys of a home, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiKeys(Vec<ApiKeyEntry>);

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nobody: there is no key, and others than this machine could ask.
    Nobody,
    /// Who has a key.
    Keys,
    /// Everybody on this machine.
    ThisMachine,
}

impl ApiKeys {
    /// These keys.
    pub fn new(entries: Vec<ApiKeyEntry>) -> Self {
        Self(entries)
    }

    /// All of them.
    pub fn entries(&self) -> &[ApiKeyEntry] {
        &self.0
    }

    /// Who may ask a server that is reached from this machine alone, or from others too. Where there was ever a key, one is
    /// needed: that all were revoked opens nothing.
    pub fn access(&self, loopback: bool) -> Access {
        match (self.0.is_empty(), loopback) {
            (true, true) => Access::ThisMachine,
            (true, false) => Access::Nobody,
            (false, true) => Access::Keys,
            (false, false) if self.0.iter().all(|key| key.revoked.is_some()) => Access::Nobody,
            (false, false) => Access::Keys,
        }
    }

    /// The key that a client presents, if it is one that counts. Every key is compared, in constant time.
    pub fn holder(&self, presented: &str) -> Option<&ApiKeyEntry> {
        let digest = ApiKey::digest_of(presented);
        let mut holder = None;
        for key in self.0.iter().filter(|key| key.revoked.is_none()) {
            if ApiKey::same(&digest, &key.sha256) {
                holder = Some(key);
            }
        }
        holder
    }
}

impl Home {
    /// The API keys.
    ///
    /// # Errors
    /// Their file cannot be read.
    pub fn api_keys(&self) -> Result<ApiKeys, WorkflowError> {
        match freehold_files::read_secret(&self.dir, FILE, FILE_LIMIT) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(ApiKeys).map_err(malformed(FILE)),
            Err(error) if error.is_not_found() => Ok(ApiKeys::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an API key. It is not kept: whoever asked for it has the only copy.
    ///
    /// # Errors
    /// The name is none, or another key has it.
    pub fn new_api_key(&self, name: &str) -> Result<(ApiKeyEntry, ApiKey), WorkflowError> {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
        let _lock = self.lock(LOCK)?;
        let mut keys = self.api_keys()?.0;
        if keys.iter().any(|key| key.name == name) {
            return Err(WorkflowError::KeyExists(name.into()));
        }
        let key = ApiKey::generate().map_err(|source| WorkflowError::Key { name: name.into(), source })?;
        let entry = ApiKeyEntry { name: name.into(), sha256: key.digest(), created: Timestamp::now(), revoked: None };
        keys.push(entry.clone());
        self.write_api_keys(&keys)?;
        Ok((entry, key))
    }

    /// Revokes an API key: a server that runs refuses it within two seconds.
    ///
    /// # Errors
    /// There is no key of this name.
    pub fn revoke_api_key(&self, name: &str) -> Result<ApiKeyEntry, WorkflowError> {
        let _lock = self.lock(LOCK)?;
        let mut keys = self.api_keys()?.0;
        let key = keys.iter_mut().find(|key| key.name == name);
        let key = key.ok_or_else(|| WorkflowError::NoApiKey(name.into()))?;
        key.revoked.get_or_insert(Timestamp::now());
        let entry = key.clone();
        self.write_api_keys(&keys)?;
        Ok(entry)
    }

    fn write_api_keys(&self, keys: &[ApiKeyEntry]) -> Result<(), WorkflowError> {
        let bytes = serde_json::to_vec_pretty(keys).map_err(malformed(FILE))?;
        Ok(freehold_files::write_secret(&self.dir, FILE, &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, key: &ApiKey, revoked: bool) -> ApiKeyEntry {
        let revoked = revoked.then_some(Timestamp::UNIX_EPOCH);
        ApiKeyEntry { name: name.into(), sha256: key.digest(), created: Timestamp::UNIX_EPOCH, revoked }
    }

    #[test]
    fn others_need_a_key_and_no_list_of_keys_opens_a_door() {
        let key = ApiKey::generate().unwrap();
        let (good, revoked) = (entry("a", &key, false), entry("b", &key, true));
        for (keys, loopback, access) in [
            (vec![], true, Access::ThisMachine),
            (vec![], false, Access::Nobody),
            (vec![good.clone()], true, Access::Keys),
            (vec![good.clone()], false, Access::Keys),
            (vec![revoked.clone()], true, Access::Keys),
            (vec![revoked.clone()], false, Access::Nobody),
            (vec![revoked, good], false, Access::Keys),
        ] {
            assert_eq!(ApiKeys(keys.clone()).access(loopback), access, "{keys:?} {loopback}");
        }
    }

    #[test]
    fn only_whole_keys_that_count_have_a_holder() {
        let (one, two, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let keys = ApiKeys(vec![entry("one", &one, false), entry("two", &two, true)]);
        let holder = |presented: &str| keys.holder(presented).map(|key| key.name.as_str());
        assert_eq!(holder(one.as_str()), Some("one"));
        for presented in [two.as_str(), other.as_str(), "", "fh-", &one.as_str()[1..], &format!("{} ", one.as_str())] {
            assert_eq!(holder(presented), None, "{presented}");
        }
        assert_eq!(holder(&one.digest().to_string()), None);
        assert!(ApiKeys::default().holder(one.as_str()).is_none());
    }
}
