//! An auditor's questions, each answered by one command from what was recorded.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use freehold_tests::{Project, Recipe};
use serde_json::{Value, json};

fn json(project: &Project, arguments: &[&str]) -> Value {
    json_with(project, 0, arguments)
}

fn json_with(project: &Project, code: i32, arguments: &[&str]) -> Value {
    project.run(&[arguments, &["--json"]].concat()).expect(code).json()
}

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

fn key(project: &Project, name: &str) -> String {
    let keys = json(project, &["key", "list"]);
    keys.as_array().unwrap().iter().find(|key| key["name"] == name).unwrap()["id"].as_str().unwrap().into()
}

#[test]
fn runs_are_listed_and_told_apart() {
    let project = Project::with_runs();
    let list = |arguments: &[&str]| names(&json(&project, &[&["audit", "list"], arguments].concat()), "run");
    assert_eq!(list(&[]), ["desk-2", "abroad-1", "desk-1"]);
    assert_eq!(list(&["--limit", "1"]), ["desk-2"]);
    assert_eq!(list(&["--limit", "0"]).len(), 3);
    assert_eq!(list(&["--verdict", "denied"]), ["abroad-1"]);
    assert_eq!(list(&["--verdict", "unfinished"]), [""; 0]);
    assert_eq!(list(&["--model", "desk"]), ["desk-2", "desk-1"]);
    assert_eq!(list(&["--model", "desk@production"]), ["desk-2"]);
    assert_eq!(list(&["--plugin", "freehold/exact-match"]).len(), 3);
    assert_eq!(list(&["--plugin", "freehold/exact-match@9.9.9"]), [""; 0]);
    assert_eq!(list(&["--since", "2020-01-01", "--until", "2020-01-02"]), [""; 0]);
    assert_eq!(list(&["--since", "2020-01-01"]).len(), 3);
    drop(project.run(&["audit", "list", "--limit", "2"]).expect(0).says(&["There are older ones", "abroad-1"]));
    drop(project.run(&["audit", "list", "--since", "yesterday"]).expect(2).says(&["2026-11-24"]));
    drop(project.run(&["audit", "list", "--plugin", "nobody"]).expect(2).says(&["not a plugin name"]));

    let explained = json(&project, &["audit", "explain", "desk@production"]);
    assert_eq!((&explained["run"], &explained["decision"]), (&json!("desk-2"), &json!("promoted")));
    assert_eq!(explained["recorded_by"], json!([key(&project, "recorder")]));
    assert_eq!(explained["data"][0]["labels"], json!({ "residency": "eu", "license": "CC-BY-4.0" }));
    assert_eq!(explained["base"]["license"], "Apache-2.0");
    let plugins = explained["plugins"].as_array().unwrap();
    assert_eq!(plugins.len(), 7);
    assert!(plugins.iter().all(|plugin| plugin["signer"] == json!(key(&project, "publisher"))));
    assert_eq!(explained["uses"][0]["alias"], "desk@production");
    assert_eq!(explained["policies"].as_array().unwrap().len(), 3);
    // The same by the adapter's digest; denied runs have an explanation too.
    let digest = explained["adapter"].as_str().unwrap();
    assert_eq!(json(&project, &["audit", "explain", &digest[7..20]])["adapter"], explained["adapter"]);
    drop(project.run(&["audit", "explain", "abroad-1"]).expect(0).says(&[
        "denied",
        "residency-gate",
        "never had an alias",
    ]));
    drop(project.run(&["audit", "explain", "nothing"]).expect(2).says(&["no model `nothing`", "audit list"]));
    let page = project.run(&["audit", "explain", "desk-1"]).expect(0);
    assert!(page.stdout.lines().all(|line| line.chars().count() <= 100), "{}", page.stdout);

    let diff = json(&project, &["audit", "diff", "desk-1", "desk-2"]);
    let changes = diff["changes"].as_array().unwrap();
    let setting =
        json!({ "kind": "setting", "what": "policy[2].settings.minimum_rows", "before": "10", "after": "11" });
    assert!(changes.contains(&setting), "{changes:?}");
    assert!(changes.iter().all(|change| change["kind"] != "data" && change["kind"] != "base"), "{changes:?}");
    let same = json(&project, &["audit", "diff", "desk-1", "desk-1"]);
    assert_eq!((&same["changes"], &same["same_key"]), (&json!([]), &json!(true)));

    let history = json(&project, &["audit", "history", "desk@production"]);
    assert_eq!(names(&history, "run"), ["desk-1", "desk-2"]);
    assert_eq!(history[0]["until"], history[1]["from"]);
    let then = history[0]["from"].as_str().unwrap();
    assert_eq!(names(&json(&project, &["audit", "history", "desk@production", "--at", then]), "run"), ["desk-1"]);
    assert_eq!(json(&project, &["audit", "history", "desk@production", "--at", "2020-01-01"]), json!([]));
    drop(project.run(&["audit", "history", "desk@nowhere"]).expect(2).says(&["no model `desk@nowhere`"]));
}

#[test]
fn what_a_suspect_touched_is_found_with_what_of_it_is_in_production() {
    let project = Project::with_runs();
    let impact = |arguments: &[&str]| json(&project, &[&["audit", "impact"], arguments].concat());
    let touched = impact(&["plugin", "freehold/redact-pii"]);
    // What is in production first, then the newest.
    assert_eq!(names(&touched, "run"), ["desk-2", "abroad-1", "desk-1"]);
    assert_eq!(touched[0]["aliases"], json!(["desk@production"]));
    assert_eq!((&touched[2]["aliases"], &touched[2]["formerly"]), (&json!([]), &json!(["desk@production"])));
    assert_eq!(names(&impact(&["plugin", "freehold/redact-pii", "--limit", "1"]), "run"), ["desk-2"]);
    let page = project.run(&["audit", "impact", "plugin", "freehold/redact-pii", "--limit", "2"]).expect(0);
    drop(page.says(&["The first 2, 1 of them in production", "--limit 0"]));
    let version = json(&project, &["audit", "explain", "desk-1"])["plugins"][0]["version"].clone();
    let named = format!("freehold/redact-pii@{}", version.as_str().unwrap());
    assert_eq!(impact(&["plugin", &named]).as_array().unwrap().len(), 3);
    assert_eq!(impact(&["plugin", "freehold/redact-pii@9.9.9"]), json!([]));
    for by in ["publisher", &key(&project, "recorder")] {
        assert_eq!(impact(&["key", by]).as_array().unwrap().len(), 3, "{by}");
    }
    assert_eq!(impact(&["key", "publisher", "--since", "2099-01-01"]), json!([]));
    drop(project.run(&["audit", "impact", "key", "nobody"]).expect(2));
    let data = json(&project, &["audit", "explain", "desk-1"])["data"][0]["digest"].clone();
    assert_eq!(names(&impact(&["data", data.as_str().unwrap()]), "run").len(), 3);
    assert_eq!(impact(&["data", &format!("sha256:{}", "0".repeat(64))]), json!([]));

    // Revoked later: the records hold, and say so.
    project.run(&["trust", "revoke", "publisher", "--reason", "was stolen"]).expect(0);
    let explained = json(&project, &["audit", "explain", "desk@production"]);
    assert!(explained["plugins"][0]["revoked"].as_str().unwrap().contains("was stolen"));
    project.assert_intact();
    let replay = json(&project, &["audit", "replay", "desk-2"]);
    assert_eq!(replay["same"], true);
}

#[test]
fn approvals_are_of_people_in_the_role_and_each_key_counts_once() {
    let project = Project::new();
    drop(project.run_recipe(&Recipe::default()).expect(0));
    let approvals = |code, arguments: &[&str]| {
        json_with(&project, code, &[&["audit", "approvals", "desk@production"], arguments].concat())
    };
    // Nobody is never enough.
    assert_eq!(approvals(4, &[])["enough"], false);
    for name in ["ada", "grace"] {
        project.run(&["key", "new", name]).expect(0);
    }
    drop(project.run(&["approve", "desk-1", "--key", "ada"]).expect(2).says(&["not in role approver"]));
    for name in ["ada", "grace", "recorder"] {
        project.run(&["trust", "add", "--role", "approver", "--key", name]).expect(0);
    }
    drop(project.run(&["approve", "nothing-1", "--key", "ada"]).expect(2).says(&["no run `nothing-1`"]));
    project.run(&["approve", "desk-1", "--key", "ada", "--note", "read\u{1b}[2J it"]).expect(0);
    drop(project.run(&["approve", "desk-1", "--key", "ada"]).expect(2).says(&["approved it before"]));
    let once = approvals(0, &[]);
    assert_eq!((&once["counted"], &once["approvals"][0]["note"]), (&json!(1), &json!("read\u{1b}[2J it")));
    let page = project.run(&["audit", "approvals", "desk-1"]).expect(0);
    assert!(!page.stdout.contains('\u{1b}'), "{}", page.stdout);
    // Who trained may approve, and is not counted where that is asked.
    project.run(&["approve", "desk-1", "--key", "recorder"]).expect(0);
    assert_eq!(approvals(0, &["--require", "2"])["counted"], 2);
    assert_eq!(approvals(4, &["--require", "2", "--distinct-from", "trainer"])["counted"], 1);
    // An approver who has no home signs with a key in a file.
    std::fs::copy(project.path().join("home/keys/grace.pem"), project.path().join("grace.pem")).unwrap();
    drop(project.run(&["approve", "desk-1", "--key", "grace.pem"]).expect(0));
    assert_eq!(approvals(0, &["--require", "2", "--distinct-from", "trainer"])["counted"], 2);
    project.assert_intact();
    let impact = json(&project, &["audit", "impact", "key", "ada"]);
    assert_eq!(impact[0]["through"], json!(["approved it"]));
    // A file that others may read is refused, as a key of a home is.
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(project.path().join("grace.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(project.run(&["approve", "desk-1", "--key", "grace.pem"]).expect(1).says(&["grace.pem", "chmod"]));
    // A key that is revoked later does not count any more, and the record still verifies.
    project.run(&["trust", "revoke", "grace", "--reason", "left"]).expect(0);
    assert_eq!(approvals(4, &["--require", "2", "--distinct-from", "trainer"])["counted"], 1);
    project.assert_intact();
    drop(project.run(&["audit", "show", "desk-1"]).expect(0).says(&["approval"]));
}

#[test]
fn bars_were_in_the_ledger_before_the_results() {
    let project = Project::with_runs();
    let verified = json(&project, &["audit", "verify", "--offline", "--preregistered"]);
    let bars = verified["bars"].as_array().unwrap();
    // The run that was denied before it trained was measured against none.
    assert_eq!(names(&verified["bars"], "run"), ["desk-1", "desk-2"]);
    assert!(bars.iter().all(|bar| bar["set"].as_u64() < bar["measured"].as_u64()), "{bars:?}");
    assert!(bars[0]["settings"].as_str().unwrap().contains("minimum_rows = 10"));
    assert!(bars[1]["settings"].as_str().unwrap().contains("minimum_rows = 11"));
    drop(project.run(&["audit", "verify", "desk-2", "--preregistered"]).expect(0).says(&["desk-2", "metric-gate"]));
    assert!(json(&project, &["audit", "verify"])["bars"].is_null());
}

#[test]
fn values_and_verdicts_come_again_and_so_do_the_bits() {
    let project = Project::with_runs();
    for (run, asked) in [("desk-1", 5), ("abroad-1", 2), ("desk-2", 5)] {
        let replay = json(&project, &["audit", "replay", run]);
        assert_eq!((&replay["same"], replay["replayed"].as_array().unwrap().len()), (&json!(true), asked), "{run}");
    }
    let again = json(&project, &["reproduce", "desk-1"]);
    assert_eq!((&again["same"], &again["other_inputs"]), (&json!(true), &json!([])));
    let remade = again["remade"].as_array().unwrap();
    assert!(remade.iter().any(|output| output["output"] == "adapter/adapter_model.safetensors"), "{remade:?}");
    assert!(remade.iter().all(|output| output["now"] == output["recorded"]), "{remade:?}");
    assert_eq!(json(&project, &["reproduce", "desk-1", "--threads", "1"])["same"], true);
    // What is in production now, another adapter, changes nothing.
    let twice = Recipe::default().policies.rsplit("[[policy]]").next().unwrap().to_owned();
    let policies =
        format!("{}[[policy]]{}", Recipe::default().policies, twice.replace("minimum_rows = 10", "minimum_rows = 12"));
    let adapter = Recipe::default().adapter.replace("rank = 4", "rank = 2");
    drop(project.run_recipe(&Recipe { adapter, policies, ..Recipe::default() }).expect(0));
    let [first, third] = ["desk-1", "desk-3"].map(|run| json(&project, &["audit", "explain", run])["adapter"].clone());
    assert_ne!(first, third);
    assert_eq!(json(&project, &["reproduce", "desk-1"])["same"], true);
    assert_eq!(json(&project, &["reproduce", "desk-3"])["same"], true);
    // A policy that is asked twice has two verdicts, and both are told.
    let diff = json(&project, &["audit", "diff", "desk-1", "desk-3"]);
    let verdict = |change: &&Value| change["kind"] == "verdict" && change["what"] == "freehold/metric-gate at promote";
    let verdict = diff["changes"].as_array().unwrap().iter().find(verdict).unwrap().clone();
    assert_eq!(verdict["after"].as_str().unwrap().matches("allow").count(), 2, "{verdict}");
    // It leaves nothing behind, and needs neither the recipe nor the lockfile.
    for file in ["freehold.toml", "freehold.lock"] {
        std::fs::remove_file(project.path().join(file)).unwrap();
    }
    assert_eq!(json(&project, &["reproduce", "desk-2"])["same"], true);
    let left = |name: &str| project.path().join("home").join(name).exists();
    assert!(!left("reproduce") && !left("checkpoints/reproduce") && !left("metrics/reproduce"));
    project.assert_intact();

    let train = project.path().join("train.jsonl");
    let before = std::fs::read_to_string(&train).unwrap();
    std::fs::write(&train, format!("{before}{}", before.lines().next().unwrap())).unwrap();
    let other = json_with(&project, 4, &["reproduce", "desk-1"]);
    assert!(other["other_inputs"][0].as_str().unwrap().starts_with("dataset `train` has other bytes"), "{other}");
    assert_eq!(other["remade"], json!([]));
    std::fs::write(&train, before).unwrap();
    drop(project.run(&["reproduce", "abroad-1"]).expect(1).says(&["no phase train"]));
    drop(project.run(&["reproduce", "nothing"]).expect(2).says(&["no run `nothing`"]));
    drop(project.run(&["reproduce", "desk-1", "--folder", "models"]).expect(1).says(&["no such file"]));
    assert!(Path::new(&train).exists());
}
