//! Sigstore bundles (v0.3): a statement in an envelope with one signature, for the tools of others. There is no log entry of
//! Sigstore's in them: where a statement is recorded is this home's ledger.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::envelope::Envelope;
use crate::{KeyError, P256SecretKey, Statement};

/// The media type of a bundle.
pub const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// How a bundle says which key signed it. Tools do not agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHint {
    /// Not at all: whoever verifies brings the key.
    None,
    /// The fingerprint of the key in base64, as Sigstore's clients write it.
    Fingerprint,
}

/// A bundle, in the order of its specification.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: &'static str,
    verification_material: VerificationMaterial,
    dsse_envelope: Envelope,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerificationMaterial {
    public_key: PublicKeyIdentifier,
    tlog_entries: [(); 0],
}

#[derive(Serialize)]
struct PublicKeyIdentifier {
    hint: String,
}

impl Statement {
    /// The statement in a Sigstore bundle, signed by `key`.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign_bundle(&self, key: &P256SecretKey, hint: KeyHint) -> Result<Vec<u8>, KeyError> {
        let hint = match hint {
            KeyHint::None => String::new(),
            KeyHint::Fingerprint => STANDARD.encode(key.public().fingerprint()?.as_bytes()),
        };
        let bundle = Bundle {
            media_type: BUNDLE_TYPE,
            verification_material: VerificationMaterial { public_key: PublicKeyIdentifier { hint }, tlog_entries: [] },
            dsse_envelope: Envelope::sign_for_others(crate::IN_TOTO_TYPE, &self.to_payload(), key)?,
        };
        // Strings and lists of strings always serialise.
        let mut bytes = serde_json::to_vec_pretty(&bundle).unwrap_or_default();
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use freehold_core::digest::Digest;
    use serde_json::{Value, json};

    use super::*;
    use crate::{EnvelopeError, ResourceDescriptor};

    #[test]
    fn a_bundle_is_what_other_tools_expect_and_counts_for_nothing_here() {
        let key = P256SecretKey::generate().unwrap();
        let subject = ResourceDescriptor::new("adapter", Digest::of(b"abc"));
        let statement = Statement::new(vec![subject], "https://slsa.dev/provenance/v1", json!({ "a": 1 }));
        let bundle = statement.sign_bundle(&key, KeyHint::Fingerprint).unwrap();
        let bundle: Value = serde_json::from_slice(&bundle).unwrap();
        assert_eq!(bundle["mediaType"], BUNDLE_TYPE);
        let fingerprint = key.public().fingerprint().unwrap();
        let hint = &bundle["verificationMaterial"]["publicKey"]["hint"];
        assert_eq!(STANDARD.decode(hint.as_str().unwrap()).unwrap(), fingerprint.as_bytes());
        let envelope = &bundle["dsseEnvelope"];
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), serde_json::to_value(&statement).unwrap());
        let signature = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
        let signed =
            [format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len()).into_bytes(), payload].concat();
        assert!(key.public().verifies(&signed, &signature));
        // No key of a trust root made it, whatever that root says.
        let native = Envelope::from_bytes(envelope.to_string().as_bytes()).unwrap();
        let known = crate::SecretKey::generate().unwrap().public();
        let verified = native.verify(crate::IN_TOTO_TYPE, &BTreeMap::from([(known.id(), known)]), 1);
        assert!(matches!(verified, Err(EnvelopeError::UnknownKey(_))), "{verified:?}");

        let bundle = statement.sign_bundle(&key, KeyHint::None).unwrap();
        let bundle: Value = serde_json::from_slice(&bundle).unwrap();
        assert_eq!(bundle["verificationMaterial"], json!({ "publicKey": { "hint": "" }, "tlogEntries": [] }));
    }
}
