//! Packed against padded: the same examples, once behind one another and once each filled up.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use freehold_core::recipe::{AdapterSettings, Method, Precision, Schedule, TrainSettings};
use freehold_engine::{Example, Model, StepReport, Training, train as run};
use serde_json::{Value, json};

use crate::model::{self, shape};

/// Sequences of a padded batch.
const BATCH: usize = 8;

/// `lengths`: a JSON list of the tokens of each example, and `max_length` of the recipe.
pub(crate) fn measure(path: &Path) -> Result<Value, Box<dyn Error>> {
    let (lengths, max_length): (Vec<usize>, usize) = serde_json::from_slice(&std::fs::read(path)?)?;
    let folder = tempfile::tempdir()?;
    let model = model::random(shape("tiny")?, Precision::F32, folder.path())?;
    let useful: usize = lengths.iter().sum();
    let rate = |fill: &dyn Fn(&[usize]) -> usize, at_once: Option<usize>| -> Result<f64, Box<dyn Error>> {
        let filled = lengths.chunks(BATCH).flat_map(|batch| {
            let to = fill(batch);
            batch.iter().map(move |length| (*length, to.max(*length)))
        });
        let examples: Vec<Example> = filled
            .map(|(length, to)| Example {
                ids: (0..to).map(|i| (i * 7919 % 4096) as u32).collect(),
                // What fills up is computed: its last token counts as a target of the batch.
                mask: (0..to).map(|i| i < length || i + 1 == to).collect(),
            })
            .collect();
        let at_once =
            at_once.unwrap_or_else(|| examples.iter().map(|example| example.ids.len()).max().unwrap_or(1) * BATCH);
        Ok(useful as f64 / seconds(&model, &examples, at_once)?)
    };
    let packed = rate(&|_| 0, Some(2048))?;
    let longest = rate(&|batch| batch.iter().copied().max().unwrap_or(0), None)?;
    let whole = rate(&|_| max_length, None)?;
    Ok(json!({
        "packed_tokens_per_s": packed,
        "padded_to_longest_tokens_per_s": longest,
        "padded_to_max_length_tokens_per_s": whole,
    }))
}

fn seconds(model: &Model, examples: &[Example], tokens: usize) -> Result<f64, Box<dyn Error>> {
    let adapter = AdapterSettings {
        method: Method::Lora,
        rank: 8,
        alpha: 16.0,
        dropout: 0.0,
        targets: ["q_proj", "v_proj", "down_proj"].map(String::from).to_vec(),
    };
    let settings = TrainSettings {
        epochs: 1.0,
        tokens_per_step: tokens,
        tokens_at_once: tokens,
        learning_rate: 1e-4,
        schedule: Schedule::Constant,
        max_length: 2048,
        checkpoint_every: 0,
        ..TrainSettings::default()
    };
    let time = Instant::now();
    let training = Training { model, examples, adapter: &adapter, train: &settings, seed: 1, start: None };
    run(training, None, &mut |_: &StepReport| ())?;
    Ok(time.elapsed().as_secs_f64())
}
