//! What is computed does not depend on the instructions that the processor has in f32, and hardly in bf16; the record states
//! within what the bits are the same.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_tests::{Outcome, Project, Recipe, head};
use serde_json::Value;

const ALL: [&str; 4] = ["portable", "avx2", "avx512", "amx"];

/// A few steps of the usual recipe; the report and the determinism scope in the record. `None` where the processor does not
/// have the instructions.
fn run(precision: &str, instructions: &str) -> Option<(Value, Value)> {
    let base = Recipe::default();
    let project = Project::new();
    // Portable code takes a hundred times as long as any other: these rows are three steps of a few hundred tokens.
    project.write("train.jsonl", &head("tickets-eu.jsonl", 12));
    project.write("eval.jsonl", &head("heldout.jsonl", 1));
    let train = base.train.replace("tokens_per_step = 1024", "tokens_per_step = 256");
    let policies = base.policies.replace("minimum_rows = 10", "minimum_rows = 1");
    let recipe = Recipe { train: format!("{train}precision = \"{precision}\"\n"), policies, ..base };
    project.write("freehold.toml", &recipe.to_string());
    let outcome = project.run(&["run", "--json", "--instructions", instructions]);
    if outcome.code == 2 {
        drop(outcome.says(&["this processor does not have", instructions, "leave out `--instructions`"]));
        eprintln!("SKIPPED: this processor does not have {instructions}");
        return None;
    }
    let report = outcome.expect(0).json();
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let phases = shown["phases"].as_array().unwrap();
    let training = phases.iter().find(|phase| phase["phase"] == "train").unwrap();
    Some((report, training["detail"]["determinism"].clone()))
}

#[test]
fn in_f32_every_way_gives_the_same_adapter() {
    let (portable, determinism) = run("f32", "portable").unwrap();
    assert_eq!(determinism["instructions"], "any");
    assert!(portable["weights"].is_string());
    for instructions in &ALL[1..] {
        let Some((report, determinism)) = run("f32", instructions) else { continue };
        assert_eq!(report["weights"], portable["weights"], "{instructions}");
        assert_eq!(report["metrics"], portable["metrics"], "{instructions}");
        assert_eq!((&determinism["precision"], &determinism["instructions"]), (&"f32".into(), &"any".into()));
    }
}

#[test]
fn in_bf16_every_way_gives_nearly_the_same_and_the_record_says_which() {
    let (portable, determinism) = run("bf16", "portable").unwrap();
    assert_eq!(determinism["instructions"], "portable");
    let mut weights = std::collections::BTreeMap::from([("portable".to_owned(), portable["weights"].clone())]);
    for instructions in &ALL[1..] {
        let Some((report, determinism)) = run("bf16", instructions) else { continue };
        let named = determinism["instructions"].as_str().unwrap().to_owned();
        // AVX-512 is without products of bf16 in some processors.
        let allowed: &[&str] = match *instructions {
            "avx512" => &["avx512-bf16", "portable"],
            "amx" => &["amx-bf16"],
            _ => &["portable"],
        };
        assert!(allowed.contains(&named.as_str()), "{instructions}: {named}");
        // The same way is the same bits.
        assert_eq!(*weights.entry(named.clone()).or_insert_with(|| report["weights"].clone()), report["weights"]);
        for loss in ["first_loss", "last_loss"] {
            let [got, want] = [&report, &portable].map(|report| report["training"][loss].as_f64().unwrap());
            println!("{instructions} ({named}): {loss} {got}, portable {want}");
            assert!((got - want).abs() < 5e-3 * want, "{instructions}: {loss} {got}, portable {want}");
        }
    }
}

#[test]
fn other_instructions_are_wrong_usage() {
    let output = Project::bare().command(&["--instructions", "sse9", "audit", "list"]).output().unwrap();
    drop(Outcome::from(output).expect(2).says(&["sse9", "portable, avx2, avx512, amx"]));
}
