//! The one place that decides whether a plugin may be compiled and run.

use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_core::manifest::{CONTRACT, Manifest};
use freehold_core::name::PluginName;
use jiff::Timestamp;
use semver::Version;

use crate::envelope::{Envelope, EnvelopeError};
use crate::key::{KeyId, SecretKey};
use crate::root::{Revocation, RootError, Validity, VerifiedRoot};

/// Payload type of signed manifests.
pub const MANIFEST_TYPE: &str = "application/vnd.freehold.plugin+json";

/// A plugin may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// Its manifest carries no signature.
    #[error("plugin `{plugin}` is not signed")]
    Unsigned {
        /// What it was asked for as.
        plugin: String,
    },
    /// Its signer is no publisher.
    #[error("plugin `{plugin}` is signed by {signers}, a key that the trust root does not know as a publisher")]
    UnknownSigner {
        /// What it was asked for as.
        plugin: String,
        /// Who signed.
        signers: String,
    },
    /// Its manifest was changed after signing.
    #[error("plugin `{plugin}`: the manifest was changed after it was signed ({problem})")]
    TamperedManifest {
        /// What it was asked for as.
        plugin: String,
        /// How it shows.
        problem: String,
    },
    /// Its component is not the one that was signed.
    #[error("plugin `{plugin}`: the component was changed after it was signed: it is {found}, signed was {signed}")]
    TamperedComponent {
        /// What it was asked for as.
        plugin: String,
        /// Digest of the bytes found.
        found: Digest,
        /// Digest in the manifest.
        signed: Digest,
    },
    /// Its signer may not sign this name.
    #[error("plugin `{plugin}` is signed by {signer}, which may not publish this name")]
    WrongPublisher {
        /// The name in the manifest.
        plugin: PluginName,
        /// The signer.
        signer: KeyId,
    },
    /// Its signer's key is revoked.
    #[error("plugin `{plugin}` is signed by {}, a key that is {why}", signer.short())]
    RevokedKey {
        /// What it was asked for as.
        plugin: String,
        /// The signer.
        signer: KeyId,
        /// Why and when.
        why: Revocation,
    },
    /// Its component is revoked.
    #[error("plugin `{plugin}`: its component {digest} is {why}")]
    RevokedComponent {
        /// What it was asked for as.
        plugin: String,
        /// The component.
        digest: Digest,
        /// Why and when.
        why: Revocation,
    },
    /// Its signed manifest is revoked.
    #[error("plugin `{plugin}`: its signed manifest {digest} is {why}")]
    RevokedManifest {
        /// What it was asked for as.
        plugin: String,
        /// The manifest, as it is revoked.
        digest: Digest,
        /// Why and when.
        why: Revocation,
    },
    /// Its signer's key was not good when it was signed.
    #[error("plugin `{plugin}` was signed at {created} by {}, a key that is good {validity}", signer.short())]
    KeyNotValid {
        /// What it was asked for as.
        plugin: String,
        /// The signer.
        signer: KeyId,
        /// When it was signed.
        created: Timestamp,
        /// When the key is good.
        validity: Validity,
    },
    /// The trust root by which it was to be judged is no longer in force.
    #[error(transparent)]
    Root(#[from] RootError),
    /// It carries another name or version than it was asked for as.
    #[error("asked for `{asked}`, but the signed manifest is of `{found}`")]
    OtherName {
        /// What it was asked for as.
        asked: String,
        /// What it is.
        found: String,
    },
    /// It has expired.
    #[error("plugin `{plugin}` expired at {expires}")]
    Expired {
        /// What it was asked for as.
        plugin: String,
        /// When.
        expires: Timestamp,
    },
    /// It was signed in the future, by the clock of this machine.
    #[error("plugin `{plugin}` was signed at {created}, which is in the future")]
    NotYetValid {
        /// What it was asked for as.
        plugin: String,
        /// When.
        created: Timestamp,
    },
    /// It was built for a contract that this host does not speak.
    #[error("plugin `{plugin}` was built for contract {found}; this host speaks {supported}")]
    Incompatible {
        /// What it was asked for as.
        plugin: String,
        /// The plugin's contract.
        found: Version,
        /// What the host speaks.
        supported: String,
    },
}

impl PluginError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unsigned { .. } => "sign it with `freehold plugin sign`".into(),
            Self::UnknownSigner { .. } => {
                "if you trust this key, add it: `freehold trust add --key KEY --names 'publisher/*'`".into()
            }
            Self::TamperedManifest { .. } | Self::TamperedComponent { .. } => {
                "do not use these files; get them from the publisher again, or build and sign them anew".into()
            }
            Self::WrongPublisher { plugin, signer } => format!(
                "if this key may publish the name, add it: `freehold trust add --key {} --names '{plugin}'`",
                signer.short()
            ),
            Self::RevokedKey { .. } => "get a version that the publisher signed with another key".into(),
            Self::RevokedComponent { .. } => "use another version; `freehold trust show` lists what is revoked".into(),
            Self::RevokedManifest { .. } => {
                "get one that was signed anew; `freehold trust show` lists what is revoked".into()
            }
            Self::KeyNotValid { .. } => {
                "have the publisher sign it again with a key that is good; `freehold trust show` says which are".into()
            }
            Self::Root(_) => "sign a new trust root with `freehold trust renew`".into(),
            Self::OtherName { .. } => "put it into the folder publisher/name/version of its own manifest".into(),
            Self::Expired { .. } => "get a newer version, or have the publisher sign it again".into(),
            Self::NotYetValid { .. } => "check the clock of this machine and of the machine that signed".into(),
            Self::Incompatible { supported, .. } => {
                format!("build it again with an SDK for contract {supported}, or use a host that speaks its contract")
            }
        }
    }
}

/// A plugin that may be compiled and run. Only [`verify_plugin`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedPlugin {
    manifest: Manifest,
    component: Vec<u8>,
    signer: KeyId,
    envelope: Digest,
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
}

/// Signs the manifest of a component.
pub fn sign_plugin(manifest: &Manifest, key: &SecretKey) -> Envelope {
    // Names, numbers, times and TOML values all have a JSON form.
    Envelope::sign(MANIFEST_TYPE, &serde_json::to_vec(manifest).unwrap_or_default(), &[key])
}

/// Verifies a plugin that was asked for as `name` in `version`: that the trust root is in force, who signed, that nothing was
/// changed, that the signer may publish the name and its key was good and is not revoked, that neither component nor manifest
/// is revoked, that it has not expired, and that this host speaks its contract. Nothing is compiled before.
pub fn verify_plugin(
    root: &VerifiedRoot,
    now: Timestamp,
    (name, version): (&PluginName, &Version),
    envelope: &[u8],
    component: Vec<u8>,
) -> Result<VerifiedPlugin, PluginError> {
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
    let signer = publisher_of(root, &manifest, &signers, plugin())?;
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
    if manifest.contract.major != CONTRACT.major || manifest.contract > CONTRACT {
        let supported = format!("{}.0.0 to {CONTRACT}", CONTRACT.major);
        return Err(PluginError::Incompatible { plugin: plugin(), found: manifest.contract, supported });
    }
    Ok(VerifiedPlugin { manifest, component, signer, envelope: Digest::of(envelope) })
}

/// The signer that counts: not revoked, allowed to publish the name, and with a key that was good when the manifest says that
/// it was signed. If none does, the error says what is wrong with the one that came closest.
fn publisher_of(
    root: &VerifiedRoot,
    manifest: &Manifest,
    signers: &BTreeSet<KeyId>,
    plugin: String,
) -> Result<KeyId, PluginError> {
    let revocation = |signer: &KeyId| root.revoked_keys.get(signer);
    let allowed: Vec<KeyId> = signers
        .iter()
        .filter(|signer| revocation(signer).is_none() && root.may_publish(signer, &manifest.name))
        .copied()
        .collect();
    if let Some(signer) = allowed.iter().find(|signer| root.validity_of(signer).covers(manifest.created)) {
        return Ok(*signer);
    }
    if let Some(signer) = allowed.into_iter().next() {
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
mod tests {
    use std::collections::BTreeSet;

    use freehold_core::toml_text;

    use super::*;
    use crate::root::{PublisherRule, Role, RoleKeys, TrustRoot};

    const NOW: i64 = 1_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn root(publishers: &[(&SecretKey, &str)]) -> VerifiedRoot {
        let key = SecretKey::generate().unwrap();
        let role = RoleKeys { keys: BTreeSet::from([key.public().id()]), threshold: 1 };
        let mut keys: std::collections::BTreeMap<_, _> = [(key.public().id(), key.public())].into();
        keys.extend(publishers.iter().map(|(key, _)| (key.public().id(), key.public())));
        let rule = |(key, names): &(&SecretKey, &str)| PublisherRule {
            key: key.public().id(),
            names: vec![names.parse().unwrap()],
        };
        let root = TrustRoot {
            version: 1,
            expires: at(2 * NOW),
            keys,
            roles: [Role::Root, Role::Recorder, Role::Log].map(|name| (name, role.clone())).into(),
            publishers: publishers.iter().map(rule).collect(),
        };
        VerifiedRoot::first(&root.sign(&[&key]).to_bytes()).unwrap()
    }

    fn manifest() -> Manifest {
        let source = "name = \"acme/x\"\nversion = \"1.0.0\"\nworld = \"policy\"\ndescription = \"x\"";
        Manifest::new(toml_text::parse(source).unwrap(), Digest::of(b"component"), at(NOW - 1), at(NOW + 1))
    }

    fn verify(root: &VerifiedRoot, envelope: &[u8], component: &[u8]) -> Result<VerifiedPlugin, PluginError> {
        let (name, version) = ("acme/x".parse().unwrap(), Version::new(1, 0, 0));
        verify_plugin(root, at(NOW), (&name, &version), envelope, component.to_vec())
    }

    #[test]
    fn a_signed_plugin_of_a_publisher_is_accepted() {
        let key = SecretKey::generate().unwrap();
        let signed = sign_plugin(&manifest(), &key).to_bytes();
        let plugin = verify(&root(&[(&key, "acme/*")]), &signed, b"component").unwrap();
        assert_eq!((plugin.signer(), plugin.component()), (key.public().id(), &b"component"[..]));
    }

    #[test]
    fn each_attack_has_its_own_error() {
        let (key, stranger) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let trusted = root(&[(&key, "acme/*")]);
        let check = |root: &VerifiedRoot, manifest: &Manifest, key: &SecretKey, component: &[u8]| {
            verify(root, &sign_plugin(manifest, key).to_bytes(), component).unwrap_err()
        };
        let unsigned = Envelope::sign(MANIFEST_TYPE, &serde_json::to_vec(&manifest()).unwrap(), &[]);
        let error = verify(&trusted, &unsigned.to_bytes(), b"component").unwrap_err();
        assert!(matches!(error, PluginError::Unsigned { .. }), "{error}");
        let error = check(&trusted, &manifest(), &stranger, b"component");
        assert!(matches!(error, PluginError::UnknownSigner { .. }), "{error}");
        let error = check(&root(&[]), &manifest(), &key, b"component");
        assert!(matches!(error, PluginError::UnknownSigner { .. }), "{error}");
        let error = check(&root(&[(&key, "other/*")]), &manifest(), &key, b"component");
        assert!(matches!(error, PluginError::WrongPublisher { .. }), "{error}");
        let error = check(&trusted, &manifest(), &key, b"Component");
        assert!(matches!(error, PluginError::TamperedComponent { .. }), "{error}");
        let error = check(&trusted, &Manifest { expires: at(NOW), ..manifest() }, &key, b"component");
        assert!(matches!(error, PluginError::Expired { .. }), "{error}");
        let error = check(&trusted, &Manifest { created: at(NOW + 1), ..manifest() }, &key, b"component");
        assert!(matches!(error, PluginError::NotYetValid { .. }), "{error}");
        let error = check(&trusted, &Manifest { version: Version::new(0, 9, 0), ..manifest() }, &key, b"component");
        assert!(matches!(error, PluginError::OtherName { .. }), "{error}");
        for contract in [Version::new(0, 9, 0), Version::new(1, 1, 0), Version::new(2, 0, 0)] {
            let error = check(&trusted, &Manifest { contract, ..manifest() }, &key, b"component");
            assert!(matches!(error, PluginError::Incompatible { .. }), "{error}");
        }
    }

    #[test]
    fn every_changed_byte_of_a_manifest_is_noticed() {
        let key = SecretKey::generate().unwrap();
        let trusted = root(&[(&key, "acme/*")]);
        let signed = sign_plugin(&manifest(), &key).to_bytes();
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert!(verify(&trusted, &changed, b"component").is_err(), "byte {at}");
        }
    }
}
