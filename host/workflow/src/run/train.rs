//! Phase train: the adapter.

use std::collections::BTreeMap;
use std::time::Instant;

use freehold_core::digest::Digest;
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_engine::{Adapter, Examples, Model, StepReport, train_adapter};
use serde::{Deserialize, Serialize};

use super::journal::{PhaseOutput, Work, detail, output_of};
use super::resolve::Resolved;
use super::tokenise::TOKENS;
use crate::observe::progress;
use crate::statements::malformed;
use crate::{Project, WorkflowError};

/// Name of the output: the manifest of the adapter's files.
pub(crate) const ADAPTER: &str = "adapter";
/// Artifact type of adapters in the store.
const ADAPTER_TYPE: &str = "application/vnd.freehold.adapter.peft";
/// Files of an adapter, as PEFT names them.
const CONFIG_FILE: &str = "adapter_config.json";
const TENSORS_FILE: &str = "adapter_model.safetensors";
/// Annotations of an adapter's manifest.
pub(crate) const BASE_DIGEST: &str = "dev.freehold.base.digest";
pub(crate) const BASE_MODEL: &str = "dev.freehold.base.model";

/// What the statement of this phase says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainDetail {
    pub(crate) steps: usize,
    pub(crate) tokens: u64,
    pub(crate) target_tokens: u64,
    pub(crate) first_loss: f32,
    pub(crate) last_loss: f32,
    pub(crate) tensors: usize,
    pub(crate) parameters: usize,
    pub(crate) seconds: f64,
    /// Within what the same inputs give the same bits.
    pub(crate) determinism: BTreeMap<String, String>,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<TrainDetail, WorkflowError> {
    detail(record)
}

/// The base model with its weights.
pub(crate) fn load_base(project: &Project, resolved: &Resolved) -> Result<Model, WorkflowError> {
    let model = &project.recipe.base.model;
    Model::load(&resolved.base).map_err(|source| WorkflowError::Model { model: model.clone(), source })
}

/// The adapter with this manifest, for `model`.
pub(crate) fn load_adapter(work: &Work<'_>, manifest: &Digest, model: &Model) -> Result<Adapter, WorkflowError> {
    let artifact = work.store().artifact(manifest)?;
    let file = |name: &str| {
        let found = artifact.files.iter().find(|(file, _)| file == name);
        let problem =
            || WorkflowError::Record { what: format!("adapter {manifest}"), problem: format!("has no file `{name}`") };
        Ok::<_, WorkflowError>(work.store().get(&found.ok_or_else(problem)?.1)?)
    };
    Ok(Adapter::from_files(&file(CONFIG_FILE)?, &file(TENSORS_FILE)?, model)?)
}

/// The adapter of this run.
pub(crate) fn own_adapter(work: &Work<'_>, model: &Model) -> Result<(Digest, Adapter), WorkflowError> {
    let manifest = output_of(work.before(Phase::Train)?, ADAPTER)?;
    Ok((manifest, load_adapter(work, &manifest, model)?))
}

pub(crate) fn train(project: &Project, resolved: &Resolved, work: &mut Work<'_>) -> Result<PhaseOutput, WorkflowError> {
    let recipe = &project.recipe;
    let model = load_base(project, resolved)?;
    let examples = Examples::from_bytes(&work.output(Phase::Tokenise, TOKENS)?)?;
    let started = Instant::now();
    let mut observe = |step: &StepReport| {
        let rate = step.tokens as f64 / started.elapsed().as_secs_f64().max(1e-9);
        let note = format!("loss {:.3}, {rate:.0} tokens/s", step.loss);
        progress(work.observer, "train", step.step, step.steps, note);
    };
    let seed = recipe.run.seed;
    let trained = train_adapter(&model, examples.as_slice(), &recipe.adapter, &recipe.train, seed, &mut observe)?;
    let seconds = started.elapsed().as_secs_f64();
    let annotations = BTreeMap::from([
        (BASE_DIGEST.to_owned(), resolved.lock.base.digest.to_string()),
        (BASE_MODEL.to_owned(), recipe.base.model.clone()),
    ]);
    let manifest = work.store().put_artifact(ADAPTER_TYPE, &trained.adapter.to_files()?, annotations)?;
    let report = trained.report;
    let losses = serde_json::to_vec(&report.losses).map_err(malformed("losses"))?;
    let detail = TrainDetail {
        steps: report.steps,
        tokens: report.tokens,
        target_tokens: report.target_tokens,
        first_loss: report.first_loss,
        last_loss: report.last_loss,
        tensors: report.tensors,
        parameters: report.parameters,
        seconds,
        determinism: determinism(),
    };
    let mut outputs = vec![Material::kept(ADAPTER, manifest), Material::kept("losses", work.store().put(&losses)?)];
    let artifact = work.store().artifact(&manifest)?;
    outputs
        .extend(artifact.files.into_iter().map(|(name, digest)| Material::kept(format!("{ADAPTER}/{name}"), digest)));
    let mut inputs = work.before(Phase::Tokenise)?.outputs.clone();
    inputs.push(Material::referenced(format!("base/{}", recipe.base.model), resolved.lock.base.digest));
    PhaseOutput::new(inputs, outputs, &detail)
}

/// Matrix products round differently on other instruction sets, so the record says which were there.
fn determinism() -> BTreeMap<String, String> {
    let mut scope = BTreeMap::from([
        ("freehold".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("arch".to_owned(), std::env::consts::ARCH.to_owned()),
        ("os".to_owned(), std::env::consts::OS.to_owned()),
    ]);
    #[cfg(target_arch = "x86_64")]
    {
        let features = [
            ("avx2", std::is_x86_feature_detected!("avx2")),
            ("fma", std::is_x86_feature_detected!("fma")),
            ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ];
        let found: Vec<_> = features.iter().filter(|(_, found)| *found).map(|(name, _)| *name).collect();
        scope.insert("cpu_features".to_owned(), found.join(","));
    }
    scope
}
