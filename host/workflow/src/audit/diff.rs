//! What differs between two runs: base, data, plugins, settings, metrics, signers.

use std::collections::{BTreeMap, BTreeSet};

use freehold_core::record::Phase;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::past::{Past, PastRun};
use crate::statements::malformed;
use crate::{Home, WorkflowError, run};

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// What kind of thing: `base`, `data`, `plugin`, `asset`, `setting`, `metric`, `verdict`, `signer`, `decision`, `trust-root`.
    pub kind: &'static str,
    /// Which.
    pub what: String,
    /// What it was in the first run; `None` if there was none.
    pub before: Option<String>,
    /// What it is in the second.
    pub after: Option<String>,
}

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunDiff {
    /// The first.
    pub before: String,
    /// The second.
    pub after: String,
    /// Whether both are runs of the same recipe and lockfile.
    pub same_key: bool,
    /// What differs.
    pub changes: Vec<Change>,
}

/// How two runs, or the runs behind two models, differ.
///
/// # Errors
/// There is no such run; a record cannot be read.
pub fn diff(home: &Home, before: &str, after: &str) -> Result<RunDiff, WorkflowError> {
    let past = Past::open(home)?;
    let names = [past.run_of(before)?, past.run_of(after)?];
    let runs = [past.run(&names[0])?, past.run(&names[1])?];
    let facts = [facts(&runs[0])?, facts(&runs[1])?];
    let keys: BTreeSet<&Fact> = facts.iter().flat_map(BTreeMap::keys).collect();
    let change = |key: &Fact| {
        let [before, after] = [&facts[0], &facts[1]].map(|facts| facts.get(key).cloned());
        (before != after).then(|| Change { kind: key.0, what: key.1.clone(), before, after })
    };
    let changes = keys.into_iter().filter_map(change).collect();
    let key = |run: &PastRun<'_>| run.phases.values().next().map(|phase| phase.record.key);
    let same_key = key(&runs[0]) == key(&runs[1]);
    drop(runs);
    let [before, after] = names;
    Ok(RunDiff { before, after, same_key, changes })
}

type Fact = (&'static str, String);

/// All that can differ, by kind and name.
fn facts(run: &PastRun<'_>) -> Result<BTreeMap<Fact, String>, WorkflowError> {
    let resolved = run.resolved()?;
    let mut facts = BTreeMap::new();
    // Two of one name, such as a policy that is asked twice, are told together.
    let mut note = |kind, what: &str, value: String| {
        let together = |known: &mut String| *known = format!("{known}; {value}");
        facts.entry((kind, what.to_owned())).and_modify(together).or_insert_with(|| value.clone());
    };
    note("base", "model", resolved.lock.base.name.clone());
    note("base", "digest", resolved.lock.base.digest.to_string());
    for data in &resolved.lock.data {
        note("data", &data.name, data.digest.to_string());
    }
    for asset in &resolved.lock.asset {
        note("asset", &asset.name, asset.digest.to_string());
    }
    for plugin in &resolved.lock.plugin {
        note("plugin", &plugin.name.to_string(), format!("{} {}", plugin.version, plugin.component));
        if let Some(signer) = resolved.signers.get(&format!("{}@{}", plugin.name, plugin.version)) {
            note("signer", &format!("plugin {}", plugin.name), signer.clone());
        }
    }
    let recipe = serde_json::to_value(run.recipe()?).map_err(malformed("recipe"))?;
    settings("", &recipe, &mut |what, value| note("setting", what, value));
    if let Some(record) = run.record(Phase::Evaluate) {
        for measured in run::evaluated(record)?.measurements {
            note("metric", &format!("{} (adapted)", measured.metric), format!("{:.6}", measured.adapted.value));
            note("metric", &format!("{} (base)", measured.metric), format!("{:.6}", measured.base.value));
        }
    }
    for phase in [Phase::Admit, Phase::Promote] {
        let judged = run.record(phase).map(run::judged).transpose()?;
        for policy in judged.into_iter().flat_map(|judged| judged.verdicts) {
            let verdict = format!("{}: {}", policy.verdict.outcome.as_str(), policy.verdict.reason);
            note("verdict", &format!("{} at {phase}", policy.plugin), verdict);
        }
    }
    if let Some(record) = run.record(Phase::Record) {
        note("decision", "decision", run::recorded(record)?.decision.as_str().into());
    }
    let signers: Vec<String> = run.signers().iter().map(ToString::to_string).collect();
    note("signer", "recorders", signers.join(", "));
    if let Some(phase) = run.phases.values().next() {
        note("trust-root", "version", phase.record.trust_root.to_string());
    }
    Ok(facts)
}

/// The values of a document by their paths, such as `train.learning_rate` or `policy[0].settings.at_least`.
fn settings(path: &str, value: &Value, note: &mut impl FnMut(&str, String)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                settings(&below, value, note);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                settings(&format!("{path}[{index}]"), item, note);
            }
        }
        Value::Null => {}
        Value::String(text) => note(path, text.clone()),
        other => note(path, other.to_string()),
    }
}
