//! Attacks by what a root says of keys: thresholds, keys that count twice or are none, rules, times, revocations.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::tests::{at, key, root, signed, why};
use super::super::*;
use super::{first, first_envelope, first_json, says};
use crate::envelope::EnvelopeError;

#[test]
fn thresholds() {
    let (a, b, c) = (key(), key(), key());
    let role =
        |role: Role, change: &dyn Fn(&mut RoleKeys)| first(&a, |root| change(root.roles.get_mut(&role).unwrap()));
    refused!("threshold of zero", role(Role::Root, &|r| r.threshold = 0), RootError::Threshold { threshold: 0, .. });
    refused!(
        "threshold of zero for recorders",
        role(Role::Recorder, &|r| r.threshold = 0),
        RootError::Threshold { role: Role::Recorder, threshold: 0, keys: 1 }
    );
    refused!(
        "threshold above the keys",
        role(Role::Log, &|r| r.threshold = 2),
        RootError::Threshold { role: Role::Log, threshold: 2, keys: 1 }
    );
    refused!("threshold beyond counting", role(Role::Root, &|r| r.threshold = usize::MAX), RootError::Threshold { .. });
    refused!("empty key list", role(Role::Root, &|r| r.keys.clear()), RootError::Threshold { keys: 0, .. });
    refused!(
        "empty key list with a threshold of zero",
        role(Role::Recorder, &|r| {
            r.keys.clear();
            r.threshold = 0;
        }),
        RootError::Threshold { threshold: 0, keys: 0, .. }
    );
    refused!(
        "negative threshold",
        first_json(&a, |root| root["roles"]["root"]["threshold"] = json!(-1)),
        RootError::Malformed(_)
    );
    for gone in Role::NEEDED {
        refused!(
            "missing role",
            first(&a, |root| root.roles.remove(&gone)),
            RootError::MissingRole(role) if *role == gone
        );
    }
    let two = |signers: &[&SecretKey]| VerifiedRoot::first(&signed(&root(1, &[&a, &b], 2), signers));
    let short = |found| RootError::Envelope(EnvelopeError::Threshold { found, needed: 2 });
    refused!("fewer signatures than the threshold", two(&[&a]), error if *error == short(1));
    refused!("the same signature twice", two(&[&a, &a]), error if *error == short(1));
    refused!("padding with unknown keys", two(&[&a, &c]), error if *error == short(1));
}

#[test]
fn one_key_counted_twice() {
    let (a, b) = (key(), key());
    let id = |key: &SecretKey| key.public().id().to_string();
    // Two ids of one key: one of them is not its digest.
    refused!(
        "duplicate key under two ids",
        first(&a, |root| root.keys.insert(b.public().id(), a.public())),
        RootError::WrongId { listed, key } if *listed == b.public().id() && *key == a.public().id()
    );
    refused!(
        "key under an id that is not its digest",
        first(&a, |root| {
            root.keys = [(b.public().id(), a.public())].into();
            root.roles.values_mut().for_each(|role| role.keys = [b.public().id()].into());
        }),
        RootError::WrongId { .. }
    );
    refused!(
        "swapped key bytes",
        VerifiedRoot::first(&signed(
            &{
                let mut root = root(1, &[&a, &b], 1);
                root.keys = [(a.public().id(), b.public()), (b.public().id(), a.public())].into();
                root
            },
            &[&a]
        )),
        RootError::WrongId { .. }
    );
    refused!(
        "one id twice in a role",
        first_json(&a, |root| {
            root["roles"]["root"] = json!({ "keys": [id(&a), id(&a)], "threshold": 2 });
        }),
        RootError::Malformed(error) if says(error, "is there twice")
    );
    // An id in other letters would be another text for the same key.
    refused!(
        "key id in upper case",
        first_json(&a, |root| {
            root["roles"]["root"]["keys"] = json!([id(&a).to_uppercase()]);
        }),
        RootError::Malformed(error) if says(error, "is not a key id")
    );
    refused!(
        "signature under the key's id in upper case",
        first_envelope(&a, |envelope| envelope["signatures"][0]["keyid"] = json!(id(&a).to_uppercase())),
        RootError::Envelope(EnvelopeError::UnknownKey(_))
    );
    // Two different signatures of one key over the same root.
    let two = root(1, &[&a, &b], 2);
    let envelope = two.sign(&[&a, &a]).unwrap();
    let mut json: Value = serde_json::from_slice(&envelope.to_bytes()).unwrap();
    refused!(
        "two signatures of one key",
        VerifiedRoot::first(json.to_string().as_bytes()),
        RootError::Envelope(EnvelopeError::Threshold { found: 1, needed: 2 })
    );
    json["signatures"][1]["keyid"] = json!(id(&b));
    refused!(
        "a signature under the id of another key",
        VerifiedRoot::first(json.to_string().as_bytes()),
        RootError::Envelope(EnvelopeError::BadSignature(key)) if *key == b.public().id().short()
    );
}

#[test]
fn keys_that_are_none() {
    let a = key();
    let with = |encoded: String| first_json(&a, |root| root["keys"][key().public().id().to_string()] = json!(encoded));
    // y = 0, y = 1 (the neutral point), y = -1: points of order 4, 1 and 2. Anyone can sign for them.
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let not_a_key = "expected an Ed25519 public key";
    for weak in [[0; 32], one, minus_one] {
        refused!(
            "low-order or all-zero public key",
            with(STANDARD.encode(weak)),
            RootError::Malformed(error) if says(error, not_a_key)
        );
    }
    // y = p + 3 and y = 3 are the same point: a key with two ids.
    let mut two_ids = [0xff; 32];
    (two_ids[0], two_ids[31]) = (0xf0, 0x7f);
    refused!(
        "non-canonical public key",
        with(STANDARD.encode(two_ids)),
        RootError::Malformed(error) if says(error, not_a_key)
    );
    // No point has y = 2.
    let mut off = [0; 32];
    off[0] = 2;
    refused!("public key off the curve", with(STANDARD.encode(off)), RootError::Malformed(e) if says(e, not_a_key));
    refused!("public key cut short", with(STANDARD.encode([7; 31])), RootError::Malformed(e) if says(e, not_a_key));
    let url_safe = STANDARD.encode(a.public().as_dalek().as_bytes()).trim_end_matches('=').to_owned();
    refused!("public key without padding", with(url_safe), RootError::Malformed(error) if says(error, not_a_key));
    assert!(PublicKey::from_pem("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n").is_err());
}

#[test]
fn publisher_rules() {
    let (a, b) = (key(), key());
    let rule = |key: KeyId, names: &[&str]| PublisherRule {
        key,
        names: names.iter().map(|names| names.parse().unwrap()).collect(),
    };
    refused!(
        "publisher rule naming an unlisted key",
        first(&a, |root| root.publishers.push(rule(b.public().id(), &["acme/*"]))),
        RootError::UnlistedKey { what, key } if what == "a publisher rule" && *key == b.public().id()
    );
    refused!(
        "role naming an unlisted key",
        first(&a, |root| root.roles.get_mut(&Role::Log).unwrap().keys.insert(b.public().id())),
        RootError::UnlistedKey { what, .. } if what == "role log"
    );
    refused!(
        "empty publisher rule",
        first(&a, |root| root.publishers.push(rule(a.public().id(), &[]))),
        RootError::EmptyRule(key) if *key == a.public().id()
    );
    for (attack, names) in [
        ("pattern of half a name", "acme/re*"),
        ("pattern of any publisher", "*/x"),
        ("pattern that leaves its folder", "../*"),
        ("pattern in upper case", "Acme/*"),
        ("pattern of look-alike letters", "аcme/*"),
        ("pattern with a zero byte", "acme\u{0}/*"),
        ("empty pattern", ""),
    ] {
        let json = |root: &mut Value| {
            root["publishers"] = json!([{ "key": a.public().id(), "names": [names] }]);
        };
        match first_json(&a, json) {
            Err(RootError::Malformed(error)) => assert!(error.contains("is not a pattern"), "{attack}: {error}"),
            other => panic!("{attack}: {other:?}"),
        }
    }
}

#[test]
fn times_and_revocations() {
    let (a, b) = (key(), key());
    let (id, other) = (a.public().id(), b.public().id());
    let limit = |root: &mut TrustRoot, key, from, until| {
        root.validity.insert(key, Validity { valid_from: Some(at(from)), valid_until: Some(at(until)) });
    };
    refused!(
        "time of a key of role root",
        first(&a, |root| limit(root, id, 1, 2)),
        RootError::LimitedRootKey(key) if *key == id
    );
    refused!("time that ends before it begins", first(&a, |root| limit(root, id, 2, 1)), RootError::EmptyWindow(_));
    refused!("time that ends when it begins", first(&a, |root| limit(root, id, 2, 2)), RootError::EmptyWindow(_));
    refused!(
        "time of an unlisted key",
        first(&a, |root| limit(root, other, 1, 2)),
        RootError::UnlistedKey { what, .. } if what == "a time of validity"
    );
    refused!(
        "revoked key still used in a role",
        first(&a, |root| root.revoked_keys.insert(id, why())),
        RootError::RevokedInUse { key, place } if *key == id && place == "in role root"
    );
    refused!(
        "revoked key still a publisher",
        first(&a, |root| {
            root.add_publisher(&b.public(), &["acme/*".parse().unwrap()]).unwrap();
            root.revoked_keys.insert(other, why());
        }),
        RootError::RevokedInUse { place, .. } if place == "a publisher"
    );
    let mut revoking = root(1, &[&a], 1);
    revoking.revoke_key(&b.public(), why()).unwrap();
    revoking.revoke_digest(Digest::of(b"evil"), why()).unwrap();
    let before = VerifiedRoot::first(&signed(&revoking, &[&a])).unwrap();
    let next = |change: &dyn Fn(&mut TrustRoot)| {
        let mut root = before.draft(at(2000)).unwrap();
        change(&mut root);
        before.next(&signed(&root, &[&a]))
    };
    next(&|_| {}).unwrap();
    refused!(
        "revocation of a key taken back",
        next(&|root| root.revoked_keys.retain(|key, _| *key != other)),
        RootError::Unrevoked { version: 2, what } if what.starts_with("the key")
    );
    refused!(
        "revocation of a digest taken back",
        next(&|root| root.revoked_digests.clear()),
        RootError::Unrevoked { what, .. } if *what == Digest::of(b"evil").to_string()
    );
    refused!(
        "reason of a revocation rewritten",
        next(&|root| root.revoked_keys.get_mut(&other).unwrap().reason = "by mistake".into()),
        RootError::Unrevoked { .. }
    );
}
