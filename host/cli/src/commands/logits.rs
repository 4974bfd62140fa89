//! `freehold model logits` and `losses`: what the engine computes, for comparison with other implementations.

use std::path::Path;

use freehold_core::recipe::{Precision, TrainSettings};
use freehold_engine::{Example, go_on, logits, read_ids, write_logits};
use freehold_workflow::WorkflowError;
use serde_json::json;

use super::generate::load_adapter;
use super::model::load;
use super::{make_folder, read_file, split};
use crate::failure::Failure;
use crate::page::{Terminal, say};

const FILE_LIMIT: u64 = 4 << 30;

pub(super) fn run(
    model: &Path,
    ids: &Path,
    adapter: Option<&Path>,
    precision: Precision,
    out: &Path,
) -> Result<(), Failure> {
    let (_, loaded) = load(model)?;
    let rows = read_ids(&read_file(ids, FILE_LIMIT)?).map_err(|error| Failure::file("use", ids, &error))?;
    let adapter = adapter.map(|folder| load_adapter(folder, &loaded)).transpose()?;
    let computed = logits(&loaded, adapter.as_ref(), &rows, precision).map_err(WorkflowError::from)?;
    let bytes = write_logits(&computed).map_err(|error| Failure::file("write", out, &error))?;
    let (folder, name) = split(out)?;
    freehold_files::write(&make_folder(folder)?, name, &bytes).map_err(|error| Failure::file("write", out, &error))
}

pub(super) fn losses(
    model: &Path,
    ids: &Path,
    adapter: &Path,
    settings: TrainSettings,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let (_, loaded) = load(model)?;
    let rows = read_ids(&read_file(ids, FILE_LIMIT)?).map_err(|error| Failure::file("use", ids, &error))?;
    let adapter = load_adapter(adapter, &loaded)?;
    let example = |ids: Vec<u32>| Example { mask: vec![true; ids.len()], ids };
    let examples: Vec<Example> = rows.into_iter().map(example).collect();
    let length = examples.iter().map(|example| example.ids.len()).max().unwrap_or(0);
    let settings = TrainSettings {
        // All rows in every step.
        tokens_per_step: length * examples.len(),
        max_length: length,
        checkpoint_every: 0,
        ..settings
    };
    let trained = go_on(&loaded, adapter, &examples, &settings).map_err(WorkflowError::from)?;
    let losses = trained.report.losses;
    terminal.print(&json!({ "losses": losses }), |_| losses.iter().for_each(|loss| say(&format!("{loss:.6}"))));
    Ok(())
}
