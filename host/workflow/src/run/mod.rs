//! A run from recipe to decision.

mod check;
mod checkpoints;
mod dialogues;
mod early_stopping;
mod evaluate;
mod evidence;
mod journal;
mod judge;
mod lineage;
mod measure;
mod metrics;
mod pipeline;
mod plugins;
mod provenance;
mod rehearsal;
mod report;
mod reproduce;
mod resolve;
mod sides;
mod spent;
mod start;
mod tokenise;
mod tokenised;
mod train;
mod transform;
mod validate;

use freehold_core::digest::Digest;
use freehold_core::lock::Lockfile;
use freehold_core::record::{Phase, PhaseRecord};
use freehold_core::verdict::Stage;

use crate::aliases::{self, Promotion};
use crate::energy::Meter;
use crate::observe::{Event, Observer};
use crate::statements::{Recorder, malformed};
use crate::{Home, Project, WorkflowError};

use journal::Journal;
use resolve::Resolved;

pub use check::{CheckReport, check};
pub(crate) use dialogues::Dialogue;
pub(crate) use evaluate::{EvaluateDetail, PREDICTIONS, read as evaluated};
pub(crate) use journal::output_of;
pub(crate) use judge::{JudgedPolicy, ask, read as judged};
pub(crate) use measure::{AnsweredRow, Asked, measure, statistics};
pub(crate) use metrics::{StepLine, steps};
pub(crate) use plugins::ReadyPlugin;
pub(crate) use provenance::{BUILDER, PROVENANCE, PROVENANCE_TYPE, RecordDetail, read as recorded};
pub use report::{DatasetReport, MetricReport, PluginReport, PolicyReport, RunReport, TrainingReport, Waiting};
pub(crate) use report::{PhaseReports, of_phases as phase_reports, of_records as report_of};
pub use reproduce::{Remade, Reproduction, reproduce};
pub(crate) use resolve::{
    ResolveDetail, component_output, document as lock_document, manifest_output, open_named, read as resolved,
};
pub(crate) use sides::{Compared, Side, Sides, sides};
pub use start::Brought;
pub(crate) use tokenise::TOKENS;
pub(crate) use train::{ADAPTER, LOSSES, TrainDetail, learned_of, read as trained};
pub use validate::{Bin, DataProblem, Lengths, NamedRow, Origin, Rows, SplitCounts, TooLong, Validation};

/// Whether the policies of a stage allowed the run, judged anew from their verdicts.
pub(crate) fn passed(stage: Stage, record: &PhaseRecord) -> bool {
    judge::read(record)
        .is_ok_and(|judged| judged.stage == stage && judged.allowed && judge::allows(stage, &judged.verdicts))
}

/// How a recipe is run.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Refuse to move the lockfile.
    pub locked: bool,
    /// Take a run of the same thing that was decided, moved no alias and was compared with what is in production now, rather than
    /// run again.
    pub once: bool,
    /// How many threads each transform may use; with one, reading and all transforms are done in the caller's. The result is
    /// the same with any number.
    pub threads: usize,
}

/// What a run is made of; the same key means the same run.
fn key_of(lock: &Lockfile) -> Result<Digest, WorkflowError> {
    let canonical = serde_json::to_value(lock).map_err(malformed("lockfile"))?.to_string();
    Ok(Digest::of(canonical.as_bytes()))
}

/// Runs a recipe, or goes on with a run that was interrupted.
pub fn run(
    home: &Home,
    project: &Project,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<RunReport, WorkflowError> {
    let meter = Meter::start(home.energy_settings()?, home.outside, options.threads);
    let recorder = Recorder::open(home)?;
    // An earlier process may have ended between an alias's entry and the index.
    aliases::follow(&recorder)?;
    let sandbox = home.sandbox()?;
    let resolved = resolve::resolve(home, project, &recorder.root, &sandbox, options.locked, observer)?;
    resolved.yanked().into_iter().for_each(|event| observer.observe(event));
    let moved = resolve::lock(project, &resolved.lock, options.locked)?;
    if !moved.is_empty() {
        observer.observe(Event::Locked(moved));
    }
    let key = key_of(&resolved.lock)?;
    let _lock = home.lock(&key.short())?;
    let mut journal = {
        let _naming = home.lock("runs")?;
        let mut journal = Journal::open(recorder, &project.recipe, key, options, &meter, observer)?;
        journal.phase(Phase::Resolve, |work| resolve::record(project, &resolved, work))?;
        journal
    };
    phases(home, project, &resolved, &mut journal)?;
    decide(home, project, &resolved, &mut journal)?;
    report::of(home, &journal)
}

fn phases(home: &Home, project: &Project, resolved: &Resolved, journal: &mut Journal<'_>) -> Result<(), WorkflowError> {
    let admitted = journal.phase(Phase::Admit, |work| judge::judge(Stage::Admit, project, resolved, None, work))?;
    if judge::read(&admitted)?.allowed {
        journal.phase(Phase::Transform, |work| transform::transform(project, resolved, work))?;
        journal.phase(Phase::Tokenise, |work| tokenise::tokenise(home, project, resolved, work))?;
        journal.phase(Phase::Train, |work| train::train(home, project, resolved, work))?;
        checkpoints::remove(home, &journal.run)?;
        let measured = journal.phase(Phase::Evaluate, |work| evaluate::evaluate(home, project, resolved, work))?;
        let measured = evaluate::read(&measured)?;
        journal.phase(Phase::Promote, |work| judge::judge(Stage::Promote, project, resolved, Some(&measured), work))?;
    }
    Ok(())
}

/// The decision is recorded, then the alias moves. No other run decides meanwhile, so that what the record says of production
/// is so when the alias moves.
fn decide(home: &Home, project: &Project, resolved: &Resolved, journal: &mut Journal<'_>) -> Result<(), WorkflowError> {
    let _deciding = home.lock(aliases::LOCK)?;
    journal.phase(Phase::Record, |work| provenance::record(home, project, resolved, work))?;
    let record = provenance::read(journal.record(Phase::Record)?)?;
    let (true, Some(alias), Some(adapter)) = (record.moves_alias(), &record.alias, record.adapter) else {
        return Ok(());
    };
    let compared = evaluate::read(journal.record(Phase::Evaluate)?)?.production.map(|production| production.adapter);
    let (run, record) = (journal.run.as_str(), journal.statement(Phase::Record)?);
    let promotion = Promotion { adapter, run, record, expected: compared, approvals: Vec::new() };
    aliases::promote(&journal.recorder, alias, promotion).map(|_| ())
}
