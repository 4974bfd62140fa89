//! A run once more, from its recorded recipe and lockfile: does it give the same bits? Nothing is recorded.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::lock::Lockfile;
use freehold_core::recipe::Recipe;
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_store::Store;
use schemars::JsonSchema;
use serde::Serialize;

use super::journal::{Carrier, Done, output_of};
use super::rehearsal::{Rehearsal, Scratch};
use super::resolve::{self, Resolved};
use super::{checkpoints, evaluate, key_of, metrics, tokenise, train, transform};
use crate::audit::{no_run, run_names};
use crate::observe::Observer;
use crate::statements::{Recorder, malformed, phases_of, read_phase};
use crate::{Files, Home, Project, WorkflowError};

/// The folder of the home in which a reproduction keeps what it makes, its lock, and the name under which it trains.
const FOLDER: &str = "reproduce";

/// An output that was made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Remade {
    /// The phase.
    pub phase: Phase,
    /// The output.
    pub output: String,
    /// What was recorded.
    pub recorded: Digest,
    /// What came now; `None` if it did not come.
    pub now: Option<Digest>,
}

/// A run that was made again, as far as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reproduction {
    /// The run.
    pub run: String,
    /// Whether every output has the same bits.
    pub same: bool,
    /// Inputs that are not those of the record, the first first. If there is one, nothing was made again.
    pub other_inputs: Vec<String>,
    /// The outputs that were made again, up to the first phase in which one differs.
    pub remade: Vec<Remade>,
    /// The phase in which the first difference came.
    pub differs_in: Option<Phase>,
    /// Within what the record promises the same bits.
    pub promised: BTreeMap<String, String>,
}

/// Runs a recorded run again, its recipe and lockfile as they were recorded, with the files of a folder, and compares what comes
/// of each phase.
///
/// # Errors
/// There is no such run, or it has not trained; a file that the recipe names is not there; as [`super::run`].
pub fn reproduce(
    home: &Home,
    files: Files,
    run: &str,
    threads: usize,
    observer: &mut dyn Observer,
) -> Result<Reproduction, WorkflowError> {
    let (_scratch, store) = Scratch::make(home, FOLDER)?;
    let recorder = Recorder::without_keys(home, store)?;
    let recorded = past(&home.store()?, &recorder, run)?;
    let needed = |phase: Phase| {
        let problem = format!("has no phase {phase}, so that there is nothing to reproduce");
        recorded.get(&phase).map(|(_, record)| record).ok_or(WorkflowError::Record { what: run.into(), problem })
    };
    let (first, trained) = (needed(Phase::Resolve)?, needed(Phase::Train)?);
    let (recipe, lock) = inputs(&home.store()?, first, run)?;
    let mut project = Project::recorded(files, recipe, lock.clone());
    let mut reproduction = Reproduction {
        run: run.into(),
        same: false,
        other_inputs: Vec::new(),
        remade: Vec::new(),
        differs_in: None,
        promised: train::read(trained)?.determinism,
    };
    let sandbox = home.sandbox()?;
    let resolved = resolve::resolve(home, &project, &recorder.root, &sandbox, true, observer)?;
    reproduction.other_inputs = resolved.lock.moved_from(&lock);
    if !reproduction.other_inputs.is_empty() {
        return Ok(reproduction);
    }
    // What is in production now has nothing to do with it, and its adapter is in another store.
    project.recipe.promote = None;
    let carrier = Carrier { recorder: &recorder, run: FOLDER, key: key_of(&lock)?, threads, meter: None };
    let mut rehearsal = Rehearsal::new(carrier, observer);
    forget(home)?;
    rehearsal.phase(Phase::Resolve, |work| resolve::record(&project, &resolved, work))?;
    for phase in [Phase::Transform, Phase::Tokenise, Phase::Train, Phase::Evaluate] {
        let Some((_, before)) = recorded.get(&phase) else { break };
        let now = again(home, (&project, &resolved), phase, &mut rehearsal)?;
        let remade = compare(before, &now);
        let same = remade.iter().all(|output| output.now == Some(output.recorded));
        reproduction.remade.extend(remade);
        if !same {
            reproduction.differs_in = Some(phase);
            break;
        }
    }
    forget(home)?;
    reproduction.same = reproduction.differs_in.is_none();
    Ok(reproduction)
}

/// The phases of a run as they were recorded.
pub(super) fn past(store: &Store, recorder: &Recorder, run: &str) -> Result<Done, WorkflowError> {
    let entries = recorder.ledger.entries()?;
    let mut done = Done::new();
    for (phase, statement) in phases_of(&entries, run) {
        done.insert(phase, (*statement, read_phase(store, &recorder.roots, statement)?));
    }
    if done.is_empty() { Err(no_run(run, run_names(&entries).into_iter())) } else { Ok(done) }
}

/// Recipe and lockfile as phase resolve recorded them.
pub(super) fn inputs(store: &Store, resolved: &PhaseRecord, run: &str) -> Result<(Recipe, Lockfile), WorkflowError> {
    let kept = |name: &str| Ok::<_, WorkflowError>(store.get(&output_of(resolved, name)?)?);
    let recipe: Recipe = serde_json::from_slice(&kept("recipe")?).map_err(malformed("recipe"))?;
    let document = String::from_utf8_lossy(&kept("lockfile")?).into_owned();
    match Lockfile::parse(&document) {
        Ok(lock) => Ok((recipe, lock)),
        Err(error) => Err(WorkflowError::Toml { file: format!("lockfile of {run}"), document, error }),
    }
}

/// Removes what a training leaves in the home besides its record.
fn forget(home: &Home) -> Result<(), WorkflowError> {
    checkpoints::remove(home, FOLDER)?;
    metrics::remove(home, FOLDER)
}

fn again(
    home: &Home,
    (project, resolved): (&Project, &Resolved),
    phase: Phase,
    rehearsal: &mut Rehearsal<'_>,
) -> Result<PhaseRecord, WorkflowError> {
    rehearsal.phase(phase, |work| match phase {
        Phase::Transform => transform::transform(project, resolved, work),
        Phase::Tokenise => tokenise::tokenise_anew(project, resolved, work),
        Phase::Train => train::train(home, project, resolved, work),
        _ => evaluate::evaluate(home, project, resolved, work),
    })
}

/// What is compared: all outputs, but for what depends on what is in production now.
fn compare(before: &PhaseRecord, now: &PhaseRecord) -> Vec<Remade> {
    let production = format!("{}/production", evaluate::PREDICTIONS);
    let outputs = before.outputs.iter().filter(|output| output.name != production);
    let remade = |output: &Material| Remade {
        phase: before.phase,
        output: output.name.clone(),
        recorded: output.digest,
        now: output_of(now, &output.name).ok(),
    };
    outputs.map(remade).collect()
}
