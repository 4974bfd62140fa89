//! Several processes at once on one home: all end well, and the ledger has every entry of each.

use std::process::Stdio;

use freehold_tests::{Outcome, Project};

use crate::cases::entries;
use crate::commands::ready;

/// Entries of a run: eight phases and the move of the alias.
const RUN_ENTRIES: u64 = 9;

/// So many runs at once, each of a recipe of its own.
fn at_once(count: u64) -> (Project, Vec<serde_json::Value>) {
    let project = ready();
    let recipe = String::from_utf8(project.read("freehold.toml")).unwrap();
    let before = entries(&project);
    let start = |number: u64| {
        let file = format!("{number}/freehold.toml");
        let own = recipe.replace("seed = 1", &format!("seed = {number}"));
        project.write(&file, &own.replace("desk@production", &format!("desk@copy-{number}")));
        for part in ["plugins", "models", "train.jsonl", "eval.jsonl"] {
            freehold_tests::copy(&project.path().join(part), &project.path().join(number.to_string()).join(part));
        }
        let mut command = project.command(&["run", &file, "--threads", "1", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = (1..=count).map(start).collect();
    let ended = started.into_iter().map(|child| Outcome::from(child.wait_with_output().unwrap()));
    let reports: Vec<_> = ended.map(|outcome| outcome.expect(0).json()).collect();
    assert_eq!(entries(&project), before + RUN_ENTRIES * count);
    project.assert_intact();
    let listed = project.run(&["audit", "list", "--json"]).expect(0).json();
    assert_eq!(listed.as_array().unwrap().len() as u64, count);
    for report in &reports {
        let run = listed.as_array().unwrap().iter().find(|run| run["run"] == report["run"]).unwrap();
        assert_eq!((&run["decision"], &run["adapter"]), (&report["decision"], &report["adapter"]));
    }
    (project, reports)
}

#[test]
fn two_runs_at_once_both_end_and_are_recorded() {
    let (_project, reports) = at_once(2);
    // Other seeds, other adapters.
    assert_ne!(reports[0]["weights"], reports[1]["weights"]);
}

#[test]
fn eight_runs_at_once_all_end_and_are_recorded() {
    let (project, reports) = at_once(8);
    let mut names: Vec<_> = reports.iter().map(|report| report["run"].as_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, (1..=8).map(|number| format!("desk-{number}")).collect::<Vec<_>>());
    // What came of one does not depend on the others.
    let alone = ready();
    let alone = alone.run(&["run", "--threads", "1", "--json"]).expect(0).json();
    assert!(reports.iter().any(|report| report["weights"] == alone["weights"]));
    drop(project);
}

/// The same recipe eight times at once is eight runs, one after the other.
#[test]
fn runs_of_one_recipe_at_once_wait_for_each_other() {
    let project = ready();
    let before = entries(&project);
    let start = |_| {
        let mut command = project.command(&["run", "--threads", "1", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = (0..4).map(start).collect();
    let ended = started.into_iter().map(|child| Outcome::from(child.wait_with_output().unwrap()));
    let reports: Vec<_> = ended.map(|outcome| outcome.expect(0).json()).collect();
    assert!(reports.iter().all(|report| report["adapter"] == reports[0]["adapter"]));
    assert_eq!(entries(&project), before + RUN_ENTRIES * 4);
    project.assert_intact();
}
