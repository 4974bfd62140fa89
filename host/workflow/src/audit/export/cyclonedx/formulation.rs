//! How the adapter came about: the run as a workflow, a task for each phase.

use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_core::record::{Material, Phase, PhaseRecord};
use serde_json::{Value, json};

use super::super::run::FinishedRun;
use super::{kept, property};

pub(super) fn of(run: &FinishedRun, refs: &BTreeSet<String>) -> Value {
    let phases = || run.phases.iter();
    let tasks: Vec<_> = phases().map(|(phase, (statement, record))| task(*phase, statement, record, refs)).collect();
    let names: Vec<_> = phases().map(|(phase, _)| format!("task/{phase}")).collect();
    let order = names.windows(2).map(|pair| json!({ "ref": pair[1], "dependsOn": [pair[0]] }));
    let mut workflow = json!({
        "bom-ref": "workflow",
        "uid": run.name,
        "name": run.recipe.run.name,
        "taskTypes": ["build", "test"],
        "tasks": tasks,
        "taskDependencies": order.collect::<Vec<_>>(),
    });
    let (first, last) = (run.phases.first_key_value(), run.phases.last_key_value());
    if let (Some((_, (_, first))), Some((_, (_, last)))) = (first, last) {
        workflow["timeStart"] = first.started.to_string().into();
        workflow["timeEnd"] = last.finished.to_string().into();
        workflow["properties"] = vec![property("key", first.key), property("trust-root", first.trust_root)].into();
    }
    json!({ "bom-ref": "formulation", "workflows": [workflow] })
}

fn task(phase: Phase, statement: &Digest, record: &PhaseRecord, refs: &BTreeSet<String>) -> Value {
    let kind = match phase {
        Phase::Train => "build",
        Phase::Admit | Phase::Evaluate | Phase::Promote => "test",
        Phase::Record => "release",
        Phase::Resolve | Phase::Transform | Phase::Tokenise => "other",
    };
    let output = match phase {
        Phase::Admit | Phase::Promote => "evidence",
        Phase::Evaluate => "metrics",
        Phase::Record => "attestation",
        _ => "artifact",
    };
    let inputs = record.inputs.iter().map(|material| json!({ "resource": resource(material, refs) }));
    let outputs = record.outputs.iter().map(|material| json!({ "type": output, "resource": resource(material, refs) }));
    let stated = json!({
        "type": "attestation",
        "resource": { "externalReference": kept("attestation", &format!("statement/{phase}"), statement) },
    });
    json!({
        "bom-ref": format!("task/{phase}"),
        "uid": format!("{}/{phase}", record.run),
        "name": phase,
        "taskTypes": [kind],
        "timeStart": record.started,
        "timeEnd": record.finished,
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.chain([stated]).collect::<Vec<_>>(),
    })
}

/// A component of this bill, or else a blob of the store.
fn resource(material: &Material, refs: &BTreeSet<String>) -> Value {
    match refs.contains(&material.name) {
        true => json!({ "ref": material.name }),
        false => json!({ "externalReference": kept("other", &material.name, &material.digest) }),
    }
}
