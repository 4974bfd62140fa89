//! What policies are shown, gathered from what was resolved and measured.

use freehold_core::evidence::{Attribute, Evidence, Subject};
use freehold_core::spent::{Cost, RunSpent};
use freehold_core::verdict::Stage;

use super::evaluate::EvaluateDetail;
use super::journal::Work;
use super::resolve::Resolved;
use super::spent;
use crate::{Project, WorkflowError, aliases};

pub(crate) fn gather(
    stage: Stage,
    project: &Project,
    resolved: &Resolved,
    measured: Option<&EvaluateDetail>,
    work: &Work<'_>,
) -> Result<Evidence, WorkflowError> {
    let recipe = &project.recipe;
    let license = recipe.base.license.as_ref().map(|license| Attribute::text("license", license));
    let commit = resolved.lock.base.commit.as_ref().map(|commit| Attribute::text("commit", commit.as_str()));
    let datasets = recipe.data.iter().map(|data| {
        let mut attributes = vec![Attribute::text("split", data.split.as_str())];
        attributes.extend(data.labels.iter().map(|(label, value)| Attribute::text(label, value)));
        let digest = resolved.data(&data.name).map(|digest| digest.to_string()).unwrap_or_default();
        Subject { name: data.name.clone(), digest, attributes }
    });
    let plugins = resolved.plugins().into_iter().map(|plugin| Subject {
        name: plugin.locked.name.to_string(),
        digest: plugin.locked.component.to_string(),
        attributes: vec![
            Attribute::text("version", plugin.locked.version.to_string()),
            Attribute::text("publisher", plugin.locked.name.publisher()),
            Attribute::text("signer", plugin.signer.to_string()),
            Attribute::text("world", plugin.plugin.manifest().world.to_string()),
        ],
    });
    Ok(Evidence {
        stage,
        run: work.run.into(),
        base: Subject {
            name: recipe.base.model.clone(),
            digest: resolved.lock.base.digest.to_string(),
            attributes: license.into_iter().chain(commit).collect(),
        },
        datasets: datasets.collect(),
        plugins: plugins.collect(),
        measurements: measured.map(|measured| measured.measurements.clone()).unwrap_or_default(),
        production: production(project, measured, work)?,
        attributes: attributes(stage, work)?,
    })
}

/// What may grow. What the run has used up is known when it has been measured.
fn attributes(stage: Stage, work: &Work<'_>) -> Result<Vec<Attribute>, WorkflowError> {
    let mut attributes = vec![Attribute::integer("trust-root", work.recorder.root.version as i64)];
    let spent = if stage == Stage::Promote { spent::until_now(work)? } else { None };
    let Some(RunSpent { spent, train_tokens, cost }) = spent else { return Ok(attributes) };
    attributes.push(Attribute::number("seconds", spent.seconds));
    attributes.extend(spent.joules.map(|joules| Attribute::number("energy-joules", joules)));
    attributes.push(Attribute::text("energy-source", spent.source.as_str()));
    attributes.push(Attribute::boolean("incomplete", spent.incomplete));
    attributes.extend(train_tokens.map(|tokens| Attribute::integer("train-tokens", tokens as i64)));
    if let Some(Cost { amount, currency }) = cost {
        attributes.extend([Attribute::number("cost", amount), Attribute::text("currency", currency)]);
    }
    Ok(attributes)
}

/// What is in production: at promotion what was compared with, so that evidence and measurements are of one moment.
fn production(
    project: &Project,
    measured: Option<&EvaluateDetail>,
    work: &Work<'_>,
) -> Result<Option<Subject>, WorkflowError> {
    let Some(promote) = &project.recipe.promote else { return Ok(None) };
    let name = promote.alias.to_string();
    let state = match measured {
        Some(measured) => measured.production.as_ref().map(|production| (production.adapter, production.run.clone())),
        None => aliases::after(&work.recorder.ledger.entries()?).remove(&name).map(|state| (state.adapter, state.run)),
    };
    Ok(state.map(|(adapter, run)| Subject {
        name,
        digest: adapter.to_string(),
        attributes: vec![Attribute::text("run", run)],
    }))
}
