//! Moves what a recipe has in production to another base model: the ladder of rungs, from the cheapest to training anew. Each rung
//! is a run of the recipe with the new base, judged by the same metrics and policies and recorded like any other; the first
//! that is promoted is the last that is tried.

mod report;
mod rung;

use freehold_core::digest::Digest;
use freehold_core::recipe::Recipe;
use freehold_core::verdict::Decision;
use freehold_engine::{Model, ModelFolder};

use crate::aliases::{self, AliasState};
use crate::audit;
use crate::observe::Observer;
use crate::run::{self, RunOptions, RunReport, open_named};
use crate::{Home, Project, WorkflowError};

pub use report::{BaseReport, PairedReport, PluginDigest, RebaseReport, RungReport};
pub use rung::Rung;

/// How a recipe is moved to another base.
#[derive(Debug, Clone)]
pub struct RebaseOptions {
    /// The new base model, as a recipe would name it.
    pub base: String,
    /// Its license, for policies: the recipe's is that of the old one.
    pub license: Option<String>,
    /// The part of the epochs that a short training takes.
    pub replay: f64,
    /// Whether to train anew as well, to compare with.
    pub compare: bool,
    /// How many threads each transform may use.
    pub threads: usize,
}

/// What is in production.
struct Champion {
    state: AliasState,
    /// Its base model as the recipe of its run named it.
    base: String,
    digest: Digest,
    /// The plugins of its run: name and version, component.
    plugins: Vec<(String, Digest)>,
}

/// Moves what the recipe's alias names to another base model.
///
/// # Errors
/// The recipe promotes nothing, or its alias names nothing yet; the new base is the old one; its license is not said; as
/// [`crate::run`].
pub fn rebase(
    home: &Home,
    project: &Project,
    options: &RebaseOptions,
    observer: &mut dyn Observer,
) -> Result<RebaseReport, WorkflowError> {
    let recipe = &project.recipe;
    let champion = champion(home, project)?;
    let folder = open_named(home, project, &options.base)?;
    if folder.digest() == champion.digest {
        return Err(refused(format!(
            "what is in production has this base model already ({})",
            folder.digest().short()
        )));
    }
    let target = on_base(recipe, options)?;
    let rungs = rungs(home, project, &champion, &folder, options)?;
    let run_options = RunOptions { locked: false, once: true, threads: options.threads };
    let mut reports: Vec<(Rung, RunReport)> = Vec::new();
    for rung in rungs {
        let variant = project.variant(rung.recipe(&target, &champion.state.adapter, options.replay))?;
        let report = run::run(home, &variant, &run_options, observer)?;
        let promoted = report.decision == Decision::Promoted;
        reports.push((rung, report));
        if promoted {
            break;
        }
    }
    let compared = match reports.last() {
        Some((last, _)) if options.compare && *last != Rung::Retrain => {
            let mut recipe = Rung::Retrain.recipe(&target, &champion.state.adapter, options.replay);
            // It is compared, and takes nobody's place.
            recipe.promote = None;
            Some(run::run(home, &project.variant(recipe)?, &run_options, observer)?)
        }
        _ => None,
    };
    report::of(home, &champion, (project, &folder, options), reports, compared)
}

fn refused(problem: impl Into<String>) -> WorkflowError {
    WorkflowError::Rebase { problem: problem.into() }
}

fn champion(home: &Home, project: &Project) -> Result<Champion, WorkflowError> {
    let Some(promote) = &project.recipe.promote else {
        return Err(refused("the recipe has no `[promote]`, so that nothing of it is in production"));
    };
    let alias = promote.alias.to_string();
    let state = aliases::after(&home.ledger()?.entries()?).remove(&alias);
    let state = state.ok_or_else(|| refused(format!("`{alias}` names nothing yet; run the recipe first")))?;
    let lock = audit::resolved(home, &state.run)?.lock;
    Ok(Champion { state, plugins: report::components(&lock), base: lock.base.name, digest: lock.base.digest })
}

/// The recipe with the new base.
fn on_base(recipe: &Recipe, options: &RebaseOptions) -> Result<Recipe, WorkflowError> {
    let mut target = recipe.clone();
    target.base.model.clone_from(&options.base);
    if recipe.base.license.is_some() && options.license.is_none() {
        let problem = "the recipe says the license of the old base model; say that of the new one with `--license`";
        return Err(refused(problem));
    }
    target.base.license.clone_from(&options.license);
    target.start = None;
    Ok(target)
}

/// The rungs that can be climbed, in their order.
fn rungs(
    home: &Home,
    project: &Project,
    champion: &Champion,
    new: &ModelFolder,
    options: &RebaseOptions,
) -> Result<Vec<Rung>, WorkflowError> {
    let load = |folder: &ModelFolder, model: &str| {
        Model::load(folder).map_err(|source| WorkflowError::Model { model: model.into(), source })
    };
    let old = open_named(home, project, &champion.base).ok().filter(|folder| folder.digest() == champion.digest);
    let Some(old) = old else {
        let problem = format!(
            "what is in production belongs to base model `{}` ({}), which is needed to compare with and is not there",
            champion.base,
            champion.digest.short()
        );
        return Err(refused(problem));
    };
    let same = load(new, &options.base)?.has_shapes_of(&load(&old, &champion.base)?);
    Ok(Rung::ladder(same, project.recipe.adapter.method))
}
