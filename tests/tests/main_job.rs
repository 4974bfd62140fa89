//! The main job: a recipe becomes a promoted adapter with a record, and whatever happens on the way loses nothing.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Stdio;
use std::time::Duration;

use freehold_tests::{Project, Recipe, head};

const PHASES: [&str; 8] = ["resolve", "admit", "transform", "tokenise", "train", "evaluate", "promote", "record"];

fn entries(project: &Project) -> u64 {
    let note = String::from_utf8(project.read("home/ledger/checkpoint")).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_recipe_becomes_a_promoted_adapter() {
    let project = Project::new();
    let said = project.run_recipe(&Recipe::default()).expect(0);
    let said = said.says(&[
        "What the plugins did",
        "exact-match",
        "What metrics and policies used",
        "promoted",
        "desk@production",
        "audit show desk-1",
    ]);
    assert!(said.stdout.lines().all(|line| line.chars().count() <= 100), "{}", said.stdout);
    assert_eq!(said.stderr, "", "nothing is drawn when stderr is no terminal");
    project.assert_intact();

    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    assert_eq!(shown["summary"]["decision"], "promoted");
    assert_eq!(shown["summary"]["aliases"][0], "desk@production");
    let phases: Vec<_> =
        shown["phases"].as_array().unwrap().iter().map(|phase| phase["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, PHASES);
    let policies = shown["report"]["policies"].as_array().unwrap();
    assert!(policies.iter().all(|policy| policy["verdict"]["outcome"] == "allow"), "{policies:?}");
    // What every plugin used is in the record and in what is shown of it.
    let metrics = shown["report"]["metrics"].as_array().unwrap();
    assert_eq!((metrics.len(), &metrics[0]["plugin"]), (1, &serde_json::json!("freehold/exact-match")));
    assert_eq!(metrics[0]["usage"], shown["phases"][5]["detail"]["metrics"][0]["usage"]);
    for plugin in policies.iter().chain(metrics) {
        let (used, limit) = (&plugin["usage"]["fuel"]["used"], &plugin["usage"]["fuel"]["limit"]);
        assert!(used.as_u64() > Some(0) && used.as_u64() < limit.as_u64(), "{plugin}");
    }

    // The store names the adapter as other OCI tools would find it.
    let index: serde_json::Value = serde_json::from_slice(&project.read("home/store/index.json")).unwrap();
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "desk@production");
    assert_eq!(index["manifests"][0]["digest"], shown["report"]["adapter"]);
}

#[test]
fn the_same_recipe_gives_the_same_adapter_and_is_compared_with_production() {
    let project = Project::new();
    let first = project.run_recipe(&Recipe::default()).expect(0);
    drop(first);
    let again = project.run(&["run", "--locked", "--json"]).expect(0).json();
    assert_eq!(again["run"], "desk-2");
    let first = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    assert_eq!(again["weights"], first["report"]["weights"]);
    assert_eq!(again["adapter"], first["report"]["adapter"]);
    let metric = &again["metrics"][0];
    assert_eq!(metric["production"], metric["adapted"]);
    assert_eq!(metric["over_production"]["low"], 0.0);

    // On a machine of its own, from the same files, it is the same adapter too.
    let elsewhere = Project::new();
    let there = elsewhere.run(&["audit", "list", "--json"]).expect(0).json();
    assert_eq!(there, serde_json::json!([]));
    elsewhere.write("freehold.toml", &Recipe::default().to_string());
    let there = elsewhere.run(&["run", "--json"]).expect(0).json();
    assert_eq!(there["weights"], again["weights"]);
}

/// Takes long because it makes ten whole runs, each killed at another phase.
#[test]
fn a_run_killed_at_any_phase_goes_on_from_the_last_finished_one() {
    let whole = Project::new();
    whole.write("freehold.toml", &Recipe::default().to_string());
    let expected = whole.run(&["run", "--json"]).expect(0).json();
    for phases in 0..=PHASES.len() as u64 {
        let project = Project::new();
        project.write("freehold.toml", &Recipe::default().to_string());
        let before = entries(&project);
        let mut child = project.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while entries(&project) < before + phases && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let kept = entries(&project) - before;
        assert!(kept >= phases);
        project.run(&["audit", "verify"]).expect(0);

        let report = project.run(&["run", "--json"]).expect(0).json();
        assert_eq!(report["weights"], expected["weights"], "killed after {kept} phases");
        // A run whose alias had moved was over: the same command begins another.
        let (run, number) = if kept > PHASES.len() as u64 { ("desk-2", 2) } else { ("desk-1", 1) };
        assert_eq!(report["run"], run, "killed after {kept} phases");
        assert_eq!(entries(&project), before + number * (PHASES.len() as u64 + 1));
        project.run(&["audit", "verify"]).expect(0);
    }
}

/// The policy loops for seconds, so that the run can be killed after it was compared with nothing and before it decides.
#[test]
fn a_run_compared_with_what_is_no_longer_in_production_does_not_go_on() {
    let project = Project::new();
    let limits = [("fuel = 500_000_000", "fuel = 900_000_000_000"), ("wall_time_ms = 20_000", "wall_time_ms = 4_000")];
    project.sign_changed("misjudge", &limits, "publisher", 30).expect(0);
    let loops = "[[policy]]\nplugin = \"freehold/misjudge\"\nversion = \"*\"\nstage = \"promote\"\nsettings = { mode = \"loop\" }\n";
    let slow = Recipe { policies: format!("{}{loops}", Recipe::default().policies), ..Recipe::default() };
    project.write("freehold.toml", &slow.to_string());
    let before = entries(&project);
    let mut child = project.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while entries(&project) < before + 6 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    assert_eq!(shown["summary"]["phase"], "evaluate");

    project.run_recipe(&Recipe::default()).expect(0).says(&["desk-2"]);
    let again = project.run_recipe(&slow).expect(3).says(&["desk-3", "took longer than 4000 ms for a call"]);
    drop(again);
    let shown = project.run(&["audit", "show", "desk-3", "--json"]).expect(0).json();
    assert!(shown["report"]["metrics"][0]["production"].is_object(), "it was compared with production");
    let listed = project.run(&["audit", "list", "--json"]).expect(0).json();
    assert_eq!(listed[2]["decision"], serde_json::Value::Null);
    assert_eq!(listed[1]["aliases"][0], "desk@production");
    project.assert_intact();
}

#[test]
fn a_denied_run_keeps_its_record_and_moves_no_alias() {
    let project = Project::new();
    let stricter = Recipe {
        policies: Recipe::default().policies.replace("allow = [\"eu\"]", "allow = [\"ch\"]"),
        ..Recipe::default()
    };
    project.run_recipe(&stricter).expect(3).says(&["denied", "residency-not-allowed", "dataset `train`"]);
    project.assert_intact();
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    assert_eq!(shown["summary"]["decision"], "denied");
    assert_eq!(shown["summary"]["adapter"], serde_json::Value::Null);
    assert_eq!(shown["phases"].as_array().unwrap().len(), 3, "resolve, admit, record: no data was touched");
    let index: serde_json::Value = serde_json::from_slice(&project.read("home/store/index.json")).unwrap();
    assert_eq!(index["manifests"], serde_json::json!([]));

    let higher =
        Recipe { policies: Recipe::default().policies.replace("minimum = 0.0", "minimum = 2.0"), ..Recipe::default() };
    project.run_recipe(&higher).expect(3).says(&["below-minimum", "denied"]);
    let shown = project.run(&["audit", "show", "desk-2", "--json"]).expect(0).json();
    assert_eq!(shown["phases"].as_array().unwrap().len(), PHASES.len());
    assert_eq!(shown["summary"]["aliases"], serde_json::json!([]));
    project.assert_intact();
}

#[test]
fn without_a_policy_nothing_is_promoted() {
    let project = Project::new();
    let recipe = Recipe { policies: String::new(), ..Recipe::default() };
    project.run_recipe(&recipe).expect(3).says(&["denied", "no policy at stage promote speaks for promotion"]);
}

/// Takes long because a run that promotes trains, and two of these do.
#[test]
fn a_policy_that_gives_no_verdict_denies() {
    let project = Project::new();
    project.sign("misjudge");
    let with = |mode: &str| {
        let asked = "[[policy]]\nplugin = \"freehold/misjudge\"\nversion = \"*\"\nstage = \"admit\"\n";
        let policies = format!("{}{asked}settings = {{ mode = \"{mode}\" }}\n", Recipe::default().policies);
        Recipe { policies, ..Recipe::default() }
    };
    for (mode, code) in [("trap", "panicked"), ("loop", "out-of-fuel"), ("error", "error"), ("deny", "deny")] {
        project.run_recipe(&with(mode)).expect(3).says(&["denied", code]);
        project.assert_intact();
    }
    for mode in ["warn", "allow"] {
        project.run_recipe(&with(mode)).expect(0).says(&["promoted"]);
    }
}

#[test]
fn locked_refuses_to_move_and_says_what_would() {
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    project.run(&["run", "--locked"]).expect(1).says(&["no `freehold.lock`"]);
    project.run(&["run"]).expect(0);
    let lock = project.read("freehold.lock");
    project.write("train.jsonl", &head("tickets-eu.jsonl", 41));
    project.run(&["run", "--locked"]).expect(1).says(&["dataset `train` has other bytes"]);
    assert_eq!(project.read("freehold.lock"), lock);
    project.run(&["run"]).expect(0);
    assert_ne!(project.read("freehold.lock"), lock);
}

#[test]
fn an_asset_is_read_only_if_it_was_asked_for_and_granted() {
    let project = Project::new();
    project.sign("misbehave");
    project.write("glossary.txt", "lamp: a lamp\n");
    let with = |plugin: &str, grants: &str| {
        let head = format!("[[transform]]\nplugin = \"freehold/{plugin}\"\nversion = \"*\"\n");
        let mode = if plugin == "misbehave" { "settings = { mode = \"asset\" }\n" } else { "" };
        let transforms = format!("{head}{mode}grants = [{grants}]\n{}", Recipe::default().transforms);
        Recipe { transforms, ..Recipe::default() }
    };
    let grant = |path: &str| format!("{{ asset = \"glossary\", path = \"{path}\" }}");
    project.run_recipe(&with("misbehave", "")).expect(1).says(&["was granted no glossary"]);
    project
        .run_recipe(&with("redact-pii", &grant("glossary.txt")))
        .expect(1)
        .says(&["does not ask for", "remove the grant"]);
    project.run_recipe(&with("misbehave", &grant("../glossary.txt"))).expect(1).says(&["../glossary.txt"]);
    project.run_recipe(&with("misbehave", &grant("gone.txt"))).expect(1).says(&["gone.txt", "there is no such file"]);
    let said = project.run_recipe(&with("misbehave", &grant("glossary.txt"))).expect(0);
    drop(said.says(&["13 glossary-bytes"]));
    let lock = String::from_utf8(project.read("freehold.lock")).unwrap();
    assert!(lock.contains("[[asset]]\nname = \"glossary.txt\""), "{lock}");
    // Other bytes are another run.
    project.write("glossary.txt", "lamp: another lamp\n");
    project.run(&["run", "--locked"]).expect(1).says(&["asset `glossary.txt` has other bytes"]);
    project.assert_intact();
}

#[test]
fn raw_data_is_never_copied_and_no_address_survives() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    let raw = String::from_utf8(project.read("train.jsonl")).unwrap();
    let addresses: Vec<&str> = raw.split(['"', ' ', '\\', ',']).filter(|word| word.contains('@')).collect();
    assert!(addresses.len() > 5, "{addresses:?}");
    for file in project.files() {
        let bytes = project.read(&file);
        for needle in addresses.iter().map(|address| address.trim_end_matches('.')).chain(raw.lines()) {
            let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "{needle} is in {file}");
        }
    }
}

#[test]
fn the_second_base_model_takes_the_same_recipe_and_plugins() {
    let project = Project::new();
    project.copy_model("base-2");
    let one = Recipe::default();
    let two = Recipe { base: one.base.replace("base-1", "base-2"), ..one.clone() };
    project.run_recipe(&one).expect(0);
    // What is in production needs another base model, and is measured on that.
    project.run_recipe(&two).expect(0);
    let plugins = |run: &str| {
        let shown = project.run(&["audit", "show", run, "--json"]).expect(0).json();
        shown["phases"][0]["detail"]["lock"]["plugin"].clone()
    };
    assert_eq!(plugins("desk-1"), plugins("desk-2"));
    // Where that base model is not there any more it cannot be compared; the gate says so.
    std::fs::rename(project.path().join("models/base-2"), project.path().join("models/gone")).unwrap();
    project.run_recipe(&one).expect(3).says(&["no-comparison"]);
}
