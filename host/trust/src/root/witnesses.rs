//! Witnesses: others who cosign tree heads of the ledger, each under a name, and how many of them have to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ChangeError, RootError, TrustRoot, unique};
use crate::cosignature::is_witness_name;
use crate::key::{KeyId, PublicKey};

/// Who cosigns tree heads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witnesses {
    /// Their keys, by the names under which they sign.
    #[serde(deserialize_with = "unique::map")]
    pub keys: BTreeMap<String, KeyId>,
    /// How many have to cosign a tree head; with 0 cosignatures are looked at and none is asked for.
    pub quorum: usize,
}

impl TrustRoot {
    /// The witnesses by name.
    pub fn witness_keys(&self) -> impl Iterator<Item = (&str, &PublicKey)> {
        let named = self.witnesses.iter().flat_map(|witnesses| &witnesses.keys);
        named.filter_map(|(name, id)| Some((name.as_str(), self.keys.get(id)?)))
    }

    /// How many witnesses have to cosign a tree head.
    pub fn witness_quorum(&self) -> usize {
        self.witnesses.as_ref().map_or(0, |witnesses| witnesses.quorum)
    }

    /// Lets a key cosign tree heads under a name; another key that did so under this name no longer does.
    pub fn set_witness(&mut self, name: &str, key: &PublicKey) -> Result<(), ChangeError> {
        let id = self.list(key)?;
        self.witnesses.get_or_insert_default().keys.insert(name.into(), id);
        self.forget_unused();
        Ok(())
    }

    /// Takes away the witness of this name.
    pub fn remove_witness(&mut self, name: &str, key: &KeyId) -> Result<(), ChangeError> {
        if self.witness_name(key).as_deref() != Some(name) {
            return Err(ChangeError::NotThere { key: *key, place: format!("the witness {name}") });
        }
        self.forget_witness(key);
        self.forget_unused();
        Ok(())
    }

    /// Sets how many witnesses have to cosign.
    pub fn set_witness_quorum(&mut self, quorum: usize) {
        self.witnesses.get_or_insert_default().quorum = quorum;
        self.forget_no_witnesses();
    }

    /// The name under which a key cosigns.
    pub(super) fn witness_name(&self, key: &KeyId) -> Option<String> {
        let mut named = self.witnesses.iter().flat_map(|witnesses| &witnesses.keys);
        named.find(|(_, id)| *id == key).map(|(name, _)| name.clone())
    }

    pub(super) fn forget_witness(&mut self, key: &KeyId) {
        if let Some(witnesses) = &mut self.witnesses {
            witnesses.keys.retain(|_, id| id != key);
        }
        self.forget_no_witnesses();
    }

    /// Without witnesses a root is written as one that never had any.
    fn forget_no_witnesses(&mut self) {
        if self.witnesses == Some(Witnesses::default()) {
            self.witnesses = None;
        }
    }

    pub(super) fn check_witnesses(&self) -> Result<(), RootError> {
        let Some(Witnesses { keys, quorum }) = &self.witnesses else { return Ok(()) };
        if *quorum > keys.len() {
            return Err(RootError::WitnessQuorum { quorum: *quorum, witnesses: keys.len() });
        }
        if let Some(name) = keys.keys().find(|name| !is_witness_name(name)) {
            return Err(RootError::WitnessName(name.chars().take(80).collect()));
        }
        let mut seen = BTreeSet::new();
        match keys.values().find(|key| !seen.insert(**key)) {
            Some(key) => Err(RootError::WitnessTwice(*key)),
            None => Ok(()),
        }
    }
}
