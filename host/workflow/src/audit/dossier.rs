//! All that was recorded of a run, read once: what its page and the profiles are made of.

use freehold_core::recipe::Recipe;
use freehold_core::record::{Material, Phase};
use freehold_core::verdict::Stage;
use freehold_index::{Group, Mark, MarkKind, Wanted};
use freehold_trust::VerifiedRoot;

use super::approvals::needed;
use super::explain;
use super::past::{Past, PastPhase};
use super::preregistered::preregistered;
use super::{Bar, EntryView, Explanation, Finding, entries_of};
use crate::run::{self, EvaluateDetail, JudgedPolicy, PhaseReports, TrainDetail};
use crate::{Home, WorkflowError};

/// A run as its records say it, finished or not. Every statement was verified when it was read.
pub(super) struct Dossier {
    pub(super) explanation: Explanation,
    pub(super) reports: PhaseReports,
    /// The phases that ended, in order.
    pub(super) phases: Vec<PastPhase>,
    /// What the ledger has of it: phases, approvals, moves of aliases.
    pub(super) entries: Vec<EntryView>,
    pub(super) recipe: Recipe,
    pub(super) judged: Vec<(Stage, JudgedPolicy)>,
    pub(super) trained: Option<TrainDetail>,
    /// The loss of every step of the training.
    pub(super) losses: Option<Vec<f32>>,
    pub(super) measured: Option<EvaluateDetail>,
    /// The bars that it had to pass.
    pub(super) bars: Vec<Bar>,
    /// Why they were not set before the results.
    pub(super) bar_problems: Vec<Finding>,
    /// The trust root that was in force.
    pub(super) root: Option<VerifiedRoot>,
    /// The newest trust root: by it, what was revoked since is known.
    pub(super) newest_root: Option<VerifiedRoot>,
    /// The run of the same recipe before it.
    pub(super) previous: Option<String>,
    /// How many entries of the ledger witnesses cosigned.
    pub(super) witnessed: Option<u64>,
}

impl Dossier {
    /// # Errors
    /// There is no such run; a record cannot be read.
    pub(super) fn read(home: &Home, name: &str) -> Result<Self, WorkflowError> {
        let past = Past::open(home)?;
        let run = past.run(name)?;
        let explanation = explain::of_run(&past, &run)?;
        let (recipe, reports) = (run.recipe()?, run.phase_reports()?);
        let mut judged = Vec::new();
        for phase in [Phase::Admit, Phase::Promote] {
            let Some(record) = run.record(phase) else { continue };
            let detail = run::judged(record)?;
            judged.extend(detail.verdicts.into_iter().map(|policy| (detail.stage, policy)));
        }
        let (bars, bar_problems) = preregistered(&past, Some(name))?;
        Ok(Self {
            entries: entries_of(&past, name)?,
            trained: run.record(Phase::Train).map(run::trained).transpose()?,
            losses: run.losses()?,
            measured: run.record(Phase::Evaluate).map(run::evaluated).transpose()?,
            root: super::root_for(&past.roots, explanation.trust_root).cloned(),
            newest_root: past.roots.last().cloned(),
            previous: previous(&past, name, &recipe.run.name)?,
            witnessed: super::witnessed(home)?.map(|checkpoint| checkpoint.size),
            phases: run.phases.into_values().collect(),
            explanation,
            reports,
            recipe,
            judged,
            bars,
            bar_problems,
        })
    }

    pub(super) fn phase(&self, phase: Phase) -> Option<&PastPhase> {
        self.phases.iter().find(|past| past.record.phase == phase)
    }

    /// What a phase wrote under names that begin so.
    pub(super) fn outputs(&self, phase: Phase, prefix: &str) -> Vec<&Material> {
        let outputs = self.phase(phase).into_iter().flat_map(|past| &past.record.outputs);
        outputs.filter(|output| output.name.starts_with(prefix)).collect()
    }

    /// How many have to approve, by the recipe and the newest trust root; at least one.
    pub(super) fn approvals_needed(&self) -> usize {
        needed(self.approvals_asked().unwrap_or(0), self.newest_root.as_ref())
    }

    /// How many have to approve before the alias moves, by the recipe.
    pub(super) fn approvals_asked(&self) -> Option<usize> {
        Some(self.recipe.promote.as_ref()?.approvals?.needed)
    }
}

/// The newest run of the same recipe that began before this one: such runs have the recipe's name and a number.
fn previous(past: &Past, name: &str, recipe: &str) -> Result<Option<String>, WorkflowError> {
    let of_recipe = |run: &str| {
        let number = run.strip_prefix(recipe).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let group = Group { marks: vec![Mark::of(MarkKind::Recipe, recipe)], names: vec![name.into()] };
    let wanted = Wanted { groups: vec![group], ..Wanted::default() };
    // The newest come first: what comes after it began before it.
    let mut is_before = false;
    for run in past.wanted(&wanted) {
        let run = run?;
        if is_before && of_recipe(&run) {
            return Ok(Some(run));
        }
        is_before |= run == name;
    }
    Ok(None)
}
