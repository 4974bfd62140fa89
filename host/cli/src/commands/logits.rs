//! `freehold model logits` and `losses`: what the engine computes, for comparison with other implementations.

use std::path::Path;

use freehold_core::recipe::{Precision, TrainSettings};
use freehold_engine::{
    Example, go_on, instructions, instructions_of_f32, logits, read_ids, second_opinion, write_logits,
};
use freehold_workflow::{ExitCode, WorkflowError};
use serde_json::json;

use super::generate::load_adapter;
use super::model::load;
use super::{make_folder, read_file, split};
use crate::failure::Failure;
use crate::page::{Terminal, pairs, say};

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

/// Differences of logits, relative to the largest, beyond which the engine computes something else than candle.
const F32_LIMIT: f32 = 1e-4;
const BF16_LIMIT: f32 = 0.1;

pub(super) fn check(
    model: &Path,
    adapter: Option<&Path>,
    tokens: usize,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let (_, loaded) = load(model)?;
    let adapter = adapter.map(|folder| load_adapter(folder, &loaded)).transpose()?;
    let tokens = tokens.clamp(1, loaded.max_positions());
    let ids = vec![(0..tokens).map(|i| (i * 7919 % loaded.vocabulary()) as u32).collect::<Vec<u32>>()];
    let plain = second_opinion(&loaded, adapter.as_ref(), &ids).map_err(WorkflowError::from)?;
    let largest = plain.values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let difference = |precision| -> Result<f32, Failure> {
        let ours = logits(&loaded, adapter.as_ref(), &ids, precision).map_err(WorkflowError::from)?;
        let pairs = ours.values.iter().zip(&plain.values);
        Ok(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest)
    };
    let (f32, bf16) = (difference(Precision::F32)?, difference(Precision::Bf16)?);
    // A difference that is no number is no agreement.
    let agree = f32 < F32_LIMIT && bf16 < BF16_LIMIT;
    let value = json!({
        "tokens": tokens, "agree": agree,
        "f32": { "instructions": instructions_of_f32(), "difference": f32 },
        "bf16": { "instructions": instructions(Precision::Bf16), "difference": bf16 },
    });
    terminal.print(&value, |_| {
        pairs(&[
            ("f32", format!("{f32:.1e} with {}; less than {F32_LIMIT:.0e} is right", instructions_of_f32())),
            ("bf16", format!("{bf16:.1e} with {}; less than {BF16_LIMIT} is right", instructions(Precision::Bf16))),
            ("result", if agree { "the engine agrees with candle" } else { "the engine DISAGREES with candle" }.into()),
        ]);
    });
    Ok(if agree { ExitCode::Done } else { ExitCode::Unverified })
}
