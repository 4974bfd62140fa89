//! The engine against transformers and PEFT: logits, logits with an adapter, and five steps of training, for each family.
//! `fixtures/README.md` says how the fixtures were made.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use freehold_tests::{Project, workspace};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// Biases, tied heads, stretched positions, sliding windows, norms of heads: each is in one of them.
const MODELS: [&str; 6] = ["llama", "llama3", "mistral", "qwen2", "qwen2-yarn", "qwen3"];

fn fixture(name: &str) -> PathBuf {
    workspace().join("tests/fixtures").join(name)
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = file.tensor(name).unwrap().data().chunks_exact(4);
    bytes.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// What transformers and PEFT computed, of the file with the ids.
struct Cases {
    project: Project,
    bytes: Vec<u8>,
}

impl Cases {
    fn open(reference: &Path) -> Self {
        let (project, bytes) = (Project::bare(), std::fs::read(reference.join("cases.safetensors")).unwrap());
        let cases = SafeTensors::deserialize(&bytes).unwrap();
        let ids = safetensors::serialize([("ids", cases.tensor("ids").unwrap())], None).unwrap();
        std::fs::write(project.path().join("ids.safetensors"), ids).unwrap();
        Self { project, bytes }
    }

    fn logits(&self, model: &Path, adapter: Option<&Path>, more: &[&str]) -> Vec<f32> {
        let model = model.to_str().unwrap();
        let mut arguments = vec!["model", "logits", model, "--ids", "ids.safetensors", "--out", "out.safetensors"];
        arguments.extend(adapter.iter().flat_map(|adapter| ["--adapter", adapter.to_str().unwrap()]));
        arguments.extend(more);
        self.project.run(&arguments).expect(0);
        let out = self.project.read("out.safetensors");
        floats(&SafeTensors::deserialize(&out).unwrap(), "logits")
    }

    /// The largest difference from what is expected, relative to the largest logit.
    fn difference(&self, ours: &[f32], theirs: &str) -> f32 {
        let theirs = floats(&SafeTensors::deserialize(&self.bytes).unwrap(), theirs);
        assert_eq!(ours.len(), theirs.len());
        let largest = theirs.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
    }

    /// The largest relative difference of five losses in training.
    fn losses(&self, model: &Path, reference: &Path, precision: &str) -> f64 {
        let (model, adapter) = (model.to_str().unwrap(), reference.join("adapter"));
        let arguments = ["model", "losses", model, "--ids", "ids.safetensors", "--precision", precision, "--json"];
        let run = self.project.run(&[&arguments[..], &["--adapter", adapter.to_str().unwrap()]].concat());
        let ours: Value = serde_json::from_str(&run.expect(0).stdout).unwrap();
        let theirs = std::fs::read_to_string(reference.join("train.json")).unwrap();
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        let list = |value: &Value| -> Vec<f64> {
            value["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect()
        };
        let (ours, theirs) = (list(&ours), list(&theirs));
        assert_eq!((ours.len(), theirs.len()), (5, 5));
        ours.iter().zip(theirs).map(|(a, b)| ((a - b) / b).abs()).fold(0.0, f64::max)
    }
}

#[test]
fn logits_are_those_of_transformers() {
    for name in MODELS {
        let (model, cases) = (fixture(name), Cases::open(&fixture(name).join("reference")));
        let difference = cases.difference(&cases.logits(&model, None, &[]), "logits");
        assert!(difference < 1e-5, "{name}: {difference}");
        // bf16 has 8 bits.
        let rounded = cases.difference(&cases.logits(&model, None, &["--precision", "bf16"]), "logits");
        assert!(rounded < 0.03 && rounded > difference, "{name}: {rounded}");
    }
}

#[test]
fn logits_with_an_adapter_are_those_of_peft() {
    let ours = MODELS.map(|name| (fixture(name), fixture(name).join("reference")));
    let variants = ["dora", "rslora"].map(|name| (fixture("llama"), fixture("peft").join(name)));
    for (model, reference) in ours.into_iter().chain(variants) {
        let cases = Cases::open(&reference);
        let logits = cases.logits(&model, Some(&reference.join("adapter")), &[]);
        let difference = cases.difference(&logits, "adapter_logits");
        assert!(difference < 1e-5, "{}: {difference}", reference.display());
    }
}

#[test]
fn five_steps_of_training_are_those_of_peft() {
    let ours = MODELS.map(|name| (fixture(name), fixture(name).join("reference")));
    let variants = ["dora", "rslora"].map(|name| (fixture("llama"), fixture("peft").join(name)));
    for (model, reference) in ours.into_iter().chain(variants) {
        let cases = Cases::open(&reference);
        let difference = cases.losses(&model, &reference, "f32");
        assert!(difference < 1e-5, "{}: {difference}", reference.display());
        let rounded = cases.losses(&model, &reference, "bf16");
        assert!(rounded < 2e-3, "{}: {rounded}", reference.display());
    }
}

#[test]
fn a_merged_folder_has_the_logits_of_model_and_adapter() {
    let ours = MODELS.map(|name| (fixture(name), fixture(name).join("reference")));
    let variants = ["dora", "rslora"].map(|name| (fixture("llama"), fixture("peft").join(name)));
    for (model, reference) in ours.into_iter().chain(variants) {
        let cases = Cases::open(&reference);
        let adapter = reference.join("adapter");
        let (from, base) = (adapter.to_str().unwrap(), model.to_str().unwrap());
        cases.project.run(&["adapter", "merge", from, "--model", base, "--out", "merged"]).expect(0);
        let logits = cases.logits(&cases.project.path().join("merged"), None, &[]);
        let difference = cases.difference(&logits, "adapter_logits");
        assert!(difference < 1e-5, "{}: {difference}", reference.display());
    }
}

#[test]
fn the_engine_agrees_with_candle() {
    let project = Project::bare();
    for name in MODELS {
        let (model, adapter) = (fixture(name), fixture(name).join("reference/adapter"));
        for more in [&[][..], &["--adapter", adapter.to_str().unwrap()][..]] {
            let run = project.run(&[&["model", "check", model.to_str().unwrap(), "--json"], more].concat());
            let report: Value = serde_json::from_str(&run.expect(0).stdout).unwrap();
            assert!(report["f32"]["difference"].as_f64().unwrap() < 1e-5, "{name}: {report}");
        }
    }
}

/// The folder with every tensor in another type and in two files.
fn stored_as(name: &str, to: &Path, dtype: Dtype, convert: impl Fn(f32) -> [u8; 2]) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(fixture(name).join(file), to.join(file)).unwrap();
    }
    let bytes = std::fs::read(fixture(name).join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let converted: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .iter()
        .map(|(name, view)| {
            let values = floats(&file, name).into_iter().flat_map(&convert).collect();
            (name.to_string(), view.shape().to_vec(), values)
        })
        .collect();
    let mut map = serde_json::Map::new();
    for (part, tensors) in converted.chunks(converted.len().div_ceil(2)).enumerate() {
        let shard = format!("model-0000{}-of-00002.safetensors", part + 1);
        let views = tensors.iter().map(|(name, shape, values)| {
            map.insert(name.clone(), shard.clone().into());
            (name.as_str(), TensorView::new(dtype, shape.clone(), values).unwrap())
        });
        let views: Vec<_> = views.collect();
        std::fs::write(to.join(&shard), safetensors::serialize(views, None).unwrap()).unwrap();
    }
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    std::fs::write(to.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn shards_in_half_the_bits_are_used_as_they_are() {
    for name in ["llama3", "qwen3"] {
        let cases = Cases::open(&fixture(name).join("reference"));
        let folder = cases.project.path().join("f16");
        stored_as(name, &folder, Dtype::F16, |x| half::f16::from_f32(x).to_le_bytes());
        let difference = cases.difference(&cases.logits(&folder, None, &[]), "logits");
        assert!(difference < 2e-3, "{name}: {difference}");
        let folder = cases.project.path().join("bf16");
        stored_as(name, &folder, Dtype::BF16, |x| half::bf16::from_f32(x).to_le_bytes());
        let difference = cases.difference(&cases.logits(&folder, None, &[]), "logits");
        assert!(difference < 2e-2, "{name}: {difference}");
    }
}

#[test]
fn a_folder_saved_by_transformers_is_trained_unchanged() {
    let project = Project::new();
    let to = project.path().join("models/hf");
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(fixture("llama")).unwrap() {
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
