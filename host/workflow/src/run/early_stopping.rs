//! What early stopping goes by: the loss on the held-out rows, or a metric of the recipe on the answers to them.

use freehold_core::recipe::{EarlyStopping, Split};
use freehold_engine::{Example, Learned, Model, mean_loss};

use super::dialogues::Dialogues;
use super::evaluate::Examiner;
use super::journal::Work;
use super::plugins::ReadyPlugin;
use super::resolve::Resolved;
use super::tokenise;
use crate::{Project, WorkflowError};

/// Measures what was learnt so far.
pub(super) enum Measure<'a> {
    /// The recipe does not ask.
    Never,
    /// The loss of what the held-out rows should answer.
    Loss(Vec<Example>),
    /// A metric.
    Metric(Box<Examiner>, &'a ReadyPlugin),
}

impl<'a> Measure<'a> {
    pub(super) fn of(
        project: &'a Project,
        resolved: &'a Resolved,
        model: &Model,
        work: &Work<'_>,
    ) -> Result<Self, WorkflowError> {
        let recipe = &project.recipe;
        let Some(EarlyStopping { metric, .. }) = &recipe.train.early_stopping else { return Ok(Self::Never) };
        if metric == "loss" {
            return Ok(Self::Loss(held_out(project, resolved, work)?));
        }
        let ready = recipe.metric.iter().zip(&resolved.metrics).find(|(settings, _)| settings.measurement() == metric);
        // That there is one was checked with the recipe.
        let ready = ready.ok_or_else(|| WorkflowError::Record {
            what: format!("metric `{metric}`"),
            problem: "early stopping goes by it, but the recipe has none of this name".into(),
        })?;
        let examiner = Examiner::new(project, resolved, model.clone(), work)?;
        Ok(Self::Metric(Box::new(examiner), ready.1))
    }

    /// The value: higher is better.
    pub(super) fn value(&self, base: &Model, learned: &Learned, work: &mut Work<'_>) -> Result<f64, WorkflowError> {
        match self {
            Self::Never => Ok(0.0),
            Self::Loss(examples) => {
                let (model, adapter) = learned.answering(base);
                let loss = mean_loss(model, adapter, examples, freehold_core::recipe::Precision::F32)?;
                loss.map(|loss| -loss).ok_or_else(|| WorkflowError::Record {
                    what: "the held-out rows".into(),
                    problem: "have nothing to predict, so that early stopping cannot go by their loss".into(),
                })
            }
            Self::Metric(examiner, ready) => examiner.value(ready, learned, work),
        }
    }

    /// The same value as people know it: a loss is better when lower.
    pub(super) fn as_known(&self, value: f64) -> f64 {
        match self {
            Self::Loss(_) => -value,
            Self::Never | Self::Metric(..) => value,
        }
    }
}

/// The held-out rows as examples.
fn held_out(project: &Project, resolved: &Resolved, work: &Work<'_>) -> Result<Vec<Example>, WorkflowError> {
    let tokenizer = tokenise::tokenizer(project, resolved)?;
    let mut dialogues = Dialogues::open(work, Split::Eval)?;
    let (mut examples, mut row) = (Vec::new(), 0);
    while let Some(some) = dialogues.next()? {
        for dialogue in &some {
            let split = Split::Eval.as_str();
            let of_dialogue = tokenizer.examples(dialogue);
            examples.extend(of_dialogue.map_err(|source| WorkflowError::Chat { row, split, source })?);
            row += 1;
        }
    }
    Ok(examples)
}
