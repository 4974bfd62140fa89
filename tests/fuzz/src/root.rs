//! The trust root: bytes as a signed root, and bytes as what the keys of role root sign.

use freehold_trust::{Envelope, Role, SecretKey, TrustRoot, VerifiedRoot};

use crate::keys::{keys, root};

const ROOT_TYPE: &str = "application/vnd.freehold.trust-root+json";

/// Tries bytes as an envelope, then as a root that all keys which it wants sign.
pub fn run(data: &[u8]) {
    verify(data);
    let Ok(document) = serde_json::from_slice::<TrustRoot>(data) else { return };
    let json = serde_json::to_vec(&document).expect("a root has a JSON form");
    assert_eq!(serde_json::from_slice::<TrustRoot>(&json).expect("it is read again"), document);
    let wanted = document.keys_of(Role::Root);
    let before = root().keys_of(Role::Root);
    let all = |known: &std::collections::BTreeMap<_, _>| -> Vec<&'static SecretKey> {
        keys().iter().filter(|key| known.contains_key(&key.public().id())).collect()
    };
    let (own, mut both) = (all(&wanted), all(&wanted));
    both.extend(all(&before));
    // As it was written, not as it would be written again.
    verify(&Envelope::sign(ROOT_TYPE, data, &own).unwrap().to_bytes());
    verify(&Envelope::sign(ROOT_TYPE, data, &both).unwrap().to_bytes());
    assert!(
        VerifiedRoot::first(&Envelope::sign(ROOT_TYPE, data, &[]).unwrap().to_bytes()).is_err(),
        "nobody signed it"
    );
}

fn verify(envelope: &[u8]) {
    match VerifiedRoot::first(envelope) {
        Ok(first) => {
            assert_eq!(first.version, 1);
            agrees_with_itself(&first);
            is_signed(envelope, &first, &first);
            // What holds is held again by who writes it anew.
            let signers: Vec<&SecretKey> =
                keys().iter().filter(|key| first.keys_of(Role::Root).contains_key(&key.public().id())).collect();
            if signers.len() >= first.threshold_of(Role::Root) {
                assert_eq!(VerifiedRoot::first(&first.sign(&signers).unwrap().to_bytes()).as_ref(), Ok(&first));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(next) = root().next(envelope) {
        agrees_with_itself(&next);
        is_signed(envelope, &next, &next);
        is_signed(envelope, root(), &next);
        follows(&next, root());
    }
}

/// Enough distinct keys of role root of `by` signed the envelope of `root`.
fn is_signed(envelope: &[u8], by: &TrustRoot, root: &TrustRoot) {
    let keys = by.keys_of(Role::Root);
    let signed = keys.values().filter(|key| VerifiedRoot::is_signed_by(envelope, key).is_ok()).count();
    let needed = by.threshold_of(Role::Root);
    assert!(needed >= 1 && signed >= needed, "{signed} of {needed} signed {root:?}");
}

/// Whoever is trusted is listed under its own id, and nobody who is revoked is trusted.
pub(crate) fn agrees_with_itself(root: &TrustRoot) {
    for (id, key) in &root.keys {
        assert_eq!(key.id(), *id);
    }
    for role in Role::NEEDED {
        let (threshold, keys) = (root.threshold_of(role), root.keys_of(role));
        assert!((1..=keys.len()).contains(&threshold), "{role}");
        assert_eq!(keys.len(), root.roles[&role].keys.len(), "{role} names a key that is not listed");
        assert!(!keys.keys().any(|key| root.revoked_keys.contains_key(key)), "{role} has a revoked key");
    }
    for rule in &root.publishers {
        assert!(root.keys.contains_key(&rule.key) && !rule.names.is_empty());
        assert!(!root.revoked_keys.contains_key(&rule.key));
    }
    for id in root.keys_of(Role::Root).keys() {
        assert!(!root.validity.contains_key(id));
    }
}

/// Versions rise by one, and what was revoked stays revoked.
pub(crate) fn follows(next: &TrustRoot, before: &TrustRoot) {
    assert_eq!(Some(next.version), before.version.checked_add(1));
    for (key, why) in &before.revoked_keys {
        assert_eq!(next.revoked_keys.get(key), Some(why));
        assert!(next.places_of(key).is_empty());
    }
    for (digest, why) in &before.revoked_digests {
        assert_eq!(next.revoked_digests.get(digest), Some(why));
    }
}
