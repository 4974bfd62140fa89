//! Phases admit and promote: every policy of the stage is asked. One that gives no verdict denies.

use freehold_core::digest::Digest;
use freehold_core::evidence::Evidence;
use freehold_core::limits::Usage;
use freehold_core::record::{Material, PhaseRecord};
use freehold_core::verdict::{Decision, Outcome, Stage, Verdict};
use freehold_sandbox::{Grants, Plugin};
use serde::{Deserialize, Serialize};

use super::evaluate::EvaluateDetail;
use super::evidence;
use super::journal::{PhaseOutput, Work, detail};
use super::resolve::Resolved;
use crate::observe::progress;
use crate::statements::malformed;
use crate::{Project, WorkflowError};

/// One policy's verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JudgedPolicy {
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) component: Digest,
    pub(crate) settings: toml::Table,
    pub(crate) verdict: Verdict,
    /// What it used, with or without a verdict.
    pub(crate) usage: Usage,
}

/// What the statement of these phases says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JudgeDetail {
    pub(crate) stage: Stage,
    /// Whether the stage is passed.
    pub(crate) allowed: bool,
    pub(crate) verdicts: Vec<JudgedPolicy>,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<JudgeDetail, WorkflowError> {
    detail(record)
}

/// At stage admit, no policy means that nothing speaks against the run; at stage promote, that nothing speaks for it.
pub(crate) fn allows(stage: Stage, verdicts: &[JudgedPolicy]) -> bool {
    let nothing_asked = stage == Stage::Admit && verdicts.is_empty();
    nothing_asked || Decision::of(verdicts.iter().map(|policy| &policy.verdict)) == Decision::Promoted
}

pub(crate) fn judge(
    stage: Stage,
    project: &Project,
    resolved: &Resolved,
    measured: Option<&EvaluateDetail>,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let evidence = evidence::gather(stage, project, resolved, measured, work)?;
    let policies = project.recipe.policy.iter().zip(&resolved.policies);
    let asked: Vec<_> = policies.filter(|(settings, _)| settings.stage == stage).map(|(_, plugin)| plugin).collect();
    let mut verdicts = Vec::new();
    for (done, ready) in asked.iter().enumerate() {
        progress(work.observer, "policies", done, asked.len(), ready.locked.name.to_string());
        let (verdict, usage) = ask(&ready.plugin, &ready.grants, &evidence);
        verdicts.push(JudgedPolicy {
            plugin: ready.locked.name.to_string(),
            version: ready.locked.version.to_string(),
            component: ready.locked.component,
            settings: ready.grants.settings().clone(),
            verdict,
            usage,
        });
    }
    let name = format!("evidence/{}", stage.as_str());
    let bytes = serde_json::to_vec_pretty(&evidence).map_err(malformed("evidence"))?;
    let outputs = vec![Material::kept(name, work.store().put(&bytes)?)];
    let allowed = allows(stage, &verdicts);
    let policies = project.recipe.policy.iter().filter(|settings| settings.stage == stage);
    let inputs = resolved.assets(policies.flat_map(|settings| &settings.grants));
    PhaseOutput::new(inputs, outputs, &JudgeDetail { stage, allowed, verdicts })
}

/// What a policy says; one that gives no verdict denies.
pub(crate) fn ask(plugin: &Plugin, grants: &Grants, evidence: &Evidence) -> (Verdict, Usage) {
    let (asked, usage) = match plugin.policy() {
        Ok(policy) => policy.check(grants.clone(), evidence),
        Err(error) => (Err(error), Usage::default()),
    };
    let verdict = asked.unwrap_or_else(|error| {
        if let Some(trace) = error.trace() {
            tracing::info!(plugin = %plugin.manifest().name, "was in:\n{trace}");
        }
        let reason = format!("no verdict: {error}; {}", error.remedy());
        Verdict::denied_for_lack_of_one(error.code(), reason)
    });
    (bounded(verdict), usage)
}

/// A verdict of a size that a record can hold.
fn bounded(mut verdict: Verdict) -> Verdict {
    let short = |text: &str, limit: usize| text.chars().filter(|c| !c.is_control()).take(limit).collect::<String>();
    verdict.code = short(&verdict.code, 64);
    verdict.reason = short(&verdict.reason, 1000);
    verdict.rests_on.truncate(64);
    verdict.rests_on.iter_mut().for_each(|name| *name = short(name, 200));
    if verdict.code.is_empty() || verdict.reason.is_empty() {
        let reason = "the policy gave a verdict without a code or a reason".to_owned();
        verdict = Verdict { outcome: Outcome::Deny, code: "malformed-verdict".into(), reason, rests_on: vec![] };
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_policy_admits_but_never_promotes() {
        assert!(allows(Stage::Admit, &[]));
        assert!(!allows(Stage::Promote, &[]));
    }

    #[test]
    fn a_verdict_without_a_reason_denies() {
        let silent = Verdict { outcome: Outcome::Allow, code: "ok".into(), reason: "\n".into(), rests_on: vec![] };
        assert_eq!(bounded(silent).outcome, Outcome::Deny);
    }
}
