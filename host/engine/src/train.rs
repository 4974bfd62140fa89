//! The training loop, for adapters and for whole models.

use freehold_core::recipe::{ActivationCheckpointing, AdapterSettings, Method, TrainSettings};
use freehold_kernels::{Precision, on_worker};

use crate::adapter::{Adapter, AdapterError};
use crate::batch::{self, Packed};
use crate::example::Example;
use crate::model::{self, Dropout, Gradients, LossRequest, Model, loss_and_gradients};
use crate::optimizer::{AdamW, StepSize, global_norm};
use crate::schedule::learning_rate;
use crate::tensor::Tensor;

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
    /// A whole model is trained by other means than an adapter.
    #[error("method `{0}` makes no adapter")]
    NoAdapter(&'static str),
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
    if adapter.method == Method::Full {
        return Err(TrainError::NoAdapter("full"));
    }
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
    let optimizer = AdamW::new(&adapter.update.named(), 0.999);
    let mut trainee = AdapterTrainee { model, adapter, seed };
    let course = Course { examples, train, seed, steps: None };
    let report = run(model, &course, &mut trainee, optimizer, observe)?;
    Ok(Trained { adapter: trainee.adapter, report })
}

/// What is trained.
pub(crate) trait Trainee {
    /// The loss of packed examples and the gradients of everything that is trained; `part` counts those of a step.
    fn gradients(&self, request: &LossRequest<'_>, step: usize, part: usize) -> (f64, Gradients<f32>);

    /// What the optimizer changes, by name.
    fn variables(&mut self) -> Vec<(String, &mut Tensor)>;
}

struct AdapterTrainee<'a> {
    model: &'a Model,
    adapter: Adapter,
    seed: u64,
}

impl Trainee for AdapterTrainee<'_> {
    fn gradients(&self, request: &LossRequest<'_>, step: usize, part: usize) -> (f64, Gradients<f32>) {
        let probability = self.adapter.dropout();
        let dropout = Dropout { probability, seed: self.seed, step: step * 1024 + part };
        let trained = model::Trained::Update(&self.adapter.update, (probability > 0.0).then_some(dropout));
        on_worker(|| loss_and_gradients((self.model, &self.model.weights, &self.model.rope), trained, request))
    }

    fn variables(&mut self) -> Vec<(String, &mut Tensor)> {
        self.adapter.update.named_mut()
    }
}

/// A model that is trained as a whole.
pub(crate) struct ModelTrainee {
    pub(crate) model: Model,
}

impl Trainee for ModelTrainee {
    fn gradients(&self, request: &LossRequest<'_>, _: usize, _: usize) -> (f64, Gradients<f32>) {
        let model = &self.model;
        on_worker(|| loss_and_gradients((model, &model.weights, &model.rope), model::Trained::Model, request))
    }

    fn variables(&mut self) -> Vec<(String, &mut Tensor)> {
        self.model.weights.named_mut()
    }
}

/// Bytes of activations above which they are computed again, where that is left to the engine.
const ACTIVATION_BYTES: usize = 2 << 30;

/// Whether the activations of so many tokens are computed again.
fn recompute(train: &TrainSettings, model: &Model, tokens: usize) -> bool {
    match train.activation_checkpointing {
        ActivationCheckpointing::Always => true,
        ActivationCheckpointing::Never => false,
        ActivationCheckpointing::Auto => activation_bytes(model, tokens) > ACTIVATION_BYTES,
    }
}

/// Memory that the activations of all blocks take if they are kept.
fn activation_bytes(model: &Model, tokens: usize) -> usize {
    let config = &model.config;
    let heads = (2 * config.heads + 2 * config.key_heads) * config.head_width;
    (2 * config.hidden_size + heads + 2 * config.intermediate_size) * tokens * config.layers * size_of::<f32>()
}

/// The loss and gradients of a step that is computed in parts.
fn accumulate(
    model: &Model,
    trainee: &dyn Trainee,
    train: &TrainSettings,
    parts: &[Packed],
    (step, total): (usize, usize),
) -> (f64, Gradients<f32>) {
    let (mut loss, mut gradients) = (0.0, Gradients::new());
    for (index, part) in parts.iter().enumerate() {
        let request = LossRequest {
            ids: &part.ids,
            segments: &part.segments,
            targets: &part.targets,
            total,
            precision: kernel_precision(train.precision),
            recompute: recompute(train, model, part.ids.len()),
        };
        let (part_loss, part_gradients) = trainee.gradients(&request, step, index);
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

/// In what the kernels multiply.
pub(crate) fn kernel_precision(precision: freehold_core::recipe::Precision) -> Precision {
    match precision {
        freehold_core::recipe::Precision::F32 => Precision::F32,
        freehold_core::recipe::Precision::Bf16 => Precision::Bf16,
    }
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
        let parts = batch::pack(examples, indices, train.tokens_at_once);
        let total = parts.iter().map(|part| part.targets.len()).sum();
        let (loss, gradients) = accumulate(model, trainee, train, &parts, (step, total));
        check_gradients(&gradients, &optimizer, step)?;
        let rate = learning_rate(train, step, steps);
        let size = StepSize { learning_rate: rate, weight_decay: train.weight_decay, clip_norm: train.clip_norm };
        let norm = global_norm(&gradients);
        if !loss.is_finite() || !norm.is_finite() {
            return Err(TrainError::NotFinite { step, loss, norm });
        }
        optimizer.step(trainee.variables(), &gradients, norm, size);
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
    finite("tokens_at_once", train.tokens_at_once as f64, train.tokens_at_once > 0, "a positive number")?;
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
