//! The rows that a run was trained on, and rows of now after the same transforms. Nothing is recorded, and nothing is left behind.

use freehold_core::manifest::World;
use freehold_core::recipe::{DataSettings, Recipe, Split};
use freehold_core::record::Phase;
use freehold_drift::Reservoir;
use freehold_engine::{ChatTokenizer, Model};
use freehold_sandbox::Sandbox;
use freehold_trust::VerifiedRoot;

use super::dialogues::{Dialogue, Dialogues};
use super::journal::Carrier;
use super::plugins::{PluginLoader, ReadyPlugin};
use super::rehearsal::{Rehearsal, Scratch};
use super::report::{self, PluginReport};
use super::{key_of, reproduce, resolve, tokenise, train, transform};
use crate::observe::Observer;
use crate::statements::Recorder;
use crate::{Catalog, Home, Project, WorkflowError};

/// The folder of the home in which rows of now are kept meanwhile, and the lock that is held.
const FOLDER: &str = "drift";
/// The name of the rows of now among datasets.
const CURRENT: &str = "current";

/// What is compared.
pub(crate) struct Compared<'a> {
    /// The run.
    pub(crate) run: &'a str,
    /// The file with the rows of now, as a recipe would name it.
    pub(crate) current: &'a str,
    /// Rows of a side at most; drawn where there are more.
    pub(crate) rows_max: usize,
    /// Seed of what is drawn.
    pub(crate) seed: u64,
    /// How many threads each transform may use.
    pub(crate) threads: usize,
}

/// Rows of one side.
pub(crate) struct Side {
    /// How many came out of the transforms.
    pub(crate) rows: u64,
    /// Those that were drawn, in their order.
    pub(crate) drawn: Vec<Dialogue>,
}

/// Both sides, and what their rows are described with.
pub(crate) struct Sides {
    pub(crate) reference: Side,
    pub(crate) current: Side,
    /// What the transforms did to the rows of now.
    pub(crate) transforms: Vec<PluginReport>,
    /// The run's base model, without what was learned: it has seen neither side.
    pub(crate) model: Model,
    pub(crate) tokenizer: ChatTokenizer,
    /// The recipe's plugins that describe rows.
    pub(crate) descriptors: Vec<ReadyPlugin>,
}

/// Reads both sides.
///
/// # Errors
/// The run has transformed nothing; the base model or a transform is not what it was; the file is not what a dataset can be; as a
/// run before it trains.
pub(crate) fn sides(
    home: &Home,
    project: &Project,
    compared: &Compared<'_>,
    observer: &mut dyn Observer,
) -> Result<Sides, WorkflowError> {
    let Compared { run, rows_max, seed, threads, .. } = *compared;
    let (_scratch, scratch) = Scratch::make(home, FOLDER)?;
    let (recorder, store) = (Recorder::without_keys(home, scratch)?, home.store()?);
    let recorded = reproduce::past(&store, &recorder, run)?;
    let needed = |phase: Phase| {
        let problem = format!("phase {phase} of it has no statement");
        recorded.get(&phase).map(|(_, record)| record).ok_or(WorkflowError::Incomparable { run: run.into(), problem })
    };
    let (first, transformed) = (needed(Phase::Resolve)?, needed(Phase::Transform)?);
    let (recipe, lock) = reproduce::inputs(&store, first, run)?;
    let base = lock.base.digest;
    let as_recorded = project.with_recorded(of_current(recipe, compared), lock);
    let sandbox = home.sandbox()?;
    let resolved = resolve::resolve(home, &as_recorded, &recorder.root, &sandbox, true, observer)?;
    if resolved.lock.base.digest != base {
        let problem =
            format!("its base model was {base}; `{}` is {} now", resolved.lock.base.name, resolved.lock.base.digest);
        return Err(WorkflowError::Incomparable { run: run.into(), problem });
    }
    let descriptors = descriptors(home, project, &recorder.root, &sandbox)?;
    let reference = drawn(Dialogues::of_record(&store, transformed, Split::Train)?, rows_max, seed)?;
    let carrier = Carrier { recorder: &recorder, run: FOLDER, key: key_of(&resolved.lock)?, threads, meter: None };
    let mut rehearsal = Rehearsal::new(carrier, observer);
    let record = rehearsal
        .phase(Phase::Transform, |work| transform::transform_splits(&[Split::Train], &as_recorded, &resolved, work))?;
    let current = drawn(Dialogues::of_record(&recorder.store, &record, Split::Train)?, rows_max, seed)?;
    Ok(Sides {
        reference,
        current,
        transforms: transform::read(&record)?.into_iter().map(report::plugin).collect(),
        model: train::load_base(&as_recorded, &resolved)?,
        tokenizer: tokenise::tokenizer(&as_recorded, &resolved)?,
        descriptors,
    })
}

/// The recorded recipe with the rows of now in the place of those that were trained on, and without what they do not meet. They
/// have the labels that all of those have.
fn of_current(mut recipe: Recipe, compared: &Compared<'_>) -> Recipe {
    let (name, path) = (CURRENT.to_owned(), compared.current.to_owned());
    let mut trained = recipe.data.iter().filter(|data| data.split == Split::Train).map(|data| &data.labels);
    let mut labels = trained.next().cloned().unwrap_or_default();
    trained.for_each(|other| labels.retain(|label, value| other.get(label) == Some(value)));
    recipe.data = vec![DataSettings { name, path, split: Split::Train, share: None, labels }];
    (recipe.metric, recipe.policy, recipe.promote) = (Vec::new(), Vec::new(), None);
    recipe
}

/// The plugins that the recipe of now describes rows with, verified as any. A run asks none, so that no lockfile has them.
fn descriptors(
    home: &Home,
    project: &Project,
    root: &VerifiedRoot,
    sandbox: &Sandbox,
) -> Result<Vec<ReadyPlugin>, WorkflowError> {
    let path = &project.recipe.plugins.path;
    if project.recipe.descriptor.is_empty() {
        return Ok(Vec::new());
    }
    let catalog = Catalog::new(project.open_dir("plugins.path", path)?, path);
    let mut loader =
        PluginLoader { home, project, root, sandbox, catalog, lock: None, strict: false, assets: Default::default() };
    let load = project.recipe.descriptor.iter();
    load.map(|d| loader.load(World::Metric, (&d.plugin, &d.version), &d.settings, &d.grants)).collect()
}

fn drawn(mut dialogues: Dialogues, rows_max: usize, seed: u64) -> Result<Side, WorkflowError> {
    let mut reservoir = Reservoir::new(rows_max, seed);
    while let Some(some) = dialogues.next()? {
        some.into_iter().for_each(|dialogue| reservoir.push(dialogue));
    }
    Ok(Side { rows: reservoir.seen(), drawn: reservoir.into_rows() })
}
