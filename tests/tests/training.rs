//! Training through the command: what is trained, going on after a kill, ending early, and what stops it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use freehold_tests::{Project, Recipe};
use serde_json::Value;

fn recipe(adapter: &str, train: &str) -> Recipe {
    let base = Recipe::default();
    Recipe { adapter: adapter.into(), train: format!("{}{train}", base.train), ..base }
}

const LORA: &str = "method = \"lora\"\nrank = 4\nalpha = 8\n";

fn weights(project: &Project, recipe: &Recipe, arguments: &[&str]) -> Value {
    project.write("freehold.toml", &recipe.to_string());
    let run = project.run(&[&["run", "--json"], arguments].concat());
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    report["weights"].clone()
}

#[test]
fn the_same_adapter_with_one_thread_and_with_two() {
    for train in ["", "precision = \"bf16\"\n", "activation_checkpointing = \"always\"\n"] {
        let recipe = recipe(LORA, train);
        let run = |threads: &str| weights(&Project::new(), &recipe, &["--threads", threads]);
        let one = run("1");
        assert!(one.is_string());
        assert_eq!(one, run("2"), "{train}");
    }
}

#[test]
fn every_method_makes_what_it_says() {
    for (method, file) in [
        ("method = \"rslora\"\nrank = 4\nalpha = 8\n", "adapter_model.safetensors"),
        ("method = \"dora\"\nrank = 4\nalpha = 8\n", "adapter_model.safetensors"),
        ("method = \"full\"\n", "model.safetensors"),
    ] {
        let project = Project::new();
        let report = project.run_recipe(&recipe(method, "")).expect(0);
        drop(report.says(&["promoted"]));
        project.assert_intact();
        let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0);
        assert!(shown.stdout.contains(file), "{method}: {}", shown.stdout);
    }
}

/// Waits for the file of a checkpoint and kills the command.
fn kill_at_a_checkpoint(project: &Project, mut child: Child) {
    let folder = project.path().join("home/checkpoints/desk-1");
    let started = Instant::now();
    while !folder.read_dir().is_ok_and(|mut entries| {
        entries.any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with(".safetensors"))
    }) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before a checkpoint was there");
        assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint came");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_training_that_is_killed_goes_on_from_its_checkpoint_to_the_same_bits() {
    let steps = "epochs = 16\ncheckpoint_every = 5\nkeep_checkpoints = 2\n";
    let base = Recipe::default();
    let recipe = Recipe { adapter: LORA.into(), train: base.train.replace("epochs = 1\n", steps), ..base };
    let expected = weights(&Project::new(), &recipe, &[]);
    let project = Project::new();
    project.write("freehold.toml", &recipe.to_string());
    let child = project.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill_at_a_checkpoint(&project, child);
    let kept = project.path().join("home/checkpoints/desk-1").read_dir().unwrap();
    let kept = kept.filter(|entry| entry.as_ref().unwrap().file_name() != "spent.json").count();
    assert!((1..=3).contains(&kept), "{kept}");
    assert_eq!(weights(&project, &recipe, &[]), expected);
    // What is recorded needs no checkpoints any more.
    assert!(!project.path().join("home/checkpoints/desk-1").exists());
    project.assert_intact();
}

#[test]
fn a_damaged_checkpoint_is_told_and_can_be_removed() {
    let base = Recipe::default();
    let steps = "epochs = 16\ncheckpoint_every = 5\n";
    let recipe = Recipe { adapter: LORA.into(), train: base.train.replace("epochs = 1\n", steps), ..base };
    let project = Project::new();
    project.write("freehold.toml", &recipe.to_string());
    let child = project.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill_at_a_checkpoint(&project, child);
    let folder = project.path().join("home/checkpoints/desk-1");
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let failed = project.run(&["run"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("checkpoint"), "{}", failed.stderr);
    std::fs::remove_dir_all(&folder).unwrap();
    project.run(&["run"]).expect(0);
}

#[test]
fn it_ends_early_by_the_loss_and_by_a_metric() {
    for metric in ["loss", "exact-match"] {
        let stop = format!("[train.early_stopping]\nmetric = \"{metric}\"\nevery = 2\npatience = 1\nmin_delta = 100\n");
        let base = Recipe::default();
        let train = base.train.replace("epochs = 1\n", "epochs = 20\n");
        let recipe = Recipe { adapter: LORA.into(), train: format!("{train}{stop}"), ..base };
        let project = Project::new();
        project.write("freehold.toml", &recipe.to_string());
        let run = project.run(&["run", "--json"]);
        let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
        // Nothing is better by 100 than the first measurement.
        assert_eq!(report["training"]["steps"], 4, "{report}");
        assert_eq!(report["training"]["best_step"], 2, "{report}");
    }
}

#[test]
fn settings_that_cannot_be_are_told_with_their_key() {
    for (adapter, train, says) in [
        ("method = \"full\"\nrank = 4\n", "", "adapter.method"),
        ("method = \"lora\"\n", "", "adapter.rank"),
        (LORA, "precision = \"f64\"\n", "precision"),
        (LORA, "tokens_at_once = 0\n", "tokens_at_once"),
        (LORA, "[train.early_stopping]\nmetric = \"bleu\"\nevery = 1\npatience = 1\n", "bleu"),
        (LORA, "[train.early_stopping]\nevery = 0\npatience = 1\n", "early_stopping"),
        (LORA, "learning_rate_decay = 1\n", "learning_rate_decay"),
    ] {
        let project = Project::new();
        project.write("freehold.toml", &recipe(adapter, train).to_string());
        let failed = project.run(&["run"]);
        assert!(failed.code == 2 || failed.code == 1, "{failed:?}");
        assert!(failed.stderr.contains(says), "{says}: {}", failed.stderr);
    }
}

#[test]
fn a_learning_rate_that_is_too_high_stops_with_the_batch_and_keeps_the_last_good_checkpoint() {
    let base = Recipe::default();
    let steps = "epochs = 16\ncheckpoint_every = 1\nkeep_checkpoints = 1\n";
    let train = base.train.replace("epochs = 1\n", steps).replace("learning_rate = 2e-3", "learning_rate = 1e30");
    let recipe = Recipe { adapter: LORA.into(), train, ..base };
    let project = Project::new();
    project.write("freehold.toml", &recipe.to_string());
    let failed = project.run(&["run"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    for says in ["not finite", "step", "examples", "lower"] {
        assert!(failed.stderr.contains(says), "{says}: {}", failed.stderr);
    }
    let kept = project.path().join("home/checkpoints/desk-1").read_dir().unwrap();
    let kept = kept.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("step-"));
    assert_eq!(kept.count(), 1);
}
