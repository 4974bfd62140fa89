//! What a rebase came to, rung by rung, next to training anew.

use freehold_core::digest::Digest;
use freehold_core::evidence::Estimate;
use freehold_core::lock::Lockfile;
use freehold_core::name::Alias;
use freehold_core::spent::RunSpent;
use freehold_core::verdict::Decision;
use freehold_engine::ModelFolder;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Champion, RebaseOptions, Rung};
use crate::audit;
use crate::run::{Brought, MetricReport, RunReport, Waiting};
use crate::{Home, Project, WorkflowError};

/// A base model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BaseReport {
    /// Its name in a recipe.
    pub model: String,
    /// Its digest.
    pub digest: Digest,
}

/// A metric of a rung next to training anew, on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PairedReport {
    /// The metric.
    pub metric: String,
    /// The rung.
    pub rung: Estimate,
    /// Training anew.
    pub retrained: Estimate,
    /// The rung minus training anew, paired by row.
    pub difference: Estimate,
}

/// One rung that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RungReport {
    /// The rung.
    pub rung: Rung,
    /// Its run.
    pub run: String,
    /// Whether it was promoted.
    pub decision: Decision,
    /// Why not, if not.
    pub reason: Option<String>,
    /// How what is trained further came to the new base.
    pub brought: Option<Brought>,
    /// Tokens that it was trained on.
    pub tokens: u64,
    /// These as a part of those of training anew.
    pub share: f64,
    /// Seconds of training, with what brings the adapter to the new base.
    pub seconds: f64,
    /// What the whole run used up.
    pub spent: Option<RunSpent>,
    /// What was measured; where a metric speaks of production, that is what was there before, on its own base.
    pub metrics: Vec<MetricReport>,
    /// The same metrics next to training anew, if that was done to compare.
    pub paired: Vec<PairedReport>,
}

/// A plugin of the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PluginDigest {
    /// Name and version.
    pub plugin: String,
    /// The component's digest.
    pub component: Digest,
    /// Whether the run in production used the same bytes.
    pub same: bool,
}

/// A whole rebase.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RebaseReport {
    /// What was moved.
    pub alias: Alias,
    /// The run that was in production.
    pub from_run: String,
    /// Its base model.
    pub from: BaseReport,
    /// The new base model.
    pub to: BaseReport,
    /// The rungs that were tried, the last of which was promoted if one was.
    pub rungs: Vec<RungReport>,
    /// The run that was promoted.
    pub promoted: Option<String>,
    /// What the alias waits for before it names that run; `None` if it names it.
    pub waiting: Option<Waiting>,
    /// Tokens of training anew: as it was done, or else as planned.
    pub retrain_tokens: u64,
    /// The run that was trained anew to compare with, if one was.
    pub compared_run: Option<String>,
    /// Its seconds of training.
    pub compared_seconds: Option<f64>,
    /// What it used up.
    pub compared_spent: Option<RunSpent>,
    /// The plugins, with whether they are those that made what was in production.
    pub plugins: Vec<PluginDigest>,
}

pub(super) fn of(
    home: &Home,
    champion: &Champion,
    (project, folder, options): (&Project, &ModelFolder, &RebaseOptions),
    tried: Vec<(Rung, RunReport)>,
    compared: Option<RunReport>,
) -> Result<RebaseReport, WorkflowError> {
    let alias = project.recipe.promote.as_ref().map(|promote| promote.alias.clone());
    let alias = alias.ok_or_else(|| super::refused("the recipe has no `[promote]`"))?;
    let retrained =
        compared.as_ref().or_else(|| tried.iter().find(|(rung, _)| *rung == Rung::Retrain).map(|(_, run)| run));
    let tokens = |run: &RunReport| run.training.as_ref().map_or(0, |training| training.tokens);
    let planned = tried.iter().find_map(|(_, run)| Some(run.validation.as_ref()?.train.tokens));
    let planned = (planned.unwrap_or(0) as f64 * project.recipe.train.epochs) as u64;
    let retrain_tokens = retrained.map_or(planned, tokens);
    let mut plugins = Vec::new();
    if let Some((_, run)) = tried.last() {
        for (plugin, component) in components(&audit::resolved(home, &run.run)?.lock) {
            let same = champion.plugins.contains(&(plugin.clone(), component));
            plugins.push(PluginDigest { plugin, component, same });
        }
    }
    let promoted = tried.iter().find(|(_, run)| run.decision == Decision::Promoted).map(|(_, run)| run);
    let waiting = promoted.and_then(|run| run.waiting.clone());
    let promoted = promoted.map(|run| run.run.clone());
    let mut rungs = Vec::new();
    for (rung, run) in tried {
        let paired = match &compared {
            Some(compared) => paired(home, &run.run, &compared.run)?,
            None => Vec::new(),
        };
        let (tokens, training) = (tokens(&run), run.training.as_ref());
        rungs.push(RungReport {
            rung,
            decision: run.decision,
            reason: run.reason,
            brought: training.and_then(|training| training.brought),
            tokens,
            share: if retrain_tokens == 0 { 0.0 } else { tokens as f64 / retrain_tokens as f64 },
            seconds: training.map_or(0.0, |training| training.seconds),
            spent: run.spent,
            metrics: run.metrics,
            run: run.run,
            paired,
        });
    }
    Ok(RebaseReport {
        alias,
        from_run: champion.state.run.clone(),
        from: BaseReport { model: champion.base.clone(), digest: champion.digest },
        to: BaseReport { model: options.base.clone(), digest: folder.digest() },
        rungs,
        promoted,
        waiting,
        retrain_tokens,
        compared_seconds: compared.as_ref().and_then(|run| Some(run.training.as_ref()?.seconds)),
        compared_spent: compared.as_ref().and_then(|run| run.spent.clone()),
        compared_run: compared.map(|run| run.run),
        plugins,
    })
}

/// The plugins of a run: name and version, component.
pub(super) fn components(lock: &Lockfile) -> Vec<(String, Digest)> {
    lock.plugin.iter().map(|plugin| (format!("{} {}", plugin.name, plugin.version), plugin.component)).collect()
}

/// A rung that was not evaluated has nothing to compare.
fn paired(home: &Home, run: &str, other: &str) -> Result<Vec<PairedReport>, WorkflowError> {
    let measured = match audit::paired(home, run, other) {
        Ok(measured) => measured,
        Err(WorkflowError::Replay { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let report = |measured: freehold_core::evidence::Measurement| {
        let (retrained, difference) = measured.production.zip(measured.over_production)?;
        Some(PairedReport { metric: measured.metric, rung: measured.adapted, retrained, difference })
    };
    Ok(measured.into_iter().filter_map(report).collect())
}
