//! Tokens per second of rows that are generated together, with one adapter and with several, next to one after the other.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use freehold_core::recipe::{AdapterSettings, Method, Precision, TrainSettings};
use freehold_engine::{
    Adapter, Batcher, Example, GenerateSettings, Learned, Model, Request, StepReport, Training, generate, train,
};
use serde_json::{Map, Value, json};

use crate::model::{self, Shape};
use crate::speed::median;

/// Tokens of a prompt, and of an answer.
const PROMPT: usize = 32;
const NEW: usize = 16;
const ROUNDS: usize = 3;

/// `plain` is [`generate`], one prompt after the other; `together.ROWS.ADAPTERS` a batcher, in which all rows come at once;
/// `sampled` the same for most rows at temperature 1. `longest_step_ms` is what a row waits at most while a prompt of 1024
/// tokens comes in beside seven others, `step_ms` what it waits before.
pub(crate) fn measure(shape: Shape, precision: Precision) -> Result<Value, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let model = Arc::new(model::random(shape, precision, folder.path())?);
    let adapter = adapter(&model, precision)?;
    let adapters: Vec<Arc<Adapter>> = (0..4).map(|_| Arc::new(adapter.clone())).collect();
    let bench = Bench { model, adapters, shape, precision };
    bench.plain(1)?;
    let mut together = Map::new();
    for rows in [1, 8, 32] {
        let mut of_rows = Map::new();
        for adapters in [1, 4].into_iter().filter(|adapters| *adapters <= rows) {
            of_rows.insert(adapters.to_string(), json!(bench.rate(|| bench.together(rows, adapters, 0.0))?));
        }
        together.insert(rows.to_string(), Value::Object(of_rows));
    }
    let (step_ms, longest_step_ms) = bench.waits()?;
    Ok(json!({
        "plain": bench.rate(|| bench.plain(4))?,
        "together": together,
        "sampled": bench.rate(|| bench.together(32, 4, 1.0))?,
        "step_ms": step_ms,
        "longest_step_ms": longest_step_ms,
    }))
}

struct Bench {
    model: Arc<Model>,
    adapters: Vec<Arc<Adapter>>,
    shape: Shape,
    precision: Precision,
}

impl Bench {
    /// The median of what some rounds give.
    fn rate(&self, mut run: impl FnMut() -> Result<f64, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
        let mut rates = (0..ROUNDS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
        Ok(median(&mut rates))
    }

    fn prompt(&self, row: usize, tokens: usize) -> Vec<u32> {
        (0..tokens).map(|i| ((row * tokens + i) * 7919 % self.shape.vocabulary) as u32).collect()
    }

    fn settings(&self, new: usize, temperature: f64) -> GenerateSettings {
        GenerateSettings { max_new_tokens: new, temperature, precision: self.precision, ..GenerateSettings::default() }
    }

    /// Tokens of answers per second, one row after the other.
    fn plain(&self, rows: usize) -> Result<f64, Box<dyn Error>> {
        let (settings, time) = (self.settings(NEW, 0.0), Instant::now());
        let mut tokens = 0;
        for row in 0..rows {
            let (prompts, adapter) = ([self.prompt(row, PROMPT)], self.adapters.first().map(|adapter| &**adapter));
            let answers = generate(&self.model, adapter, &prompts, &settings, None, &mut |_| ())?;
            tokens += answers.iter().map(|answer| answer.ids.len()).sum::<usize>();
        }
        Ok(tokens as f64 / time.elapsed().as_secs_f64())
    }

    fn request(&self, row: usize, adapters: usize, prompt: usize, settings: GenerateSettings) -> Request {
        let adapter = self.adapters.get(row % adapters).cloned();
        Request { adapter, prompt: self.prompt(row, prompt), settings }
    }

    /// Tokens of answers per second, all rows together.
    fn together(&self, rows: usize, adapters: usize, temperature: f64) -> Result<f64, Box<dyn Error>> {
        let mut batcher = Batcher::new(Arc::clone(&self.model), self.precision, rows);
        let time = Instant::now();
        for row in 0..rows {
            batcher.add(self.request(row, adapters, PROMPT, self.settings(NEW, temperature)))?;
        }
        let mut tokens = 0;
        while !batcher.is_empty() {
            tokens += batcher.step().iter().filter(|event| event.token.is_some()).count();
        }
        Ok(tokens as f64 / time.elapsed().as_secs_f64())
    }

    /// Milliseconds of a step of eight rows, and of the longest while a long prompt comes in.
    fn waits(&self) -> Result<(f64, f64), Box<dyn Error>> {
        const LONG: usize = 1024;
        let mut batcher = Batcher::new(Arc::clone(&self.model), self.precision, 9);
        for row in 0..8 {
            batcher.add(self.request(row, 4, PROMPT, self.settings(NEW, 0.0)))?;
        }
        while batcher.step().len() < 8 {}
        let step = |batcher: &mut Batcher| {
            let time = Instant::now();
            batcher.step();
            time.elapsed().as_secs_f64() * 1e3
        };
        let mut before: Vec<f64> = (0..3).map(|_| step(&mut batcher)).collect();
        batcher.add(self.request(8, 4, LONG, self.settings(1, 0.0)))?;
        let during: Vec<f64> = (0..LONG / 128).map(|_| step(&mut batcher)).collect();
        Ok((median(&mut before), during.into_iter().fold(0.0, f64::max)))
    }
}

/// An adapter of rank 8 on all linear layers, trained for a moment: how fast it is does not depend on its values.
fn adapter(model: &Model, precision: Precision) -> Result<Adapter, Box<dyn Error>> {
    let targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let settings = AdapterSettings {
        method: Method::Lora,
        rank: 8,
        alpha: 16.0,
        dropout: 0.0,
        targets: targets.map(String::from).to_vec(),
    };
    let examples = [Example { ids: vec![1, 2, 3, 4], mask: vec![true; 4] }];
    let train_settings = TrainSettings { epochs: 2.0, precision, ..TrainSettings::default() };
    let training =
        Training { model, examples: &examples, adapter: &settings, train: &train_settings, seed: 1, start: None };
    match train(training, None, &mut |_: &StepReport| ())?.learned {
        Learned::Adapter(adapter) => Ok(adapter),
        Learned::Model(_) => Err("an adapter was asked for".into()),
    }
}
