//! Phase train: the adapter.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

use freehold_core::digest::Digest;
use freehold_core::labels::Labels;
use freehold_core::recipe::{Method, Precision};
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_engine::{Adapter, Examples, Learned, Model, StepReport, TrainObserver, Trained, Training, WeightType};
use freehold_store::{Artifact, Store};
use serde::{Deserialize, Serialize};

use super::checkpoints::Checkpoints;
use super::early_stopping::Measure;
use super::journal::{PhaseOutput, Work, detail, output_of};
use super::metrics::Metrics;
use super::resolve::Resolved;
use super::start::{self, StartDetail};
use super::tokenise::TOKENS;
use crate::labels::{LABELS, labels_of};
use crate::observe::Event;
use crate::statements::malformed;
use crate::{Home, Project, WorkflowError};

/// Name of the output: the manifest of the adapter's files.
pub(crate) const ADAPTER: &str = "adapter";
/// Name of the output: the loss of every step, as a list in JSON.
pub(crate) const LOSSES: &str = "losses";
/// Artifact type of adapters in the store.
const ADAPTER_TYPE: &str = "application/vnd.freehold.adapter.peft";
/// Artifact type of models that were trained as a whole.
const MODEL_TYPE: &str = "application/vnd.freehold.model.huggingface";
/// The weights of such a model.
const WEIGHTS_FILE: &str = "model.safetensors";
/// Files of an adapter, as PEFT names them.
const CONFIG_FILE: &str = "adapter_config.json";
const TENSORS_FILE: &str = "adapter_model.safetensors";
/// Annotations of an adapter's manifest.
pub(crate) const BASE_DIGEST: &str = "dev.freehold.base.digest";
pub(crate) const BASE_MODEL: &str = "dev.freehold.base.model";

/// What the statement of this phase says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainDetail {
    /// What was trained; records of earlier versions do not say, and have an adapter.
    #[serde(default)]
    pub(crate) method: Option<Method>,
    pub(crate) steps: usize,
    /// Steps that were planned, of which fewer are made where nothing gets better any more.
    #[serde(default)]
    pub(crate) planned_steps: Option<usize>,
    /// The step whose state was taken, where the best was measured.
    #[serde(default)]
    pub(crate) best_step: Option<usize>,
    pub(crate) tokens: u64,
    pub(crate) target_tokens: u64,
    pub(crate) first_loss: f32,
    pub(crate) last_loss: f32,
    pub(crate) tensors: usize,
    pub(crate) parameters: usize,
    pub(crate) seconds: f64,
    /// What was trained further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<StartDetail>,
    /// Within what the same inputs give the same bits.
    pub(crate) determinism: BTreeMap<String, String>,
    /// The labels of what it was made of; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<Labels>,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<TrainDetail, WorkflowError> {
    detail(record)
}

/// The base model with its weights.
pub(crate) fn load_base(project: &Project, resolved: &Resolved) -> Result<Model, WorkflowError> {
    let model = &project.recipe.base.model;
    Model::load(&resolved.base).map_err(|source| WorkflowError::Model { model: model.clone(), source })
}

/// What a training gave, read from its manifest, for the base model `model`.
pub(crate) fn learned_of(store: &Store, manifest: &Digest, model: &Model) -> Result<Learned, WorkflowError> {
    if is_whole(&store.artifact(manifest)?) {
        let failed = |source| WorkflowError::Model { model: manifest.to_string(), source };
        let [weights] = files_of(store, manifest, [WEIGHTS_FILE])?;
        return Ok(Learned::Model(Box::new(model.with_weights(weights).map_err(failed)?)));
    }
    let [config, tensors] = adapter_files(store, manifest)?;
    Ok(Learned::Adapter(Adapter::from_files(&config, &tensors, model)?))
}

/// Whether it is a model that was trained as a whole.
pub(super) fn is_whole(artifact: &Artifact) -> bool {
    artifact.files.iter().any(|(name, _)| name == WEIGHTS_FILE)
}

/// Configuration and tensors of an adapter.
pub(super) fn adapter_files(store: &Store, manifest: &Digest) -> Result<[Vec<u8>; 2], WorkflowError> {
    files_of(store, manifest, [CONFIG_FILE, TENSORS_FILE])
}

fn files_of<const N: usize>(store: &Store, manifest: &Digest, names: [&str; N]) -> Result<[Vec<u8>; N], WorkflowError> {
    let artifact = store.artifact(manifest)?;
    let mut files = [const { Vec::new() }; N];
    for (file, name) in files.iter_mut().zip(names) {
        let found = artifact.files.iter().find(|(file, _)| file == name);
        let problem =
            || WorkflowError::Record { what: format!("adapter {manifest}"), problem: format!("has no file `{name}`") };
        *file = store.get(&found.ok_or_else(problem)?.1)?;
    }
    Ok(files)
}

/// What this run has learnt.
pub(crate) fn own_learned(work: &Work<'_>, model: &Model) -> Result<(Digest, Learned), WorkflowError> {
    let manifest = output_of(work.before(Phase::Train)?, ADAPTER)?;
    Ok((manifest, learned_of(work.store(), &manifest, model)?))
}

/// How fast this process trains.
struct Pace {
    started: Instant,
    /// Steps of an earlier process, and their tokens.
    before: Option<(usize, u64)>,
}

impl Pace {
    /// Tokens a second until now, and how many seconds the steps that are left take at the same pace.
    fn after(&mut self, step: &StepReport) -> (f64, f64) {
        // The first step of this process says how far the one before it was.
        let (steps, tokens) = *self.before.get_or_insert((step.step - 1, step.tokens - step.step_tokens));
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let left = step.steps.saturating_sub(step.step) as f64;
        ((step.tokens - tokens) as f64 / seconds, left * seconds / (step.step - steps) as f64)
    }
}

/// Follows the training, and keeps its metrics and checkpoints. What goes wrong here is told when the training has ended for it.
struct Follower<'a, 'w> {
    work: &'a mut Work<'w>,
    checkpoints: &'a Checkpoints,
    metrics: Metrics,
    model: &'a Model,
    measure: &'a Measure<'a>,
    pace: Pace,
    failed: Option<WorkflowError>,
}

impl TrainObserver for Follower<'_, '_> {
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        let (tokens_per_s, seconds_left) = self.pace.after(report);
        let (step, steps, loss) = (report.step as u64, report.steps as u64, report.loss);
        self.work.observer.observe(Event::Step { step, steps, loss, tokens_per_s, seconds_left });
        let written = self.metrics.step(report);
        self.or_end(written)
    }

    fn checkpoint(&mut self, step: usize, bytes: &[u8], best: bool) -> ControlFlow<()> {
        // In this order: what is known of the steps up to a checkpoint is never less than the checkpoint.
        let kept = self.metrics.checkpoint(best).and_then(|()| self.checkpoints.keep(step, bytes, best));
        let kept = kept.and_then(|()| match self.work.meter {
            Some(meter) => self.checkpoints.keep_spent(&meter.so_far()),
            None => Ok(()),
        });
        self.metrics.step_begins();
        self.or_end(kept)
    }

    fn measure(&mut self, step: usize, learned: &Learned) -> ControlFlow<(), f64> {
        let value = self.measure.value(self.model, learned, self.work).and_then(|value| {
            self.metrics.measured(step, self.measure.as_known(value))?;
            Ok(value)
        });
        self.metrics.step_begins();
        self.or_end(value)
    }
}

impl Follower<'_, '_> {
    fn or_end<T>(&mut self, result: Result<T, WorkflowError>) -> ControlFlow<(), T> {
        match result {
            Ok(value) => ControlFlow::Continue(value),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Trains, going on from the last checkpoint of an earlier process.
fn learn(
    home: &Home,
    project: &Project,
    resolved: &Resolved,
    (model, start, checkpoints): (&Model, Option<&Learned>, &Checkpoints),
    work: &mut Work<'_>,
) -> Result<Trained, WorkflowError> {
    let recipe = &project.recipe;
    let examples = Examples::from_bytes(&work.output(Phase::Tokenise, TOKENS)?)?;
    let measure = Measure::of(project, resolved, model, work)?;
    let (adapter, train, seed) = (&recipe.adapter, &recipe.train, recipe.run.seed);
    let training = Training { model, examples: examples.as_slice(), adapter, train, seed, start };
    let (step, last) = checkpoints.last()?.unzip();
    if let (Some(meter), Some(spent)) = (work.meter, checkpoints.spent()?) {
        meter.add(spent);
    }
    let metrics = Metrics::open(home, work.run, step.unwrap_or(0), train.early_stopping.as_ref())?;
    let pace = Pace { started: Instant::now(), before: None };
    let mut follower = Follower { work, checkpoints, metrics, model, measure: &measure, pace, failed: None };
    let trained = freehold_engine::train(training, last.as_deref(), &mut follower);
    let written = follower.metrics.end();
    match follower.failed {
        Some(error) => Err(error),
        None => {
            let trained = trained?;
            written?;
            Ok(trained)
        }
    }
}

pub(crate) fn train(
    home: &Home,
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let recipe = &project.recipe;
    let model = load_base(project, resolved)?;
    let checkpoints = Checkpoints::open(home, work.run, recipe.train.keep_checkpoints)?;
    let started = Instant::now();
    let (start, brought) = start::bring(home, project, resolved, &model, work)?.unzip();
    let trained = learn(home, project, resolved, (&model, start.as_ref(), &checkpoints), work)?;
    let seconds = started.elapsed().as_secs_f64();
    let mut labels = Labels::of(recipe);
    if let Some(start) = &resolved.lock.start {
        labels.add(labels_of(&home.store()?, &start.digest)?);
    }
    let annotations = BTreeMap::from([
        (BASE_DIGEST.to_owned(), resolved.lock.base.digest.to_string()),
        (BASE_MODEL.to_owned(), recipe.base.model.clone()),
        (LABELS.to_owned(), serde_json::to_string(&labels).map_err(malformed("labels"))?),
    ]);
    let (kind, files) = match &trained.learned {
        Learned::Adapter(adapter) => (ADAPTER_TYPE, adapter.to_files()?),
        Learned::Model(model) => (MODEL_TYPE, model.to_files(WeightType::F32)?),
    };
    let manifest = work.store().put_artifact(kind, &files, annotations)?;
    let report = trained.report;
    let losses = serde_json::to_vec(&report.losses).map_err(malformed(LOSSES))?;
    let detail = TrainDetail {
        method: Some(recipe.adapter.method),
        steps: report.steps,
        planned_steps: Some(report.planned_steps),
        best_step: report.best_step,
        tokens: report.tokens,
        target_tokens: report.target_tokens,
        first_loss: report.first_loss,
        last_loss: report.last_loss,
        tensors: report.tensors,
        parameters: report.parameters,
        seconds,
        start: brought,
        determinism: determinism(recipe.train.precision),
        labels: Some(labels),
    };
    let mut outputs = vec![Material::kept(ADAPTER, manifest), Material::kept(LOSSES, work.store().put(&losses)?)];
    let artifact = work.store().artifact(&manifest)?;
    outputs
        .extend(artifact.files.into_iter().map(|(name, digest)| Material::kept(format!("{ADAPTER}/{name}"), digest)));
    let tokens = output_of(work.before(Phase::Tokenise)?, TOKENS)?;
    let mut inputs = vec![Material::kept(TOKENS, tokens)];
    inputs.push(Material::referenced(format!("base/{}", recipe.base.model), resolved.lock.base.digest));
    inputs.extend(resolved.lock.start.iter().map(start::material));
    PhaseOutput::new(inputs, outputs, &detail)
}

/// Within what the same inputs give the same bits. In f32 every sum has one order, on every processor; in bf16 the order is
/// that of the instructions.
fn determinism(precision: Precision) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("freehold".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("arch".to_owned(), std::env::consts::ARCH.to_owned()),
        ("os".to_owned(), std::env::consts::OS.to_owned()),
        ("precision".to_owned(), precision.as_str().to_owned()),
        ("instructions".to_owned(), freehold_engine::instructions(precision).to_owned()),
        ("threads".to_owned(), "any number".to_owned()),
    ])
}
