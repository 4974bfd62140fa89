//! The index of the records says where to look and nothing else: whatever becomes of it, answers are what the records say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use freehold_tests::{Project, Recipe};
use serde_json::Value;

fn file(project: &Project) -> PathBuf {
    project.path().join("home/cache/index/records.sqlite")
}

fn json(project: &Project, arguments: &[&str]) -> Value {
    project.run(&[&["audit"], arguments, &["--json"]].concat()).expect(0).json()
}

/// Everything that is found by the index.
fn answers(project: &Project) -> Vec<Value> {
    let questions: [&[&str]; 9] = [
        &["list"],
        &["list", "--verdict", "denied"],
        &["list", "--model", "desk@production"],
        &["list", "--plugin", "freehold/redact-pii"],
        &["impact", "plugin", "freehold/redact-pii"],
        &["impact", "key", "recorder"],
        &["explain", "desk@production"],
        &["show", "desk-1"],
        &["history", "desk@production"],
    ];
    questions.iter().map(|question| json(project, question)).collect()
}

fn statement(project: &Project, run: &str, phase: &str) -> PathBuf {
    let shown = json(project, &["show", run]);
    let entry = shown["entries"].as_array().unwrap().iter().find(|entry| entry["what"] == phase).unwrap();
    let digest = entry["statement"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    project.path().join("home/store/blobs/sha256").join(digest)
}

#[test]
fn answers_are_the_same_whatever_becomes_of_the_index() {
    let project = Project::with_runs();
    let older = {
        json(&project, &["list"]);
        std::fs::read(file(&project)).unwrap()
    };
    let policies = Recipe::default().policies.replace("minimum_rows = 10", "minimum_rows = 12");
    drop(project.run_recipe(&Recipe { policies, ..Recipe::default() }).expect(0));
    let expected = answers(&project);
    assert_eq!(expected[0].as_array().unwrap().len(), 4);
    let newest = std::fs::read(file(&project)).unwrap();
    assert_ne!(newest, older);

    // Older, gone, cut off, changed anywhere, or of another home.
    let other = Project::new();
    drop(other.run_recipe(&Recipe { name: "elsewhere".into(), ..Recipe::default() }).expect(0));
    json(&other, &["list"]);
    let foreign = std::fs::read(file(&other)).unwrap();
    let mut wrong = vec![older, Vec::new(), newest[..newest.len() / 2].to_vec(), foreign, newest[32..].to_vec()];
    for at in [0, 31, 32, 40, newest.len() / 3, newest.len() - 1] {
        let mut changed = newest.clone();
        changed[at] ^= 1;
        wrong.push(changed);
    }
    for bytes in wrong {
        std::fs::write(file(&project), bytes).unwrap();
        assert_eq!(json(&project, &["list"]), expected[0]);
    }
    std::fs::remove_file(file(&project)).unwrap();
    assert_eq!(answers(&project), expected);

    // It can be made anew by hand, and is no part of the evidence.
    let made = json(&project, &["index"]);
    assert_eq!((made["runs"].as_u64(), made["unread"].as_u64()), (Some(4), Some(0)));
    assert_eq!(made["bytes"].as_u64().unwrap() + 32, file(&project).metadata().unwrap().len());
    assert_eq!(answers(&project), expected);
    project.assert_intact();
    // Where nothing can be kept it is made for each question.
    std::fs::remove_dir_all(project.path().join("home/cache")).unwrap();
    std::fs::write(project.path().join("home/cache"), b"in the way").unwrap();
    assert_eq!(json(&project, &["list"]), expected[0]);
    assert_eq!(project.read("home/cache"), b"in the way");
}

#[test]
fn a_record_that_was_changed_is_not_hidden_by_the_index() {
    let project = Project::with_runs();
    let expected = json(&project, &["list"]);
    for (run, phase) in [("desk-1", "record"), ("abroad-1", "resolve")] {
        let path = statement(&project, run, phase);
        let bytes = std::fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        std::fs::write(&path, changed).unwrap();
        for kept in [true, false] {
            if !kept {
                std::fs::remove_file(file(&project)).unwrap();
            }
            drop(project.run(&["audit", "list"]).expect(4).says(&["was changed"]));
            drop(project.run(&["audit", "impact", "plugin", "freehold/redact-pii"]).expect(4).says(&["was changed"]));
            // A run that could be anything is what is looked for, whatever that is.
            if !kept {
                drop(project.run(&["audit", "list", "--plugin", "acme/unknown"]).expect(4).says(&["was changed"]));
                assert!(!file(&project).exists(), "an index that could not read everything was kept");
            }
            // Another run's records are as readable as they were.
            assert_eq!(json(&project, &["explain", "desk-2"])["run"], "desk-2");
        }
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(json(&project, &["list"]), expected);
    }
}
