//! The one place that decides whether a plugin may be compiled and run.

mod error;

use std::collections::BTreeSet;

use freehold_core::contract::check_contract;
use freehold_core::digest::Digest;
use freehold_core::manifest::Manifest;
use freehold_core::name::PluginName;
use jiff::Timestamp;
use semver::Version;
use serde::Deserialize;

use crate::envelope::{Envelope, EnvelopeError};
use crate::key::{KeyError, KeyId, SecretKey};
use crate::root::VerifiedRoot;

pub use error::PluginError;

/// Payload type of signed manifests.
pub const MANIFEST_TYPE: &str = "application/vnd.freehold.plugin+json";

/// A plugin that may be compiled and run. Only [`verify_plugin`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedPlugin {
    manifest: Manifest,
    component: Vec<u8>,
    signer: KeyId,
    envelope: Digest,
    signed: Vec<u8>,
}

impl VerifiedPlugin {
    /// What its publisher signed.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The component.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// Who signed.
    pub fn signer(&self) -> KeyId {
        self.signer
    }

    /// Digest of the signed manifest.
    pub fn envelope(&self) -> Digest {
        self.envelope
    }

    /// The bytes of the signed manifest.
    pub fn signed_manifest(&self) -> &[u8] {
        &self.signed
    }
}

/// Signs the manifest of a component.
pub fn sign_plugin(manifest: &Manifest, key: &SecretKey) -> Result<Envelope, KeyError> {
    // Names, numbers, times and TOML values all have a JSON form.
    Envelope::sign(MANIFEST_TYPE, &serde_json::to_vec(manifest).unwrap_or_default(), &[key])
}

/// What a manifest says of itself, before anything is verified.
#[derive(Deserialize)]
struct Claim {
    name: PluginName,
    version: Version,
}

/// The plugin that a signed manifest says it is of. Nothing is verified: this is what [`verify_plugin`] is to be asked for where
/// no folder says it.
pub fn claimed_plugin(envelope: &[u8]) -> Result<(PluginName, Version), PluginError> {
    let nameless = |problem: String| PluginError::Nameless { problem };
    let payload = Envelope::from_bytes(envelope).and_then(|envelope| envelope.unverified_payload());
    let payload = payload.map_err(|error| nameless(error.to_string()))?;
    let claim: Claim = serde_json::from_slice(&payload).map_err(|error| nameless(error.to_string()))?;
    Ok((claim.name, claim.version))
}

/// When a signature is judged, and whether it was met before. A key whose time is over can still sign, with any date: what it
/// signed counts only where that was met while the key was good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encounter {
    now: Timestamp,
    met_before: bool,
}

impl Encounter {
    /// The signed bytes are new here.
    pub fn first(now: Timestamp) -> Self {
        Self { now, met_before: false }
    }

    /// The very same signed bytes were verified here before, or a lockfile names them.
    pub fn again(now: Timestamp) -> Self {
        Self { now, met_before: true }
    }

    /// The moment.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When the time of `key` ended, if that counts against what it signed.
    pub(crate) fn too_late(&self, root: &VerifiedRoot, key: &KeyId) -> Option<Timestamp> {
        root.validity_of(key).valid_until.filter(|until| !self.met_before && *until <= self.now)
    }
}

impl From<Timestamp> for Encounter {
    fn from(now: Timestamp) -> Self {
        Self::first(now)
    }
}

/// Verifies a plugin that was asked for as `name` in `version`: that the trust root is in force, who signed, that nothing was
/// changed, that the signer may publish the name and its key was good and is not revoked, that neither component nor manifest
/// is revoked, that it has not expired, that this host accepts its contract, and that the manifest means something. Nothing is
/// compiled before.
pub fn verify_plugin(
    root: &VerifiedRoot,
    met: impl Into<Encounter>,
    (name, version): (&PluginName, &Version),
    envelope: &[u8],
    component: Vec<u8>,
) -> Result<VerifiedPlugin, PluginError> {
    let met = met.into();
    let now = met.now;
    root.in_force(now)?;
    let asked = format!("{name} {version}");
    let plugin = || asked.clone();
    let tampered = |problem: String| PluginError::TamperedManifest { plugin: asked.clone(), problem };
    let parsed = Envelope::from_bytes(envelope).map_err(|error| tampered(error.to_string()))?;
    // Revoked keys are among them so that it can be said that they are revoked; they never count.
    let mut keys = root.publisher_keys();
    keys.extend(root.revoked_public_keys());
    let (payload, signers) = parsed.verify(MANIFEST_TYPE, &keys, 1).map_err(|error| match error {
        EnvelopeError::Unsigned => PluginError::Unsigned { plugin: plugin() },
        EnvelopeError::UnknownKey(signers) => {
            PluginError::UnknownSigner { plugin: plugin(), signers: signers.join(", ") }
        }
        other => tampered(other.to_string()),
    })?;
    let manifest: Manifest = serde_json::from_slice(&payload).map_err(|error| tampered(error.to_string()))?;
    if (&manifest.name, &manifest.version) != (name, version) {
        let found = format!("{} {}", manifest.name, manifest.version);
        return Err(PluginError::OtherName { asked, found });
    }
    let signer = publisher_of(root, met, &manifest, &signers, plugin())?;
    let revoked = |digest: &Digest| Some((*digest, root.revoked_digests.get(digest)?.clone()));
    let digests = parsed.digests(envelope).map_err(|error| tampered(error.to_string()))?;
    if let Some((digest, why)) = digests.iter().find_map(revoked) {
        return Err(PluginError::RevokedManifest { plugin: plugin(), digest, why });
    }
    if now >= manifest.expires {
        return Err(PluginError::Expired { plugin: plugin(), expires: manifest.expires });
    }
    if now < manifest.created {
        return Err(PluginError::NotYetValid { plugin: plugin(), created: manifest.created });
    }
    let found = Digest::of(&component);
    if found != manifest.component {
        return Err(PluginError::TamperedComponent { plugin: plugin(), found, signed: manifest.component });
    }
    if let Some((digest, why)) = revoked(&found) {
        return Err(PluginError::RevokedComponent { plugin: plugin(), digest, why });
    }
    if let Err(problem) = check_contract(&manifest.contract) {
        return Err(PluginError::Incompatible { plugin: plugin(), problem });
    }
    manifest.check().map_err(|problem| PluginError::Manifest { plugin: plugin(), problem })?;
    Ok(VerifiedPlugin { manifest, component, signer, envelope: Digest::of(envelope), signed: envelope.to_vec() })
}

/// The signer that counts: not revoked, allowed to publish the name, and with a key that was good when the manifest says that
/// it was signed, and still is unless the signature was met before. If none does, the error says what is wrong with the one that came closest.
fn publisher_of(
    root: &VerifiedRoot,
    met: Encounter,
    manifest: &Manifest,
    signers: &BTreeSet<KeyId>,
    plugin: String,
) -> Result<KeyId, PluginError> {
    let good = || signers.iter().filter(|key| root.may_publish_at(key, &manifest.name, manifest.created));
    if let Some(signer) = good().find(|key| met.too_late(root, key).is_none()) {
        return Ok(*signer);
    }
    if let Some((signer, until)) = good().find_map(|key| Some((*key, met.too_late(root, key)?))) {
        return Err(PluginError::KeyOver { plugin, signer, until });
    }
    let revocation = |signer: &KeyId| root.revoked_keys.get(signer);
    let too_late = |signer: &&KeyId| revocation(signer).is_none() && root.may_publish(signer, &manifest.name);
    if let Some(signer) = signers.iter().find(too_late).copied() {
        let (created, validity) = (manifest.created, root.validity_of(&signer));
        return Err(PluginError::KeyNotValid { plugin, signer, created, validity });
    }
    if let Some((signer, why)) = signers.iter().find_map(|signer| Some((*signer, revocation(signer)?.clone()))) {
        return Err(PluginError::RevokedKey { plugin, signer, why });
    }
    match signers.first() {
        Some(signer) => Err(PluginError::WrongPublisher { plugin: manifest.name.clone(), signer: *signer }),
        None => Err(PluginError::Unsigned { plugin }),
    }
}

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod tests;
