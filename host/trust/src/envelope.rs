//! DSSE envelopes (Dead Simple Signing Envelope, v1.0): bytes, their type, and signatures over both.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use freehold_core::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::key::{KeyError, KeyId, PublicKey, SecretKey};
use crate::p256_key::P256SecretKey;

/// An envelope is malformed or not signed as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not an envelope.
    #[error("not a DSSE envelope: {0}")]
    Malformed(String),
    /// Its payload is of another type.
    #[error("the envelope holds `{found}`, expected `{expected}`")]
    Type {
        /// The type found.
        found: String,
        /// The type expected.
        expected: String,
    },
    /// It carries no signature.
    #[error("the envelope is not signed")]
    Unsigned,
    /// None of its signatures is by a key that counts here.
    #[error("signed by {}, which is not trusted for this", .0.join(", "))]
    UnknownKey(Vec<String>),
    /// A signature by a known key does not fit the payload.
    #[error("the signature of key {0} does not fit the payload: one of them was changed")]
    BadSignature(String),
    /// Too few distinct keys signed.
    #[error("signed by {found} of the {needed} keys that are needed")]
    Threshold {
        /// Distinct valid signers.
        found: usize,
        /// The threshold.
        needed: usize,
    },
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    keyid: String,
    sig: String,
}

/// A payload with signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

/// The bytes that are signed: DSSE's pre-authentication encoding.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Signs `payload` with every key of `keys`.
    pub fn sign(payload_type: &str, payload: &[u8], keys: &[&SecretKey]) -> Result<Self, KeyError> {
        let message = pre_authentication_encoding(payload_type, payload);
        let sign = |key: &&SecretKey| {
            let sig = STANDARD.encode(key.sign(&message)?);
            Ok(EnvelopeSignature { keyid: key.public().id().to_string(), sig })
        };
        let signatures = keys.iter().map(sign).collect::<Result<_, KeyError>>()?;
        Ok(Self { payload: STANDARD.encode(payload), payload_type: payload_type.into(), signatures })
    }

    /// Signs `payload` for tools that know no Ed25519. The key is not named: those tools bring it.
    pub(crate) fn sign_for_others(payload_type: &str, payload: &[u8], key: &P256SecretKey) -> Result<Self, KeyError> {
        let sig = STANDARD.encode(key.sign(&pre_authentication_encoding(payload_type, payload))?);
        let signatures = vec![EnvelopeSignature { keyid: String::new(), sig }];
        Ok(Self { payload: STANDARD.encode(payload), payload_type: payload_type.into(), signatures })
    }

    /// Reads an envelope; nothing is verified yet.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        serde_json::from_slice(bytes).map_err(|error| EnvelopeError::Malformed(error.to_string()))
    }

    /// The bytes of the envelope.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings and lists of strings always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The payload of a self-describing document, such as a root that names its own keys. Nothing is verified.
    pub(crate) fn unverified_payload(&self) -> Result<Vec<u8>, EnvelopeError> {
        STANDARD.decode(&self.payload).map_err(|error| EnvelopeError::Malformed(error.to_string()))
    }

    /// An error if the payload is of another type.
    pub(crate) fn expect_type(&self, expected: &str) -> Result<(), EnvelopeError> {
        if self.payload_type == expected {
            return Ok(());
        }
        let found = self.payload_type.chars().take(100).collect();
        Err(EnvelopeError::Type { found, expected: expected.into() })
    }

    /// Every digest by which a list of revoked digests may name this envelope: of the bytes as they are, of the payload, and
    /// of the payload with one of its signatures. Spaces and signatures that were added do not make it another.
    pub fn digests(&self, bytes: &[u8]) -> Result<BTreeSet<Digest>, EnvelopeError> {
        let alone = |signature: &EnvelopeSignature| Self { signatures: vec![signature.clone()], ..self.clone() };
        let wrapped = self.signatures.iter().map(|signature| Digest::of(&alone(signature).to_bytes()));
        let whole = [bytes, &self.to_bytes(), &self.unverified_payload()?].map(Digest::of);
        Ok(wrapped.chain(whole).collect())
    }

    /// Ids of the keys that claim to have signed.
    pub fn claimed_signers(&self) -> Vec<String> {
        self.signatures.iter().map(|signature| signature.keyid.clone()).collect()
    }

    /// The payload, if at least `threshold` distinct keys of `keys` signed it. Each key counts once; a threshold of zero
    /// never holds; a known key whose signature does not fit is an error whatever the others say.
    pub fn verify(
        &self,
        payload_type: &str,
        keys: &BTreeMap<KeyId, PublicKey>,
        threshold: usize,
    ) -> Result<(Vec<u8>, BTreeSet<KeyId>), EnvelopeError> {
        self.expect_type(payload_type)?;
        if self.signatures.is_empty() {
            return Err(EnvelopeError::Unsigned);
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|error| EnvelopeError::Malformed(error.to_string()));
        let payload = self.unverified_payload()?;
        let message = pre_authentication_encoding(payload_type, &payload);
        let mut signers = BTreeSet::new();
        for signature in &self.signatures {
            let Some(key) = signature.keyid.parse().ok().and_then(|id: KeyId| keys.get(&id)) else { continue };
            if !key.verifies(&message, &decode(&signature.sig)?) {
                return Err(EnvelopeError::BadSignature(key.id().short()));
            }
            signers.insert(key.id());
        }
        if signers.is_empty() {
            let claimed = self.claimed_signers().iter().map(|id| id.chars().take(12).collect()).collect();
            return Err(EnvelopeError::UnknownKey(claimed));
        }
        if threshold == 0 || signers.len() < threshold {
            return Err(EnvelopeError::Threshold { found: signers.len(), needed: threshold.max(1) });
        }
        Ok((payload, signers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&SecretKey]) -> BTreeMap<KeyId, PublicKey> {
        keys.iter().map(|key| (key.public().id(), key.public())).collect()
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn truth_table_of_signers_and_thresholds() {
        let (a, b, c) =
            (SecretKey::generate().unwrap(), SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        for (signers, known, threshold, holds) in [
            (vec![], vec![&a], 1, false),
            (vec![&a], vec![], 1, false),
            (vec![&a], vec![&a], 0, false),
            (vec![&a], vec![&a], 1, true),
            (vec![&a], vec![&b], 1, false),
            (vec![&a, &a], vec![&a, &b], 2, false),
            (vec![&a, &b], vec![&a, &b], 2, true),
            (vec![&a, &c], vec![&a, &b], 2, false),
            (vec![&a, &c], vec![&a, &b], 1, true),
            (vec![], vec![], 0, false),
        ] {
            let envelope = Envelope::sign("t", b"payload", &signers).unwrap();
            assert_eq!(envelope.verify("t", &keys(&known), threshold).is_ok(), holds, "{threshold}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let key = SecretKey::generate().unwrap();
        let bytes = Envelope::sign("t", b"payload", &[&key]).unwrap().to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let verified = Envelope::from_bytes(&changed).and_then(|envelope| envelope.verify("t", &keys(&[&key]), 1));
            assert!(verified.is_err(), "byte {at}");
        }
    }

    #[test]
    fn another_type_is_refused() {
        let key = SecretKey::generate().unwrap();
        let envelope = Envelope::sign("a", b"payload", &[&key]).unwrap();
        assert!(matches!(envelope.verify("b", &keys(&[&key]), 1), Err(EnvelopeError::Type { .. })));
    }
}
