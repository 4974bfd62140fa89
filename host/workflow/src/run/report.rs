//! What a run came to, read back from its statements, so that a resumed run reports the same.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::evidence::{Estimate, Measurement};
use freehold_core::labels::Labels;
use freehold_core::limits::Usage;
use freehold_core::name::Alias;
use freehold_core::recipe::Method;
use freehold_core::record::{Phase, PhaseRecord};
use freehold_core::spent::{RunSpent, Spent};
use freehold_core::verdict::{Decision, Stage, Verdict};
use freehold_store::Blobs;
use schemars::JsonSchema;
use serde::Serialize;

use super::journal::Journal;
use super::start::Brought;
use super::validate::{self, Validation};
use super::{evaluate, judge, provenance, resolve, tokenise, train, transform};
use crate::{Home, WorkflowError};

/// A dataset that was read.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DatasetReport {
    /// Its name.
    pub dataset: String,
    /// The split.
    pub split: &'static str,
    /// What the file is: `jsonl`, `parquet`, `arrow` or `arrow-stream`.
    pub file: &'static str,
    /// How its dialogues are written: `messages`, `sharegpt`, `alpaca`, `prompt-completion`, or `columns` if there are none.
    pub form: &'static str,
    /// Its rows.
    pub rows: u64,
}

/// What a transform did.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PluginReport {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The split.
    pub split: &'static str,
    /// Rows that went in.
    pub rows_in: usize,
    /// Rows that came out.
    pub rows_out: usize,
    /// Rows that were dropped, by reason.
    pub dropped: BTreeMap<String, usize>,
    /// What it counted.
    pub counts: BTreeMap<String, f64>,
    /// What it used, of what it may.
    pub usage: Usage,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricReport {
    /// Its name.
    pub metric: String,
    /// Rows that were measured.
    pub rows: u64,
    /// Confidence level of the intervals.
    pub confidence: f64,
    /// The base model.
    pub base: Estimate,
    /// The base model with the adapter.
    pub adapted: Estimate,
    /// The model in production.
    pub production: Option<Estimate>,
    /// Adapted minus production.
    pub over_production: Option<Estimate>,
    /// The plugin; records of earlier versions do not say.
    pub plugin: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it used, of what it may.
    pub usage: Usage,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PolicyReport {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// When it was asked.
    pub stage: Stage,
    /// What it said.
    pub verdict: Verdict,
    /// What it used, of what it may.
    pub usage: Usage,
}

/// Training in short.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TrainingReport {
    /// Examples.
    pub examples: usize,
    /// Longest example in tokens.
    pub longest: usize,
    /// Dialogues that are several examples, as the chat template writes earlier turns otherwise than they were said.
    pub divided: usize,
    /// The token that was put behind answers, if the chat template writes none there.
    pub appended_end: Option<String>,
    /// What was trained.
    pub method: &'static str,
    /// How what was trained further came to the base model, if something was.
    pub brought: Option<Brought>,
    /// Steps of the optimizer.
    pub steps: usize,
    /// Steps that were planned, if fewer were made because nothing got better any more.
    pub planned_steps: Option<usize>,
    /// The step whose state was taken, if the best was measured.
    pub best_step: Option<usize>,
    /// Tokens seen.
    pub tokens: u64,
    /// Trained parameters.
    pub parameters: usize,
    /// Loss of the first step.
    pub first_loss: f32,
    /// Loss of the last step.
    pub last_loss: f32,
    /// Seconds of training.
    pub seconds: f64,
    /// Folder of the home with what was written of each step, if it is there. No record speaks of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_folder: Option<String>,
}

/// A promotion that others have to approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Waiting {
    /// The alias that moves then.
    pub alias: Alias,
    /// How many keys have to approve, by the recipe.
    pub approvals_needed: usize,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunReport {
    /// The run.
    pub run: String,
    /// The decision.
    pub decision: Decision,
    /// Why it was denied.
    pub reason: Option<String>,
    /// The adapter's manifest in the store.
    pub adapter: Option<Digest>,
    /// The adapter's weights.
    pub weights: Option<Digest>,
    /// The alias that it was promoted to. While that waits for approvals it is in `waiting`.
    pub alias: Option<Alias>,
    /// What it waits for, if it was promoted and nobody has moved the alias yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// The statement that holds the decision.
    pub record: Digest,
    /// The datasets; none in records of earlier versions.
    pub datasets: Vec<DatasetReport>,
    /// The transforms.
    pub transforms: Vec<PluginReport>,
    /// What was trained on, counted before; none in records of earlier versions.
    pub validation: Option<Validation>,
    /// The training.
    pub training: Option<TrainingReport>,
    /// The metrics.
    pub metrics: Vec<MetricReport>,
    /// The policies.
    pub policies: Vec<PolicyReport>,
    /// When each phase ended, in seconds after it began.
    pub seconds: BTreeMap<Phase, f64>,
    /// What the run used up until it was decided; none in records of earlier versions.
    pub spent: Option<RunSpent>,
    /// The same of each phase, with what went before it in the same process.
    pub spent_by_phase: BTreeMap<Phase, Spent>,
    /// The labels of what was made; none in records of earlier versions.
    pub labels: Option<Labels>,
}

pub(crate) fn of(home: &Home, journal: &Journal<'_>) -> Result<RunReport, WorkflowError> {
    let record = journal.record(Phase::Record)?;
    let (store, statement) = (&journal.recorder.store, journal.statement(Phase::Record)?);
    let mut report = of_records(&journal.run, journal.records(), (statement, record), false, store)?;
    if let Some(training) = &mut report.training {
        training.metrics_folder = super::metrics::folder(home, &journal.run);
    }
    Ok(report)
}

/// The report of a run whose phases are `records`, the last of which is `record`. Whether somebody moved an alias for it since, no
/// phase says.
pub(crate) fn of_records<'a>(
    run: &str,
    records: impl Iterator<Item = &'a PhaseRecord>,
    (statement, record): (Digest, &PhaseRecord),
    alias_moved: bool,
    store: &dyn Blobs,
) -> Result<RunReport, WorkflowError> {
    let detail = provenance::read(record)?;
    let alias = detail.alias.filter(|_| detail.decision == Decision::Promoted);
    let (alias, waiting) = match (alias, detail.approvals_needed) {
        (Some(alias), Some(approvals_needed)) if !alias_moved => (None, Some(Waiting { alias, approvals_needed })),
        (alias, _) => (alias, None),
    };
    let PhaseReports { weights, datasets, transforms, validation, training, metrics, policies, seconds, spent, labels } =
        of_phases(records, store)?;
    Ok(RunReport {
        run: run.into(),
        decision: detail.decision,
        reason: detail.reason,
        adapter: detail.adapter,
        weights,
        alias,
        waiting,
        record: statement,
        datasets,
        transforms,
        validation,
        training,
        metrics,
        policies,
        seconds,
        spent: detail.spent,
        spent_by_phase: spent,
        labels,
    })
}

/// What the phases of a run say, whether or not it came to a decision; the fields are those of [`RunReport`].
#[derive(Debug, Default)]
pub(crate) struct PhaseReports {
    pub(crate) weights: Option<Digest>,
    pub(crate) datasets: Vec<DatasetReport>,
    pub(crate) transforms: Vec<PluginReport>,
    pub(crate) validation: Option<Validation>,
    pub(crate) training: Option<TrainingReport>,
    pub(crate) metrics: Vec<MetricReport>,
    pub(crate) policies: Vec<PolicyReport>,
    pub(crate) seconds: BTreeMap<Phase, f64>,
    pub(crate) spent: BTreeMap<Phase, Spent>,
    pub(crate) labels: Option<Labels>,
}

/// What the phases of a run say, in the order of the phases.
pub(crate) fn of_phases<'a>(
    records: impl Iterator<Item = &'a PhaseRecord>,
    store: &dyn Blobs,
) -> Result<PhaseReports, WorkflowError> {
    let (mut reports, mut tokenised) = (PhaseReports::default(), None);
    for record in records {
        let seconds = record.finished.duration_since(record.started).as_secs_f64();
        reports.seconds.insert(record.phase, seconds);
        reports.spent.extend(record.spent.map(|spent| (record.phase, spent)));
        match record.phase {
            Phase::Transform => reports.transforms = transform::read(record)?.into_iter().map(plugin).collect(),
            Phase::Tokenise => {
                tokenised = Some(tokenise::read(record)?);
                reports.validation = validate::read(record, store)?;
            }
            Phase::Train => {
                let weights = record.outputs.iter().find(|output| output.name.ends_with(".safetensors"));
                reports.weights = weights.map(|output| output.digest);
                reports.labels = train::read(record)?.labels;
                reports.training = tokenised.as_ref().map(|tokens| training(tokens, record)).transpose()?;
            }
            Phase::Evaluate => reports.metrics = metrics(record)?,
            Phase::Admit | Phase::Promote => reports.policies.extend(policies(record)?),
            Phase::Resolve => reports.datasets = resolve::read(record)?.datasets.into_iter().map(dataset).collect(),
            Phase::Record => {}
        }
    }
    Ok(reports)
}

fn training(tokens: &tokenise::TokeniseDetail, record: &PhaseRecord) -> Result<TrainingReport, WorkflowError> {
    let detail = train::read(record)?;
    Ok(TrainingReport {
        examples: tokens.examples,
        longest: tokens.longest,
        divided: tokens.divided,
        appended_end: tokens.end.as_ref().filter(|end| end.appended).map(|end| end.text.clone()),
        method: detail.method.unwrap_or(Method::Lora).as_str(),
        brought: detail.start.as_ref().map(|start| start.brought),
        steps: detail.steps,
        planned_steps: detail.planned_steps.filter(|planned| *planned > detail.steps),
        best_step: detail.best_step,
        tokens: detail.tokens,
        parameters: detail.parameters,
        first_loss: detail.first_loss,
        last_loss: detail.last_loss,
        seconds: detail.seconds,
        metrics_folder: None,
    })
}

pub(super) fn dataset(detail: resolve::DatasetDetail) -> DatasetReport {
    DatasetReport {
        dataset: detail.name,
        split: detail.split.as_str(),
        file: detail.file.as_str(),
        form: detail.form.as_str(),
        rows: detail.rows,
    }
}

pub(super) fn plugin(detail: transform::TransformDetail) -> PluginReport {
    PluginReport {
        plugin: detail.plugin,
        version: detail.version,
        split: detail.split.as_str(),
        rows_in: detail.rows_in,
        rows_out: detail.rows_out,
        dropped: detail.dropped,
        counts: detail.counts,
        usage: detail.usage,
    }
}

fn metrics(record: &PhaseRecord) -> Result<Vec<MetricReport>, WorkflowError> {
    let detail = evaluate::read(record)?;
    let metered = detail.metrics.into_iter().map(Some).chain(std::iter::repeat(None));
    Ok(detail.measurements.into_iter().zip(metered).map(metric).collect())
}

fn metric((measurement, metered): (Measurement, Option<evaluate::MeteredMetric>)) -> MetricReport {
    let (plugin, version, usage) = match metered {
        Some(metered) => (Some(metered.plugin), Some(metered.version), metered.usage),
        None => (None, None, Usage::default()),
    };
    MetricReport {
        metric: measurement.metric,
        rows: measurement.rows,
        confidence: measurement.confidence,
        base: measurement.base,
        adapted: measurement.adapted,
        production: measurement.production,
        over_production: measurement.over_production,
        plugin,
        version,
        usage,
    }
}

pub(super) fn policies(record: &PhaseRecord) -> Result<Vec<PolicyReport>, WorkflowError> {
    let judged = judge::read(record)?;
    let stage = judged.stage;
    let report = |policy: judge::JudgedPolicy| PolicyReport {
        plugin: policy.plugin,
        version: policy.version,
        stage,
        verdict: policy.verdict,
        usage: policy.usage,
    };
    Ok(judged.verdicts.into_iter().map(report).collect())
}
