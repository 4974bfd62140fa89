//! Phase evaluate: base, adapted and production model answer the held-out rows; metrics say how well.

use freehold_core::digest::Digest;
use freehold_core::evidence::Measurement;
use freehold_core::limits::Usage;
use freehold_core::recipe::Split;
use freehold_core::record::{Material, PhaseRecord};
use freehold_engine::{ChatTokenizer, GenerateSettings, Learned, Model, ModelFolder, generate};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::dialogues::{Dialogue, Dialogues};
use super::journal::{PhaseOutput, Work, detail};
use super::measure::{AnsweredRow, Asked, measure, statistics};
use super::plugins::ReadyPlugin;
use super::resolve::{self, Resolved};
use super::tokenise;
use super::train::{self, BASE_DIGEST, BASE_MODEL};
use crate::observe::progress;
use crate::resample::Resamples;
use crate::{AliasState, Home, Project, WorkflowError, aliases};

/// What the names of outputs with the answers of a model begin with; what follows is the model: `base`, `adapted`, `production`.
pub(crate) const PREDICTIONS: &str = "predictions";

/// What was in production when this run was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Production {
    pub(crate) adapter: Digest,
    pub(crate) run: String,
    /// Whether it was measured beside the new adapter; it is not when its base model is not to be found any more.
    pub(crate) measured: bool,
    /// Its base model, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Digest>,
}

/// What the statement of this phase says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EvaluateDetail {
    pub(crate) rows: usize,
    pub(crate) production: Option<Production>,
    pub(crate) measurements: Vec<Measurement>,
    /// What measured, in the same order; records of earlier versions do not say.
    #[serde(default)]
    pub(crate) metrics: Vec<MeteredMetric>,
}

/// A metric's plugin, and what it used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MeteredMetric {
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) usage: Usage,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<EvaluateDetail, WorkflowError> {
    detail(record)
}

/// A held-out row: what the model is asked, and what it should say.
pub(super) struct Question {
    pub(super) tokens: Vec<u32>,
    prompt: String,
    reference: String,
}

fn questions(tokenizer: &ChatTokenizer, mut dialogues: Dialogues) -> Result<Vec<Question>, WorkflowError> {
    let mut questions = Vec::new();
    while let Some(some) = dialogues.next()? {
        for dialogue in &some {
            questions.push(question(tokenizer, questions.len(), dialogue)?);
        }
    }
    Ok(questions)
}

pub(super) fn question(tokenizer: &ChatTokenizer, row: usize, dialogue: &Dialogue) -> Result<Question, WorkflowError> {
    let split = Split::Eval.as_str();
    let Some((answer, before)) = dialogue.split_last().filter(|(last, _)| last.role == "assistant") else {
        let problem = "the dialogue does not end with the assistant's answer".into();
        return Err(WorkflowError::Dialogue { row, split, problem });
    };
    let tokens = tokenizer.prompt(before).map_err(|source| WorkflowError::Chat { row, split, source })?;
    let prompt = before.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n");
    Ok(Question { tokens, prompt, reference: answer.text.clone() })
}

/// Answers of one model to all questions.
struct Answers {
    name: &'static str,
    texts: Vec<String>,
}

pub(super) struct Examiner {
    model: Model,
    tokenizer: ChatTokenizer,
    questions: Vec<Question>,
    max_new_tokens: usize,
    prompts: Vec<Vec<u32>>,
}

impl Examiner {
    pub(super) fn new(
        project: &Project,
        resolved: &Resolved,
        model: Model,
        work: &Work<'_>,
    ) -> Result<Self, WorkflowError> {
        Self::with(tokenise::tokenizer(project, resolved)?, project, model, work)
    }

    /// The same questions for a model with a tokenizer of its own.
    fn with(tokenizer: ChatTokenizer, project: &Project, model: Model, work: &Work<'_>) -> Result<Self, WorkflowError> {
        let questions = questions(&tokenizer, Dialogues::open(work, Split::Eval)?)?;
        let prompts = questions.iter().map(|question| question.tokens.clone()).collect();
        let max_new_tokens = project.recipe.evaluate.max_new_tokens;
        Ok(Self { model, tokenizer, questions, max_new_tokens, prompts })
    }

    /// A metric of the answers of what was learnt so far; turned round if lower is better.
    pub(super) fn value(
        &self,
        ready: &ReadyPlugin,
        learned: &Learned,
        work: &mut Work<'_>,
    ) -> Result<f64, WorkflowError> {
        let answers = self.answers("so far", Some(learned), work)?;
        let mut metric = ready.plugin.metric(ready.grants.clone())?;
        let description = metric.describe()?;
        let statistics = statistics(&mut metric, &self.answered(&answers))?;
        let width = description.statistics.len().max(1);
        let mut sums = vec![0.0; width];
        for row in statistics.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        let value = metric.values(&sums)?.first().copied().unwrap_or(f64::NEG_INFINITY);
        Ok(if description.higher_is_better { value } else { -value })
    }

    fn answers(
        &self,
        name: &'static str,
        learned: Option<&Learned>,
        work: &mut Work<'_>,
    ) -> Result<Answers, WorkflowError> {
        let total = self.prompts.len();
        let task = format!("answer ({name})");
        let mut observe = |done: usize| progress(work.observer, &task, done, total, String::new());
        let (model, adapter) = learned.map_or((&self.model, None), |learned| learned.answering(&self.model));
        let settings = GenerateSettings {
            max_new_tokens: self.max_new_tokens,
            end_ids: self.tokenizer.end_ids().to_vec(),
            ..GenerateSettings::default()
        };
        let generated = generate(model, adapter, &self.prompts, &settings, None, &mut observe)?;
        let mut texts = Vec::with_capacity(total);
        for (row, answer) in generated.iter().enumerate() {
            let failed = |source| WorkflowError::Chat { row, split: Split::Eval.as_str(), source };
            texts.push(self.tokenizer.answer(&answer.ids).map_err(failed)?);
        }
        Ok(Answers { name, texts })
    }

    /// The questions with the answers of a model.
    fn answered<'r>(&'r self, answers: &'r Answers) -> Vec<AnsweredRow<'r>> {
        let row = |(question, prediction): (&'r Question, &'r String)| AnsweredRow {
            prompt: &question.prompt,
            reference: &question.reference,
            prediction,
        };
        self.questions.iter().zip(&answers.texts).map(row).collect()
    }
}

pub(crate) fn evaluate(
    home: &Home,
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let recipe = &project.recipe;
    let examiner = Examiner::new(project, resolved, train::load_base(project, resolved)?, work)?;
    let (adapter_digest, learned) = train::own_learned(work, &examiner.model)?;
    let mut answers = vec![examiner.answers("base", None, work)?, examiner.answers("adapted", Some(&learned), work)?];
    let (production, own_base) = production(home, project, resolved, work)?.unzip();
    if let Some(production) = production.as_ref().filter(|production| production.measured) {
        let other = match own_base.flatten() {
            Some(folder) => Some(examiner_on(&folder, project, work)?),
            None => None,
        };
        let examiner = other.as_ref().unwrap_or(&examiner);
        let learned = train::learned_of(work.store(), &production.adapter, &examiner.model)?;
        answers.push(examiner.answers("production", Some(&learned), work)?);
    }
    let rows = examiner.questions.len();
    let resamples = Resamples::new(rows, recipe.evaluate.resamples, recipe.run.seed);
    let models: Vec<_> = answers.iter().map(|answers| examiner.answered(answers)).collect();
    let confidence = recipe.evaluate.confidence;
    let (mut measurements, mut metrics) = (Vec::new(), Vec::new());
    for (settings, ready) in recipe.metric.iter().zip(&resolved.metrics) {
        progress(work.observer, "metrics", measurements.len(), recipe.metric.len(), settings.measurement().into());
        let asked = Asked { plugin: &ready.plugin, grants: &ready.grants, resamples: &resamples, confidence };
        let (measurement, usage) = measure(settings.measurement(), asked, &models)?;
        measurements.push(measurement);
        let (plugin, version) = (ready.locked.name.to_string(), ready.locked.version.to_string());
        metrics.push(MeteredMetric { plugin, version, usage });
    }
    let mut outputs = Vec::new();
    for answers in &answers {
        let mut rows = work.store().writer()?;
        for (question, text) in examiner.questions.iter().zip(&answers.texts) {
            let row = json!({ "prompt": question.prompt, "reference": question.reference, "prediction": text });
            rows.write(format!("{row}\n").as_bytes())?;
        }
        outputs.push(Material::kept(format!("{PREDICTIONS}/{}", answers.name), rows.finish()?));
    }
    let mut inputs = vec![Material::kept(train::ADAPTER, adapter_digest)];
    inputs.push(Material::referenced(format!("base/{}", recipe.base.model), resolved.lock.base.digest));
    let own_base = production.as_ref().filter(|production| production.measured).and_then(|production| production.base);
    inputs.extend(own_base.map(|digest| Material::referenced("production/base", digest)));
    inputs.extend(resolved.assets(recipe.metric.iter().flat_map(|metric| &metric.grants)));
    PhaseOutput::new(inputs, outputs, &EvaluateDetail { rows, production, measurements, metrics })
}

/// Who asks a model on another base.
fn examiner_on(folder: &ModelFolder, project: &Project, work: &Work<'_>) -> Result<Examiner, WorkflowError> {
    let failed = |source| WorkflowError::Model { model: "of what is in production".into(), source };
    let tokenizer = ChatTokenizer::load(folder).map_err(failed)?;
    Examiner::with(tokenizer, project, Model::load(folder).map_err(failed)?, work)
}

/// What the recipe's alias names now, and its base model if that is another one and is where its run found it.
fn production(
    home: &Home,
    project: &Project,
    resolved: &Resolved,
    work: &Work<'_>,
) -> Result<Option<(Production, Option<ModelFolder>)>, WorkflowError> {
    let Some(promote) = &project.recipe.promote else { return Ok(None) };
    let state = aliases::after(&work.recorder.ledger.entries()?).remove(&promote.alias.to_string());
    let Some(AliasState { adapter, run }) = state else { return Ok(None) };
    let annotations = work.store().artifact(&adapter)?.annotations;
    let said = annotations.get(BASE_DIGEST);
    if said == Some(&resolved.lock.base.digest.to_string()) {
        return Ok(Some((Production { adapter, run, measured: true, base: None }, None)));
    }
    let named = annotations.get(BASE_MODEL).and_then(|name| resolve::open_named(home, project, name).ok());
    let own_base = named.filter(|folder| said == Some(&folder.digest().to_string()));
    let base = said.and_then(|digest| digest.parse().ok());
    Ok(Some((Production { adapter, run, measured: own_base.is_some(), base }, own_base)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_from_before_metrics_were_metered_are_read() {
        let before = json!({ "rows": 3, "production": null, "measurements": [] });
        let detail: EvaluateDetail = serde_json::from_value(before).unwrap();
        assert_eq!((detail.rows, detail.metrics), (3, vec![]));
    }
}
