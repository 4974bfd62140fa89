//! Attacks by who signed a root, and by what it follows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::tests::{at, key, root, signed};
use super::super::*;
use super::{first, first_envelope, first_json, first_text, says};
use crate::envelope::EnvelopeError;

#[test]
fn signatures() {
    let (a, b) = (key(), key());
    let mut of_roles = root(1, &[&a], 1);
    of_roles.keys.insert(b.public().id(), b.public());
    of_roles.roles.get_mut(&Role::Recorder).unwrap().keys = [b.public().id()].into();
    let unknown = |error: &RootError, key: &SecretKey| {
        let short = key.public().id().to_string()[..12].to_owned();
        *error == RootError::Envelope(EnvelopeError::UnknownKey(vec![short]))
    };
    refused!(
        "signature by a key of another role",
        VerifiedRoot::first(&signed(&of_roles, &[&b])),
        error if unknown(error, &b)
    );
    refused!("signed by a stranger", VerifiedRoot::first(&signed(&root(1, &[&a], 1), &[&b])), e if unknown(e, &b));
    refused!(
        "empty signatures",
        VerifiedRoot::first(&signed(&root(1, &[&a], 1), &[])),
        RootError::Envelope(EnvelopeError::Unsigned)
    );
    let other: Value = serde_json::from_slice(&signed(&root(1, &[&a, &b], 1), &[&a])).unwrap();
    refused!(
        "signature over other bytes",
        first_envelope(&a, |envelope| envelope["signatures"] = other["signatures"].clone()),
        RootError::Envelope(EnvelopeError::BadSignature(_))
    );
    let bad = |sig: String| first_envelope(&a, |envelope| envelope["signatures"][0]["sig"] = json!(sig));
    refused!("signature of no bytes", bad(String::new()), RootError::Envelope(EnvelopeError::BadSignature(_)));
    refused!("signature of zeros", bad(STANDARD.encode([0; 64])), RootError::Envelope(EnvelopeError::BadSignature(_)));
    let genuine = signed(&root(1, &[&a], 1), &[&a]);
    let genuine: Value = serde_json::from_slice(&genuine).unwrap();
    let mut bytes = STANDARD.decode(genuine["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    // s + l verifies in the equation as s does.
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10u8,
    ];
    let mut carry = 0;
    for (byte, order) in bytes[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry as u8;
        carry >>= 8;
    }
    refused!("malleated signature", bad(STANDARD.encode(bytes)), RootError::Envelope(EnvelopeError::BadSignature(_)));
}

#[test]
fn versions() {
    let (a, old) = (key(), key());
    let at_version = |version| {
        let mut before = VerifiedRoot::first(&signed(&root(1, &[&a], 1), &[&a])).unwrap();
        for version in 2..=version {
            before = before.next(&signed(&root(version, &[&a], 1), &[&a])).unwrap();
        }
        before
    };
    let next = |before: u64, found: u64| at_version(before).next(&signed(&root(found, &[&a], 1), &[&a]));
    refused!("rollback to an older version", next(3, 2), RootError::Rollback { before: 3, found: 2 });
    refused!("rollback to the first version", next(3, 1), RootError::Rollback { before: 3, found: 1 });
    refused!("rollback to version zero", next(1, 0), RootError::Rollback { before: 1, found: 0 });
    refused!("version skipped", next(1, 3), RootError::Skipped { before: 1, found: 3 });
    refused!("fast-forward", next(1, u64::MAX), RootError::Skipped { before: 1, found: u64::MAX });
    let mut other = root(2, &[&a], 1);
    other.expires = at(2000);
    refused!("same version, other bytes", at_version(2).next(&signed(&other, &[&a])), RootError::SameVersion(2));
    refused!("same version, same bytes", next(2, 2), RootError::SameVersion(2));
    let begin = |version| VerifiedRoot::first(&signed(&root(version, &[&a], 1), &[&a]));
    refused!("a first root of version zero", begin(0), RootError::Rollback { before: 0, found: 0 });
    refused!("a first root of a later version", begin(2), RootError::Skipped { before: 0, found: 2 });
    refused!(
        "version beyond counting",
        first_text(
            &a,
            &serde_json::to_string(&root(1, &[&a], 1))
                .unwrap()
                .replace("\"version\":1", "\"version\":18446744073709551616")
        ),
        RootError::Malformed(_)
    );
    refused!("version with a fraction", first_json(&a, |root| root["version"] = json!(1.5)), RootError::Malformed(_));
    // The newest version there can be has no next, and does not begin anew.
    let last = root(u64::MAX, &[&a], 1);
    let mut wrapped = root(0, &[&old], 1);
    refused!("version wrapped around", wrapped.check_follows(&last), RootError::Rollback { .. });
    wrapped.version = u64::MAX;
    refused!("version at its end", wrapped.check_follows(&last), RootError::SameVersion(u64::MAX));
}

#[test]
fn rotation_of_role_root() {
    let (a, b, c, d) = (key(), key(), key(), key());
    let before = VerifiedRoot::first(&signed(&root(1, &[&a, &b], 2), &[&a, &b])).unwrap();
    let next = |threshold, signers: &[&SecretKey]| before.next(&signed(&root(2, &[&c, &d], threshold), signers));
    refused!(
        "rotation signed only by the old keys",
        next(2, &[&a, &b]),
        RootError::Envelope(EnvelopeError::UnknownKey(_))
    );
    refused!(
        "rotation signed only by the new keys",
        next(2, &[&c, &d]),
        RootError::Succession { before: 1, version: 2, source: EnvelopeError::UnknownKey(_) }
    );
    refused!(
        "rotation signed by one of two old keys",
        next(2, &[&a, &c, &d]),
        RootError::Succession { source: EnvelopeError::Threshold { found: 1, needed: 2 }, .. }
    );
    refused!(
        "rotation signed by one of two new keys",
        next(2, &[&a, &b, &c]),
        RootError::Envelope(EnvelopeError::Threshold { found: 1, needed: 2 })
    );
    refused!(
        "rotation to a lower threshold, signed at the new one only",
        next(1, &[&a, &c]),
        RootError::Succession { source: EnvelopeError::Threshold { found: 1, needed: 2 }, .. }
    );
    let one = VerifiedRoot::first(&signed(&root(1, &[&a], 1), &[&a])).unwrap();
    refused!(
        "rotation to a higher threshold, signed at the old one only",
        one.next(&signed(&root(2, &[&a, &b], 2), &[&a])),
        RootError::Envelope(EnvelopeError::Threshold { found: 1, needed: 2 })
    );
    refused!(
        "rotation signed twice by one old key",
        next(2, &[&a, &a, &c, &d]),
        RootError::Succession { source: EnvelopeError::Threshold { found: 1, needed: 2 }, .. }
    );
    // The old key was good for version 1 only.
    let second = one.next(&signed(&root(2, &[&b], 1), &[&a, &b])).unwrap();
    refused!(
        "a root key that was rotated out signs the next root",
        second.next(&signed(&root(3, &[&a], 1), &[&a])),
        RootError::Succession { before: 2, version: 3, source: EnvelopeError::UnknownKey(_) }
    );
    let foreign = VerifiedRoot::first(&signed(&root(1, &[&c], 1), &[&c])).unwrap();
    refused!(
        "a root of another chain",
        foreign.next(&signed(&root(2, &[&b], 1), &[&a, &b])),
        RootError::Succession { .. }
    );
}

#[test]
fn expiry() {
    let a = key();
    let verified = first(&a, |_| {}).unwrap();
    assert_eq!(verified.in_force(at(999)), Ok(()));
    for (attack, now) in [("expiry at the moment", 1000), ("freeze: expired since long", 999_999)] {
        let error = verified.in_force(at(now)).unwrap_err();
        assert_eq!(error, RootError::Expired { version: 1, expires: at(1000) }, "{attack}");
    }
    refused!(
        "no expiry",
        first_json(&a, |root| root.as_object_mut().unwrap().remove("expires")),
        RootError::Malformed(error) if says(error, "missing field `expires`")
    );
    refused!("expiry of null", first_json(&a, |root| root["expires"] = Value::Null), RootError::Malformed(_));
    refused!("expiry as a number", first_json(&a, |root| root["expires"] = json!(99_999_999)), RootError::Malformed(_));
    refused!(
        "expiry beyond all calendars",
        first_json(&a, |root| root["expires"] = json!("99999-01-01T00:00:00Z")),
        RootError::Malformed(_)
    );
}
