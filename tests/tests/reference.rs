//! The engine against transformers and PEFT. `fixtures/llama` holds a small Llama model with random weights as transformers 5.23
//! saved it, an adapter as PEFT 0.21 saved it, and the logits that both computed in f32 on the same ids.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use freehold_tests::{Project, workspace};
use safetensors::SafeTensors;

fn fixture() -> PathBuf {
    workspace().join("tests/fixtures/llama")
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = file.tensor(name).unwrap().data().chunks_exact(4);
    bytes.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// The largest difference, relative to the largest logit.
fn difference(adapter: bool, reference: &str) -> f32 {
    let project = Project::bare();
    let cases = std::fs::read(fixture().join("reference/cases.safetensors")).unwrap();
    let cases = SafeTensors::deserialize(&cases).unwrap();
    let ids = safetensors::serialize([("ids", cases.tensor("ids").unwrap())], None).unwrap();
    std::fs::write(project.path().join("ids.safetensors"), ids).unwrap();
    let (model, trained) = (fixture(), fixture().join("reference/adapter"));
    let mut arguments =
        vec!["model", "logits", model.to_str().unwrap(), "--ids", "ids.safetensors", "--out", "out.safetensors"];
    if adapter {
        arguments.extend(["--adapter", trained.to_str().unwrap()]);
    }
    project.run(&arguments).expect(0);
    let ours = project.read("out.safetensors");
    let (ours, theirs) = (floats(&SafeTensors::deserialize(&ours).unwrap(), "logits"), floats(&cases, reference));
    assert_eq!(ours.len(), theirs.len());
    let largest = theirs.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
}

#[test]
fn logits_are_those_of_transformers() {
    let difference = difference(false, "logits");
    assert!(difference < 1e-5, "{difference}");
}

#[test]
fn logits_with_an_adapter_are_those_of_peft() {
    let difference = difference(true, "adapter_logits");
    assert!(difference < 1e-5, "{difference}");
}

#[test]
fn a_folder_saved_by_transformers_is_trained_unchanged() {
    let project = Project::new();
    let to = project.path().join("models/hf");
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(fixture()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    let recipe = freehold_tests::Recipe {
        base: "model = \"models/hf\"\nlicense = \"Apache-2.0\"".into(),
        // Its tokenizer knows little of this text: a few hundred tokens a row. Rows that are longer would be an error.
        data: freehold_tests::Recipe::default()
            .data
            .replace("train.jsonl", "short.jsonl")
            .replace("eval.jsonl", "short-eval.jsonl"),
        ..Default::default()
    };
    let row = |n: usize| {
        format!("{{\"text\":\"lamp {n} broke\",\"intent\":\"defect\",\"product\":\"lamp\",\"urgency\":\"low\"}}\n")
    };
    project.write("short.jsonl", &(0..20).map(row).collect::<String>());
    project.write("short-eval.jsonl", &(20..32).map(row).collect::<String>());
    let report = project.run_recipe(&recipe).expect(0);
    drop(report.says(&["promoted"]));
    project.assert_intact();
}
