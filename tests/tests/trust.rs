//! Keys are rotated, revoked and limited without undoing what they recorded; an old trust root, a changed one and an expired
//! one are refused.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_tests::{Project, Recipe};
use freehold_trust::{Role, SecretKey, TrustRoot, sign_note};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const PLUGIN: &str = "plugins/freehold/redact-pii/1.0.0";

/// A project in which everything has run once.
fn after_a_run() -> Project {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    project
}

fn secret(project: &Project, name: &str) -> SecretKey {
    SecretKey::from_pem(&String::from_utf8(project.read(&format!("home/keys/{name}.pem"))).unwrap()).unwrap()
}

fn root(project: &Project) -> TrustRoot {
    serde_json::from_value(project.run(&["trust", "show", "--json"]).expect(0).json()).unwrap()
}

/// A key of the home that was not there before; its id.
fn new_key(project: &Project, name: &str) -> String {
    let made = project.run(&["key", "new", name, "--json"]).expect(0).json();
    made["id"].as_str().unwrap().to_owned()
}

fn lose_key(project: &Project, name: &str) {
    for file in [format!("home/keys/{name}.pem"), format!("home/keys/{name}.pub.pem")] {
        std::fs::remove_file(project.path().join(file)).unwrap();
    }
}

/// An insider with the root key makes the next trust root, or another one of the same version.
fn forge_root(project: &Project, next: bool, change: impl FnOnce(&mut TrustRoot)) {
    let mut forged = root(project);
    forged.version += u64::from(next);
    change(&mut forged);
    let bytes = forged.sign(&[&secret(project, "root")]).unwrap().to_bytes();
    std::fs::write(project.path().join(format!("home/trust/{}.root.json", forged.version)), bytes).unwrap();
}

/// Who signed the statements of a run.
fn signers(project: &Project, run: &str) -> BTreeSet<Vec<String>> {
    let shown = project.run(&["audit", "show", run, "--json"]).expect(0).json();
    let phases = shown["entries"].as_array().unwrap().iter();
    let of = |entry: &Value| {
        let digest = entry["statement"].as_str().unwrap().trim_start_matches("sha256:");
        let bytes = project.read(&format!("home/store/blobs/sha256/{digest}"));
        let envelope: Value = serde_json::from_slice(&bytes).unwrap();
        let signatures = envelope["signatures"].as_array().unwrap();
        signatures.iter().map(|signature| signature["keyid"].as_str().unwrap().to_owned()).collect()
    };
    phases.map(of).collect()
}

fn origin(project: &Project) -> String {
    String::from_utf8(project.read("home/ledger/checkpoint")).unwrap().lines().next().unwrap().to_owned()
}

/// What must not happen under a trust root that cannot be trusted does not.
#[track_caller]
fn refuses_to_run(project: &Project, parts: &[&str]) {
    project.run(&["run"]).expect(4).says(parts);
    project.run(&["plugin", "inspect", "freehold/redact-pii"]).expect(4).says(parts);
    project.run(&["plugin", "list"]).expect(4).says(parts);
}

#[test]
fn every_role_is_rotated_and_runs_before_and_after_verify() {
    let project = after_a_run();
    let log = origin(&project);
    let before = root(&project);
    let old = before.keys_of(Role::Recorder).into_keys().next().unwrap().to_string();
    let mut ids = Vec::new();
    for name in ["recorder", "log", "root", "publisher"] {
        let new = format!("{name}-2");
        ids.push(new_key(&project, &new));
        project.run(&["trust", "rotate", name, &new]).expect(0);
        project.assert_intact();
    }
    // In role root the old key is gone at once; elsewhere both are good.
    let after = root(&project);
    assert_eq!(after.keys_of(Role::Root).into_keys().map(|id| id.to_string()).collect::<Vec<_>>(), [ids[2].clone()]);
    for role in [Role::Recorder, Role::Log] {
        assert_eq!(after.keys_at(role, Timestamp::now()).len(), 2);
        assert_eq!(after.keys_at(role, Timestamp::now() + SignedDuration::from_hours(31 * 24)).len(), 1);
    }
    // Plugins that the old publisher signed still run, beside one that the new one signs.
    project.sign_changed("exact-match", &[], "publisher-2", 30).expect(0);
    project.run(&["run"]).expect(0).says(&["desk-2"]);
    project.assert_intact();
    assert_eq!(signers(&project, "desk-1"), [vec![old]].into());
    assert_eq!(signers(&project, "desk-2"), [vec![ids[0].clone()]].into());
    assert_eq!(origin(&project), log, "the log keeps its name");
    // Nothing needs the old keys any more, and new trust roots are made without them.
    for name in ["recorder", "log", "root", "publisher"] {
        lose_key(&project, name);
    }
    project.run(&["trust", "renew"]).expect(0);
    project.run(&["run"]).expect(0).says(&["desk-3"]);
    project.assert_intact();
    // A stranger was told of the first root key; it still leads here.
    let first: Value = serde_json::from_slice(&project.read("home/trust/1.root.json")).unwrap();
    assert_eq!(first["signatures"][0]["keyid"], before.keys_of(Role::Root).into_keys().next().unwrap().to_string());
}

#[test]
fn a_rotation_without_overlap_takes_the_old_key_out_at_once() {
    let project = after_a_run();
    for name in ["recorder", "log"] {
        let new = format!("{name}-2");
        new_key(&project, &new);
        let old = secret(&project, name).public().id();
        project.run(&["trust", "rotate", name, &new, "--overlap-days", "0"]).expect(0);
        assert!(!root(&project).keys.contains_key(&old));
    }
    project.assert_intact();
    // The run of the old recorder is read by the trust root that it names, also when the same recipe runs again.
    project.run(&["run"]).expect(0).says(&["desk-2"]);
    project.assert_intact();
    // A tree head that the old log key signs now is none.
    let note = String::from_utf8(project.read("home/ledger/checkpoint")).unwrap();
    let (text, _) = note.split_once("\n\n").unwrap();
    let forged = sign_note(format!("{text}\n").as_bytes(), &origin(&project), &[&secret(&project, "log")]).unwrap();
    std::fs::write(project.path().join("home/ledger/checkpoint"), forged).unwrap();
    project.run(&["audit", "verify"]).expect(4).says(&["checkpoint", "is not signed by"]);
    project.run(&["run"]).expect(4).says(&["is not signed by", "restore the folders `trust` and `ledger`"]);
    project.write("home/ledger/checkpoint", &note);
    project.assert_intact();
}

#[test]
fn an_interrupted_rotation_of_the_log_key_is_completed() {
    let project = after_a_run();
    new_key(&project, "log-2");
    let ahead = project.fork();
    ahead.run(&["trust", "rotate", "log", "log-2", "--overlap-days", "0"]).expect(0);
    // The root was written, its entry was not; the tree head is by the old key still.
    project.write("home/trust/3.root.json", &String::from_utf8(ahead.read("home/trust/3.root.json")).unwrap());
    project.run(&["audit", "list"]).expect(0);
    project.run(&["audit", "verify"]).expect(4).says(&["trust root 3 has no entry in the ledger"]);
    refuses_to_run(&project, &["trust root 3 has no entry in the ledger"]);
    project.run(&["init"]).expect(0);
    project.assert_intact();
    project.run(&["run"]).expect(0);
    project.assert_intact();
}

#[test]
fn a_run_goes_on_while_a_new_trust_root_is_made() {
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    new_key(&project, "log-2");
    let mut running = project.command(&["run"]).spawn().unwrap();
    // Until its first phase is in the ledger.
    let began = project.read("home/ledger/checkpoint");
    let mut waited = 0;
    while project.read("home/ledger/checkpoint") == began && waited < 6000 {
        std::thread::sleep(std::time::Duration::from_millis(10));
        waited += 1;
    }
    assert!(running.try_wait().unwrap().is_none(), "the run is still under way");
    project.run(&["trust", "rotate", "log", "log-2"]).expect(0);
    assert!(running.wait().unwrap().success());
    let phases = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let named: BTreeSet<u64> =
        phases["phases"].as_array().unwrap().iter().map(|phase| phase["trust_root"].as_u64().unwrap()).collect();
    assert_eq!((named, root(&project).version), ([2].into(), 3));
    project.assert_intact();
}

#[test]
fn what_is_revoked_no_longer_runs_and_what_it_recorded_still_verifies() {
    let project = after_a_run();
    let lock = String::from_utf8(project.read("freehold.lock")).unwrap();
    let component = Digest::of(&project.read(&format!("{PLUGIN}/component.wasm"))).to_string();
    let manifest = Digest::of(&project.read(&format!("{PLUGIN}/manifest.dsse.json"))).to_string();
    assert!(lock.contains(&component) && lock.contains(&manifest), "people find them in the lockfile");
    for (what, says) in [
        (component.as_str(), "its component"),
        (manifest.as_str(), "its signed manifest"),
        ("publisher", "a key that is revoked"),
    ] {
        let project = project.fork();
        project.run(&["trust", "revoke", what, "--reason", "leaks addresses"]).expect(0).says(&["leaks addresses"]);
        project.run(&["run"]).expect(4).says(&[says, "revoked at", "leaks addresses"]);
        project.run(&["plugin", "inspect", "freehold/redact-pii"]).expect(4).says(&["leaks addresses"]);
        project.assert_intact();
        // For good.
        project.run(&["trust", "revoke", what, "--reason", "again"]).expect(2).says(&["is revoked since"]);
        forge_root(&project, true, |root| {
            root.revoked_keys.clear();
            root.revoked_digests.clear();
        });
        project.run(&["run"]).expect(4).says(&["what was revoked stays revoked"]);
    }
    // Signed anew by another key it runs again, unless it is the component that is revoked.
    project.run(&["trust", "revoke", &manifest, "--reason", "wrong limits"]).expect(0);
    project.sign("redact-pii");
    project.run(&["run"]).expect(0);
    // A recorder's key: what it recorded before stays.
    new_key(&project, "recorder-2");
    project.run(&["trust", "revoke", "recorder", "--reason", "lost"]).expect(2).says(&["threshold of 1 with 0 keys"]);
    project.run(&["trust", "rotate", "recorder", "recorder-2"]).expect(0);
    project.run(&["trust", "revoke", "recorder", "--reason", "lost"]).expect(0);
    project.run(&["run"]).expect(0);
    project.assert_intact();
    project.run(&["trust", "add", "--role", "recorder", "--key", "recorder"]).expect(2).says(&["is revoked since"]);
    project.run(&["trust", "revoke", "sha256:abc", "--reason", "x"]).expect(2).says(&["is not a digest"]);
}

#[test]
fn a_rolled_back_trust_root_is_refused() {
    let project = after_a_run();
    project.run(&["trust", "revoke", "publisher", "--reason", "stolen"]).expect(0);
    // The folder as it was when the publisher was still trusted.
    std::fs::remove_file(project.path().join("home/trust/3.root.json")).unwrap();
    let says = &["trust root 3", "folder `trust`"];
    refuses_to_run(&project, says);
    for command in [
        &["trust", "show"][..],
        &["trust", "renew"],
        &["trust", "add", "--key", "publisher", "--names", "x/*"],
        &["init"],
        &["audit", "list"],
        &["audit", "verify"],
    ] {
        project.run(command).expect(4).says(says);
    }
    assert!(!project.path().join("home/trust/3.root.json").exists(), "no other third root was made");

    // Rolled back past a rotation of the log's key: the tree head is by a key that the old root does not know.
    let project = after_a_run();
    new_key(&project, "log-2");
    project.run(&["trust", "rotate", "log", "log-2"]).expect(0);
    std::fs::remove_file(project.path().join("home/trust/3.root.json")).unwrap();
    refuses_to_run(&project, &["is not signed by", "restore the folders `trust` and `ledger`"]);
    project.run(&["audit", "verify"]).expect(4).says(&["is not signed by"]);
}

#[test]
fn another_trust_root_of_the_same_version_is_refused() {
    let project = after_a_run();
    let genuine = String::from_utf8(project.read("home/trust/2.root.json")).unwrap();
    // Signed by the right keys, of the right version; only the ledger knows that it was another.
    forge_root(&project, false, |root| root.expires += SignedDuration::from_hours(1));
    let says = &["trust root 2 is not the one that ledger entry 1 names"];
    refuses_to_run(&project, says);
    project.run(&["trust", "renew"]).expect(4).says(says);
    project.run(&["audit", "verify"]).expect(4).says(says);
    // The same root in other bytes is another file than the ledger names, too.
    project.write("home/trust/2.root.json", &format!("{genuine}\n"));
    refuses_to_run(&project, says);
    project.write("home/trust/2.root.json", &genuine);
    project.assert_intact();
    // A root that nobody signed as it has to be.
    project.write("home/trust/3.root.json", &genuine);
    refuses_to_run(&project, &["there is a trust root 2 already"]);
    project.run(&["audit", "verify"]).expect(4).says(&["there is a trust root 2 already"]);
}

#[test]
fn an_expired_trust_root_only_makes_the_next_one() {
    let project = after_a_run();
    forge_root(&project, true, |root| root.expires = Timestamp::now() - SignedDuration::from_hours(1));
    project.run(&["init"]).expect(0);
    refuses_to_run(&project, &["trust root 3 expired at", "freehold trust renew"]);
    // What was recorded does not expire, and can be looked at.
    project.assert_intact();
    project.run(&["audit", "show", "desk-1"]).expect(0);
    project.run(&["trust", "show"]).expect(0);
    project.run(&["trust", "renew", "--days", "7"]).expect(0);
    let left = root(&project).expires.duration_since(Timestamp::now()).as_hours();
    assert!((6 * 24..=7 * 24).contains(&left), "{left}");
    project.run(&["run"]).expect(0);
    project.assert_intact();
}

#[test]
fn several_keys_of_a_home_sign_at_a_threshold() {
    let project = Project::bare();
    new_key(&project, "second");
    let add = |arguments: &[&str]| project.run(&[&["trust", "add", "--role", "root"], arguments].concat());
    add(&["--key", "second", "--threshold", "3"]).expect(2).says(&["threshold of 3 with 2 keys"]);
    add(&["--key", "second", "--threshold", "0"]).expect(2).says(&["threshold of 0 with 2 keys"]);
    add(&["--key", "second", "--threshold", "2", "--sign-with", "root"]).expect(4).says(&["1 missing"]);
    assert_eq!(root(&project).version, 2, "nothing was written");
    add(&["--key", "second", "--threshold", "2"]).expect(0).says(&["2 of 2"]);
    let before = project.files();
    let renew = |arguments: &[&str]| project.run(&[&["trust", "renew"], arguments].concat());
    renew(&["--sign-with", "root"]).expect(4).says(&["role root of trust root 3 needs 2 keys", "1 missing"]);
    renew(&["--sign-with", "root", "--sign-with", "root"]).expect(4).says(&["1 missing"]);
    renew(&["--sign-with", "root", "--sign-with", "publisher"])
        .expect(4)
        .says(&["`publisher`", "not in the role root"]);
    renew(&["--sign-with", "nobody"]).expect(2).says(&["there is no key `nobody`"]);
    assert_eq!(project.files(), before, "nothing was written");
    renew(&["--sign-with", "root", "--sign-with", "second"]).expect(0);
    renew(&[]).expect(0);
    // Rotation at both thresholds: the old two and the new two.
    new_key(&project, "third");
    let rotate = |arguments: &[&str]| project.run(&[&["trust", "rotate", "second", "third"], arguments].concat());
    rotate(&["--sign-with", "root", "--sign-with", "second"])
        .expect(4)
        .says(&["role root of trust root 6", "1 missing"]);
    rotate(&["--sign-with", "root", "--sign-with", "third"])
        .expect(4)
        .says(&["role root of trust root 5", "1 missing"]);
    rotate(&[]).expect(0);
    std::fs::remove_file(project.path().join("home/keys/third.pem")).unwrap();
    renew(&[]).expect(4).says(&["1 missing"]);
    project.assert_intact();
}

#[test]
fn recorders_and_log_keys_sign_together_if_their_threshold_asks_for_it() {
    let project = Project::new();
    for role in ["recorder", "log"] {
        let name = format!("{role}-2");
        new_key(&project, &name);
        project.run(&["trust", "add", "--role", role, "--key", &name, "--threshold", "2"]).expect(0);
    }
    project.run_recipe(&Recipe::default()).expect(0);
    project.assert_intact();
    let signers = signers(&project, "desk-1");
    assert!(signers.iter().all(|of| of.len() == 2), "{signers:?}");
    let note = String::from_utf8(project.read("home/ledger/checkpoint")).unwrap();
    assert_eq!(note.lines().filter(|line| line.starts_with('—')).count(), 2, "{note}");
    // One signature of two is none.
    let one = note.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n";
    project.write("home/ledger/checkpoint", &one);
    project.run(&["audit", "verify"]).expect(4).says(&["signed by 1 of the 2 keys"]);
    project.write("home/ledger/checkpoint", &note);
    lose_key(&project, "recorder-2");
    // The same key under a second name is one key.
    for half in ["pem", "pub.pem"] {
        let file = |name: &str| project.path().join(format!("home/keys/{name}.{half}"));
        std::fs::copy(file("recorder"), file("twin")).unwrap();
    }
    project.run(&["run"]).expect(4).says(&["role recorder of trust root 4 needs 2 keys", "1 missing"]);
    project.assert_intact();
}

#[test]
fn a_key_is_good_in_its_time_only() {
    let project = after_a_run();
    let past = (Timestamp::now() - SignedDuration::from_hours(24)).to_string();
    let limited = project.fork();
    limited.run(&["trust", "add", "--key", "publisher", "--names", "freehold/*", "--valid-until", &past]).expect(0);
    limited.run(&["run"]).expect(4).says(&["was signed at", "a key that is good until", "sign it again"]);
    let limited = project.fork();
    limited.run(&["trust", "add", "--role", "recorder", "--key", "recorder", "--valid-until", &past]).expect(0);
    limited.run(&["run"]).expect(4).says(&["role recorder", "1 missing"]);
    limited.assert_intact();
    // A home whose ledger nobody could sign any more is not made.
    let before = project.files();
    project
        .run(&["trust", "add", "--role", "log", "--key", "log", "--valid-until", &past])
        .expect(4)
        .says(&["role log"]);
    project.run(&["trust", "remove", "--role", "log", "--key", "log"]).expect(2).says(&["threshold of 1 with 0 keys"]);
    project
        .run(&["trust", "add", "--role", "root", "--key", "root", "--valid-until", &past])
        .expect(2)
        .says(&["of role root is limited in time"]);
    assert_eq!(project.files(), before);
}

#[test]
fn trust_is_shown_as_it_is_and_as_it_was() {
    let project = Project::bare();
    new_key(&project, "second");
    project.run(&["trust", "add", "--key", "second", "--names", "acme/*", "--names", "other/x"]).expect(0);
    project.run(&["trust", "remove", "--key", "second", "--names", "acme/*"]).expect(0);
    assert_eq!(root(&project).publishers[1].names.len(), 1);
    project.run(&["trust", "remove", "--key", "second"]).expect(0);
    project.run(&["trust", "remove", "--key", "second"]).expect(2).says(&["is not a publisher"]);
    project.run(&["trust", "rotate", "second", "root"]).expect(2).says(&["not in a role, nor a publisher"]);
    project.run(&["trust", "rotate", "root", "root"]).expect(2).says(&["cannot take its own place"]);
    project.run(&["trust", "revoke", "second", "--reason", "left the company"]).expect(0);
    let shown = project.run(&["trust", "show"]).expect(0).says(&["version 6", "second", "left the company"]);
    assert!(shown.stdout.lines().all(|line| line.chars().count() <= 100), "{}", shown.stdout);
    let past = |version: &str| project.run(&["trust", "show", "--version", version, "--json"]);
    assert_eq!(past("3").expect(0).json()["publishers"][1]["names"], json!(["acme/*", "other/x"]));
    assert_eq!(past("1").expect(0).json()["publishers"], json!([]));
    past("9").expect(2).says(&["there is no trust root 9"]);
    // The same command by two names; what is there stays.
    assert_eq!(project.run(&["trust", "init", "--json"]).expect(0).json()["trust_root"], 6);
    project.assert_intact();
}
