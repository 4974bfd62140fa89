//! The policy world. Each check gets a fresh instance, so that no verdict depends on one before it.

use freehold_core::evidence::{Estimate, Evidence, Measurement, Subject};
use freehold_core::manifest::World;
use freehold_core::verdict::{Outcome, Stage, Verdict};

use crate::bindings::policy::PolicyPluginPre;
use crate::bindings::policy::exports::freehold::policy::policy as wit;
use crate::convert::attribute_to_wit;
use crate::instance::{Instance, Usage};
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
    /// Asks for a verdict.
    pub fn check(&self, grants: Grants, evidence: &Evidence) -> Result<(Verdict, Usage), SandboxError> {
        let mut instance = Instance::new(self.plugin, grants)?;
        let policy = self.pre.instantiate(&mut instance.store).map_err(|error| instance.failure(&error))?;
        let guest = policy.freehold_policy_policy();
        let verdict = instance.call(|store| guest.call_check(store, &evidence_to_wit(evidence)))?;
        Ok((verdict_from_wit(verdict), instance.usage()))
    }
}

fn verdict_from_wit(verdict: wit::Verdict) -> Verdict {
    let outcome = match verdict.outcome {
        wit::Outcome::Allow => Outcome::Allow,
        wit::Outcome::Warn => Outcome::Warn,
        wit::Outcome::Deny => Outcome::Deny,
    };
    Verdict { outcome, code: verdict.code, reason: verdict.reason, rests_on: verdict.rests_on }
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
