//! An alias goes back to what it named before, and the ledger says so.

use freehold_tests::{Project, Recipe};
use serde_json::{Value, json};

fn promote(project: &Project, minimum_rows: u32) {
    let bar = format!("minimum_rows = {minimum_rows}");
    let policies = Recipe::default().policies.replace("minimum_rows = 10", &bar);
    drop(project.run_recipe(&Recipe { policies, ..Recipe::default() }).expect(0));
}

fn ask(project: &Project, arguments: &[&str]) -> Value {
    project.run(&[arguments, &["--json"]].concat()).expect(0).json()
}

fn named(project: &Project) -> Value {
    ask(project, &["audit", "explain", "desk@production"])["run"].clone()
}

#[test]
fn an_alias_goes_back_and_forth_and_every_move_is_recorded() {
    let project = Project::new();
    drop(project.run(&["rollback", "desk@production"]).expect(2).says(&["no model `desk@production`"]));
    promote(&project, 10);
    drop(project.run(&["rollback", "desk@production"]).expect(2).says(&["named nothing before", "--to RUN"]));
    promote(&project, 11);
    let moved = ask(&project, &["rollback", "desk@production", "--reason", "wrong queue\u{1b}[2J"]);
    assert_eq!((&moved["from"]["run"], &moved["to"]["run"]), (&json!("desk-2"), &json!("desk-1")));
    assert_eq!(named(&project), "desk-1");
    project.assert_intact();
    let history = ask(&project, &["audit", "history", "desk@production"]);
    let last = &history.as_array().unwrap()[2];
    assert_eq!((&last["run"], &last["rollback"], &last["entry"]), (&json!("desk-1"), &json!(true), &moved["entry"]));
    assert_eq!((&history[0]["rollback"], &last["reason"]), (&json!(false), &json!("wrong queue\u{1b}[2J")));
    let page =
        project.run(&["audit", "history", "desk@production"]).expect(0).says(&["went back: wrong queue", "promoted"]);
    assert!(!page.stdout.contains('\u{1b}'), "{}", page.stdout);
    drop(project.run(&["rollback", "desk@production"]).expect(2).says(&["named nothing before"]));

    // The next run is compared with what is there now, and goes on from there.
    promote(&project, 12);
    assert_eq!(named(&project), "desk-3");
    drop(project.run(&["rollback", "desk@production"]).expect(0).says(&["desk-1", "desk-3"]));
    assert_eq!(named(&project), "desk-1");
    // To any that it named, also forward.
    drop(project.run(&["rollback", "desk@production", "--to", "desk-2"]).expect(0));
    assert_eq!(named(&project), "desk-2");
    drop(project.run(&["rollback", "desk@production", "--to", "desk-2"]).expect(2).says(&["already"]));
    drop(
        project
            .run(&["rollback", "desk@production", "--to", "desk-9"])
            .expect(2)
            .says(&["never named what desk-9 made"]),
    );
    drop(project.run(&["rollback", "Desk"]).expect(2));
    project.assert_intact();
    drop(project.run(&["audit", "verify", "--preregistered"]).expect(0));
    assert_eq!(ask(&project, &["audit", "history", "desk@production"]).as_array().unwrap().len(), 6);
    // The store names for other tools what the ledger says.
    let index = String::from_utf8(project.read("home/store/index.json")).unwrap();
    let adapter = ask(&project, &["audit", "explain", "desk-2"])["adapter"].clone();
    assert!(index.contains(adapter.as_str().unwrap()), "{index}");
}

#[test]
fn nothing_goes_back_to_what_was_revoked() {
    let project = Project::new();
    promote(&project, 10);
    promote(&project, 11);
    project.run(&["trust", "revoke", "publisher", "--reason", "was stolen"]).expect(0);
    let refused = project.run(&["rollback", "desk@production"]).expect(2);
    drop(refused.says(&["desk-1 used freehold/", "was stolen"]));
    assert_eq!(named(&project), "desk-2");
    project.assert_intact();
}

#[test]
fn nothing_is_loaded_to_go_back() {
    let project = Project::new();
    promote(&project, 10);
    promote(&project, 11);
    // No model, no data, no plugin, no weights, no recipe: what it takes is in the records, so that it takes no time.
    let weights = ask(&project, &["audit", "show", "desk-1"])["report"]["weights"].clone();
    let blob = weights.as_str().unwrap().replace("sha256:", "home/store/blobs/sha256/");
    let (kept, away) = (project.path().join(blob), project.path().join("weights"));
    std::fs::rename(&kept, &away).unwrap();
    for folder in ["models", "plugins", "home/cache", "home/metrics"] {
        std::fs::remove_dir_all(project.path().join(folder)).unwrap();
    }
    for file in ["train.jsonl", "eval.jsonl", "freehold.toml", "freehold.lock"] {
        std::fs::remove_file(project.path().join(file)).unwrap();
    }
    drop(project.run(&["rollback", "desk@production"]).expect(0).says(&["desk-1", "desk-2"]));
    std::fs::rename(&away, &kept).unwrap();
    assert_eq!(named(&project), "desk-1");
    project.assert_intact();
}
