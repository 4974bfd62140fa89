//! Tokens per second of training, prefill and decoding.

use std::error::Error;
use std::time::Instant;

use freehold_core::recipe::{AdapterSettings, Method, Precision, Schedule, TrainSettings};
use freehold_engine::{
    Example, GenerateSettings, HeldOut, StepReport, Training, forecast, generate as answer, train as run,
};
use serde_json::{Value, json};

use crate::model::{self, Shape};

/// Steps of which the median counts, after the first.
const STEPS: usize = 7;

/// Training of a LoRA adapter of rank 8 on all linear layers: forward, backward, clipping, AdamW.
pub(crate) fn train(shape: Shape, precision: Precision) -> Result<Value, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let model = model::random(shape, precision, folder.path())?;
    let token = |i: usize| (i * 7919 % shape.vocabulary) as u32;
    let sequence = |row: usize| Example {
        ids: (0..shape.tokens).map(|i| token(row * shape.tokens + i)).collect(),
        mask: vec![true; shape.tokens],
    };
    let examples: Vec<Example> = (0..shape.batch).map(sequence).collect();
    let targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let adapter = AdapterSettings {
        method: Method::Lora,
        rank: 8,
        alpha: 16.0,
        dropout: 0.0,
        targets: targets.map(String::from).to_vec(),
    };
    let settings = TrainSettings {
        epochs: (STEPS + 1) as f64,
        tokens_per_step: shape.batch * shape.tokens,
        learning_rate: 1e-3,
        schedule: Schedule::Constant,
        max_length: shape.tokens,
        checkpoint_every: 0,
        precision,
        ..TrainSettings::default()
    };
    let (mut before, mut seconds) = (Instant::now(), Vec::new());
    let training =
        Training { model: &model, examples: &examples, adapter: &adapter, train: &settings, seed: 1, start: None };
    run(training, None, &mut |_: &StepReport| {
        seconds.push(before.elapsed().as_secs_f64());
        before = Instant::now();
    })?;
    let median = median(&mut seconds[1..]);
    let rate = (shape.batch * shape.tokens) as f64 / median;
    let peak = peak_rss_gb()?;
    // What is said before a training, beside what it was.
    let forecast = forecast(training, HeldOut::default())?;
    Ok(json!({
        "tokens_per_s": rate, "forecast_tokens_per_s": forecast.time.tokens_per_s,
        "peak_rss_gb": peak, "forecast_rss_gb": forecast.memory.training() as f64 / 1e9,
    }))
}

/// Decoding of one row, and prefill of 512 tokens.
pub(crate) fn generate(shape: Shape, precision: Precision) -> Result<Value, Box<dyn Error>> {
    const PROMPT: usize = 512;
    const NEW: usize = 64;
    let folder = tempfile::tempdir()?;
    let model = model::random(shape, precision, folder.path())?;
    let ids = |count: usize| (0..count).map(|i| (i * 7919 % shape.vocabulary) as u32).collect::<Vec<u32>>();
    let run = |prompt: usize, new: usize| -> Result<f64, Box<dyn Error>> {
        let settings = GenerateSettings { max_new_tokens: new, precision, ..GenerateSettings::default() };
        let time = Instant::now();
        let answers = answer(&model, None, &[ids(prompt)], &settings, None, &mut |_| ())?;
        if answers[0].ids.len() != new {
            return Err("the answer ended early".into());
        }
        Ok(time.elapsed().as_secs_f64())
    };
    run(8, 4)?;
    let mut decode = (0..3).map(|_| Ok(run(8, NEW + 1)? - run(8, 1)?)).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let mut prefill = (0..5).map(|_| run(PROMPT, 1)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "decode_tokens_per_s": NEW as f64 / median(&mut decode),
        "prefill_tokens_per_s": PROMPT as f64 / median(&mut prefill),
    }))
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The most memory that this process had, in GB (1e9 bytes).
fn peak_rss_gb() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e9)
}
