//! A recipe runs by itself when something happens, once for everything that happened, whenever the watch is killed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Duration;

use freehold_tests::{Project, Recipe, head};
use serde_json::{Value, json};

const DATA: &str = r#"
[[trigger]]
name = "tickets"
kind = "data"
folder = "inbox"
labels = { residency = "eu", license = "CC-BY-4.0" }
"#;
const HOOK: &str = "[[trigger]]\nname = \"desk\"\nkind = \"hook\"\n";

/// A project with `desk-1` in production, and a watch file.
fn project(watch: &str) -> Project {
    let project = Project::new();
    drop(project.run_recipe(&Recipe::default()).expect(0));
    std::fs::create_dir(project.path().join("inbox")).unwrap();
    project.write("freehold.watch.toml", &format!("poll = \"20ms\"\n{watch}"));
    project
}

fn once(project: &Project) -> Value {
    project.run(&["--json", "watch", "--once"]).expect(0).json()
}

fn status(project: &Project) -> Value {
    project.run(&["--json", "watch", "--status"]).expect(0).json()
}

fn history(state: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    state["history"].as_array().unwrap().iter().map(|batch| (text(&batch["run"]), text(&batch["outcome"]))).collect()
}

#[test]
fn new_data_is_trained_on_from_what_is_in_production() {
    let project = project(DATA);
    assert_eq!(history(&once(&project)), []);
    project.write("inbox/monday.jsonl", &head("tickets-us.jsonl", 20));
    project.write("inbox/half.jsonl.part", "{");
    let promoted = |run: &str| (run.to_owned(), "promoted".to_owned());
    assert_eq!(history(&once(&project)), [promoted("desk-w1-1")]);
    // What was answered is not answered again.
    assert_eq!(history(&once(&project)).len(), 1);
    project.write("inbox/tuesday.jsonl", &head("tickets-us.jsonl", 30));
    assert_eq!(history(&once(&project)), [promoted("desk-w1-1"), promoted("desk-w2-1")]);
    project.assert_intact();

    // The second run began with what the first made, on the new file and on a part of all that was there before.
    let shown = project.run(&["--json", "audit", "show", "desk-w2-1"]).expect(0).json()["report"].clone();
    assert_eq!(shown["training"]["brought"], "own");
    let rows = |name: &str| {
        let datasets = shown["datasets"].as_array().unwrap().clone();
        datasets.into_iter().find(|data| data["dataset"].as_str().unwrap().starts_with(name)).unwrap()["rows"].clone()
    };
    assert_eq!((rows("train"), shown["datasets"].as_array().unwrap().len()), (json!(40), 4));
    let transformed = shown["transforms"].as_array().unwrap().iter().find(|it| it["split"] == "train").unwrap().clone();
    let taken = transformed["rows_in"].as_u64().unwrap();
    assert!((31..75).contains(&taken), "30 new rows and a part of 60: {taken}");
    drop(project.run(&["reproduce", "desk-w2-1"]).expect(0));
    let page = project.run(&["watch", "--status"]).expect(0);
    drop(page.says(&["desk-w1-1", "tickets", "promoted"]));
}

#[test]
fn labels_of_new_data_are_judged() {
    let project = project(&DATA.replace("\"eu\"", "\"us\""));
    project.write("inbox/a.jsonl", &head("tickets-us.jsonl", 20));
    assert_eq!(history(&once(&project)), [("desk-w1-1".to_owned(), "denied".to_owned())]);
    assert_eq!(project.run(&["--json", "audit", "explain", "desk@production"]).expect(0).json()["run"], "desk-1");
    // What cannot be read goes wrong three times and is let go with the reason; what comes after it is not held up.
    project.write("inbox/b.jsonl", "{\"text\": broken\n");
    let state = once(&project);
    let (_, outcome) = history(&state).pop().unwrap();
    assert!(outcome.starts_with("failed: ") && outcome.contains("inbox/b.jsonl"), "{outcome}");
    assert_eq!(state["history"][1]["failures"], 3);
    project.assert_intact();
}

#[test]
fn events_wait_for_what_holds_them_back() {
    let project = project(&format!("cool_down = \"1h\"\n[budget]\nruns = 5\n{HOOK}"));
    let ask = |id: &str| drop(project.run(&["trigger", "desk", "--id", id]).expect(0).says(&["waits for the watch"]));
    ask("a");
    ask("a");
    assert_eq!(history(&once(&project)).len(), 1);
    ask("a");
    ask("b");
    let held = project.run(&["watch", "--once"]).expect(0);
    drop(held.says(&["it cools down until"]));
    let state = status(&project);
    assert_eq!((state["pending"].as_array().unwrap().len(), &state["pending"][0]["key"]), (1, &json!("b")));
    // Hooks that were seen are gone from the folder.
    assert_eq!(std::fs::read_dir(project.path().join("home/watch/desk.hooks/desk")).unwrap().count(), 0);
    for (arguments, said) in [
        (&["trigger", "nobody"][..], "no trigger of kind `hook`"),
        (&["trigger", "desk", "--file", "none.toml"], "none.toml"),
    ] {
        let refused = project.run(arguments);
        assert_ne!(refused.code, 0);
        drop(refused.says(&[said]));
    }
    project.write("freehold.watch.toml", "[[triger]]\n");
    drop(project.run(&["watch", "--once"]).expect(1).says(&["did you mean `trigger`?"]));
}

#[test]
fn another_base_model_is_moved_to() {
    let project = project(
        "[[trigger]]\nname = \"newer\"\nkind = \"base\"\nmodel = \"models/base-2\"\nlicense = \"Apache-2.0\"\n",
    );
    assert_eq!(history(&once(&project)), []);
    project.copy_model("base-2");
    assert_eq!(history(&once(&project)), [("desk-w1-1".to_owned(), "promoted".to_owned())]);
    assert_eq!(history(&once(&project)).len(), 1);
    let shown = project.run(&["--json", "audit", "show", "desk-w1-1"]).expect(0).json()["report"].clone();
    assert_eq!((&shown["training"]["brought"], &shown["training"]["tokens"]), (&json!("reapplied"), &json!(0)));
    project.assert_intact();
}

/// Tickets of the demo from one line to another, as they are changed.
fn tickets(from: usize, to: usize, change: impl Fn(&str) -> String) -> String {
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row["text"] = change(row["text"].as_str().unwrap()).into();
        format!("{row}\n")
    };
    head("tickets-eu.jsonl", to).lines().skip(from).map(row).collect()
}

#[test]
fn rows_that_drift_start_one_run_until_they_are_as_before() {
    let project = Project::new();
    project.write("train.jsonl", &tickets(0, 200, str::to_owned));
    drop(project.run_recipe(&Recipe::default()).expect(0));
    std::fs::create_dir(project.path().join("now")).unwrap();
    let changed = "[[trigger]]\nname = \"changed\"\nkind = \"drift\"\nfolder = \"now\"\nrows = 150\nevery = \"1s\"\n";
    project.write("freehold.watch.toml", &format!("poll = \"20ms\"\n[increment]\nreplay = 0.8\n{changed}"));
    let louder = |text: &str| format!("{} {text}", text.to_uppercase());
    let look = || {
        // As long as `every` lets it wait.
        std::thread::sleep(Duration::from_millis(1100));
        once(&project)
    };
    // Too few rows say nothing.
    project.write("now/1.jsonl", &tickets(200, 240, louder));
    let state = look();
    assert_eq!((&state["compared"], history(&state)), (&json!({}), vec![]));
    project.write("now/1.jsonl", &tickets(200, 400, str::to_owned));
    let state = look();
    assert_eq!((&state["compared"]["changed"]["answer"], history(&state)), (&json!("no drift"), vec![]));
    // The newest rows are others.
    project.write("now/2.jsonl", &tickets(400, 560, louder));
    let state = look();
    let answered = [("desk-w1-1".to_owned(), "promoted".to_owned())];
    assert_eq!(history(&state), answered);
    let about = state["history"][0]["events"][0]["about"].as_str().unwrap().to_owned();
    assert!(about.contains("length") && state["history"][0]["joules"].is_null(), "{state}");
    // Something else is in production now, from which the rows drift as well, and more of them come: that is known.
    project.write("now/3.jsonl", &tickets(560, 720, louder));
    let state = look();
    assert_eq!(history(&state), answered);
    assert!(state["compared"]["changed"]["answer"].as_str().unwrap().starts_with("drift: "), "{state}");
    // Rows that cannot be read say nothing new, and end nothing.
    project.write("now/4.jsonl", &"{ no row\n".repeat(150));
    let state = look();
    assert!(state["compared"]["changed"]["answer"].as_str().unwrap().starts_with("failed: "), "{state}");
    // It is as before, and drifts again.
    project.write("now/5.jsonl", &tickets(720, 880, str::to_owned));
    assert_eq!(history(&look()), answered);
    project.write("now/6.jsonl", &tickets(880, 1040, louder));
    assert_eq!(history(&look()).len(), 2);
    drop(project.run(&["watch", "--status"]).expect(0).says(&["drift: ", "desk-w2-1", "changed"]));
    // Nothing of the rows stays behind.
    assert_eq!(std::fs::read_dir(project.path().join("home/watch/desk.windows")).unwrap().count(), 0);
    project.assert_intact();
}

#[test]
fn energy_that_nobody_knows_is_not_within_a_budget() {
    let project = project(&format!("[budget]\njoules = 1e12\n{HOOK}"));
    let nothing = format!("[energy]\npowercap = \"{}\"\n", project.path().join("inbox").display());
    let ask = |id: &str, host: &str| {
        project.write("home/host.toml", host);
        drop(project.run(&["trigger", "desk", "--id", id]).expect(0));
        project.run(&["watch", "--once"]).expect(0)
    };
    drop(ask("a", &format!("{nothing}watts = 50\n")));
    drop(ask("b", &nothing));
    let state = status(&project);
    assert!(
        state["history"][0]["joules"].as_f64().unwrap() > 0.0 && state["history"][1]["joules"].is_null(),
        "{state}"
    );
    drop(ask("c", &format!("{nothing}watts = 50\n")).says(&["nobody knows what runs within", "host.toml"]));
    assert_eq!(history(&status(&project)).len(), 2);
}

#[test]
fn all_rungs_of_a_new_base_model_count() {
    let newer =
        "[[trigger]]\nname = \"newer\"\nkind = \"base\"\nmodel = \"models/base-2\"\nlicense = \"GPL-3.0-only\"\n";
    let project = project(newer);
    project.write("home/host.toml", "[energy]\nwatts = 50\n");
    project.copy_model("base-2");
    // The license of the new base is denied on every rung.
    let state = once(&project);
    let batch = &state["history"][0];
    assert_eq!(batch["outcome"], "denied");
    let runs = project.run(&["--json", "audit", "list"]).expect(0).json();
    let rungs: Vec<&Value> =
        runs.as_array().unwrap().iter().filter(|run| run["run"].as_str().unwrap().contains("-w1-")).collect();
    assert_eq!(rungs.len(), 3);
    let joules: f64 = rungs
        .iter()
        .map(|run| {
            let shown = project.run(&["--json", "audit", "show", run["run"].as_str().unwrap()]).expect(0).json();
            shown["report"]["spent"]["joules"].as_f64().unwrap()
        })
        .sum();
    assert!((batch["joules"].as_f64().unwrap() - joules).abs() < 1e-9 * joules, "{batch} {joules}");
}

fn start(project: &Project) -> Child {
    project.command(&["watch"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn nothing_is_lost_and_nothing_doubled_however_often_a_watch_is_killed() {
    let project = project(HOOK);
    // At times that are spread over what a watch does: reading, running, recording, moving the alias.
    for (at, pause) in [90, 400, 900, 30, 1300, 700, 200, 1700].into_iter().enumerate() {
        drop(project.run(&["trigger", "desk", "--id", &format!("event-{at}")]).expect(0));
        let mut watch = start(&project);
        std::thread::sleep(Duration::from_millis(pause));
        watch.kill().unwrap();
        watch.wait().unwrap();
    }
    let mut state = once(&project);
    while state["pending"] != json!([]) || !state["running"].is_null() {
        state = once(&project);
    }
    let mut answered = BTreeMap::new();
    for batch in state["history"].as_array().unwrap() {
        assert!(batch["outcome"] == "promoted" || batch["outcome"] == "denied", "{batch}");
        for event in batch["events"].as_array().unwrap() {
            *answered.entry(event["key"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    let expected: BTreeMap<String, i32> = (0..8).map(|at| (format!("event-{at}"), 1)).collect();
    assert_eq!(answered, expected);
    // A batch has one run in the ledger, however often it was begun.
    let runs = project.run(&["--json", "audit", "list"]).expect(0).json();
    let names: Vec<String> =
        runs.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect();
    let batches = state["batches"].as_u64().unwrap();
    let mut watched: Vec<&String> = names.iter().filter(|name| name.contains("-w")).collect();
    watched.sort();
    let mut expected: Vec<String> = (1..=batches).map(|number| format!("desk-w{number}-1")).collect();
    expected.sort();
    assert_eq!(watched, expected.iter().collect::<Vec<_>>());
    project.run(&["audit", "verify"]).expect(0).says(&["Verified"]);
}
