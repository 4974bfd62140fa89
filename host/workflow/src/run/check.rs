//! A check: everything that a run does before it trains, without a trace. What phases keep goes to a store of the check's own,
//! which is removed; no key is opened, so that nothing can be signed; the lockfile stays as it is.

use freehold_core::record::Phase;
use freehold_core::verdict::Stage;
use freehold_engine::{Forecast, HeldOut, Training};
use serde::Serialize;

use super::journal::{Carrier, PhaseOutput, next_run};
use super::rehearsal::{Rehearsal, Scratch};
use super::report::{self, DatasetReport, PluginReport, PolicyReport};
use super::resolve::{self, Resolved};
use super::tokenise::{self, Prepared};
use super::validate::{CountSettings, DataProblem, Validation};
use super::{RunOptions, judge, key_of, train, transform};
use crate::observe::Observer;
use crate::statements::Recorder;
use crate::{Home, Project, WorkflowError};

/// The folder of the home in which a check keeps what it makes, and the lock that it holds meanwhile.
const FOLDER: &str = "check";

/// What a run would train on, and what that would take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The run that would be made.
    pub run: String,
    /// What would change in the lockfile, a line each.
    pub lockfile: Vec<String>,
    /// The datasets.
    pub datasets: Vec<DatasetReport>,
    /// The policies of stage admit.
    pub policies: Vec<PolicyReport>,
    /// Whether they admit the run. If not, no data was transformed.
    pub admitted: bool,
    /// The transforms.
    pub transforms: Vec<PluginReport>,
    /// What would be trained on, counted; what a run records of it is the same.
    pub validation: Option<Validation>,
    /// What stops a run before it trains; nothing if it would train.
    pub problems: Vec<ProblemReport>,
    /// What training would take, if nothing stops it. This depends on the machine, and no record speaks of it.
    pub forecast: Option<Forecast>,
    /// Bytes that this process has before the model is loaded, if whoever runs the check can say.
    pub resident_bytes: Option<u64>,
    /// Those and what the training holds when it holds most.
    pub memory_bytes: Option<u64>,
}

/// Something that stops a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemReport {
    /// What and where.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl From<DataProblem> for ProblemReport {
    fn from(problem: DataProblem) -> Self {
        Self { message: problem.to_string(), remedy: problem.remedy() }
    }
}

/// Does what a run of the recipe does before it trains, says what it would train on and what that would take, and leaves
/// nothing behind.
///
/// # Errors
/// As [`super::run`] before it trains, but for what of the data stops it, which is in the report.
pub fn check(
    home: &Home,
    project: &Project,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<CheckReport, WorkflowError> {
    let (_scratch, store) = Scratch::make(home, FOLDER)?;
    let recorder = Recorder::without_keys(home, store)?;
    let sandbox = home.sandbox()?;
    let resolved = resolve::resolve(home, project, &recorder.root, &sandbox, options.locked, observer)?;
    resolved.yanked().into_iter().for_each(|event| observer.observe(event));
    let mut report = CheckReport {
        run: next_run(&recorder.ledger.entries()?, &project.recipe),
        lockfile: resolve::moved(project, &resolved.lock, options.locked)?,
        datasets: Vec::new(),
        policies: Vec::new(),
        admitted: false,
        transforms: Vec::new(),
        validation: None,
        problems: Vec::new(),
        forecast: None,
        resident_bytes: None,
        memory_bytes: None,
    };
    let (run, key) = (report.run.clone(), key_of(&resolved.lock)?);
    let carrier = Carrier { recorder: &recorder, run: &run, key, threads: options.threads, meter: None };
    let mut rehearsal = Rehearsal::new(carrier, observer);
    rehearse(project, &resolved, &mut rehearsal, &mut report)?;
    Ok(report)
}

fn rehearse(
    project: &Project,
    resolved: &Resolved,
    rehearsal: &mut Rehearsal<'_>,
    report: &mut CheckReport,
) -> Result<(), WorkflowError> {
    let record = rehearsal.phase(Phase::Resolve, |work| resolve::record(project, resolved, work))?;
    report.datasets = resolve::read(&record)?.datasets.into_iter().map(report::dataset).collect();
    let record = rehearsal.phase(Phase::Admit, |work| judge::judge(Stage::Admit, project, resolved, None, work))?;
    report.policies = report::policies(&record)?;
    report.admitted = judge::read(&record)?.allowed;
    if !report.admitted {
        return Ok(());
    }
    let record = rehearsal.phase(Phase::Transform, |work| transform::transform(project, resolved, work))?;
    report.transforms = transform::read(&record)?.into_iter().map(report::plugin).collect();
    let mut prepared = None;
    rehearsal.phase(Phase::Tokenise, |work| {
        let settings = CountSettings::of(&project.recipe, &resolved.base);
        prepared = Some(tokenise::prepare(&tokenise::tokenizer(project, resolved)?, settings, work)?);
        PhaseOutput::new(Vec::new(), Vec::new(), &())
    })?;
    let Some(Prepared { examples, validation, .. }) = prepared else { return Ok(()) };
    report.problems = validation.problems().into_iter().map(ProblemReport::from).collect();
    let held_out = HeldOut { rows: validation.eval.rows as usize, tokens: validation.eval.lengths.p95 as usize };
    report.validation = Some(validation);
    // What stays as it is takes nothing.
    if report.problems.is_empty() && project.recipe.train.epochs > 0.0 {
        let recipe = &project.recipe;
        let model = train::load_base(project, resolved)?;
        let (adapter, train, seed) = (&recipe.adapter, &recipe.train, recipe.run.seed);
        let training = Training { model: &model, examples: &examples, adapter, train, seed, start: None };
        report.forecast = Some(freehold_engine::forecast(training, held_out)?);
    }
    Ok(())
}
