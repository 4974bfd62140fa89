//! The training loop, for adapters and for whole models.

use freehold_core::recipe::{AdapterSettings, Method, TrainSettings};

use crate::adapter::{Adapter, AdapterError};
use crate::batch::{self, Packed};
use crate::example::Example;
use crate::model::{Dropout, Gradients, LossRequest, Model, Wanted, Weights, loss_and_gradients};
use crate::ops::{add_in_place, with_values};
use crate::optimizer::{AdamW, StepSize};
use crate::schedule::learning_rate;

/// Training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// No token is to be learnt.
    #[error("none of the {examples} examples has a token to learn: check that they have assistant messages")]
    NothingToLearn {
        /// Number of examples.
        examples: usize,
    },
    /// An example is too long.
    #[error(
        "example {index} has {length} tokens, more than `max_length` = {max_length}; raise it, or drop or split the example"
    )]
    TooLong {
        /// Index of the example.
        index: usize,
        /// Its tokens.
        length: usize,
        /// The limit.
        max_length: usize,
    },
    /// `max_length` exceeds what the model can attend to.
    #[error("`max_length` = {max_length} is more than the model's max_position_embeddings = {positions}")]
    TooManyPositions {
        /// The setting.
        max_length: usize,
        /// What the model can do.
        positions: usize,
    },
    /// An example is not valid.
    #[error("example {index} is not valid: {reason}")]
    Example {
        /// Index of the example.
        index: usize,
        /// Why.
        reason: &'static str,
    },
    /// A setting is not possible.
    #[error("`{key}` in [train] is {found}; it has to be {expected}")]
    Setting {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// The adapter cannot be made.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A tensor that is trained has no gradient.
    #[error("tensor `{tensor}` {problem} at step {step}; it would not be trained")]
    Gradient {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        problem: &'static str,
        /// The step.
        step: usize,
    },
    /// The loss or the gradient is not finite.
    #[error("loss {loss} and gradient norm {norm} at step {step} are not finite; lower the learning rate")]
    NotFinite {
        /// The step.
        step: usize,
        /// The loss.
        loss: f64,
        /// Norm of the gradient.
        norm: f64,
    },
    /// A computation failed.
    #[error("the engine failed: {0}")]
    Compute(String),
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        Self::Compute(error.to_string())
    }
}

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
    /// Tensors trained.
    pub tensors: usize,
    /// Values trained.
    pub parameters: usize,
}

/// What [`train_adapter`] gives.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The adapter.
    pub adapter: Adapter,
    /// How it came about.
    pub report: TrainReport,
}

/// Trains an adapter on examples. The same arguments give the same adapter, whatever the number of threads.
///
/// # Errors
/// Settings or examples are not valid, nothing is to be learnt, or the training diverges.
pub fn train_adapter(
    model: &Model,
    examples: &[Example],
    adapter: &AdapterSettings,
    train: &TrainSettings,
    seed: u64,
    observe: &mut dyn FnMut(&StepReport),
) -> Result<Trained, TrainError> {
    let Method::Lora = adapter.method;
    let adapter = Adapter::initial(model, adapter, seed)?;
    continue_adapter(model, examples, adapter, train, seed, observe)
}

/// Trains an adapter further than it is.
pub(crate) fn continue_adapter(
    model: &Model,
    examples: &[Example],
    adapter: Adapter,
    train: &TrainSettings,
    seed: u64,
    observe: &mut dyn FnMut(&StepReport),
) -> Result<Trained, TrainError> {
    let optimizer = AdamW::new(&adapter.lora.named(), 0.999)?;
    let mut trainee = AdapterTrainee { model, adapter, seed };
    let course = Course { examples, train, seed, steps: None };
    let report = run(model, &course, &mut trainee, optimizer, observe)?;
    Ok(Trained { adapter: trainee.adapter, report })
}

/// What is trained.
pub(crate) trait Trainee {
    /// The loss of packed examples and the gradients of everything that is trained.
    fn gradients(&mut self, step: usize, parts: &[Packed], total: usize) -> candle_core::Result<(f64, Gradients)>;

    /// Takes the values that the optimizer has arrived at.
    fn update(&mut self, optimizer: &AdamW) -> candle_core::Result<()>;
}

struct AdapterTrainee<'a> {
    model: &'a Model,
    adapter: Adapter,
    seed: u64,
}

impl Trainee for AdapterTrainee<'_> {
    fn gradients(&mut self, step: usize, parts: &[Packed], total: usize) -> candle_core::Result<(f64, Gradients)> {
        let lora = &self.adapter.lora;
        let probability = self.adapter.dropout;
        let merged;
        let weights = if probability > 0.0 {
            &self.model.weights
        } else {
            merged = lora.merged(&self.model.weights)?;
            &merged
        };
        accumulate(self.model, weights, parts, total, |part| {
            let dropout = Dropout { probability, seed: self.seed, step: step * 1024 + part };
            Wanted::Lora(lora, (probability > 0.0).then_some(dropout))
        })
    }

    fn update(&mut self, optimizer: &AdamW) -> candle_core::Result<()> {
        let lora = &self.adapter.lora;
        let (rank, scale) = (self.adapter.rank, lora.scale);
        let like = &self.model.weights.norm;
        self.adapter.lora =
            crate::lora::Lora::build(&self.model.config, (rank, scale), &self.adapter.targets, |name, _| {
                optimizer.tensor(name, like)
            })?;
        Ok(())
    }
}

/// A model that is trained as a whole.
pub(crate) struct ModelTrainee {
    pub(crate) model: Model,
}

impl Trainee for ModelTrainee {
    fn gradients(&mut self, _: usize, parts: &[Packed], total: usize) -> candle_core::Result<(f64, Gradients)> {
        accumulate(&self.model, &self.model.weights, parts, total, |_| Wanted::All)
    }

    fn update(&mut self, optimizer: &AdamW) -> candle_core::Result<()> {
        let like = self.model.weights.norm.clone();
        self.model.weights = Weights::build(&self.model.config, |name, _| optimizer.tensor(name, &like))?;
        Ok(())
    }
}

/// The loss and gradients of a step that is computed in parts.
fn accumulate<'a>(
    model: &Model,
    weights: &Weights,
    parts: &[Packed],
    total: usize,
    wanted: impl Fn(usize) -> Wanted<'a>,
) -> candle_core::Result<(f64, Gradients)> {
    let (mut loss, mut gradients) = (0.0, Gradients::new());
    for (index, part) in parts.iter().enumerate() {
        let request = LossRequest { ids: &part.ids, segments: &part.segments, targets: &part.targets, total };
        let (part_loss, part_gradients) = loss_and_gradients(model, weights, wanted(index), &request)?;
        loss += part_loss;
        for (name, gradient) in part_gradients {
            match gradients.get(&name) {
                Some(sum) => add_in_place(sum, &gradient)?,
                None => drop(gradients.insert(name, gradient)),
            }
        }
    }
    Ok((loss, gradients))
}

/// What is learnt, and how.
#[derive(Clone, Copy)]
pub(crate) struct Course<'a> {
    pub(crate) examples: &'a [Example],
    pub(crate) train: &'a TrainSettings,
    pub(crate) seed: u64,
    /// Stop after so many steps, whatever the epochs.
    pub(crate) steps: Option<usize>,
}

/// The loop: plan, pack, gradients, checks, optimizer.
pub(crate) fn run(
    model: &Model,
    course: &Course<'_>,
    trainee: &mut dyn Trainee,
    mut optimizer: AdamW,
    observe: &mut dyn FnMut(&StepReport),
) -> Result<TrainReport, TrainError> {
    let Course { examples, train, seed, steps } = *course;
    check_settings(train, model)?;
    let lengths = check_examples(examples, train, model)?;
    let mut plan = batch::plan(&lengths, train.epochs, train.tokens_per_step, seed);
    plan.truncate(steps.unwrap_or(usize::MAX));
    let steps = plan.len();
    let (mut tokens, mut target_tokens, mut losses) = (0, 0, Vec::with_capacity(steps));
    for (index, indices) in plan.iter().enumerate() {
        let step = index + 1;
        let parts = batch::pack(examples, indices);
        let total = parts.iter().map(|part| part.targets.len()).sum();
        let (loss, gradients) = trainee.gradients(step, &parts, total)?;
        check_gradients(&gradients, &optimizer, step)?;
        let rate = learning_rate(train, step, steps);
        let size = StepSize { learning_rate: rate, weight_decay: train.weight_decay, clip_norm: train.clip_norm };
        let norm = optimizer.step(&gradients, size)?;
        if !loss.is_finite() || !norm.is_finite() {
            return Err(TrainError::NotFinite { step, loss, norm });
        }
        trainee.update(&optimizer)?;
        tokens += indices.iter().map(|&index| lengths[index] as u64).sum::<u64>();
        target_tokens += total as u64;
        losses.push(loss as f32);
        observe(&StepReport { step, steps, loss: loss as f32, learning_rate: rate, gradient_norm: norm, tokens });
    }
    Ok(TrainReport {
        steps,
        tokens,
        target_tokens,
        first_loss: losses.first().copied().unwrap_or_default(),
        last_loss: losses.last().copied().unwrap_or_default(),
        losses,
        tensors: optimizer.names().count(),
        parameters: optimizer.parameters(),
    })
}

fn check_settings(train: &TrainSettings, model: &Model) -> Result<(), TrainError> {
    let finite = |key, value: f64, ok: bool, expected| {
        if value.is_finite() && ok {
            Ok(())
        } else {
            Err(TrainError::Setting { key, found: value.to_string(), expected })
        }
    };
    finite("epochs", train.epochs, train.epochs > 0.0 && train.epochs <= 1e4, "above 0 and at most 10000")?;
    finite("learning_rate", train.learning_rate, train.learning_rate > 0.0, "a positive number")?;
    finite("weight_decay", train.weight_decay, train.weight_decay >= 0.0, "0 or a positive number")?;
    finite("clip_norm", train.clip_norm, train.clip_norm >= 0.0, "0 (no limit) or a positive number")?;
    finite("tokens_per_step", train.tokens_per_step as f64, train.tokens_per_step > 0, "a positive number")?;
    if train.max_length > model.config.max_positions {
        return Err(TrainError::TooManyPositions {
            max_length: train.max_length,
            positions: model.config.max_positions,
        });
    }
    Ok(())
}

/// The tokens of each example, zero for those without a target.
fn check_examples(examples: &[Example], train: &TrainSettings, model: &Model) -> Result<Vec<usize>, TrainError> {
    let mut lengths = Vec::with_capacity(examples.len());
    for (index, example) in examples.iter().enumerate() {
        let length = example.ids.len();
        if length != example.mask.len() {
            return Err(TrainError::Example { index, reason: "its mask is not as long as its tokens" });
        }
        if length > train.max_length {
            return Err(TrainError::TooLong { index, length, max_length: train.max_length });
        }
        if example.ids.iter().any(|&id| id as usize >= model.config.vocab_size) {
            return Err(TrainError::Example { index, reason: "it has a token that the model does not have" });
        }
        lengths.push(if batch::target_positions(example).next().is_some() { length } else { 0 });
    }
    if lengths.iter().all(|&length| length == 0) {
        return Err(TrainError::NothingToLearn { examples: examples.len() });
    }
    Ok(lengths)
}

/// Every trained tensor has a finite gradient at step 1. B starts at zero, which makes the gradient of A zero then; at
/// step 2 no gradient may be zero any more.
fn check_gradients(gradients: &Gradients, optimizer: &AdamW, step: usize) -> Result<(), TrainError> {
    if step > 2 {
        return Ok(());
    }
    for name in optimizer.names() {
        let error = |problem| TrainError::Gradient { tensor: name.into(), problem, step };
        let gradient = gradients.get(name).ok_or_else(|| error("has no gradient"))?;
        let (finite, zero) = with_values::<f32, _>(gradient, |values| {
            Ok((values.iter().all(|x| x.is_finite()), values.iter().all(|&x| x == 0.0)))
        })?;
        if !finite {
            return Err(error("has a gradient that is not finite"));
        }
        if zero && step == 2 {
            return Err(error("has a gradient of zero"));
        }
    }
    Ok(())
}
