//! Attacks by the form of a root: types, JSON, base64, sizes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::tests::{key, root, signed};
use super::super::*;
use super::{first_envelope, first_text, says};
use crate::envelope::EnvelopeError;

#[test]
fn payload_types() {
    let a = key();
    let payload = serde_json::to_vec(&root(1, &[&a], 1)).unwrap();
    for (attack, kind) in [
        ("a manifest's envelope as root", crate::plugin::MANIFEST_TYPE),
        ("a statement as root", crate::statement::IN_TOTO_TYPE),
        ("no type as root", ""),
        ("a type that begins as a root's", "application/vnd.freehold.trust-root+jsonl"),
        ("a type in upper case", "application/vnd.freehold.trust-root+JSON"),
    ] {
        let error = VerifiedRoot::first(&Envelope::sign(kind, &payload, &[&a]).unwrap().to_bytes()).unwrap_err();
        let expected = EnvelopeError::Type { found: kind.into(), expected: ROOT_TYPE.into() };
        assert_eq!(error, RootError::Envelope(expected), "{attack}");
    }
    refused!(
        "a manifest's envelope called a root",
        VerifiedRoot::first(
            &String::from_utf8(Envelope::sign(crate::plugin::MANIFEST_TYPE, &payload, &[&a]).unwrap().to_bytes())
                .unwrap()
                .replace(crate::plugin::MANIFEST_TYPE, ROOT_TYPE)
                .into_bytes()
        ),
        RootError::Envelope(EnvelopeError::BadSignature(_))
    );
}

#[test]
fn encodings() {
    let a = key();
    let text = serde_json::to_string(&root(1, &[&a], 1)).unwrap();
    let id = a.public().id();
    let public = STANDARD.encode(a.public().as_dalek().as_bytes());
    let malformed = |attack: &str, text: &str, part: &str| match first_text(&a, text) {
        Err(RootError::Malformed(error)) => assert!(error.contains(part), "{attack}: {error}"),
        other => panic!("{attack}: {other:?}"),
    };
    malformed("duplicate field", &text.replacen('{', "{\"version\":1,", 1), "duplicate field `version`");
    let twice = format!("\"keys\":{{\"{id}\":\"{public}\",");
    malformed("duplicate key in a map", &text.replacen("\"keys\":{", &twice, 1), "is there twice");
    let role = format!("\"roles\":{{\"root\":{{\"keys\":[\"{id}\"],\"threshold\":1}},");
    malformed("duplicate role", &text.replacen("\"roles\":{", &role, 1), "is there twice");
    malformed("unknown field", &text.replacen('{', "{\"admin\":true,", 1), "unknown field `admin`");
    malformed("unknown role", &text.replace("\"recorder\"", "\"admin\""), "unknown variant `admin`");
    let rule = "\"publishers\":[{\"key\":\"".to_owned() + &id.to_string() + "\",\"names\":[\"*\"],\"all\":1}]";
    malformed("unknown field in a rule", &text.replace("\"publishers\":[]", &rule), "unknown field `all`");
    malformed("trailing bytes", &format!("{text}{{}}"), "trailing characters");
    malformed("truncated", &text[..text.len() - 1], "EOF");
    malformed("empty", "", "EOF");
    malformed("a list instead of a root", "[]", "invalid length 0");
    malformed("nested too deep", &"[".repeat(200), "invalid type");

    let bytes = signed(&root(1, &[&a], 1), &[&a]);
    let envelope = |bytes: &[u8]| VerifiedRoot::first(bytes);
    let trailing = [&bytes[..], b"x"].concat();
    refused!("envelope with trailing bytes", envelope(&trailing), RootError::Envelope(EnvelopeError::Malformed(_)));
    refused!(
        "envelope truncated",
        envelope(&bytes[..bytes.len() / 2]),
        RootError::Envelope(EnvelopeError::Malformed(_))
    );
    refused!(
        "envelope with an unknown field",
        first_envelope(&a, |envelope| envelope["trusted"] = json!(true)),
        RootError::Envelope(EnvelopeError::Malformed(error)) if says(error, "unknown field")
    );
    let doubled = String::from_utf8(bytes.clone()).unwrap().replacen('{', "{\"payload\":\"e30=\",", 1);
    refused!(
        "envelope with two payloads",
        envelope(doubled.as_bytes()),
        RootError::Envelope(EnvelopeError::Malformed(error)) if says(error, "duplicate field")
    );
    let large = vec![b' '; ROOT_BYTES_MAX + 1];
    refused!("oversized", envelope(&large), RootError::TooLarge(size) if *size == ROOT_BYTES_MAX + 1);
    let sig = |envelope: &Value| envelope["signatures"][0]["sig"].as_str().unwrap().to_owned();
    refused!(
        "non-canonical base64",
        first_envelope(&a, |envelope| {
            // 64 bytes leave four bits in the last letter before the padding; they have to be zero.
            let text = sig(envelope);
            let (body, _) = text.split_at(text.len() - 3);
            let last = text.as_bytes()[text.len() - 3];
            envelope["signatures"][0]["sig"] = json!(format!("{body}{}==", char::from(last + 1)));
        }),
        RootError::Envelope(EnvelopeError::Malformed(_))
    );
    refused!(
        "base64 with spaces",
        first_envelope(&a, |envelope| envelope["signatures"][0]["sig"] = json!(format!("{} ", sig(envelope)))),
        RootError::Envelope(EnvelopeError::Malformed(_))
    );
    refused!(
        "base64 of the other alphabet",
        first_envelope(&a, |envelope| envelope["payload"] = json!("_-8=")),
        RootError::Envelope(EnvelopeError::Malformed(_))
    );
}
