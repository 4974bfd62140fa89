use freehold_core::toml_text;

use super::*;
use crate::key::SecretKey;
use crate::root::{PublisherRule, Role, TrustRoot};

pub(super) const NOW: i64 = 1_000;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// An unsigned root with these publishers.
pub(super) fn draft(publishers: &[(&SecretKey, &str)]) -> (TrustRoot, SecretKey) {
    let key = SecretKey::generate().unwrap();
    let mut root = TrustRoot::first(at(2 * NOW), Role::NEEDED.map(|role| (role, key.public())));
    for (key, names) in publishers {
        root.keys.insert(key.public().id(), key.public());
        root.publishers.push(PublisherRule { key: key.public().id(), names: vec![names.parse().unwrap()] });
    }
    (root, key)
}

pub(super) fn verified((root, key): (TrustRoot, SecretKey)) -> VerifiedRoot {
    VerifiedRoot::first(&root.sign(&[&key]).unwrap().to_bytes()).unwrap()
}

pub(super) fn root(publishers: &[(&SecretKey, &str)]) -> VerifiedRoot {
    verified(draft(publishers))
}

pub(super) fn manifest() -> Manifest {
    let source = "name = \"acme/x\"\nversion = \"1.0.0\"\nworld = \"policy\"\ndescription = \"x\"";
    Manifest::new(toml_text::parse(source).unwrap(), Digest::of(b"component"), at(NOW - 1), at(NOW + 1))
}

pub(super) fn verify(root: &VerifiedRoot, envelope: &[u8], component: &[u8]) -> Result<VerifiedPlugin, PluginError> {
    let (name, version) = ("acme/x".parse().unwrap(), Version::new(1, 0, 0));
    verify_plugin(root, at(NOW), (&name, &version), envelope, component.to_vec())
}

#[test]
fn a_signed_plugin_of_a_publisher_is_accepted() {
    let key = SecretKey::generate().unwrap();
    let signed = sign_plugin(&manifest(), &key).unwrap().to_bytes();
    let plugin = verify(&root(&[(&key, "acme/*")]), &signed, b"component").unwrap();
    assert_eq!((plugin.signer(), plugin.component()), (key.public().id(), &b"component"[..]));
}

#[test]
fn what_a_manifest_claims_is_read_from_it_and_is_no_proof() {
    let stranger = SecretKey::generate().unwrap();
    let signed = sign_plugin(&manifest(), &stranger).unwrap().to_bytes();
    assert_eq!(claimed_plugin(&signed).unwrap(), (manifest().name, manifest().version));
    assert!(verify(&root(&[]), &signed, b"component").is_err());
    let named = |payload: &str| Envelope::sign(MANIFEST_TYPE, payload.as_bytes(), &[&stranger]).unwrap().to_bytes();
    for envelope in [
        b"{".to_vec(),
        named(""),
        named("{}"),
        named(r#"{"name":"acme/x"}"#),
        named(r#"{"name":"../x","version":"1.0.0"}"#),
        named(r#"{"name":"acme/x","version":"../1.0.0"}"#),
        named(r#"{"name":"acme/x","name":"acme/y","version":"1.0.0"}"#),
    ] {
        let error = claimed_plugin(&envelope).unwrap_err();
        assert!(matches!(error, PluginError::Nameless { .. }), "{error}");
        assert!(!error.remedy().is_empty());
    }
}

#[test]
fn each_attack_has_its_own_error() {
    let (key, stranger) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let trusted = root(&[(&key, "acme/*")]);
    let check = |root: &VerifiedRoot, manifest: &Manifest, key: &SecretKey, component: &[u8]| {
        verify(root, &sign_plugin(manifest, key).unwrap().to_bytes(), component).unwrap_err()
    };
    let unsigned = Envelope::sign(MANIFEST_TYPE, &serde_json::to_vec(&manifest()).unwrap(), &[]).unwrap();
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
    for contract in [Version::new(0, 9, 0), Version::new(1, 2, 0), Version::new(2, 0, 0)] {
        let error = check(&trusted, &Manifest { contract, ..manifest() }, &key, b"component");
        assert!(matches!(error, PluginError::Incompatible { .. }), "{error}");
        assert!(error.to_string().starts_with("plugin `acme/x 1.0.0` was built for contract "), "{error}");
    }
}

#[test]
fn every_changed_byte_of_a_manifest_is_noticed() {
    let key = SecretKey::generate().unwrap();
    let trusted = root(&[(&key, "acme/*")]);
    let signed = sign_plugin(&manifest(), &key).unwrap().to_bytes();
    for at in 0..signed.len() {
        let mut changed = signed.clone();
        changed[at] ^= 1;
        assert!(verify(&trusted, &changed, b"component").is_err(), "byte {at}");
    }
}
