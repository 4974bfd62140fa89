//! The policy world. Each check gets a fresh instance, so that no verdict depends on one before it.

use freehold_core::evidence::{Attribute, Estimate, Evidence, Measurement, Subject, Value};
use freehold_core::limits::Usage;
use freehold_core::manifest::World;
use freehold_core::printable::printable;
use freehold_core::verdict::{Outcome, Stage, Verdict};

use crate::bindings::policy::PolicyPluginPre;
use crate::bindings::policy::exports::freehold::policy::policy as wit;
use crate::bindings::policy::freehold::types::types::AttributeValue;
use crate::instance::{Instance, MESSAGE_CHARACTERS_MAX};
use crate::platform::PluginState;
use crate::{CompiledWorld, Grants, Plugin, SandboxError};

/// A policy, ready to be asked.
pub struct Policy<'a> {
    plugin: &'a Plugin,
    pre: &'a PolicyPluginPre<PluginState>,
}

impl Plugin {
    /// The plugin as a policy.
    pub fn policy(&self) -> Result<Policy<'_>, SandboxError> {
        let CompiledWorld::Policy(pre) = &self.world else { return Err(self.wrong_world(World::Policy)) };
        Ok(Policy { plugin: self, pre })
    }
}

impl Policy<'_> {
    /// Asks for a verdict, and says what the policy used, with or without one.
    pub fn check(&self, grants: Grants, evidence: &Evidence) -> (Result<Verdict, SandboxError>, Usage) {
        match Instance::new(self.plugin, grants) {
            Ok(mut instance) => (self.ask(&mut instance, evidence), instance.usage()),
            Err(error) => (Err(error), Usage::default()),
        }
    }

    fn ask(&self, instance: &mut Instance, evidence: &Evidence) -> Result<Verdict, SandboxError> {
        let policy = instance.start(|store| self.pre.instantiate(store))?;
        let guest = policy.freehold_policy_policy();
        let evidence = evidence_to_wit(evidence);
        let verdict = instance.call(size_of(&evidence), |store| guest.call_check(store, &evidence))?;
        Ok(verdict_from_wit(verdict))
    }
}

fn verdict_from_wit(verdict: wit::Verdict) -> Verdict {
    let outcome = match verdict.outcome {
        wit::Outcome::Allow => Outcome::Allow,
        wit::Outcome::Warn => Outcome::Warn,
        wit::Outcome::Deny => Outcome::Deny,
    };
    // All of it is shown to people.
    let shown = |text: &String| printable(text, MESSAGE_CHARACTERS_MAX);
    let rests_on = verdict.rests_on.iter().map(shown).collect();
    Verdict { outcome, code: shown(&verdict.code), reason: shown(&verdict.reason), rests_on }
}

/// Bytes that are handed to the policy: its texts, and eight for every number beside them.
fn size_of(evidence: &wit::Evidence) -> u64 {
    let attributes = |attributes: &[wit::Attribute]| -> usize {
        let value = |value: &AttributeValue| if let AttributeValue::Text(text) = value { text.len() } else { 8 };
        attributes.iter().map(|attribute| attribute.key.len() + value(&attribute.value)).sum()
    };
    let subject = |it: &wit::Subject| it.name.len() + it.digest.len() + attributes(&it.attributes);
    let subjects = evidence.datasets.iter().chain(&evidence.plugins).chain(&evidence.production);
    let measured = evidence.measurements.iter().map(|it| it.metric.len() + 14 * 8 + attributes(&it.attributes));
    let rest = evidence.run.len() + subject(&evidence.base) + attributes(&evidence.attributes);
    (rest + subjects.map(subject).sum::<usize>() + measured.sum::<usize>()) as u64
}

fn attribute_to_wit(attribute: &Attribute) -> wit::Attribute {
    let value = match &attribute.value {
        Value::Text(value) => AttributeValue::Text(value.clone()),
        Value::Number(value) => AttributeValue::Number(*value),
        Value::Integer(value) => AttributeValue::Integer(*value),
        Value::Boolean(value) => AttributeValue::Boolean(*value),
    };
    wit::Attribute { key: attribute.key.clone(), value }
}

fn subject_to_wit(subject: &Subject) -> wit::Subject {
    wit::Subject {
        name: subject.name.clone(),
        digest: subject.digest.clone(),
        attributes: subject.attributes.iter().map(attribute_to_wit).collect(),
    }
}

fn estimate_to_wit(estimate: Estimate) -> wit::Estimate {
    wit::Estimate { value: estimate.value, low: estimate.low, high: estimate.high }
}

fn measurement_to_wit(measurement: &Measurement) -> wit::Measurement {
    wit::Measurement {
        metric: measurement.metric.clone(),
        higher_is_better: measurement.higher_is_better,
        rows: measurement.rows,
        confidence: measurement.confidence,
        base: estimate_to_wit(measurement.base),
        adapted: estimate_to_wit(measurement.adapted),
        production: measurement.production.map(estimate_to_wit),
        over_production: measurement.over_production.map(estimate_to_wit),
        attributes: measurement.attributes.iter().map(attribute_to_wit).collect(),
    }
}

fn evidence_to_wit(evidence: &Evidence) -> wit::Evidence {
    wit::Evidence {
        stage: match evidence.stage {
            Stage::Admit => wit::Stage::Admit,
            Stage::Promote => wit::Stage::Promote,
        },
        run: evidence.run.clone(),
        base: subject_to_wit(&evidence.base),
        datasets: evidence.datasets.iter().map(subject_to_wit).collect(),
        plugins: evidence.plugins.iter().map(subject_to_wit).collect(),
        measurements: evidence.measurements.iter().map(measurement_to_wit).collect(),
        production: evidence.production.as_ref().map(subject_to_wit),
        attributes: evidence.attributes.iter().map(attribute_to_wit).collect(),
    }
}
