//! Who trained a model, on what, with which plugins and policies, who signed what, and where it was used.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::labels::Labels;
use freehold_core::lock::LockedPlugin;
use freehold_core::recipe::{DataSettings, Recipe};
use freehold_core::record::Phase;
use freehold_core::schema::Time;
use freehold_core::spent::RunSpent;
use freehold_core::verdict::{Decision, Stage};
use freehold_trust::VerifiedRoot;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::approvals::{Approval, approvals_of};
use super::history::{Reign, RestsOn, reigns};
use super::past::{Past, PastRun};
use crate::run::{self, MetricReport, PolicyReport, ResolveDetail};
use crate::{Home, WorkflowError};

/// The base model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedBase {
    /// Its name in the recipe.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// Its license, by the recipe's word.
    pub license: Option<String>,
    /// The commit on its hub.
    pub commit: Option<String>,
}

/// A dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedData {
    /// Its name.
    pub name: String,
    /// What it was for.
    pub split: &'static str,
    /// Its digest.
    pub digest: Option<Digest>,
    /// Its rows; records of earlier versions do not say.
    pub rows: Option<u64>,
    /// What it is labelled with.
    pub labels: BTreeMap<String, String>,
}

/// A plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedPlugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it was used as: `transform`, `metric`, `policy at admit`, `policy at promote`.
    pub used_as: Vec<String>,
    /// Digest of its component.
    pub component: Digest,
    /// Digest of its signed manifest.
    pub manifest: Digest,
    /// The key that signed it.
    pub signer: Option<String>,
    /// Why it, or the key that signed it, was revoked since.
    pub revoked: Option<String>,
    /// Why its version had been yanked when it was used.
    pub yanked: Option<String>,
}

/// A time in which the model had an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Use {
    /// The alias.
    pub alias: String,
    /// From when.
    #[schemars(with = "Time")]
    pub from: Timestamp,
    /// Up to when; `None` while it lasts.
    #[schemars(with = "Option<Time>")]
    pub until: Option<Timestamp>,
    /// The approvals that the move rests on; none where nobody had to approve, or where the alias went back.
    pub rests_on: Vec<RestsOn>,
}

/// All that an auditor asks about a model first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Explanation {
    /// The run that made it.
    pub run: String,
    /// The adapter.
    pub adapter: Option<Digest>,
    /// When the run began.
    #[schemars(with = "Time")]
    pub started: Timestamp,
    /// When its last phase ended.
    #[schemars(with = "Time")]
    pub finished: Timestamp,
    /// The trust root by which it is judged.
    pub trust_root: u64,
    /// The keys that signed the records of the run: whose home trained it.
    pub recorded_by: Vec<String>,
    /// The base model.
    pub base: ExplainedBase,
    /// The datasets.
    pub data: Vec<ExplainedData>,
    /// The plugins.
    pub plugins: Vec<ExplainedPlugin>,
    /// What was measured.
    pub metrics: Vec<MetricReport>,
    /// What policies said.
    pub policies: Vec<PolicyReport>,
    /// What the run used up until it was decided; records of earlier versions do not say.
    pub spent: Option<RunSpent>,
    /// The labels of what was made; records of earlier versions do not say.
    pub labels: Option<Labels>,
    /// The decision; `None` while it is not recorded.
    pub decision: Option<Decision>,
    /// Why it was denied.
    pub reason: Option<String>,
    /// Who approved it.
    pub approvals: Vec<Approval>,
    /// Where it was in use, and is.
    pub uses: Vec<Use>,
}

impl Explanation {
    /// A plugin that the run used and that was revoked since, and why.
    pub(crate) fn revoked(&self) -> Option<String> {
        let revoked = |plugin: &ExplainedPlugin| {
            Some(format!("{} {}, {}", plugin.name, plugin.version, plugin.revoked.as_ref()?))
        };
        self.plugins.iter().find_map(revoked)
    }
}

/// Explains a model: what an alias names now, a run, or an adapter by its digest.
///
/// # Errors
/// There is no such model; a record cannot be read.
pub fn explain(home: &Home, model: &str) -> Result<Explanation, WorkflowError> {
    let past = Past::open(home)?;
    of_run(&past, &past.run(&past.run_of(model)?)?)
}

/// Explains what a run made.
pub(super) fn of_run(past: &Past, run: &PastRun<'_>) -> Result<Explanation, WorkflowError> {
    let name = run.name;
    let none = || WorkflowError::Record { what: name.into(), problem: "has no phase".into() };
    let (first, last) = run.phases.values().next().zip(run.phases.values().next_back()).ok_or_else(none)?;
    let (resolved, recipe) = (run.resolved()?, run.recipe()?);
    let record = run.record(Phase::Record).map(run::recorded).transpose()?;
    let trained = run.record(Phase::Train).map(run::trained).transpose()?;
    let report = run.report()?;
    let (metrics, policies) = report.map(|report| (report.metrics, report.policies)).unwrap_or_default();
    Ok(Explanation {
        adapter: run.adapter(),
        started: first.record.started,
        finished: last.record.finished,
        trust_root: first.record.trust_root,
        recorded_by: run.signers().iter().map(ToString::to_string).collect(),
        base: base(&recipe, &resolved),
        data: data(&recipe, &resolved),
        plugins: plugins(&recipe, &resolved, past.roots.last()),
        metrics,
        policies,
        spent: record.as_ref().and_then(|record| record.spent.clone()),
        labels: trained.and_then(|trained| trained.labels),
        decision: record.as_ref().map(|record| record.decision),
        reason: record.and_then(|record| record.reason),
        approvals: approvals_of(past, name)?,
        uses: uses(past, name)?,
        run: name.into(),
    })
}

fn base(recipe: &Recipe, resolved: &ResolveDetail) -> ExplainedBase {
    let base = &resolved.lock.base;
    ExplainedBase {
        name: base.name.clone(),
        digest: base.digest,
        license: recipe.base.license.clone(),
        commit: base.commit.as_ref().map(ToString::to_string),
    }
}

fn data(recipe: &Recipe, resolved: &ResolveDetail) -> Vec<ExplainedData> {
    let explained = |data: &DataSettings| ExplainedData {
        name: data.name.clone(),
        split: data.split.as_str(),
        digest: resolved.lock.data.iter().find(|locked| locked.name == data.name).map(|locked| locked.digest),
        rows: resolved.datasets.iter().find(|dataset| dataset.name == data.name).map(|dataset| dataset.rows),
        labels: data.labels.clone(),
    };
    recipe.data.iter().map(explained).collect()
}

fn plugins(recipe: &Recipe, resolved: &ResolveDetail, newest: Option<&VerifiedRoot>) -> Vec<ExplainedPlugin> {
    let explained = |plugin: &LockedPlugin| {
        let label = format!("{}@{}", plugin.name, plugin.version);
        let signer = resolved.signers.get(&label).cloned();
        let mut used_as = Vec::new();
        if recipe.transform.iter().any(|used| used.plugin == plugin.name) {
            used_as.push("transform".to_owned());
        }
        if recipe.metric.iter().any(|used| used.plugin == plugin.name) {
            used_as.push("metric".into());
        }
        for stage in [Stage::Admit, Stage::Promote] {
            if recipe.policy.iter().any(|used| used.plugin == plugin.name && used.stage == stage) {
                used_as.push(format!("policy at {}", stage.as_str()));
            }
        }
        let revoked = newest.and_then(|root| {
            let digests = [&plugin.component, &plugin.manifest].into_iter().find_map(|d| root.revoked_digests.get(d));
            let keys = root.revoked_keys.iter().find(|(key, _)| Some(key.to_string()) == signer);
            digests.or(keys.map(|(_, why)| why)).map(ToString::to_string)
        });
        ExplainedPlugin {
            name: plugin.name.to_string(),
            version: plugin.version.to_string(),
            used_as,
            component: plugin.component,
            manifest: plugin.manifest,
            signer,
            revoked,
            yanked: resolved.yanked.get(&label).cloned(),
        }
    };
    resolved.lock.plugin.iter().map(explained).collect()
}

fn uses(past: &Past, run: &str) -> Result<Vec<Use>, WorkflowError> {
    let mut uses = Vec::new();
    for alias in past.ever_named(run)? {
        let own = reigns(past, &alias)?.into_iter().filter(|reign| reign.run == run);
        uses.extend(own.map(|Reign { from, until, rests_on, .. }| Use {
            alias: alias.to_string(),
            from,
            until,
            rests_on,
        }));
    }
    Ok(uses)
}
