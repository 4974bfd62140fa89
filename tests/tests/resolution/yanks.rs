//! Versions that their publisher withdraws.

use freehold_trust::{Envelope, SecretKey, YANK_TYPE, Yank, sign_yank};
use jiff::{SignedDuration, Timestamp};

use crate::project::{NAME, RESOLVED, folder, key, listed, locked, recipe, unlock, unyank, with_versions, yank};

#[test]
fn a_yanked_version_is_used_where_it_is_locked_and_nowhere_else() {
    let project = with_versions(&["1.1.0"]);
    let first = project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    assert!(!first.stderr.contains("yanked"), "{}", first.stderr);
    yank(&project, "1.1.0").expect(0).says(&["freehold/redact-pii 1.1.0 is yanked by", "loses rows"]);
    assert_eq!(listed(&project, "1.1.0")["yanked"], "loses rows");
    assert_eq!(listed(&project, "1.1.0")["usable"], true);
    project.run(&["plugin", "list"]).expect(0).says(&["yanked: loses rows"]);
    project.run(&["plugin", "inspect", "freehold/redact-pii@1.1.0"]).expect(0).says(&["yanked loses rows"]);
    project.run(&["plugin", "inspect", NAME]).expect(0).says(&["freehold/redact-pii 1.0.0"]);

    let warned = project.run(&["run", "--locked", "--json"]).expect(RESOLVED);
    assert!(warned.stderr.contains("1.1.0 is used because it is locked, but its publisher yanked it: loses rows"));
    let run = warned.json()["run"].as_str().unwrap().to_owned();
    let shown = project.run(&["audit", "show", &run, "--json"]).expect(0).json();
    assert_eq!(shown["phases"][0]["detail"]["yanked"]["freehold/redact-pii@1.1.0"], "loses rows");

    let fresh = project.fork();
    unlock(&fresh);
    fresh.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&fresh), "1.0.0");

    yank(&project, "1.0.0").expect(0);
    unlock(&project);
    project.run(&["run"]).expect(1).says(&["is yanked: 1.1.0 (loses rows), 1.0.0 (loses rows)", "get a newer version"]);
    unyank(&project, "1.1.0").expect(0).says(&["1.1.0 is no longer yanked"]);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    project.assert_intact();
}

#[test]
fn yank_and_unyank_are_told_what_they_cannot_do() {
    let project = with_versions(&[]);
    yank(&project, "9.9.9").expect(2).says(&["has no `freehold/redact-pii` 9.9.9; found: 1.0.0"]);
    unyank(&project, "1.0.0").expect(2).says(&["is not yanked"]);
    for plugin in [NAME, "nonsense@1.0.0", "freehold/redact-pii@one"] {
        project.run(&["plugin", "yank", plugin, "--key", "publisher", "--reason", "x"]).expect(2);
    }
    let first = format!("{NAME}@1.0.0");
    project.run(&["plugin", "yank", &first, "--key", "publisher", "--reason", " "]).expect(2).says(&["needs a reason"]);
    project.run(&["key", "new", "stranger"]).expect(0);
    let foreign = ["plugin", "yank", &first, "--key", "stranger", "--reason", "x"];
    project.run(&foreign).expect(4).says(&["does not know as a publisher", "freehold trust add"]);
    project.run(&["trust", "add", "--key", "stranger", "--names", "other/*"]).expect(0);
    project.run(&foreign).expect(4).says(&["may not publish this name"]);
    assert!(!folder(&project, "1.0.0").join("yank.dsse.json").exists(), "nothing was written");
}

#[test]
fn a_forged_yank_is_an_error_and_no_way_to_an_older_version() {
    let project = with_versions(&["1.1.0"]);
    let file = folder(&project, "1.1.0").join("yank.dsse.json");
    let (name, version) = (NAME.parse().unwrap(), "1.1.0".parse().unwrap());
    let said = Yank { name, version, yanked: true, reason: "x".into(), time: Timestamp::now() };
    let payload = serde_json::to_vec(&serde_json::json!(said)).unwrap();
    let other = Yank { version: "1.0.0".parse().unwrap(), ..said.clone() };
    let future = Yank { time: Timestamp::now() + SignedDuration::from_hours(1), ..said.clone() };
    let (publisher, stranger) = (key(&project, "publisher"), SecretKey::generate().unwrap());
    for (forged, part) in [
        (Envelope::sign(YANK_TYPE, &payload, &[]).unwrap().to_bytes(), "is not signed"),
        (sign_yank(&said, &stranger).unwrap().to_bytes(), "does not know as a publisher"),
        (sign_yank(&other, &publisher).unwrap().to_bytes(), "the yank beside `freehold/redact-pii 1.1.0` is of"),
        (sign_yank(&future, &publisher).unwrap().to_bytes(), "in the future"),
        (b"{}".to_vec(), "or is none"),
    ] {
        std::fs::write(&file, forged).unwrap();
        project.run_recipe(&recipe("^1.0")).expect(4).says(&[part]);
        assert_eq!(listed(&project, "1.1.0")["usable"], false);
        project.run(&["plugin", "update"]).expect(4).says(&[part]);
    }
    // What nobody can trust, its publisher can replace.
    yank(&project, "1.1.0").expect(0);
    assert_eq!(listed(&project, "1.1.0")["usable"], true);
}

#[test]
fn a_yank_cannot_be_undone_or_redone_by_moving_files() {
    let project = with_versions(&["1.1.0"]);
    let file = folder(&project, "1.1.0").join("yank.dsse.json");
    yank(&project, "1.1.0").expect(0);
    let old = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(listed(&project, "1.1.0")["yanked"], "loses rows", "the home has seen it");
    unyank(&project, "1.1.0").expect(0);
    assert_eq!(listed(&project, "1.1.0")["yanked"], serde_json::Value::Null);
    std::fs::write(&file, old).unwrap();
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0", "the old yank was replayed");
}
