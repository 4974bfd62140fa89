//! Whether rows of now are as those that a run was trained on.
//!
//! Descriptors say what a row is like: the engine's (length, perplexity, mean hidden state), and those of plugins. A plugin that
//! describes rows is one of world metric: its statistics are numbers for each row already, and a world of its own would be the same
//! functions under another name.

mod describe;
mod distribution;
mod page;

use freehold_core::record::{Entry, Phase, Subject};
use freehold_drift::{Comparison, DriftError, Settings, compare};
use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::Observer;
use crate::run::{self, Compared, PluginReport, Side, Sides};
use crate::{Home, Project, WorkflowError, aliases, audit};

pub use describe::Described;
pub use distribution::{Distribution, DistributionBin};

/// How rows are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftOptions {
    /// The file with the rows of now: below the recipe, or absolute and below a folder that the operator allows.
    pub current: String,
    /// Whose rows they are compared with: an alias, a run or an adapter. What the recipe's alias names if not said, or else its
    /// newest run that has transformed data.
    pub model: Option<String>,
    /// Rows of a side at most; drawn where there are more.
    pub rows_max: usize,
    /// How many threads each transform may use.
    pub threads: usize,
    /// What decides.
    pub settings: Settings,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Something has changed.
    Drift,
    /// Nothing has changed that is large enough to matter and not by chance.
    NoDrift,
    /// There are too few rows to say.
    TooFewRows,
}

/// Rows of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SideReport {
    /// Rows that came out of the transforms.
    pub rows: u64,
    /// Those that were drawn and compared.
    pub compared: u64,
}

impl SideReport {
    fn of(side: &Side) -> Self {
        Self { rows: side.rows, compared: side.drawn.len() as u64 }
    }
}

/// Rows of now beside those that a run was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DriftReport {
    /// The answer.
    pub answer: Answer,
    /// The run.
    pub run: String,
    /// The file with the rows of now.
    pub current_file: String,
    /// What the run was trained on.
    pub reference: SideReport,
    /// The rows of now.
    pub current: SideReport,
    /// What the transforms did to the rows of now.
    pub transforms: Vec<PluginReport>,
    /// What rows were described by.
    pub descriptors: Vec<Described>,
    /// The statistics, and what has changed.
    pub comparison: Comparison,
    /// How descriptors are distributed on both sides.
    pub distributions: Vec<Distribution>,
    /// What decided.
    pub settings: Settings,
}

impl DriftReport {
    /// The report as a page for people. The same report gives the same bytes.
    pub fn to_html(&self) -> Vec<u8> {
        page::page(self)
    }
}

/// Compares the rows of a file, after the transforms of a run, with the rows that the run was trained on. Nothing is recorded.
///
/// # Errors
/// There is no such run, or it has transformed nothing; base model or transforms are not what they were; as a run before it
/// trains; a setting is not possible.
pub fn drift(
    home: &Home,
    project: &Project,
    options: &DriftOptions,
    observer: &mut dyn Observer,
) -> Result<DriftReport, WorkflowError> {
    let DriftOptions { current, model, rows_max, threads, settings } = options;
    settings.check()?;
    if *rows_max < settings.rows_min {
        let (found, expected) = (rows_max.to_string(), "at least the rows that each side has to have");
        return Err(DriftError::Setting { key: "rows", found, expected }.into());
    }
    let run = match model {
        Some(model) => audit::run_of(home, model)?,
        None => run_of_recipe(home, project)?,
    };
    let compared = Compared { run: &run, current, rows_max: *rows_max, seed: settings.seed, threads: *threads };
    let sides = run::sides(home, project, &compared, observer)?;
    let (descriptors, reference, now) = describe::describe(project, &sides, settings.seed, observer)?;
    let comparison = compare(&reference, &now, settings)?;
    let answer = match (comparison.enough_rows, comparison.drifted.is_empty()) {
        (false, _) => Answer::TooFewRows,
        (true, true) => Answer::NoDrift,
        (true, false) => Answer::Drift,
    };
    let Sides { reference: before, current: after, transforms, .. } = sides;
    Ok(DriftReport {
        answer,
        run,
        current_file: current.clone(),
        reference: SideReport::of(&before),
        current: SideReport::of(&after),
        transforms,
        descriptors,
        comparison,
        distributions: distribution::of(&reference, &now),
        settings: settings.clone(),
    })
}

/// The run that the recipe's alias names, or else its newest that has transformed data.
fn run_of_recipe(home: &Home, project: &Project) -> Result<String, WorkflowError> {
    let entries = home.ledger()?.entries()?;
    let recipe = &project.recipe;
    if let Some(promote) = &recipe.promote
        && let Some(state) = aliases::after(&entries).remove(&promote.alias.to_string())
    {
        return Ok(state.run);
    }
    let of_recipe = |entry: &Entry| match &entry.subject {
        Subject::Phase { run, phase: Phase::Transform, .. } => {
            let number = run.strip_prefix(&recipe.run.name)?.strip_prefix('-')?;
            number.parse::<u64>().ok().map(|_| run.clone())
        }
        _ => None,
    };
    let none = || WorkflowError::NoRun {
        run: recipe.run.name.clone(),
        hint: "no run of this recipe has transformed data yet; `freehold run` makes one, `--model` names another"
            .into(),
    };
    entries.iter().rev().find_map(of_recipe).ok_or_else(none)
}
