//! Attacks on plugins by way of keys, names, times and wrappings, each by its name and with the error that it meets.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tests::{NOW, at, draft, manifest, root, verified, verify};
use super::*;
use crate::root::{Revocation, TrustRoot, Validity};

fn key() -> SecretKey {
    SecretKey::generate().unwrap()
}

fn why() -> Revocation {
    Revocation { reason: "stolen".into(), time: at(NOW - 500) }
}

/// A root with one publisher, changed.
fn changed<R>(publisher: &SecretKey, change: impl FnOnce(&mut TrustRoot) -> R) -> VerifiedRoot {
    let (mut root, key) = draft(&[(publisher, "acme/*")]);
    change(&mut root);
    verified((root, key))
}

fn signed(key: &SecretKey) -> Vec<u8> {
    sign_plugin(&manifest(), key).unwrap().to_bytes()
}

#[test]
fn a_revoked_key_signs_for_nobody() {
    let (publisher, second) = (key(), key());
    let id = publisher.public().id();
    let revoked = changed(&second, |root| {
        root.add_publisher(&publisher.public(), &["acme/*".parse().unwrap()]).unwrap();
        root.revoke_key(&publisher.public(), why()).unwrap();
    });
    let expected = PluginError::RevokedKey { plugin: "acme/x 1.0.0".into(), signer: id, why: why() };
    assert_eq!(verify(&revoked, &signed(&publisher), b"component").unwrap_err(), expected);
    // Signed before the revocation, as it says: a thief would say the same.
    let early = Manifest { created: at(1), ..manifest() };
    let error = verify(&revoked, &sign_plugin(&early, &publisher).unwrap().to_bytes(), b"component").unwrap_err();
    assert_eq!(error, expected, "revoked key with an earlier date");
    // Another publisher's signature beside it counts, whichever comes first.
    let payload = serde_json::to_vec(&manifest()).unwrap();
    for keys in [[&publisher, &second], [&second, &publisher]] {
        let both = Envelope::sign(MANIFEST_TYPE, &payload, &keys).unwrap().to_bytes();
        assert_eq!(verify(&revoked, &both, b"component").unwrap().signer(), second.public().id());
    }
    // The id alone revokes as well: the key is then a stranger's.
    let by_id = changed(&second, |root| root.revoked_keys.insert(id, why()));
    let error = verify(&by_id, &signed(&publisher), b"component").unwrap_err();
    assert!(matches!(error, PluginError::UnknownSigner { .. }), "{error}");
}

#[test]
fn a_revoked_component_or_manifest_does_not_run_however_it_is_wrapped() {
    let (publisher, stranger) = (key(), key());
    let bytes = signed(&publisher);
    let component = Digest::of(b"component");
    let revoking = |digest| changed(&publisher, |root| root.revoke_digest(digest, why()).unwrap());
    let error = verify(&revoking(component), &bytes, b"component").unwrap_err();
    let plugin = || "acme/x 1.0.0".to_owned();
    assert_eq!(error, PluginError::RevokedComponent { plugin: plugin(), digest: component, why: why() });
    // The same component under another manifest.
    let renewed = Manifest { expires: at(NOW + 500), ..manifest() };
    let error =
        verify(&revoking(component), &sign_plugin(&renewed, &publisher).unwrap().to_bytes(), b"component").unwrap_err();
    assert!(matches!(error, PluginError::RevokedComponent { .. }), "revoked component signed anew: {error}");
    let envelope = Digest::of(&bytes);
    let trusted = revoking(envelope);
    let error = verify(&trusted, &bytes, b"component").unwrap_err();
    assert_eq!(error, PluginError::RevokedManifest { plugin: plugin(), digest: envelope, why: why() });
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    let with = |signature: Value| {
        let mut padded = json.clone();
        padded["signatures"].as_array_mut().unwrap().push(signature);
        padded.to_string().into_bytes()
    };
    let strange: Value = serde_json::from_slice(&signed(&stranger)).unwrap();
    for (attack, wrapped) in [
        ("revoked manifest with spaces", serde_json::to_vec_pretty(&json).unwrap()),
        ("revoked manifest with a stranger's signature", with(strange["signatures"][0].clone())),
        ("revoked manifest with its signature twice", with(json["signatures"][0].clone())),
        ("revoked manifest with a signature of nobody", with(json!({ "keyid": "", "sig": "" }))),
    ] {
        let error = verify(&trusted, &wrapped, b"component").unwrap_err();
        assert!(
            matches!(&error, PluginError::RevokedManifest { digest, .. } if *digest == envelope),
            "{attack}: {error}"
        );
    }
    let payload = Digest::of(&serde_json::to_vec(&manifest()).unwrap());
    let error = verify(&revoking(payload), &bytes, b"component").unwrap_err();
    assert!(matches!(error, PluginError::RevokedManifest { .. }), "revoked by its payload: {error}");
    // What is revoked is that and nothing else.
    verify(&revoking(Digest::of(b"another")), &bytes, b"component").unwrap();
}

#[test]
fn a_key_signs_only_in_its_time() {
    let publisher = key();
    let id = publisher.public().id();
    let created = NOW - 1;
    for (attack, from, until, holds) in [
        ("no limits", None, None, true),
        ("signed before the key's time", Some(created + 1), None, false),
        ("signed when the key's time began", Some(created), None, true),
        ("signed after the key's time", None, Some(created - 1), false),
        ("signed when the key's time ended", None, Some(created), false),
        ("signed in the key's time, which is over since", Some(created), Some(created + 1), true),
    ] {
        let validity = Validity { valid_from: from.map(at), valid_until: until.map(at) };
        let trusted = changed(&publisher, |root| root.limit(id, validity));
        match verify_again(&trusted, &signed(&publisher)) {
            Ok(_) => assert!(holds, "{attack}"),
            Err(error) => {
                let expected = PluginError::KeyNotValid {
                    plugin: "acme/x 1.0.0".into(),
                    signer: id,
                    created: at(created),
                    validity,
                };
                assert_eq!((error, holds), (expected, false), "{attack}");
            }
        }
    }
}

#[test]
fn during_a_rotation_the_old_key_and_the_new_are_good() {
    let (old, new) = (key(), key());
    let trusted = changed(&old, |root| {
        root.rotate(&old.public().id(), &new.public(), None, Some(at(NOW + 1))).unwrap();
    });
    for key in [&old, &new] {
        verify(&trusted, &signed(key), b"component").unwrap();
    }
    let late = Manifest { created: at(NOW + 1), expires: at(NOW + 9), ..manifest() };
    let (name, version) = ("acme/x".parse().unwrap(), Version::new(1, 0, 0));
    let after = |key: &SecretKey| {
        let envelope = sign_plugin(&late, key).unwrap().to_bytes();
        verify_plugin(&trusted, at(NOW + 1), (&name, &version), &envelope, b"component".to_vec())
    };
    after(&new).unwrap();
    let error = after(&old).unwrap_err();
    assert!(matches!(error, PluginError::KeyNotValid { .. }), "the old key after the overlap: {error}");
}

fn verify_again(root: &VerifiedRoot, envelope: &[u8]) -> Result<VerifiedPlugin, PluginError> {
    let (name, version) = ("acme/x".parse().unwrap(), Version::new(1, 0, 0));
    verify_plugin(root, Encounter::again(at(NOW)), (&name, &version), envelope, b"component".to_vec())
}

/// A key that was rotated out still signs, with any date. Signed is `created`, judged at `NOW`.
#[test]
fn a_key_whose_time_is_over_signs_nothing_new_whatever_the_date() {
    let publisher = key();
    let signer = publisher.public().id();
    for (attack, until, created, first, again) in [
        ("a key without an end", None, NOW - 1, "", ""),
        ("a key that is still good", Some(NOW + 1), NOW - 1, "", ""),
        ("dated back into the key's time", Some(NOW - 1), NOW - 2, "over", ""),
        ("dated back by years", Some(NOW - 1), 1, "over", ""),
        ("the moment at which the key's time ends", Some(NOW), NOW - 1, "over", ""),
        ("dated after the key's time", Some(NOW - 2), NOW - 1, "not valid", "not valid"),
        ("dated at the end of the key's time", Some(NOW - 1), NOW - 1, "not valid", "not valid"),
    ] {
        let trusted = changed(&publisher, |root| {
            root.limit(signer, Validity { valid_from: None, valid_until: until.map(at) });
        });
        let signed = sign_plugin(&Manifest { created: at(created), ..manifest() }, &publisher).unwrap().to_bytes();
        let named = |outcome: Result<VerifiedPlugin, PluginError>| match outcome {
            Ok(_) => "",
            Err(PluginError::KeyOver { until: told, .. }) if Some(told) == until.map(at) => "over",
            Err(PluginError::KeyNotValid { .. }) => "not valid",
            Err(_) => "something else",
        };
        assert_eq!(named(verify(&trusted, &signed, b"component")), first, "{attack}, met for the first time");
        assert_eq!(named(verify_again(&trusted, &signed)), again, "{attack}, met before");
    }
    let error = PluginError::KeyOver { plugin: "acme/x 1.0.0".into(), signer, until: at(NOW) };
    assert!(error.remedy().contains("plugin sign --renew"), "{}", error.remedy());
}

/// To be met before helps against nothing but the end of a key's time.
#[test]
fn what_was_met_before_is_verified_all_the_same() {
    let (publisher, stranger) = (key(), key());
    let id = publisher.public().id();
    let bytes = signed(&publisher);
    let revoked_key = changed(&stranger, |root| root.revoke_key(&publisher.public(), why()).unwrap());
    assert!(matches!(verify_again(&revoked_key, &bytes), Err(PluginError::RevokedKey { .. })));
    let revoked = changed(&publisher, |root| root.revoke_digest(Digest::of(b"component"), why()).unwrap());
    assert!(matches!(verify_again(&revoked, &bytes), Err(PluginError::RevokedComponent { .. })));
    assert!(matches!(verify_again(&root(&[]), &bytes), Err(PluginError::UnknownSigner { .. })));
    assert!(matches!(verify_again(&root(&[(&publisher, "b/*")]), &bytes), Err(PluginError::WrongPublisher { .. })));
    let expired = sign_plugin(&Manifest { expires: at(NOW), ..manifest() }, &publisher).unwrap().to_bytes();
    assert!(matches!(verify_again(&root(&[(&publisher, "acme/*")]), &expired), Err(PluginError::Expired { .. })));
    // Of two signers the one whose key is good counts, in either order.
    let over = changed(&stranger, |root| {
        root.add_publisher(&publisher.public(), &["acme/*".parse().unwrap()]).unwrap();
        root.limit(id, Validity { valid_from: None, valid_until: Some(at(NOW)) });
    });
    let payload = serde_json::to_vec(&manifest()).unwrap();
    for keys in [[&publisher, &stranger], [&stranger, &publisher]] {
        let both = Envelope::sign(MANIFEST_TYPE, &payload, &keys).unwrap().to_bytes();
        assert_eq!(verify(&over, &both, b"component").unwrap().signer(), stranger.public().id());
    }
}

#[test]
fn manifests_that_mean_nothing_are_refused_when_they_are_verified_too() {
    let publisher = key();
    let trusted = root(&[(&publisher, "acme/*")]);
    let says = |manifest: &Manifest, version: &Version| {
        let (name, envelope) = ("acme/x".parse().unwrap(), sign_plugin(manifest, &publisher).unwrap().to_bytes());
        let error = verify_plugin(&trusted, at(NOW), (&name, version), &envelope, b"component".to_vec()).unwrap_err();
        assert!(matches!(error, PluginError::Manifest { .. }), "{error}");
        error.to_string()
    };
    let (built, plain): (Version, _) = ("1.0.0+x".parse().unwrap(), Version::new(1, 0, 0));
    let said = says(&Manifest { version: built.clone(), ..manifest() }, &built);
    assert!(said.contains("build metadata"), "{said}");
    for capability in ["network", "asset:../x", "asset:"] {
        let said = says(&Manifest { capabilities: vec![capability.into()], ..manifest() }, &plain);
        assert!(said.contains(capability), "{said}");
    }
}

#[test]
fn names_that_escape_a_rule() {
    let publisher = key();
    for (attack, rule, name) in [
        ("a publisher whose name begins so", "acme/*", "acmeevil/x"),
        ("a publisher with a hyphen more", "acme/*", "acme-evil/x"),
        ("a publisher whose name is shorter", "acme/*", "acm/x"),
        ("a plugin whose name begins so", "acme/x", "acme/xy"),
        ("the same plugin of another publisher", "acme/x", "other/x"),
    ] {
        let manifest = Manifest { name: name.parse().unwrap(), ..manifest() };
        let envelope = sign_plugin(&manifest, &publisher).unwrap().to_bytes();
        let name: PluginName = name.parse().unwrap();
        let error = verify_plugin(
            &root(&[(&publisher, rule)]),
            at(NOW),
            (&name, &Version::new(1, 0, 0)),
            &envelope,
            b"component".to_vec(),
        )
        .unwrap_err();
        let expected = PluginError::WrongPublisher { plugin: name, signer: publisher.public().id() };
        assert_eq!(error, expected, "{attack}");
    }
    // Names that are no names do not come so far.
    for (attack, name) in [
        ("upper case", "Acme/x"),
        ("look-alike letters", "аcme/x"),
        ("full-width letters", "ａcme/x"),
        ("a combining mark", "acme\u{301}/x"),
        ("a zero-width space", "acme\u{200b}/x"),
        ("a pattern as name", "acme/*"),
        ("a way out of the folder", "acme/../evil"),
    ] {
        let text = serde_json::to_string(&manifest()).unwrap().replace("acme/x", name);
        let envelope = Envelope::sign(MANIFEST_TYPE, text.as_bytes(), &[&publisher]).unwrap().to_bytes();
        let error = verify(&root(&[(&publisher, "*")]), &envelope, b"component").unwrap_err();
        let says = |problem: &str| problem.contains("is not a plugin name");
        assert!(matches!(&error, PluginError::TamperedManifest { problem, .. } if says(problem)), "{attack}: {error}");
    }
    let key = root(&[(&publisher, "*")]);
    verify(&key, &signed(&publisher), b"component").unwrap();
}

#[test]
fn payload_types_are_not_mixed_up() {
    let publisher = key();
    let trusted = root(&[(&publisher, "acme/*")]);
    let payload = serde_json::to_vec(&manifest()).unwrap();
    for (attack, kind) in [
        ("a trust root as manifest", "application/vnd.freehold.trust-root+json"),
        ("a statement as manifest", crate::statement::IN_TOTO_TYPE),
    ] {
        let envelope = Envelope::sign(kind, &payload, &[&publisher]).unwrap().to_bytes();
        let error = verify(&trusted, &envelope, b"component").unwrap_err();
        let says = |problem: &str| problem.contains("the envelope holds");
        assert!(matches!(&error, PluginError::TamperedManifest { problem, .. } if says(problem)), "{attack}: {error}");
    }
}

#[test]
fn an_expired_root_lets_no_plugin_in() {
    let publisher = key();
    let trusted = root(&[(&publisher, "acme/*")]);
    let (name, version) = ("acme/x".parse().unwrap(), Version::new(1, 0, 0));
    let lasting = Manifest { expires: at(9 * NOW), ..manifest() };
    let envelope = sign_plugin(&lasting, &publisher).unwrap().to_bytes();
    let load = |now| verify_plugin(&trusted, at(now), (&name, &version), &envelope, b"component".to_vec()).map(|_| ());
    assert_eq!(load(2 * NOW - 1), Ok(()));
    let error = load(2 * NOW).unwrap_err();
    assert!(matches!(error, PluginError::Root(crate::root::RootError::Expired { version: 1, .. })), "freeze: {error}");
}

#[test]
fn keys_of_roles_are_no_publishers() {
    let publisher = key();
    let (root, role_key) = draft(&[(&publisher, "acme/*")]);
    let envelope = signed(&role_key);
    let error = verify(&verified((root, role_key)), &envelope, b"component").unwrap_err();
    assert!(matches!(error, PluginError::UnknownSigner { .. }), "a root, recorder and log key: {error}");
}

/// Who counts, of every set of signers: a publisher in its time, one out of it, a revoked one, one of other names, a stranger.
#[test]
fn truth_table_of_signers() {
    let [good, late, revoked, other, stranger] = std::array::from_fn(|_| key());
    let trusted = changed(&good, |root| {
        root.add_publisher(&late.public(), &["acme/*".parse().unwrap()]).unwrap();
        root.limit(late.public().id(), Validity { valid_from: Some(at(NOW)), valid_until: None });
        root.add_publisher(&other.public(), &["other/*".parse().unwrap()]).unwrap();
        root.revoke_key(&revoked.public(), why()).unwrap();
    });
    let all = [&good, &late, &revoked, &other, &stranger];
    let payload = serde_json::to_vec(&manifest()).unwrap();
    for set in 0..1_u32 << all.len() {
        let has = |at: usize| set & (1 << at) != 0;
        let keys: Vec<&SecretKey> = all.iter().enumerate().filter(|(at, _)| has(*at)).map(|(_, key)| *key).collect();
        let outcome =
            verify(&trusted, &Envelope::sign(MANIFEST_TYPE, &payload, &keys).unwrap().to_bytes(), b"component");
        let holds = match outcome {
            Ok(plugin) => has(0) && plugin.signer() == good.public().id(),
            Err(PluginError::KeyNotValid { .. }) => !has(0) && has(1),
            Err(PluginError::RevokedKey { .. }) => !has(0) && !has(1) && has(2),
            Err(PluginError::WrongPublisher { .. }) => !has(0) && !has(1) && !has(2) && has(3),
            Err(PluginError::UnknownSigner { .. }) => set == 1 << 4,
            Err(PluginError::Unsigned { .. }) => set == 0,
            Err(_) => false,
        };
        assert!(holds, "signers {set:05b}");
    }
    assert_eq!(
        publisher_of(&trusted, Encounter::first(at(NOW)), &manifest(), &BTreeSet::new(), "x".into()),
        Err(PluginError::Unsigned { plugin: "x".into() })
    );
}
