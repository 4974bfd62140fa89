//! The signed manifest of a plugin: bytes as the envelope, and bytes as what a publisher signs.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use freehold_core::contract::check_contract;
use freehold_core::digest::Digest;
use freehold_core::manifest::Manifest;
use freehold_trust::{Envelope, KeyId, MANIFEST_TYPE, VerifiedPlugin, verify_plugin};
use serde::Deserialize;

use crate::document::defaults_fit;
use crate::keys::{REVOKED, REVOKED_COMPONENT, at, keys, root, signers};

/// The component of every manifest here.
pub(crate) const COMPONENT: &[u8] = b"component";

/// An envelope, read by other code than the project's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wrapped {
    payload: String,
    payload_type: String,
    signatures: Vec<WrappedSignature>,
}

#[derive(Deserialize)]
struct WrappedSignature {
    keyid: String,
}

impl Wrapped {
    pub(crate) fn of(envelope: &[u8]) -> Option<Self> {
        serde_json::from_slice(envelope).ok()
    }

    /// What it holds, if that is of this type.
    pub(crate) fn payload(&self, payload_type: &str) -> Option<Vec<u8>> {
        (self.payload_type == payload_type).then(|| STANDARD.decode(&self.payload).ok())?
    }

    pub(crate) fn names_signer(&self, key: &KeyId) -> bool {
        self.signatures.iter().any(|signature| signature.keyid == key.to_string())
    }
}

/// Tries bytes as an envelope, then as a manifest that keys of the trust root sign.
pub fn run(data: &[u8]) {
    if let Ok(envelope) = Envelope::from_bytes(data) {
        assert_eq!(Envelope::from_bytes(&envelope.to_bytes()).as_ref(), Ok(&envelope));
        let payload = Wrapped::of(data).and_then(|wrapped| wrapped.payload(MANIFEST_TYPE));
        let manifest = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        verify(data, manifest.as_ref());
    }
    let Ok(manifest) = serde_json::from_slice::<Manifest>(data) else { return };
    let json = serde_json::to_vec(&manifest).expect("a manifest has a JSON form");
    assert_eq!(serde_json::from_slice::<Manifest>(&json).expect("it is read again"), manifest);
    defaults_fit(&manifest);
    let signers = signers(data);
    let envelope = Envelope::sign(MANIFEST_TYPE, data, &signers).unwrap().to_bytes();
    let counts = signers.iter().any(|key| {
        let id = key.public().id();
        let in_time = root().validity_of(&id).valid_until.is_none_or(|until| at(0) < until);
        let counts = root().may_publish_at(&id, &manifest.name, manifest.created) && in_time;
        counts && id != keys()[REVOKED].public().id()
    });
    let good = counts
        && manifest.check().is_ok()
        && manifest.created <= at(0)
        && at(0) < manifest.expires
        && manifest.component == Digest::of(COMPONENT)
        && check_contract(&manifest.contract).is_ok();
    assert_eq!(verify(&envelope, Some(&manifest)), good, "{manifest:?}");
}

/// Verifies an envelope as that of its own name and version; whether it holds.
fn verify(envelope: &[u8], manifest: Option<&Manifest>) -> bool {
    let asked = match manifest {
        Some(manifest) => (manifest.name.clone(), manifest.version.clone()),
        None => ("acme/redact".parse().unwrap(), semver::Version::new(1, 0, 0)),
    };
    let asked = (&asked.0, &asked.1);
    let revoked = verify_plugin(root(), at(0), asked, envelope, REVOKED_COMPONENT.to_vec());
    assert!(revoked.is_err(), "a revoked component was accepted");
    assert!(verify_plugin(root(), at(2_000), asked, envelope, COMPONENT.to_vec()).is_err(), "the root has expired");
    match verify_plugin(root(), at(0), asked, envelope, COMPONENT.to_vec()) {
        Ok(plugin) => {
            is_right(&plugin, envelope);
            assert_eq!(Some(plugin.manifest()), manifest);
            assert_eq!((&plugin.manifest().name, &plugin.manifest().version), asked);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
            false
        }
    }
}

/// A plugin that verifies was signed by a listed key that may publish its name, and is what was signed.
fn is_right(plugin: &VerifiedPlugin, envelope: &[u8]) {
    let (manifest, signer) = (plugin.manifest(), plugin.signer());
    let listed: BTreeSet<KeyId> = root().publishers.iter().map(|rule| rule.key).collect();
    assert!(listed.contains(&signer) && !root().revoked_keys.contains_key(&signer));
    assert!(root().validity_of(&signer).covers(at(0)), "a key whose time is over signed something new");
    assert!(Wrapped::of(envelope).expect("it was read").names_signer(&signer));
    assert!(root().publishers.iter().any(|rule| rule.names.iter().any(|name| name.covers(&manifest.name))));
    assert_eq!((plugin.component(), manifest.component), (COMPONENT, Digest::of(COMPONENT)));
    assert_eq!(plugin.envelope(), Digest::of(envelope));
    assert!(manifest.created <= at(0) && at(0) < manifest.expires);
}
