//! `cargo xtask base-models`: trains the demo's base models from scratch, on text that the project writes.
//!
//! `base-1` is trained on the first edition of the text, `base-2` goes on from it with the second. `base-3` has another shape and
//! another tokenizer; it is trained on the second edition alone. The same machine class gives the same bytes.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::command::{self, build_freehold, step, target, workspace};
use crate::corpus::pretraining::{Edition, pretraining_text};
use crate::failure::Failure;

const SEED: u64 = 1;

fn write_documents(path: &Path, edition: Edition) -> Result<(), Failure> {
    let lines = pretraining_text(SEED, edition).into_iter().map(|text| format!("{}\n", json!({ "text": text })));
    std::fs::write(path, lines.collect::<String>()).map_err(Failure::file("write", path))
}

/// The models in the order in which they are made, with what each is trained on and goes on from.
const MODELS: [(&str, Edition, Option<&str>); 3] =
    [("base-1", Edition::First, None), ("base-2", Edition::Second, Some("base-1")), ("base-3", Edition::Second, None)];

/// Trains the models of these names; all if there are none.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    if let Some(name) = names.iter().find(|name| !MODELS.iter().any(|(known, ..)| known == name)) {
        return Err(Failure::new(format!("there is no base model `{name}`")));
    }
    let freehold = build_freehold()?;
    let models = workspace().join("demo/models");
    let texts = target().join("pretraining");
    std::fs::create_dir_all(&texts).map_err(Failure::file("create", &texts))?;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    for (name, edition, from) in MODELS.into_iter().filter(|(name, ..)| wanted(name)) {
        let text = texts.join(format!("{name}.jsonl"));
        step(&format!("Writing the text of {name}"));
        write_documents(&text, edition)?;
        step(&format!("Training {name}"));
        let mut command = Command::new(&freehold);
        command.args(["model", "pretrain"]).arg(models.join(format!("{name}.toml"))).arg("--text").arg(&text);
        command.arg("--out").arg(models.join(name));
        if let Some(from) = from {
            command.arg("--from").arg(models.join(from));
        }
        command::run(&mut command)?;
    }
    Ok(())
}
