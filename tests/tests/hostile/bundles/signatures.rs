//! Attacks by who signed what: everything is in its place, and the publisher's word does not cover it.

use freehold_bundle::Parts;
use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, World};
use freehold_trust::{Envelope, MANIFEST_TYPE, SecretKey, YANK_TYPE, Yank, sign_plugin, sign_yank};
use jiff::{SignedDuration, Timestamp};
use semver::Version;
use serde_json::json;

use super::{Attack, NAME, Operator, attack, bundle, component, manifest};
use crate::guest;

const FOLDER: &str = "plugins/freehold/hostile/1.0.0";

/// Another policy.
fn other_component() -> Vec<u8> {
    guest::component(World::Policy, &guest::policy("(unreachable)", ""))
}

/// A bundle with this manifest, which may be anything.
fn with_manifest(operator: &Operator, manifest: impl Into<Vec<u8>>) -> Vec<u8> {
    bundle(&Parts { manifest: manifest.into(), ..operator.parts() })
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

#[test]
fn plugins_that_nobody_trusted_signed() {
    let operator = Operator::new();
    let payload = serde_json::to_vec(&manifest(component())).unwrap();
    let stranger = SecretKey::generate().unwrap();
    let signed = |change: fn(&mut Manifest)| bundle(&operator.signed(change));
    operator.defend(vec![
        attack(
            "not signed",
            with_manifest(&operator, Envelope::sign(MANIFEST_TYPE, &payload, &[]).unwrap().to_bytes()),
            "plugin `freehold/hostile 1.0.0` is not signed",
        ),
        attack(
            "signed by a stranger",
            with_manifest(&operator, sign_plugin(&manifest(component()), &stranger).unwrap().to_bytes()),
            "does not know as a publisher",
        ),
        attack(
            "a publisher of other names",
            signed(|manifest| manifest.name = "acme/hostile".parse().unwrap()),
            "`acme/hostile` is signed by",
        ),
        attack("expired", signed(|manifest| manifest.expires = Timestamp::now() - hours(1)), "1.0.0` expired at"),
        attack("from the future", signed(|manifest| manifest.created = Timestamp::now() + hours(1)), "in the future"),
        attack(
            "for another contract",
            signed(|manifest| manifest.contract = Version::new(2, 0, 0)),
            "was built for contract 2.0.0",
        ),
        attack(
            "the signature of something else",
            with_manifest(&operator, {
                let signed = Envelope::sign(YANK_TYPE, &payload, &[&operator.key]).unwrap().to_bytes();
                String::from_utf8(signed).unwrap().replace(YANK_TYPE, MANIFEST_TYPE)
            }),
            "the manifest was changed after it was signed",
        ),
    ]);
}

#[test]
fn parts_that_do_not_belong_together() {
    let operator = Operator::new();
    let swapped = Parts { component: other_component(), ..operator.parts() };
    let mut flipped = operator.parts();
    *flipped.component.last_mut().unwrap() ^= 1;
    let nothing = Parts { component: vec![], ..operator.parts() };
    operator.defend(vec![
        attack("the component of another plugin", bundle(&swapped), "the component was changed after it was signed"),
        attack("a component with one bit changed", bundle(&flipped), "the component was changed"),
        attack("an empty component", bundle(&nothing), "the component was changed"),
    ]);
}

#[test]
fn manifests_that_are_none_or_talk_to_the_terminal() {
    let operator = Operator::new();
    let signed =
        |payload: &str| Envelope::sign(MANIFEST_TYPE, payload.as_bytes(), &[&operator.key]).unwrap().to_bytes();
    let nameless = "does not say which plugin it is of";
    let keyid = json!({
        "payload": "eyJuYW1lIjoiYWNtZS94IiwidmVyc2lvbiI6IjEuMC4wIn0=",
        "payloadType": MANIFEST_TYPE,
        "signatures": [{ "keyid": "\u{1b}[2J\u{1b}[1;1Hverified\u{202e}", "sig": "" }],
    });
    let field = format!("{{\"\\u001b[2J\\u001b]0;owned\\u0007\": 1, \"{}\": 2}}", "x".repeat(100_000));
    let long = format!("{{\"{}\": 2}}", "x".repeat(100_000));
    operator.defend(vec![
        attack("an empty manifest", with_manifest(&operator, ""), nameless),
        attack("no JSON", with_manifest(&operator, "\0\0\0\0"), nameless),
        attack("brackets without end", with_manifest(&operator, "[".repeat(1 << 20)), nameless),
        attack("no envelope", with_manifest(&operator, "{}"), nameless),
        attack("an envelope of nothing", with_manifest(&operator, signed("")), nameless),
        attack(
            "a name that leads out",
            with_manifest(&operator, signed(r#"{"name":"../../etc","version":"1.0.0"}"#)),
            nameless,
        ),
        attack(
            "a version that leads out",
            with_manifest(&operator, signed(r#"{"name":"freehold/hostile","version":"../../1.0.0"}"#)),
            nameless,
        ),
        attack(
            "two names",
            with_manifest(&operator, signed(r#"{"name":"freehold/a","name":"freehold/b","version":"1.0.0"}"#)),
            nameless,
        ),
        attack(
            "a name and nothing else",
            with_manifest(&operator, signed(r#"{"name":"freehold/hostile","version":"1.0.0"}"#)),
            "the manifest was changed",
        ),
        attack("a key's name that clears the screen", with_manifest(&operator, keyid.to_string()), "not know as a"),
        attack("a field that clears the screen", with_manifest(&operator, field), nameless),
        attack("a field of a hundred thousand letters", with_manifest(&operator, long), nameless),
    ]);
}

#[test]
fn what_was_revoked_stays_out_in_a_bundle_too() {
    let good = Operator::new();
    let parts = good.parts();
    let (bundled, manifest) = (bundle(&parts), Digest::of(&parts.manifest).to_string());
    let component = Digest::of(component()).to_string();
    good.add(&bundled).expect(0);
    let revoke = |what: &str, says| {
        let operator = Operator::of(good.project.fork());
        operator.project.run(&["key", "new", "second"]).expect(0);
        operator.project.run(&["trust", "add", "--key", "second", "--names", "freehold/*"]).expect(0);
        operator.project.run(&["trust", "revoke", what, "--reason", "leaks"]).expect(0);
        std::fs::remove_dir_all(operator.project.path().join("plugins")).unwrap();
        operator.write("attack.plugin", &bundled);
        operator.project.run(&["plugin", "add", "attack.plugin"]).expect(4).says(&[says, "leaks"]);
        assert!(!operator.project.path().join("plugins").exists());
        operator
    };
    revoke(&component, "its component sha256:");
    revoke("publisher", "a key that is revoked");
    let operator = revoke(&manifest, "its signed manifest sha256:");
    // Signed anew it is taken, also where the revoked one lies.
    operator.add(&bundle(&operator.signed(|manifest| manifest.expires += hours(1)))).expect(0);
}

#[test]
fn a_version_never_gets_other_bytes_by_a_bundle() {
    let operator = Operator::new();
    let mut other = operator.signed(|manifest| manifest.component = Digest::of(&other_component()));
    other.component = other_component();
    let other = bundle(&other);
    let more = bundle(&operator.signed(|manifest| manifest.limits.memory_bytes += 1));
    // Where it lies in the folder, though this home has never seen it.
    operator.write("signed.wasm", component());
    let source = format!("name = \"{NAME}\"\nversion = \"1.0.0\"\nworld = \"policy\"\ndescription = \"Allows\"");
    operator.project.write("signed.toml", &source);
    let sign = ["plugin", "sign", "signed.wasm", "--source", "signed.toml", "--key", "publisher"];
    operator.project.run(&sign).expect(0);
    assert!(!operator.project.path().join("home/plugins-seen").exists());
    let occupied = "`plugins` has `freehold/hostile` 1.0.0 already, as something else";
    operator.refuse(attack("another component than lies there", other.clone(), occupied));
    operator.refuse(attack("another content than lies there", more.clone(), "limits.memory_bytes"));
    // What was refused is not remembered: what lies there is still good.
    operator.project.run(&["plugin", "inspect", NAME]).expect(0);
    // Where this home has seen it, though nothing lies in the folder.
    std::fs::remove_dir_all(operator.project.path().join("plugins")).unwrap();
    let seen = "`freehold/hostile` 1.0.0 is not what this home has seen under that version";
    operator.refuse(attack("another component than was seen", other, seen));
    operator.refuse(attack("another content than was seen", more, seen));
    operator.add(&bundle(&operator.parts())).expect(0).says(&["added to plugins/"]);
}

#[test]
fn an_older_version_may_lie_beside_a_newer_one_and_does_not_take_its_place() {
    let operator = Operator::new();
    let version = |minor| bundle(&operator.signed(|manifest| manifest.version = Version::new(1, minor, 0)));
    operator.add(&version(1)).expect(0);
    operator.add(&version(0)).expect(0).says(&["freehold/hostile 1.0.0, signed by", "added to"]);
    operator.project.run(&["plugin", "inspect", NAME]).expect(0).says(&["freehold/hostile 1.1.0"]);
}

#[test]
fn the_name_of_the_file_counts_for_nothing() {
    let operator = Operator::new();
    operator.write("freehold.license-gate-9.9.9.plugin", &bundle(&operator.parts()));
    let added = operator.project.run(&["plugin", "add", "freehold.license-gate-9.9.9.plugin"]).expect(0);
    added.says(&["freehold/hostile 1.0.0, signed by", "added to plugins/freehold/hostile/1.0.0"]);
    let files: Vec<_> = operator.plugins().into_iter().map(|(name, _)| name).collect();
    let expected = ["plugins/freehold", "plugins/freehold/hostile", FOLDER].map(str::to_owned).to_vec();
    assert_eq!(files[..3], expected);
    assert_eq!(files[3..], ["component.wasm", "manifest.dsse.json"].map(|file| format!("{FOLDER}/{file}")));
}

#[test]
fn yanks_that_are_about_something_else_or_by_nobody() {
    let operator = Operator::new();
    let said = |yanked| Yank {
        name: NAME.parse().unwrap(),
        version: Version::new(1, 0, 0),
        yanked,
        reason: "loses rows".into(),
        time: Timestamp::now() - hours(1),
    };
    let stranger = SecretKey::generate().unwrap();
    let with = |yank: Vec<u8>| bundle(&Parts { yank: Some(yank), ..operator.parts() });
    let signed = |yank: Yank| with(sign_yank(&yank, &operator.key).unwrap().to_bytes());
    let payload = serde_json::to_vec(&said(true)).unwrap();
    operator.defend(vec![
        attack(
            "the yank of another plugin",
            signed(Yank { name: "freehold/other".parse().unwrap(), ..said(true) }),
            "the yank beside `freehold/hostile 1.0.0` is of `freehold/other 1.0.0`",
        ),
        attack(
            "the yank of another version",
            signed(Yank { version: Version::new(0, 9, 0), ..said(true) }),
            "is of `freehold/hostile 0.9.0`",
        ),
        attack("a yank by nobody", with(Envelope::sign(YANK_TYPE, &payload, &[]).unwrap().to_bytes()), "is not signed"),
        attack(
            "a yank by a stranger",
            with(sign_yank(&said(true), &stranger).unwrap().to_bytes()),
            "does not know as a publisher",
        ),
        attack(
            "a yank from the future",
            signed(Yank { time: Timestamp::now() + hours(1), ..said(true) }),
            "in the future",
        ),
        attack("a yank that is none", with(b"{}".to_vec()), "or is none"),
        attack("a manifest for a yank", with(operator.parts().manifest), "or is none"),
        attack(
            "a reason that clears the screen",
            signed(Yank { reason: "\u{1b}[2J".into(), ..said(true) }),
            "needs a reason",
        ),
    ]);
}

#[test]
fn components_larger_than_their_manifest_or_the_host_allows() {
    let operator = Operator::new();
    let small = |bytes| bundle(&operator.signed(|manifest| manifest.limits.component_bytes = bytes));
    let size = component().len() as u64;
    let limited = |name, bundle, says| Attack { code: 1, ..attack(name, bundle, says) };
    operator.defend(vec![limited("larger than it says", small(size - 1), "has a component of more than")]);
    operator.project.write("home/host.toml", &format!("[plugins.limits]\ncomponent_bytes = {}\n", size - 1));
    let good = bundle(&operator.parts());
    operator.refuse(limited("larger than the host allows", good.clone(), "holds `component.wasm` with"));
    operator.project.write("home/host.toml", &format!("[plugins.limits]\ncomponent_bytes = {size}\n"));
    operator.add(&good).expect(0);
}
