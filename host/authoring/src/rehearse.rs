//! A plugin that is not signed yet, on the one way into the sandbox: signed with a key made for the occasion, and verified
//! against a trust root that knows no other key. Neither is ever written down.

use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_core::name::NamePattern;
use freehold_trust::{
    PublisherRule, Role, SecretKey, TrustRoot, VerifiedPlugin, VerifiedRoot, sign_plugin, verify_plugin,
};
use jiff::{SignedDuration, Timestamp};

use crate::AuthoringError;

/// `component`, verified under what `source` says of it.
pub fn rehearse(source: &PluginSource, component: Vec<u8>) -> Result<VerifiedPlugin, AuthoringError> {
    let (name, version) = (source.name.clone(), source.version.clone());
    let now = Timestamp::now();
    let expires = now + SignedDuration::from_hours(1);
    let key = SecretKey::generate()?;
    let mut root = TrustRoot::first(expires, [Role::Root, Role::Recorder, Role::Log].map(|role| (role, key.public())));
    let names = vec![NamePattern::Exactly(name.clone())];
    root.publishers = vec![PublisherRule { key: key.public().id(), names }];
    let root = VerifiedRoot::first(&root.sign(&[&key])?.to_bytes())?;
    let manifest = Manifest::new(source.clone(), Digest::of(&component), now, expires);
    let envelope = sign_plugin(&manifest, &key)?.to_bytes();
    Ok(verify_plugin(&root, now, (&name, &version), &envelope, component)?)
}
