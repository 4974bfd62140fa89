//! A run that somebody wants to promote: what its records say for and against it.

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::record::Phase;
use freehold_core::verdict::{Decision, Stage};

use super::approvals::{Approval, approvals_of, needed};
use super::explain;
use super::past::Past;
use crate::{Home, WorkflowError, run};

/// What the records of a run say; each was verified when it was read.
pub(crate) struct Candidate {
    /// The decision; `None` while it is not recorded.
    pub(crate) decision: Option<Decision>,
    /// Why it was denied.
    pub(crate) reason: Option<String>,
    /// The statement that holds the decision.
    pub(crate) record: Option<Digest>,
    pub(crate) adapter: Option<Digest>,
    /// The first stage whose policies, judged anew, do not let it pass.
    pub(crate) not_passed: Option<Phase>,
    /// A plugin that it used and that was revoked since, and why.
    pub(crate) revoked: Option<String>,
    /// The adapter that was in production when it was measured.
    pub(crate) compared: Option<Digest>,
    /// The alias of its recipe.
    pub(crate) alias: Option<Alias>,
    /// How many have to approve under the newest trust root, if its recipe asks for that.
    pub(crate) needed: Option<usize>,
    pub(crate) approvals: Vec<Approval>,
    /// The aliases that ever named it.
    pub(crate) named_by: Vec<Alias>,
}

/// Reads what a run has to show for itself.
///
/// # Errors
/// There is no such run; a record or an approval does not hold.
pub(crate) fn candidate(home: &Home, name: &str) -> Result<Candidate, WorkflowError> {
    let past = Past::open(home)?;
    let own = past.run(name)?;
    let record = own.record(Phase::Record).map(run::recorded).transpose()?;
    let compared = own.record(Phase::Evaluate).map(run::evaluated).transpose()?.and_then(|detail| detail.production);
    let passed = |(phase, stage): (Phase, Stage)| own.record(phase).is_some_and(|judged| run::passed(stage, judged));
    let stages = [(Phase::Admit, Stage::Admit), (Phase::Promote, Stage::Promote)];
    let promote = own.recipe()?.promote;
    let asked = promote.as_ref().and_then(|promote| promote.approvals);
    Ok(Candidate {
        decision: record.as_ref().map(|record| record.decision),
        reason: record.and_then(|record| record.reason),
        record: own.phases.get(&Phase::Record).map(|record| record.statement),
        adapter: own.adapter(),
        not_passed: stages.into_iter().find(|stage| !passed(*stage)).map(|(phase, _)| phase),
        revoked: explain::of_run(&past, &own)?.revoked(),
        compared: compared.map(|production| production.adapter),
        alias: promote.map(|promote| promote.alias),
        needed: asked.map(|asked| needed(asked.needed, past.roots.last())),
        approvals: approvals_of(&past, name)?,
        named_by: past.ever_named(name)?,
    })
}
