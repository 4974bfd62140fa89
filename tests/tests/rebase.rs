//! What is in production moves to another base model, by the cheapest way that the recipe's own gates let through.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_tests::{Project, Recipe, head};
use serde_json::{Value, json};

/// A project with `desk-1` in production on base-1, and other base models beside it.
fn project() -> Project {
    let project = Project::new();
    project.copy_model("base-2");
    drop(project.run_recipe(&Recipe::default()).expect(0));
    project
}

fn rebase(project: &Project, arguments: &[&str], code: i32) -> Value {
    let always = ["--json", "rebase", "--license", "Apache-2.0"];
    project.run(&[&always, arguments].concat()).expect(code).json()
}

fn rungs(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["rungs"].as_array().unwrap().iter().map(|rung| (text(&rung["rung"]), text(&rung["decision"]))).collect()
}

fn named(project: &Project) -> Value {
    project.run(&["--json", "audit", "explain", "desk@production"]).expect(0).json()["run"].clone()
}

#[test]
fn the_first_rung_that_passes_is_the_last_that_is_tried() {
    let project = project();
    let report = rebase(&project, &["--base", "models/base-2", "--compare"], 0);
    assert_eq!(rungs(&report), [("reapply".into(), "promoted".into())]);
    let rung = &report["rungs"][0];
    assert_eq!((&rung["tokens"], &rung["brought"]), (&json!(0), &json!("reapplied")));
    assert_eq!((&report["from_run"], &report["promoted"]), (&json!("desk-1"), &json!("desk-2")));
    assert_eq!((named(&project), &report["compared_run"]), (json!("desk-2"), &json!("desk-3")));
    assert!(report["retrain_tokens"].as_u64().unwrap() > 1000 && report["compared_seconds"].is_number());
    // What was in production was measured on its own base, and training anew on the new one.
    assert!(rung["metrics"][0]["over_production"]["low"].is_number(), "{rung}");
    assert!(rung["paired"][0]["difference"]["low"].is_number(), "{rung}");
    // The same bytes judged before and after.
    let plugins = report["plugins"].as_array().unwrap();
    assert!(plugins.len() > 5 && plugins.iter().all(|plugin| plugin["same"] == true), "{plugins:?}");
    project.assert_intact();
    drop(project.run(&["audit", "verify", "--preregistered"]).expect(0));
    drop(project.run(&["reproduce", "desk-2"]).expect(0));
    // The lockfile beside the recipe is that of the old base still; what it says now is done.
    drop(project.run(&["run", "--locked"]).expect(0));
    let again = project.run(&["rebase", "--license", "MIT", "--base", "models/base-1"]).expect(2);
    drop(again.says(&["has this base model already"]));
}

#[test]
fn every_rung_is_tried_once_while_none_passes() {
    let project = project();
    let policies = Recipe::default().policies.replace("minimum = 0.0", "minimum = 1.0");
    project.write("freehold.toml", &Recipe { policies, ..Recipe::default() }.to_string());
    let report = rebase(&project, &["--base", "models/base-2"], 3);
    let denied = ["reapply", "warm", "retrain"].map(|rung| (rung.to_owned(), "denied".to_owned()));
    assert_eq!(rungs(&report), denied);
    let tokens: Vec<u64> =
        report["rungs"].as_array().unwrap().iter().map(|rung| rung["tokens"].as_u64().unwrap()).collect();
    assert!(tokens[0] == 0 && tokens[1] > 0 && 2 * tokens[1] < tokens[2], "{tokens:?}");
    assert_eq!((named(&project), &report["promoted"]), (json!("desk-1"), &Value::Null));
    project.assert_intact();
    // A command that is given again finds what was decided, and asks nothing again.
    let before = project.files();
    let again = rebase(&project, &["--base", "models/base-2"], 3);
    assert_eq!((again["rungs"].clone(), project.files()), (report["rungs"].clone(), before));
    let page = project.run(&["rebase", "--license", "Apache-2.0", "--base", "models/base-2"]).expect(3);
    drop(page.says(&["reapply was denied: freehold/metric-gate", "No rung was promoted", "as before"]));
}

/// A model of another shape and with a tokenizer of its own.
fn write_other_model(project: &Project) {
    let text: String = head("tickets-eu.jsonl", 60)
        .lines()
        .map(|line| format!("{}\n", json!({ "text": serde_json::from_str::<Value>(line).unwrap()["text"] })))
        .collect();
    project.write("text.jsonl", &text);
    let spec = "hidden_size = 48\nlayers = 3\nheads = 3\nkv_heads = 3\nintermediate_size = 96\nvocab_size = 400\n\
                max_positions = 512\nrope_theta = 10000.0\nsteps = 3\ntokens_per_step = 1024\nsequence_length = 128\n\
                learning_rate = 1e-3\nwarmup_steps = 1\nweight_decay = 0.0\nseed = 4\n";
    project.write("other.toml", spec);
    drop(project.run(&["model", "pretrain", "other.toml", "--text", "text.jsonl", "--out", "models/other"]).expect(0));
}

#[test]
fn an_adapter_moves_to_a_base_of_another_shape() {
    let project = project();
    write_other_model(&project);
    let report = rebase(&project, &["--base", "models/other", "--replay", "0.5"], 0);
    assert_eq!(rungs(&report), [("transfer".into(), "promoted".into())]);
    let rung = &report["rungs"][0];
    assert_eq!((&rung["brought"], named(&project)), (&json!("transferred"), json!("desk-2")));
    assert!(rung["tokens"].as_u64().unwrap() > 0);
    project.assert_intact();
    drop(project.run(&["reproduce", "desk-2"]).expect(0));
    // And back, where the tokenizer is another one again.
    let back = rebase(&project, &["--base", "models/base-1", "--replay", "0.5"], 0);
    assert_eq!(back["rungs"][0]["brought"], "transferred");
    let page = project.run(&["audit", "show", "desk-3"]).expect(0);
    drop(page.says(&["moved to the shapes of this one"]));
}

#[test]
fn what_cannot_be_moved_says_why() {
    let project = Project::new();
    project.copy_model("base-2");
    let rebase = |arguments: &[&str], code: i32, said: &str| {
        drop(project.run(&[&["rebase"], arguments].concat()).expect(code).says(&[said]));
    };
    project.write("freehold.toml", &Recipe::default().to_string());
    rebase(&["--base", "models/base-2"], 2, "names nothing yet; run the recipe first");
    drop(project.run(&["run"]).expect(0));
    rebase(&["--base", "models/base-2"], 2, "say that of the new one with `--license`");
    rebase(&["--base", "models/base-9", "--license", "MIT"], 1, "models/base-9");
    rebase(&["--base", "hf:nobody/nothing", "--license", "MIT"], 1, "was not pulled into this home");
    rebase(&["--base", "models/base-1", "--license", "MIT"], 2, "has this base model already");
    for part in ["0", "1", "1e9", "nan", "x"] {
        rebase(&["--base", "models/base-2", "--replay", part], 2, "a number above 0 and below 1");
    }
    // The license of the new base is what the policies see.
    rebase(&["--base", "models/base-2", "--license", "GPL-3.0-only"], 3, "license-gate");
    let promote = Recipe::default().to_string().replace("[promote]\nalias = \"desk@production\"\n", "");
    project.write("freehold.toml", &promote);
    rebase(&["--base", "models/base-2", "--license", "MIT"], 2, "no `[promote]`");
    // What was in production can only be compared on the base that it belongs to.
    project.write("freehold.toml", &Recipe::default().to_string());
    std::fs::rename(project.path().join("models/base-1"), project.path().join("models/gone")).unwrap();
    rebase(&["--base", "models/base-2", "--license", "MIT"], 2, "is needed to compare with and is not there");
    project.assert_intact();
}

#[test]
fn a_recipe_trains_further_what_it_names() {
    let project = project();
    let further = |adapter: &str, changes: &[(&str, &str)]| {
        let mut recipe = format!("{}\n[start]\nadapter = \"{adapter}\"\n", Recipe::default());
        for (from, to) in changes {
            assert!(recipe.contains(from), "{from}");
            recipe = recipe.replace(from, to);
        }
        project.write("freehold.toml", &recipe);
        project.run(&["--json", "run"])
    };
    let first = project.run(&["--json", "audit", "show", "desk-1"]).expect(0).json()["report"].clone();
    // By run, by alias and by digest it is the same, and so is what comes of it.
    let by_run = further("desk-1", &[("desk@production", "other@production")]).expect(0).json();
    assert_eq!((&by_run["training"]["brought"], &by_run["decision"]), (&json!("own"), &json!("promoted")));
    assert_ne!(by_run["weights"], first["weights"]);
    let digest = first["adapter"].as_str().unwrap();
    for name in [digest, "desk@production"] {
        let same = further(name, &[("alias = \"desk@production\"", "alias = \"third@production\"")]).expect(0).json();
        assert_eq!(same["weights"], by_run["weights"], "{name}");
    }
    // It starts where the other ended: its first loss is lower.
    let loss = |report: &Value, key: &str| report["training"][key].as_f64().unwrap();
    assert!(loss(&by_run, "first_loss") < loss(&first, "first_loss"));
    drop(project.run(&["check"]).expect(0));

    for (adapter, changes, said) in [
        ("desk-9", [("rank = 4", "rank = 4")], "no alias, no run that trained and no digest is named so"),
        ("nobody@production", [("rank = 4", "rank = 4")], "the alias names nothing"),
        (&digest.replace(&digest[10..14], "0000"), [("rank = 4", "rank = 4")], "[start] adapter"),
        ("desk-1", [("rank = 4", "rank = 8")], "`rank` in [adapter] is 8; it has to be 4"),
        ("desk-1", [("\"lora\"", "\"dora\"")], "`method` in [adapter] is dora; it has to be lora"),
    ] {
        let refused = further(adapter, &changes);
        assert!([1, 2].contains(&refused.code), "{said}: {}", refused.code);
        drop(refused.says(&[said]));
    }
    let still = Recipe::default().to_string().replace("epochs = 1", "epochs = 0");
    project.write("freehold.toml", &still);
    drop(project.run(&["run"]).expect(1).says(&["train.epochs", "[start]"]));
    project.assert_intact();
}
