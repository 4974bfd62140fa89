//! The training loop, for adapters and for whole models.

use std::ops::ControlFlow;

use freehold_core::digest::Digest;
use freehold_core::recipe::{AdapterSettings, EarlyStopping, Method, TrainSettings};
use freehold_kernels::LANES;
use serde_json::json;

use crate::adapter::{Adapter, AdapterError};
use crate::batch::{self, Packed};
use crate::example::{Example, Examples};
use crate::model::{Gradients, LossRequest, Model};
use crate::optimizer::{AdamW, StepSize, global_norm};
use crate::precision::kernel_precision;
use crate::schedule::learning_rate;

mod checkpoint;
mod error;
mod forecast;
mod packing;
mod settings;
mod trainee;

use checkpoint::{Best, Progress, Values};
pub use error::TrainError;
pub use forecast::{Forecast, HeldOut, MemoryForecast, TimeForecast, forecast};
pub use packing::{Packing, PackingSettings};
pub use trainee::Learned;

/// One step, as it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Number of the step, from 1.
    pub step: usize,
    /// Number of all steps.
    pub steps: usize,
    /// Mean cross-entropy of the step's targets, in nats.
    pub loss: f32,
    /// Learning rate.
    pub learning_rate: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Tokens seen so far.
    pub tokens: u64,
    /// Tokens of the step.
    pub step_tokens: u64,
}

/// A whole training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainReport {
    /// Steps made.
    pub steps: usize,
    /// Tokens seen.
    pub tokens: u64,
    /// Tokens among them that were learnt.
    pub target_tokens: u64,
    /// Loss of the first step.
    pub first_loss: f32,
    /// Loss of the last step.
    pub last_loss: f32,
    /// Loss of every step.
    pub losses: Vec<f32>,
    /// The step whose state was taken, if the best was measured.
    pub best_step: Option<usize>,
    /// Steps that were planned; fewer were made if nothing got better any more.
    pub planned_steps: usize,
    /// Tensors trained.
    pub tensors: usize,
    /// Values trained.
    pub parameters: usize,
}

/// What [`train`] gives.
#[derive(Debug, Clone)]
pub struct Trained {
    /// What was learnt.
    pub learned: Learned,
    /// How it came about.
    pub report: TrainReport,
}

/// What is trained on what, and how. The same values give the same result, bit for bit.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// The base model.
    pub model: &'a Model,
    /// What is learnt.
    pub examples: &'a [Example],
    /// What is trained.
    pub adapter: &'a AdapterSettings,
    /// How it is trained.
    pub train: &'a TrainSettings,
    /// Seed of everything random.
    pub seed: u64,
    /// What is trained further; a new adapter, or the base model itself, if nothing is.
    pub start: Option<&'a Learned>,
}

/// Follows a training, keeps its checkpoints and measures what it has learnt. To break ends the training.
pub trait TrainObserver {
    /// A step was made.
    fn step(&mut self, report: &StepReport) -> ControlFlow<()>;

    /// A checkpoint is due: `bytes` is the whole state after `step`. `best` says whether it is the best measured so far.
    fn checkpoint(&mut self, _step: usize, _bytes: &[u8], _best: bool) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// How good what was learnt until now is, for early stopping: a higher value is better.
    fn measure(&mut self, _step: usize, _learned: &Learned) -> ControlFlow<(), f64> {
        ControlFlow::Break(())
    }
}

impl TrainObserver for () {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(&StepReport)> TrainObserver for F {
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        self(report);
        ControlFlow::Continue(())
    }
}

impl Training<'_> {
    /// What the result depends on: a checkpoint of another key is refused.
    fn key(&self) -> Result<Digest, TrainError> {
        let examples = Examples::new(self.examples.to_vec())
            .digest()
            .map_err(|_| TrainError::Example { index: 0, reason: "a mask is not as long as its tokens" })?;
        let settings = TrainSettings { checkpoint_every: 0, keep_checkpoints: 0, ..self.train.clone() };
        let mut key = json!({
            "version": env!("CARGO_PKG_VERSION"), "base": self.model.digest(), "examples": examples,
            "adapter": self.adapter, "train": settings, "seed": self.seed,
        });
        if let Some(start) = self.start {
            key["start"] = start.digest().to_string().into();
        }
        Ok(Digest::of(key.to_string().as_bytes()))
    }

    fn first(&self) -> Result<Learned, TrainError> {
        match (self.start, self.adapter.method) {
            (Some(Learned::Adapter(adapter)), _) => Ok(Learned::Adapter(adapter.to_go_on(self.model, self.adapter)?)),
            (Some(Learned::Model(model)), Method::Full) => Ok(Learned::Model(model.clone())),
            (Some(Learned::Model(_)), method) => Err(TrainError::Adapter(AdapterError::Setting {
                key: "method",
                found: method.as_str().into(),
                expected: "full, as what [start] names was trained".into(),
            })),
            (None, Method::Full) => Ok(Learned::Model(Box::new(self.model.clone()))),
            (None, _) => Ok(Learned::Adapter(Adapter::initial(self.model, self.adapter, self.seed)?)),
        }
    }
}

/// Trains, from the beginning or from a checkpoint of the same training. With any number of threads, and whether it was
/// interrupted or not, the result has the same bits.
///
/// # Errors
/// Settings, examples or the checkpoint are not valid, nothing is to be learnt, the training diverges, or it was ended.
pub fn train(
    training: Training<'_>,
    checkpoint: Option<&[u8]>,
    observer: &mut dyn TrainObserver,
) -> Result<Trained, TrainError> {
    let mut learned = training.first()?;
    let mut optimizer = AdamW::new(&learned.variables(), 0.999);
    let course = Course::new(training, None)?;
    let keeps = training.train.checkpoint_every > 0 || training.train.early_stopping.is_some();
    let key = if checkpoint.is_some() || keeps { training.key()? } else { Digest::of(b"") };
    let mut progress =
        Progress { key, step: 0, tokens: 0, target_tokens: 0, losses: Vec::new(), best: None, stopped: false };
    let mut best = None;
    if let Some(bytes) = checkpoint {
        let state = checkpoint::read(bytes, &key, &mut learned, &mut optimizer)?;
        (progress, best) = (state.progress, state.best);
    }
    let run = Run { course, learned, optimizer, progress, best, panels: 0 };
    run.finish(observer)
}

/// Trains an adapter further than it is, without dropout.
///
/// # Errors
/// As [`train`].
pub fn go_on(
    model: &Model,
    adapter: Adapter,
    examples: &[Example],
    train: &TrainSettings,
) -> Result<Trained, TrainError> {
    let settings = AdapterSettings { method: Method::Lora, rank: 1, alpha: 1.0, dropout: 0.0, targets: Vec::new() };
    let training = Training { model, examples, adapter: &settings, train, seed: 0, start: None };
    let learned = Learned::Adapter(adapter.without_dropout());
    Run::new(Course::new(training, None)?, learned, 0.999).finish(&mut ())
}

/// The plan of a training.
pub(crate) struct Course<'a> {
    training: Training<'a>,
    lengths: Vec<usize>,
    plan: Vec<batch::Step>,
}

impl<'a> Course<'a> {
    /// Plans a training of at most so many steps.
    pub(crate) fn new(training: Training<'a>, steps: Option<usize>) -> Result<Self, TrainError> {
        let Training { model, examples, train, seed, start, .. } = training;
        settings::check_settings(train, model, start.is_some())?;
        let lengths = settings::check_examples(examples, train, model)?;
        let mut plan = batch::plan(&lengths, train.epochs, train.tokens_per_step, seed);
        plan.truncate(steps.unwrap_or(usize::MAX));
        Ok(Self { training, lengths, plan })
    }
}

/// A training under way.
pub(crate) struct Run<'a> {
    course: Course<'a>,
    learned: Learned,
    optimizer: AdamW,
    progress: Progress,
    /// The values of the best state that was measured.
    best: Option<Values>,
    /// Panels of the longest sequence so far.
    panels: usize,
}

impl<'a> Run<'a> {
    /// A training from the beginning that keeps no checkpoint.
    pub(crate) fn new(course: Course<'a>, learned: Learned, beta2: f32) -> Self {
        let optimizer = AdamW::new(&learned.variables(), beta2);
        let key = Digest::of(b"");
        let progress =
            Progress { key, step: 0, tokens: 0, target_tokens: 0, losses: Vec::new(), best: None, stopped: false };
        Self { course, learned, optimizer, progress, best: None, panels: 0 }
    }

    /// Goes on to the last step, or until nothing gets better.
    pub(crate) fn finish(mut self, observer: &mut dyn TrainObserver) -> Result<Trained, TrainError> {
        let steps = self.course.plan.len();
        while self.progress.step < steps && !self.progress.stopped {
            let report = self.step()?;
            ended(observer.step(&report))?;
            let improved = self.measure(observer)?;
            let every = self.course.training.train.checkpoint_every;
            let due = every > 0 && self.progress.step.is_multiple_of(every);
            if improved || due {
                let bytes = checkpoint::write(&self.progress, &self.learned, &self.optimizer, self.best.as_ref())?;
                ended(observer.checkpoint(self.progress.step, &bytes, improved))?;
            }
        }
        self.taken()
    }

    /// One step: gradients, checks, optimizer. What is trained is only changed if everything is finite.
    fn step(&mut self) -> Result<StepReport, TrainError> {
        let Course { training, lengths, plan } = &self.course;
        let Training { examples, train, .. } = *training;
        let (index, steps) = (self.progress.step, plan.len());
        let (indices, step) = (&plan[index], index + 1);
        let parts = batch::pack(examples, indices, train.tokens_at_once);
        // Buffers that are too small for what is longer than all before would lie about for good.
        let panels = parts.iter().map(|part| part.ids.len().div_ceil(LANES)).max().unwrap_or(0);
        if panels > self.panels {
            freehold_kernels::release_buffers();
            self.panels = panels;
        }
        let total = parts.iter().map(|part| part.targets.len()).sum();
        let (loss, gradients) = self.accumulate(&parts, (step, total));
        let norm = global_norm(&gradients);
        if !loss.is_finite() || !norm.is_finite() {
            return Err(TrainError::NotFinite { step, loss, norm, examples: listed(indices) });
        }
        check_gradients(&gradients, &self.optimizer, step)?;
        let rate = learning_rate(train, step, steps);
        let size = StepSize { learning_rate: rate, weight_decay: train.weight_decay, clip_norm: train.clip_norm };
        self.optimizer.step(self.learned.variables_mut(), &gradients, norm, size);
        let progress = &mut self.progress;
        progress.step = step;
        let step_tokens = indices.iter().map(|&index| lengths[index] as u64).sum();
        progress.tokens += step_tokens;
        progress.target_tokens += total as u64;
        progress.losses.push((loss as f32).to_bits());
        let tokens = progress.tokens;
        Ok(StepReport { step, steps, loss: loss as f32, learning_rate: rate, gradient_norm: norm, tokens, step_tokens })
    }

    /// The loss and gradients of a step that is computed in parts.
    fn accumulate(&self, parts: &[Packed], (step, total): (usize, usize)) -> (f64, Gradients<f32>) {
        let Training { model, train, seed, .. } = self.course.training;
        let (mut loss, mut gradients) = (0.0, Gradients::new());
        for (index, part) in parts.iter().enumerate() {
            let request = LossRequest {
                ids: &part.ids,
                segments: &part.segments,
                targets: &part.targets,
                total,
                precision: kernel_precision(train.precision),
                recompute: settings::recompute(train, model, part.ids.len()),
            };
            let (part_loss, part_gradients) = self.learned.gradients(model, &request, (seed, step, index));
            loss += part_loss;
            if gradients.is_empty() {
                gradients = part_gradients;
                continue;
            }
            for (name, gradient) in part_gradients {
                if let Some(sum) = gradients.get_mut(&name) {
                    sum.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
                }
            }
        }
        (loss, gradients)
    }

    /// Measures what was learnt, if that is due; says whether it is the best so far.
    fn measure(&mut self, observer: &mut dyn TrainObserver) -> Result<bool, TrainError> {
        let Some(EarlyStopping { every, patience, min_delta, .. }) = &self.course.training.train.early_stopping else {
            return Ok(false);
        };
        let step = self.progress.step;
        if !step.is_multiple_of(*every) && step < self.course.plan.len() {
            return Ok(false);
        }
        let value = match observer.measure(step, &self.learned) {
            ControlFlow::Continue(value) => value,
            ControlFlow::Break(()) => return Err(TrainError::Ended),
        };
        let better = self.progress.best.is_none_or(|best| value > best.value + min_delta);
        if better {
            self.progress.best = Some(Best { step, value, worse: 0 });
            let values = self.learned.variables().into_iter();
            self.best = Some(values.map(|(name, tensor)| (name, tensor.vector::<f32>().into_owned())).collect());
        } else if let Some(best) = &mut self.progress.best {
            best.worse += 1;
            self.progress.stopped = best.worse >= *patience;
        }
        Ok(better)
    }

    /// The best state where one was measured, else the last.
    fn taken(mut self) -> Result<Trained, TrainError> {
        // What follows has other sizes.
        freehold_kernels::release_buffers();
        if let Some(best) = &self.best {
            for (name, tensor) in self.learned.variables_mut() {
                if let Some(values) = best.get(&name) {
                    tensor.change().copy_from_slice(values);
                }
            }
        }
        let losses: Vec<f32> = self.progress.losses.iter().map(|bits| f32::from_bits(*bits)).collect();
        let report = TrainReport {
            steps: self.progress.step,
            planned_steps: self.course.plan.len(),
            tokens: self.progress.tokens,
            target_tokens: self.progress.target_tokens,
            first_loss: losses.first().copied().unwrap_or_default(),
            last_loss: losses.last().copied().unwrap_or_default(),
            losses,
            best_step: self.progress.best.map(|best| best.step),
            tensors: self.optimizer.names().count(),
            parameters: self.optimizer.parameters(),
        };
        Ok(Trained { learned: self.learned, report })
    }
}

fn ended(flow: ControlFlow<()>) -> Result<(), TrainError> {
    if flow.is_break() { Err(TrainError::Ended) } else { Ok(()) }
}

/// The first examples of a batch, and how many more there are.
fn listed(indices: &[usize]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = indices.iter().take(SHOWN).map(usize::to_string).collect();
    let more = indices.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// Every trained tensor has a finite gradient at step 1. B starts at zero, which makes the gradient of A zero then; at
/// step 2 no gradient may be zero any more.
fn check_gradients(gradients: &Gradients<f32>, optimizer: &AdamW, step: usize) -> Result<(), TrainError> {
    if step > 2 {
        return Ok(());
    }
    for name in optimizer.names() {
        let error = |problem| TrainError::Gradient { tensor: name.into(), problem, step };
        let gradient = gradients.get(name).ok_or_else(|| error("has no gradient"))?;
        if gradient.iter().any(|x| !x.is_finite()) {
            return Err(error("has a gradient that is not finite"));
        }
        if gradient.iter().all(|x| *x == 0.0) && step == 2 {
            return Err(error("has a gradient of zero"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
