//! What is gone, or whose key is, is not replaced by an older one or one that is dated back.

use freehold_core::digest::Digest;
use freehold_core::manifest::Manifest;
use freehold_trust::{Yank, sign_yank};
use jiff::{SignedDuration, Timestamp};

use crate::project::{
    FIRST, NAME, RESOLVED, bytes, folder, key, listed, locked, project, recipe, replace, sign, unlock, with_versions,
    yank,
};

#[test]
fn a_locked_version_that_is_gone_is_not_replaced_by_an_older_one() {
    let project = with_versions(&["1.1.0"]);
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    let lock = project.read("freehold.lock");
    std::fs::rename(folder(&project, "1.1.0"), project.path().join("kept")).unwrap();
    let parts =
        ["1.1.0 is locked, but `plugins` does not have it any more", "offers 1.0.0: older", "back into the folder"];
    project.run(&["run"]).expect(1).says(&parts);
    project.run(&["run", "--locked"]).expect(1).says(&parts);
    assert_eq!(project.read("freehold.lock"), lock);
    // A newer one takes its place, but not where nothing may move.
    sign(&project, "1.2.0");
    project.run(&["run", "--locked"]).expect(1).says(&["1.1.0 is locked", "it offers 1.2.0"]);
    let newer = project.fork();
    newer.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&newer), "1.2.0");
    // The old version in the folder of the locked one is not the locked one.
    std::fs::rename(folder(&project, "1.0.0"), folder(&project, "1.1.0")).unwrap();
    project.run(&["run"]).expect(4).says(&["asked for `freehold/redact-pii 1.1.0`", "of `freehold/redact-pii 1.0.0`"]);
    // An operator may go back knowingly: with the exact version, or when the publisher has yanked what is gone.
    std::fs::rename(folder(&project, "1.1.0"), folder(&project, "1.0.0")).unwrap();
    yank(&project, "1.2.0").expect(0);
    let parts = ["has seen `freehold/redact-pii` 1.1.0", "it offers 1.0.0", "name it exactly: `=1.0.0`"];
    project.run(&["plugin", "update", "--write"]).expect(1).says(&parts);
    let exact = project.fork();
    exact.run_recipe(&recipe("=1.0.0")).expect(RESOLVED);
    assert_eq!(locked(&exact), "1.0.0");
    yank(&project, "1.1.0").expect(0);
    project.run(&["plugin", "update", "--write"]).expect(0).says(&["is now 1.0.0", "was 1.1.0", "which is newer"]);
    project.run(&["run", "--locked"]).expect(RESOLVED);
}

/// The attack: whoever can delete from the folder waits for a recipe without a lockfile, or with an edited range.
#[test]
fn a_version_that_was_seen_and_is_gone_is_not_replaced_by_an_older_one() {
    let project = with_versions(&["1.1.0"]);
    let fresh = project.fork();
    assert_eq!(listed(&project, "1.1.0")["usable"], true);
    std::fs::rename(folder(&project, "1.1.0"), project.path().join("kept")).unwrap();
    let parts = [
        "this home has seen `freehold/redact-pii` 1.1.0, which fits `^1.0`",
        "it offers 1.0.0",
        "put freehold/redact-pii/1.1.0 back",
        "`=1.0.0`",
    ];
    project.run_recipe(&recipe("^1.0")).expect(1).says(&parts);
    assert!(!project.path().join("freehold.lock").exists());
    project.run(&["plugin", "inspect", NAME]).expect(1).says(&["1.1.0, which fits `*`", "`=1.0.0`"]);
    // A lock that the edited range no longer takes.
    sign(&project, "2.0.0");
    project.run_recipe(&recipe("^2")).expect(RESOLVED);
    project.run_recipe(&recipe("^1.0")).expect(1).says(&parts);
    project.run(&["run", "--locked"]).expect(1).says(&parts);
    project.run(&["plugin", "update", "--write"]).expect(1).says(&parts);
    assert_eq!(locked(&project), "2.0.0");
    // What the operator says exactly is done, and what fits no newer one.
    for range in ["=1.0.0", "<1.1"] {
        let knowingly = project.fork();
        knowingly.run_recipe(&recipe(range)).expect(RESOLVED);
        assert_eq!(locked(&knowingly), "1.0.0", "{range}");
        knowingly.run(&["run", "--locked"]).expect(RESOLVED);
    }
    // Put back, it is used.
    let back = project.fork();
    std::fs::rename(back.path().join("kept"), folder(&back, "1.1.0")).unwrap();
    back.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    assert_eq!(locked(&back), "1.1.0");
    // Yanked though it is gone, it is missed no more, wherever the folder goes.
    let yanked = project.fork();
    yank(&yanked, "1.1.0").expect(0);
    yanked.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&yanked), "1.0.0");
    assert!(yanked.run(&["plugin", "list"]).expect(0).stdout.lines().all(|line| !line.contains("1.1.0")));
    yank(&yanked, "1.2.0").expect(2).says(&["has no `freehold/redact-pii` 1.2.0"]);
    // Revoked, it would not run if it were there.
    let manifest = std::fs::read(project.path().join("kept/manifest.dsse.json")).unwrap();
    project.run(&["trust", "revoke", &Digest::of(&manifest).to_string(), "--reason", "leaks"]).expect(0);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.0.0");
    project.assert_intact();
    // A home that never saw it cannot miss it.
    std::fs::remove_dir_all(folder(&fresh, "1.1.0")).unwrap();
    fresh.run_recipe(&recipe("^1.0")).expect(RESOLVED);
}

/// A stolen key signs a high version, the home sees it, and the key is revoked: the operator is not held to it.
#[test]
fn a_version_of_a_key_that_was_revoked_since_is_not_missed() {
    let project = project();
    project.run(&["key", "new", "stolen"]).expect(0);
    project.run(&["trust", "add", "--key", "stolen", "--names", NAME]).expect(0);
    project.sign_changed("redact-pii", &[(FIRST, "version = \"1.9.9\"")], "stolen", 30).expect(0);
    assert_eq!(listed(&project, "1.9.9")["usable"], true);
    std::fs::remove_dir_all(folder(&project, "1.9.9")).unwrap();
    project.run_recipe(&recipe("^1.0")).expect(1).says(&["has seen `freehold/redact-pii` 1.9.9"]);
    project.run(&["trust", "revoke", "stolen", "--reason", "stolen"]).expect(0);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.0.0");
}

/// The attack: the key was rotated out and not revoked; its thief signs a new version and dates it back.
#[test]
fn a_key_that_was_rotated_out_signs_nothing_new_whatever_the_date() {
    let project = project();
    // What else is needed is signed by the key that comes after it.
    project.run(&["key", "new", "second"]).expect(0);
    project.run(&["trust", "add", "--key", "second", "--names", "freehold/*"]).expect(0);
    for other in ["exact-match", "residency-gate"] {
        project.sign_changed(other, &[], "second", 30).expect(0);
    }
    // An hour ago, as the manifest says, when the old key was good.
    replace(&project, "1.0.0", &bytes(), |_| {});
    let unseen = project.fork();
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    let end = (Timestamp::now() - SignedDuration::from_mins(30)).to_string();
    let limit = ["trust", "add", "--key", "publisher", "--names", "freehold/*", "--valid-until", &end];
    project.run(&limit).expect(0);
    unseen.run(&limit).expect(0);
    // Where it was met in time, it goes on, locked or not.
    project.run(&["run", "--locked"]).expect(RESOLVED);
    let lock = String::from_utf8(project.read("freehold.lock")).unwrap();
    unlock(&project);
    project.run(&["run"]).expect(RESOLVED);
    // Elsewhere only where it is locked.
    let parts = ["1.0.0` is signed by", "a key whose time ended at", "has not met it before", "plugin sign --renew"];
    unseen.run_recipe(&recipe("^1.0")).expect(4).says(&parts);
    assert_eq!(listed(&unseen, "1.0.0")["usable"], false);
    unseen.write("freehold.lock", &lock);
    unseen.run(&["run", "--locked"]).expect(RESOLVED);
    // The same content under another date is another signature.
    let renewed = |manifest: &mut Manifest| manifest.created = Timestamp::now() - SignedDuration::from_mins(40);
    replace(&unseen, "1.0.0", &bytes(), renewed);
    unseen.run(&["run"]).expect(4).says(&parts);
    // The thief's new version, dated back.
    std::fs::create_dir(folder(&project, "1.1.0")).unwrap();
    replace(&project, "1.1.0", &bytes(), |_| {});
    unlock(&project);
    project.run(&["run"]).expect(4).says(&["1.1.0` is signed by", "a key whose time ended at"]);
    project.run(&["plugin", "update"]).expect(4).says(&["a key whose time ended at"]);
    // The same by the key that is good.
    project.sign_changed("redact-pii", &[(FIRST, "version = \"1.1.0\"")], "second", 30).expect(0);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    // Its yanks count no more than its plugins.
    let (name, version) = (NAME.parse().unwrap(), "1.1.0".parse().unwrap());
    let time = Timestamp::now() - SignedDuration::from_mins(40);
    let word = Yank { name, version, yanked: true, reason: "x".into(), time };
    let yank = sign_yank(&word, &key(&project, "publisher")).unwrap().to_bytes();
    std::fs::write(folder(&project, "1.1.0").join("yank.dsse.json"), yank).unwrap();
    project
        .run(&["run"])
        .expect(4)
        .says(&["the yank of plugin `freehold/redact-pii 1.1.0`", "a key whose time ended at"]);
    // The records of the runs before are none of this: the ledger knows when they were made.
    for project in [&project, &unseen] {
        project.assert_intact();
    }
}
