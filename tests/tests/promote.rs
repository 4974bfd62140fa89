//! An alias moves when the policies and whoever has to approve say so, and to nothing else.

use freehold_tests::{Project, Recipe};
use serde_json::{Value, json};

fn ask(project: &Project, code: i32, arguments: &[&str]) -> Value {
    project.run(&[arguments, &["--json"]].concat()).expect(code).json()
}

/// Why an alias does not move.
fn refused(project: &Project, arguments: &[&str], says: &[&str]) {
    let before = ask(project, 0, &["audit", "checkpoint"]);
    drop(project.run(&[&["promote"], arguments].concat()).expect(3).says(says));
    let said = ask(project, 3, &[&["promote"], arguments].concat());
    assert!(said["error"]["remedy"].is_string(), "{said}");
    assert_eq!(ask(project, 0, &["audit", "checkpoint"]), before, "a refusal leaves no entry");
}

fn with_approvals(needed: &str) -> Recipe {
    Recipe {
        promote: format!("{}\napprovals = {{ needed = {needed} }}", Recipe::default().promote),
        ..Recipe::default()
    }
}

/// The same recipe with another bar: another run, compared with what is in production now.
fn with_bar(recipe: Recipe, minimum_rows: u32) -> Recipe {
    let policies = recipe.policies.replace("minimum_rows = 10", &format!("minimum_rows = {minimum_rows}"));
    Recipe { policies, ..recipe }
}

/// A project in which `ada`, `grace` and the recorder may approve.
fn with_approvers() -> Project {
    let project = Project::new();
    for name in ["ada", "grace", "joan"] {
        project.run(&["key", "new", name]).expect(0);
    }
    for name in ["ada", "grace", "joan", "recorder"] {
        project.run(&["trust", "add", "--role", "approver", "--key", name]).expect(0);
    }
    project
}

#[test]
fn an_alias_waits_for_approvals() {
    let project = with_approvers();
    project.write("freehold.toml", &with_approvals("0").to_string());
    drop(project.run(&["run"]).expect(1).says(&["promote.approvals.needed", "at least 1"]));

    let page = project.run_recipe(&with_approvals("2")).expect(0);
    let page = page.says(&["decision promoted", "waiting for 2 approvals", "approve desk-1", "promote desk-1"]);
    assert!(page.stdout.lines().all(|line| line.chars().count() <= 100), "{}", page.stdout);
    let shown = ask(&project, 0, &["audit", "show", "desk-1"]);
    let waiting = json!({ "alias": "desk@production", "approvals_needed": 2 });
    assert_eq!((&shown["report"]["waiting"], &shown["report"]["alias"]), (&waiting, &Value::Null));
    drop(project.run(&["audit", "history", "desk@production"]).expect(2).says(&["no model"]));

    refused(
        &project,
        &["desk-1"],
        &["2 have to approve, and 0 of 0 approvals count", "freehold approve desk-1 --key KEY"],
    );
    project.run(&["approve", "desk-1", "--key", "recorder"]).expect(0);
    refused(&project, &["desk-1"], &["0 of 1 approvals count; 1 by who trained it"]);
    project.run(&["approve", "desk-1", "--key", "ada"]).expect(0);
    project.run(&["approve", "desk-1", "--key", "joan"]).expect(0);
    project.run(&["trust", "revoke", "joan", "--reason", "left"]).expect(0);
    refused(&project, &["desk-1"], &["1 of 3 approvals count", "1 by who trained it", "1 by keys that were revoked"]);
    project.run(&["approve", "desk-1", "--key", "grace"]).expect(0);
    let moved = ask(&project, 0, &["promote", "desk-1", "--alias", "desk@production"]);
    assert_eq!((&moved["alias"], &moved["previous"]), (&json!("desk@production"), &Value::Null));
    let approvals = ask(&project, 0, &["audit", "approvals", "desk-1", "--require", "2", "--distinct-from", "trainer"]);
    let given = |name: &str| {
        let keys = ask(&project, 0, &["key", "list"]);
        let id = keys.as_array().unwrap().iter().find(|key| key["name"] == name).unwrap()["id"].clone();
        let approval = approvals["approvals"].as_array().unwrap().iter().find(|it| it["approver"] == id).unwrap();
        json!({ "approver": id, "statement": approval["statement"] })
    };
    let rests_on = json!([given("ada"), given("grace")]);
    assert_eq!(moved["rests_on"], rests_on);
    project.assert_intact();
    assert_eq!(ask(&project, 0, &["audit", "history", "desk@production"])[0]["rests_on"], rests_on);
    assert_eq!(ask(&project, 0, &["audit", "explain", "desk-1"])["uses"][0]["rests_on"], rests_on);
    let shown = ask(&project, 0, &["audit", "show", "desk-1"]);
    assert_eq!((&shown["report"]["waiting"], &shown["report"]["alias"]), (&Value::Null, &json!("desk@production")));
    for question in [&["audit", "history", "desk@production"], &["audit", "explain", "desk-1"]] {
        let page = project.run(question).expect(0).says(&["(ada)", "(grace)"]);
        assert!(page.stdout.lines().all(|line| line.chars().count() <= 100), "{}", page.stdout);
    }
    project.run(&["audit", "export", "desk-1", "--format", "html", "--out", "run.html"]).expect(0);
    let html = String::from_utf8(project.read("run.html")).unwrap();
    assert!(html.contains("Rests on the approvals of") && html.contains("recipe and the newest trust root ask for 2"));
    project.run(&["audit", "export", "desk-1", "--format", "pack", "--out", "run.pack"]).expect(0);
    project.run(&["audit", "verify", "./run.pack"]).expect(0);

    refused(&project, &["desk-1"], &["was moved for it before", "freehold rollback ALIAS --to desk-1"]);
    // An approver who is revoked after the move does not undo it.
    project.run(&["trust", "revoke", "ada", "--reason", "left too"]).expect(0);
    project.assert_intact();
}

#[test]
fn an_alias_in_use_goes_only_to_what_was_compared_with_it() {
    let project = Project::new();
    drop(project.run_recipe(&Recipe::default()).expect(0));
    // The recipe asks for nobody, so that its alias has moved; another that names nothing may follow.
    refused(&project, &["desk-1"], &["was moved for it before"]);
    drop(
        project
            .run(&["promote", "desk-1", "--alias", "desk@staging"])
            .expect(0)
            .says(&["nobody had to", "desk@staging"]),
    );
    project.assert_intact();
    assert_eq!(ask(&project, 0, &["audit", "explain", "desk@staging"])["run"], "desk-1");

    // A recipe that promotes to nothing.
    let none = |name: &str| {
        let text = Recipe { name: name.into(), ..Recipe::default() }.to_string();
        text.replace("[promote]\nalias = \"desk@production\"", "")
    };
    project.write("freehold.toml", &none("lone"));
    drop(project.run(&["run"]).expect(0).says(&["decision promoted"]));
    drop(project.run(&["promote", "lone-1"]).expect(2).says(&["promotes to no alias", "--alias NAME"]));
    refused(
        &project,
        &["lone-1", "--alias", "desk@production"],
        &["its recipe promotes to no alias", "names what desk-1 made", "one that names nothing yet"],
    );
    drop(project.run(&["promote", "lone-1", "--alias", "lone@first"]).expect(0));

    // Two runs that were compared with the same: the second that is moved comes too late. Not by `run` itself, as the first asks
    // for an approval.
    project.run(&["key", "new", "ada"]).expect(0);
    project.run(&["trust", "add", "--role", "approver", "--key", "ada"]).expect(0);
    drop(project.run_recipe(&with_bar(with_approvals("1"), 11)).expect(0));
    project.run(&["approve", "desk-2", "--key", "ada"]).expect(0);
    // Compared with what production and staging name, it may have either.
    drop(project.run(&["promote", "desk-2", "--alias", "desk@staging"]).expect(0).says(&["(ada)"]));
    let adapter = Recipe::default().adapter.replace("rank = 4", "rank = 2");
    drop(project.run_recipe(&with_bar(Recipe { adapter, ..Recipe::default() }, 12)).expect(0));
    refused(&project, &["desk-2"], &["was moved after the run was compared", "what desk-3 made now", "run again"]);

    // Denied, not there, and revoked.
    let denied =
        Recipe { policies: Recipe::default().policies.replace("minimum = 0.0", "minimum = 2.0"), ..Recipe::default() };
    drop(project.run_recipe(&denied).expect(3));
    refused(&project, &["desk-4"], &["it was denied", "metric-gate", "audit explain desk-4"]);
    drop(project.run(&["promote", "desk-9"]).expect(2).says(&["no run `desk-9`"]));
    project.run(&["trust", "revoke", "publisher", "--reason", "was stolen"]).expect(0);
    refused(&project, &["desk-3", "--alias", "desk@other"], &["it used freehold/", "was stolen"]);
    project.assert_intact();
}

#[test]
fn a_rebase_waits_for_approvals_as_a_run_does() {
    let project = Project::new();
    project.run(&["key", "new", "ada"]).expect(0);
    project.run(&["trust", "add", "--role", "approver", "--key", "ada"]).expect(0);
    drop(project.run_recipe(&with_approvals("1")).expect(0));
    project.run(&["approve", "desk-1", "--key", "ada"]).expect(0);
    drop(project.run(&["promote", "desk-1"]).expect(0));
    project.copy_model("base-2");
    let rebase = ["rebase", "--base", "models/base-2", "--license", "Apache-2.0"];
    let page = project.run(&rebase).expect(0);
    drop(page.says(&["desk@production names desk-2 when 1 have approved it", "`freehold promote desk-2`"]));
    let named = || ask(&project, 0, &["audit", "explain", "desk@production"])["run"].clone();
    assert_eq!(named(), "desk-1");
    // Given again, it finds the rung that waits.
    let report = ask(&project, 0, &rebase);
    assert_eq!((&report["promoted"], &report["waiting"]["approvals_needed"]), (&json!("desk-2"), &json!(1)));
    assert!(report["rungs"][0]["spent"]["seconds"].as_f64().unwrap() > 0.0, "{report}");
    project.run(&["approve", "desk-2", "--key", "ada"]).expect(0);
    drop(project.run(&["promote", "desk-2"]).expect(0));
    assert_eq!(named(), "desk-2");
    project.assert_intact();
}
