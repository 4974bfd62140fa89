//! in-toto Statements (attestation framework v1): what is said of which artifacts.

use std::collections::{BTreeMap, BTreeSet};

use freehold_core::digest::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, EnvelopeError};
use crate::key::{KeyError, KeyId, PublicKey, SecretKey};
use crate::root::{Role, VerifiedRoot};

/// Payload type of in-toto Statements in DSSE envelopes.
pub const IN_TOTO_TYPE: &str = "application/vnd.in-toto+json";

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// A statement is not by recorders of the trust root that it names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordedError {
    /// It is malformed or not signed as it has to be.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// It does not say by which trust root it is to be judged.
    #[error("names no trust root")]
    NoRoot,
    /// There is no such trust root.
    #[error("names the trust root {0}, which there is not")]
    MissingRoot(u64),
}

/// An artifact by name and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDescriptor {
    /// Its name.
    pub name: String,
    /// `sha256` and 64 hexadecimal digits.
    pub digest: BTreeMap<String, String>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ResourceDescriptor {
    /// The artifact `name` with the digest `digest`.
    pub fn new(name: impl Into<String>, digest: Digest) -> Self {
        let digest = BTreeMap::from([("sha256".into(), digest.hex())]);
        Self { name: name.into(), digest, annotations: BTreeMap::new() }
    }

    /// The digest, if it is a SHA-256 digest.
    pub fn sha256(&self) -> Option<Digest> {
        format!("sha256:{}", self.digest.get("sha256")?).parse().ok()
    }
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// What it is about.
    pub subject: Vec<ResourceDescriptor>,
    /// What form the predicate has.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said.
    pub predicate: serde_json::Value,
}

impl Statement {
    /// A statement about `subject`.
    pub fn new(subject: Vec<ResourceDescriptor>, predicate_type: &str, predicate: serde_json::Value) -> Self {
        Self { kind: STATEMENT_TYPE.into(), subject, predicate_type: predicate_type.into(), predicate }
    }

    /// The signed statement.
    pub fn sign(&self, key: &SecretKey) -> Result<Envelope, KeyError> {
        self.sign_with(&[key])
    }

    /// The statement signed by several keys.
    pub fn sign_with(&self, keys: &[&SecretKey]) -> Result<Envelope, KeyError> {
        Envelope::sign(IN_TOTO_TYPE, &self.to_payload(), keys)
    }

    /// The bytes that are signed. A statement that was read has those that it was read from.
    pub(crate) fn to_payload(&self) -> Vec<u8> {
        // Every part is a string, a list or JSON itself.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The statement in `envelope`, if one of `keys` signed it.
    pub fn verify(envelope: &[u8], keys: &BTreeMap<KeyId, PublicKey>) -> Result<(Self, KeyId), EnvelopeError> {
        let (payload, signers) = Envelope::from_bytes(envelope)?.verify(IN_TOTO_TYPE, keys, 1)?;
        let signer = signers.first().copied().ok_or(EnvelopeError::Unsigned)?;
        Ok((Self::parse(&payload)?, signer))
    }

    /// The statement in `envelope`, judged with the trust root that it names: as many recorders of that root signed it as the
    /// role asks for, each with a key that was good at the time. `named` says of a statement which version it names, and when
    /// it was made.
    pub fn recorded(
        envelope: &[u8],
        roots: &[VerifiedRoot],
        named: impl Fn(&Self) -> Option<(u64, Timestamp)>,
    ) -> Result<Self, RecordedError> {
        Ok(Self::recorded_by(envelope, roots, named)?.0)
    }

    /// As [`Statement::recorded`], with the recorders who signed it.
    pub fn recorded_by(
        envelope: &[u8],
        roots: &[VerifiedRoot],
        named: impl Fn(&Self) -> Option<(u64, Timestamp)>,
    ) -> Result<(Self, BTreeSet<KeyId>), RecordedError> {
        Self::under_named(envelope, roots, named, |root, time| {
            (root.keys_at(Role::Recorder, time), root.threshold_of(Role::Recorder))
        })
    }

    /// The statement in `envelope`, judged with the trust root that it names: that root lets `approver` approve at `time`, and the
    /// statement is signed by this key.
    pub fn approved(
        envelope: &[u8],
        roots: &[VerifiedRoot],
        (approver, time): (&KeyId, Timestamp),
        named: impl Fn(&Self) -> Option<u64>,
    ) -> Result<Self, RecordedError> {
        let named = |read: &Self| Some((named(read)?, time));
        let (statement, _) = Self::under_named(envelope, roots, named, |root, time| {
            let mut keys = root.keys_at(Role::Approver, time);
            keys.retain(|id, _| id == approver);
            (keys, 1)
        })?;
        Ok(statement)
    }

    fn under_named(
        envelope: &[u8],
        roots: &[VerifiedRoot],
        named: impl Fn(&Self) -> Option<(u64, Timestamp)>,
        keys: impl Fn(&VerifiedRoot, Timestamp) -> (BTreeMap<KeyId, PublicKey>, usize),
    ) -> Result<(Self, BTreeSet<KeyId>), RecordedError> {
        let envelope = Envelope::from_bytes(envelope)?;
        envelope.expect_type(IN_TOTO_TYPE)?;
        // Not verified yet: it says by what it wants to be verified, as a root names its own keys.
        let unverified = Self::parse(&envelope.unverified_payload()?)?;
        let (version, time) = named(&unverified).ok_or(RecordedError::NoRoot)?;
        let root = roots.iter().find(|root| root.version == version).ok_or(RecordedError::MissingRoot(version))?;
        let (keys, threshold) = keys(root, time);
        let (payload, signers) = envelope.verify(IN_TOTO_TYPE, &keys, threshold)?;
        Ok((Self::parse(&payload)?, signers))
    }

    fn parse(payload: &[u8]) -> Result<Self, EnvelopeError> {
        let malformed = |error: serde_json::Error| EnvelopeError::Malformed(error.to_string());
        let statement: Self = serde_json::from_slice(payload).map_err(malformed)?;
        if statement.kind != STATEMENT_TYPE {
            return Err(EnvelopeError::Type { found: statement.kind, expected: STATEMENT_TYPE.into() });
        }
        Ok(statement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_the_fields_of_the_specification() {
        let subject = ResourceDescriptor::new("adapter", Digest::of(b"abc"));
        let statement = Statement::new(vec![subject], "https://slsa.dev/provenance/v1", serde_json::json!({"a": 1}));
        let json = serde_json::to_value(&statement).unwrap();
        assert_eq!(json["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(json["subject"][0]["digest"]["sha256"], Digest::of(b"abc").hex());
        assert_eq!(json["predicateType"], "https://slsa.dev/provenance/v1");
        let key = SecretKey::generate().unwrap();
        let keys = BTreeMap::from([(key.public().id(), key.public())]);
        assert_eq!(Statement::verify(&statement.sign(&key).unwrap().to_bytes(), &keys).unwrap().0, statement);
        assert!(Statement::verify(&statement.sign(&key).unwrap().to_bytes(), &BTreeMap::new()).is_err());
    }
}
