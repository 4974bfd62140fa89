//! Whether the bars that a run had to pass were in the ledger before its results.
//!
//! Phase resolve enters the digest of the recipe, with the settings of every policy, and the digests of the policies
//! themselves; what was measured is entered by phase evaluate. A bar was set before the result if what policies were asked with
//! at the end is what the recipe said at the beginning, and the ledger has the beginning first.

use freehold_core::recipe::{PolicySettings, Recipe};
use freehold_core::record::Phase;
use freehold_core::schema::Time;
use freehold_core::verdict::Stage;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::past::{Past, PastPhase, PastRun};
use super::verify::Finding;
use crate::WorkflowError;
use crate::run::{self, JudgedPolicy, ResolveDetail};

/// A bar that a run had to pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Bar {
    /// The run.
    pub run: String,
    /// The policy.
    pub policy: String,
    /// Its version.
    pub version: String,
    /// What it was asked with, as TOML.
    pub settings: String,
    /// The ledger's entry that has the recipe with it.
    pub set: u64,
    /// When that was entered.
    #[schemars(with = "Time")]
    pub set_at: Timestamp,
    /// The ledger's entry that has what was measured.
    pub measured: u64,
    /// When that was entered.
    #[schemars(with = "Time")]
    pub measured_at: Timestamp,
}

/// The bars of a run, or of every run that was measured, and what is wrong with them.
///
/// # Errors
/// There is no such run; a record cannot be read.
pub(super) fn preregistered(past: &Past, only: Option<&str>) -> Result<(Vec<Bar>, Vec<Finding>), WorkflowError> {
    let names = match only {
        Some(name) => vec![name.to_owned()],
        None => past.runs()?,
    };
    let (mut bars, mut findings) = (Vec::new(), Vec::new());
    for name in &names {
        let run = past.run(name)?;
        let phases = [Phase::Resolve, Phase::Evaluate, Phase::Promote].map(|phase| run.phases.get(&phase));
        let [Some(set), Some(measured), Some(judged)] = phases else { continue };
        let mut found = |problem: String| findings.push(Finding { what: name.into(), problem });
        if set.index >= measured.index || measured.index >= judged.index {
            found("the recipe was not entered before what was measured".into());
        }
        bars.extend(of_run(&run, (set, measured, judged), &mut found)?);
    }
    Ok((bars, findings))
}

fn of_run(
    run: &PastRun<'_>,
    (set, measured, judged): (&PastPhase, &PastPhase, &PastPhase),
    found: &mut impl FnMut(String),
) -> Result<Vec<Bar>, WorkflowError> {
    let (recipe, resolved) = (run.recipe()?, run.resolved()?);
    let asked = run::judged(&judged.record)?.verdicts;
    let wanted = policies(&recipe);
    if asked.len() != wanted.len() {
        found(format!("{} policies were asked, the recipe has {}", asked.len(), wanted.len()));
    }
    for (policy, settings) in asked.iter().zip(&wanted) {
        if let Some(problem) = difference(policy, settings, &resolved) {
            found(problem);
        }
    }
    let bar = |policy: JudgedPolicy| Bar {
        run: run.name.into(),
        policy: policy.plugin,
        version: policy.version,
        settings: toml::to_string(&policy.settings).unwrap_or_default().trim_end().into(),
        set: set.index,
        set_at: set.entered,
        measured: measured.index,
        measured_at: measured.entered,
    };
    Ok(asked.into_iter().map(bar).collect())
}

fn policies(recipe: &Recipe) -> Vec<&PolicySettings> {
    recipe.policy.iter().filter(|policy| policy.stage == Stage::Promote).collect()
}

/// How a policy that was asked differs from what was entered before. Settings that the recipe leaves out are the defaults of
/// the plugin's signed manifest, whose digest was entered with it.
fn difference(asked: &JudgedPolicy, wanted: &PolicySettings, resolved: &ResolveDetail) -> Option<String> {
    if asked.plugin != wanted.plugin.to_string() {
        return Some(format!("policy {} was asked in the place of {}", asked.plugin, wanted.plugin));
    }
    let locked = resolved.lock.plugin.iter().find(|plugin| {
        plugin.name == wanted.plugin
            && plugin.version.to_string() == asked.version
            && plugin.component == asked.component
            && wanted.version.matches(&plugin.version)
    });
    if locked.is_none() {
        return Some(format!("policy {} {} is not what was resolved", asked.plugin, asked.version));
    }
    let changed = wanted.settings.iter().find(|(key, value)| asked.settings.get(*key) != Some(value));
    changed.map(|(key, value)| {
        let now = asked.settings.get(key).map_or_else(|| "nothing".into(), ToString::to_string);
        format!("policy {}: `{key}` was {value} in the recipe and {now} when it was asked", asked.plugin)
    })
}
