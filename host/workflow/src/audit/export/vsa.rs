//! The verdicts as a SLSA verification summary (VSA): <https://slsa.dev/spec/v1.1/verification_summary>.

use freehold_core::digest::Digest;
use freehold_core::record::Phase;
use freehold_core::verdict::Decision;
use freehold_trust::{ResourceDescriptor, Statement};
use serde_json::{Value, json};

use super::run::FinishedRun;
use crate::WorkflowError;
use crate::run::{self, BUILDER};

const VSA_TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// What the policies said, in a field of our own: the specification lets those have URIs for names, and others ignore them.
const VERDICTS: &str = "urn:freehold:verdicts:v1";

/// The policies are those of the lockfile, which pins their components and, by the recipe, their settings. A run that was denied
/// before it trained has no adapter: the summary is about what was asked for then.
pub(super) fn statement(run: &FinishedRun) -> Result<Statement, WorkflowError> {
    let resolve = run.record(Phase::Resolve)?;
    let lockfile = run::output_of(resolve, "lockfile")?;
    let subject = match run.phases.contains_key(&Phase::Train) {
        true => run.adapter_files()?.into_iter().map(|(name, digest)| ResourceDescriptor::new(name, digest)).collect(),
        false => vec![
            ResourceDescriptor::new("recipe", run::output_of(resolve, "recipe")?),
            ResourceDescriptor::new("lockfile", lockfile),
        ],
    };
    let (mut verdicts, mut passed) = (Vec::new(), Vec::new());
    for phase in [Phase::Admit, Phase::Promote] {
        let Some((_, record)) = run.phases.get(&phase) else { continue };
        let judged = run::judged(record)?;
        if judged.allowed {
            passed.push(format!("FREEHOLD_{}", phase.as_str().to_uppercase()));
        }
        verdicts.extend(judged.verdicts.iter().map(|policy| verdict(phase, policy)));
    }
    let promoted = run.report.decision == Decision::Promoted;
    let statements = run.phases.values().map(|(statement, _)| attestation(statement));
    let provenance = run.record(Phase::Record)?.outputs.iter().map(|output| attestation(&output.digest));
    let predicate = json!({
        "verifier": { "id": BUILDER },
        "timeVerified": run.record(Phase::Record)?.finished,
        "resourceUri": format!("urn:freehold:run:{}", run.name),
        "policy": {
            "uri": format!("urn:freehold:lockfile:{lockfile}"),
            "digest": { "sha256": lockfile.hex() },
        },
        "inputAttestations": statements.chain(provenance).collect::<Vec<_>>(),
        "verificationResult": if promoted { "PASSED" } else { "FAILED" },
        "verifiedLevels": if promoted { passed } else { vec!["FAILED".into()] },
        "slsaVersion": "1.1",
        VERDICTS: { "decision": run.report.decision, "reason": run.report.reason, "verdicts": verdicts },
    });
    Ok(Statement::new(subject, VSA_TYPE, predicate))
}

fn verdict(phase: Phase, policy: &run::JudgedPolicy) -> Value {
    json!({
        "policy": policy.plugin,
        "version": policy.version,
        "component": policy.component.hex(),
        "stage": phase,
        "outcome": policy.verdict.outcome,
        "code": policy.verdict.code,
        "reason": policy.verdict.reason,
    })
}

fn attestation(digest: &Digest) -> Value {
    json!({ "uri": format!("urn:freehold:statement:{digest}"), "digest": { "sha256": digest.hex() } })
}
