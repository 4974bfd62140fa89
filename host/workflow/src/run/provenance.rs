//! Phase record: the decision, and SLSA provenance (v1) of the adapter for whoever did not watch.

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_core::spent::RunSpent;
use freehold_core::verdict::Decision;
use freehold_trust::{ResourceDescriptor, Statement};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::journal::{PhaseOutput, Work, detail, output_of};
use super::resolve::Resolved;
use super::spent;
use super::train;
use super::{evaluate, judge};
use crate::statements::malformed;
use crate::{Home, Project, WorkflowError, aliases, labels};

/// Predicate type of the provenance.
pub(crate) const PROVENANCE_TYPE: &str = "https://slsa.dev/provenance/v1";
const BUILD_TYPE: &str = "urn:freehold:run:v1";
/// Who carries out runs, as provenance names it.
pub(crate) const BUILDER: &str = "urn:freehold:host";
/// Name of the output: the signed provenance.
pub(crate) const PROVENANCE: &str = "provenance";

/// What the statement of this phase says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordDetail {
    pub(crate) decision: Decision,
    /// Why not, if not.
    pub(crate) reason: Option<String>,
    pub(crate) adapter: Option<Digest>,
    /// The alias that a promoted adapter gets.
    pub(crate) alias: Option<Alias>,
    /// How many have to approve before it does, if the recipe asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approvals_needed: Option<usize>,
    /// What the run used up; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spent: Option<RunSpent>,
}

impl RecordDetail {
    /// Whether the alias moves as soon as this is recorded: nobody has to approve.
    pub(crate) fn moves_alias(&self) -> bool {
        self.decision == Decision::Promoted && self.alias.is_some() && self.approvals_needed.is_none()
    }
}

pub(crate) fn read(record: &PhaseRecord) -> Result<RecordDetail, WorkflowError> {
    detail(record)
}

pub(crate) fn record(
    home: &Home,
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let (decision, reason) = decision(home, project, work)?;
    let adapter = match work.done.get(&Phase::Train) {
        Some((_, record)) => Some(output_of(record, train::ADAPTER)?),
        None => None,
    };
    let mut outputs = Vec::new();
    if adapter.is_some() {
        outputs.push(Material::kept(PROVENANCE, keep_provenance(project, resolved, decision, work)?));
    }
    let inputs =
        work.done.iter().map(|(phase, (statement, _))| Material::kept(format!("statement/{phase}"), *statement));
    let promote = project.recipe.promote.as_ref();
    let alias = promote.map(|promote| promote.alias.clone());
    let approvals_needed = promote.and_then(|promote| promote.approvals).map(|approvals| approvals.needed);
    let spent = spent::until_now(work)?;
    let detail = RecordDetail { decision, reason, adapter, alias, approvals_needed, spent };
    PhaseOutput::new(inputs.collect(), outputs, &detail)
}

/// Promoted only if both stages were passed - a stage that was not reached was not - production is still what was compared, and the
/// labels of what was made let it have the alias.
fn decision(home: &Home, project: &Project, work: &Work<'_>) -> Result<(Decision, Option<String>), WorkflowError> {
    for phase in [Phase::Admit, Phase::Promote] {
        let Some((_, record)) = work.done.get(&phase) else {
            return Ok((Decision::Denied, Some(format!("stage {phase} was not reached"))));
        };
        let judged = judge::read(record)?;
        if !judged.allowed {
            let denied = judged.verdicts.iter().find(|policy| policy.verdict.outcome.as_str() == "deny");
            let reason = match denied {
                Some(policy) => format!("{} at stage {phase}: {}", policy.plugin, policy.verdict.reason),
                None => format!("no policy at stage {phase} speaks for promotion"),
            };
            return Ok((Decision::Denied, Some(reason)));
        }
    }
    if let Some(promote) = &project.recipe.promote {
        let compared = evaluate::read(work.before(Phase::Evaluate)?)?.production.map(|production| production.adapter);
        if compared != aliases::adapter_of(&promote.alias, &work.recorder.ledger.entries()?) {
            let reason = format!("`{}` was moved after this run was compared with it; run again", promote.alias);
            return Ok((Decision::Denied, Some(reason)));
        }
        // The rules of the home may be others than when the run began.
        let adapter = output_of(work.before(Phase::Train)?, train::ADAPTER)?;
        if let Err(denial) = labels::may_promote(home, &adapter, &promote.alias) {
            return Ok((Decision::Denied, Some(denial.to_string())));
        }
    }
    Ok((Decision::Promoted, None))
}

fn keep_provenance(
    project: &Project,
    resolved: &Resolved,
    decision: Decision,
    work: &Work<'_>,
) -> Result<Digest, WorkflowError> {
    let trained = work.before(Phase::Train)?;
    let prefix = format!("{}/", train::ADAPTER);
    let files = trained.outputs.iter().filter_map(|output| Some((output.name.strip_prefix(&prefix)?, output.digest)));
    let subject = files.map(|(name, digest)| ResourceDescriptor::new(name, digest)).collect();
    let resolve = work.before(Phase::Resolve)?;
    let dependencies: Vec<_> =
        resolve.inputs.iter().map(|input| ResourceDescriptor::new(&input.name, input.digest)).collect();
    let byproducts: Vec<_> = work
        .done
        .iter()
        .map(|(phase, (statement, _))| ResourceDescriptor::new(format!("statement/{phase}"), *statement))
        .collect();
    let recipe = serde_json::to_value(&project.recipe).map_err(malformed("recipe"))?;
    let predicate = json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": { "recipe": recipe },
            "internalParameters": {
                "trustRoot": work.recorder.root.version,
                "lockfile": resolved.lock,
                "decision": decision,
            },
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": {
                "id": BUILDER,
                "version": { "freehold": env!("CARGO_PKG_VERSION") },
            },
            "metadata": {
                "invocationId": work.run,
                "startedOn": resolve.started,
                "finishedOn": Timestamp::now(),
            },
            "byproducts": byproducts,
        },
    });
    work.recorder.keep(&Statement::new(subject, PROVENANCE_TYPE, predicate))
}
