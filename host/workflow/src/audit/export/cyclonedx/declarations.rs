//! What the policies said, as claims about the adapter with the evidence that they rest on. The policies of the run are the
//! standard that it was held to.

use freehold_core::record::Phase;
use freehold_core::verdict::Outcome;
use serde_json::{Value, json};

use super::super::run::FinishedRun;
use super::{ADAPTER_REF, property};
use crate::WorkflowError;
use crate::run::{self, JudgedPolicy};

const ASSESSOR: &str = "assessor";

/// A verdict with the names of its requirement, claim and evidence.
struct Judged {
    phase: Phase,
    requirement: String,
    claim: String,
    evidence: String,
    policy: JudgedPolicy,
}

fn judged(run: &FinishedRun) -> Result<Vec<Judged>, WorkflowError> {
    let mut all = Vec::new();
    for phase in [Phase::Admit, Phase::Promote] {
        let Some((_, record)) = run.phases.get(&phase) else { continue };
        for (index, policy) in run::judged(record)?.verdicts.into_iter().enumerate() {
            let name = |kind: &str| format!("{kind}/{phase}/{index}");
            let (requirement, claim, evidence) = (name("policy"), name("claim"), format!("evidence/{phase}"));
            all.push(Judged { phase, requirement, claim, evidence, policy });
        }
    }
    Ok(all)
}

pub(super) fn of(run: &FinishedRun) -> Result<Value, WorkflowError> {
    let judged = judged(run)?;
    let evidence = run.phases.iter().filter(|(phase, _)| matches!(phase, Phase::Admit | Phase::Promote));
    let evidence = evidence.map(|(phase, (statement, record))| {
        json!({
            "bom-ref": format!("evidence/{phase}"),
            "propertyName": format!("statement/{phase}"),
            "created": record.finished,
            "data": [{ "name": format!("statement/{phase}"), "contents": { "url": format!("urn:freehold:blob:{statement}") } }],
        })
    });
    Ok(json!({
        "assessors": [{ "bom-ref": ASSESSOR, "thirdParty": false }],
        "attestations": [{
            "summary": format!("{}: {}", run.name, run.report.decision.as_str()),
            "assessor": ASSESSOR,
            "map": judged.iter().map(mapped).collect::<Vec<_>>(),
        }],
        "claims": judged.iter().map(claim).collect::<Vec<_>>(),
        "evidence": evidence.collect::<Vec<_>>(),
    }))
}

fn mapped(judged: &Judged) -> Value {
    let denied = judged.policy.verdict.outcome == Outcome::Deny;
    json!({
        "requirement": judged.requirement,
        if denied { "counterClaims" } else { "claims" }: [judged.claim],
        "conformance": { "score": if denied { 0 } else { 1 }, "rationale": judged.policy.verdict.reason },
    })
}

fn claim(judged: &Judged) -> Value {
    let JudgedPolicy { plugin, version, verdict, .. } = &judged.policy;
    json!({
        "bom-ref": judged.claim,
        "target": ADAPTER_REF,
        "predicate": format!("{plugin} {version} at stage {}: {} ({})", judged.phase, verdict.outcome.as_str(), verdict.code),
        "reasoning": verdict.reason,
        "evidence": [judged.evidence],
    })
}

/// The policies of the run, each a requirement with its settings.
pub(super) fn policies(run: &FinishedRun) -> Result<Value, WorkflowError> {
    let requirement = |judged: &Judged| {
        let JudgedPolicy { plugin, version, component, settings, .. } = &judged.policy;
        let settings = serde_json::to_string(settings).unwrap_or_default();
        json!({
            "bom-ref": judged.requirement,
            "identifier": format!("{plugin}@{version}"),
            "text": format!("{plugin} allows the run at stage {}", judged.phase),
            "properties": [property("component", component), property("settings", settings)],
        })
    };
    Ok(json!({
        "bom-ref": "policies",
        "name": format!("Policies of {}", run.recipe.run.name),
        "version": run.name,
        "requirements": judged(run)?.iter().map(requirement).collect::<Vec<_>>(),
    }))
}
