//! Runs a case in the sandbox.

use std::collections::BTreeMap;

use freehold_core::batch::{Batch, Outcome};
use freehold_core::evidence::{Evidence, Value as Fact};
use freehold_core::limits::Usage;
use freehold_core::manifest::World;
use freehold_sandbox::{Grants, Plugin, SandboxError};
use serde::Serialize;
use toml::{Table, Value};

use super::compare::{DiffLine, Side, compare};
use super::rows::{rows_of, written};
use super::{Case, Difference, Input};

/// How a plugin failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// A short stable code.
    pub code: String,
    /// The author's message, or the host's.
    pub message: String,
    /// Where it panicked: `file:line:column`.
    pub location: Option<String>,
    /// The functions that it was in, a line each, the innermost first. No part of what is compared.
    #[serde(skip)]
    pub trace: Option<String>,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseReport {
    /// Name of the case.
    pub name: String,
    /// Whether all is as expected, and something was.
    pub passed: bool,
    /// What is not as expected.
    pub differences: Vec<Difference>,
    /// How the plugin failed, expected or not.
    pub broken: Option<Broken>,
    /// What it used; unknown for a policy that failed.
    pub usage: Option<Usage>,
    /// What came out, under the keys of `[expect]`.
    pub found: Table,
}

/// Runs `case` in a new instance of `plugin`.
pub fn run_case(plugin: &Plugin, case: &Case) -> CaseReport {
    let (result, usage) = match grants(plugin, case) {
        Ok(grants) => match (&case.input, plugin.manifest().world) {
            (Input::Rows(batches), World::Metric) => metric(plugin, grants, batches),
            (Input::Rows(batches), _) => transform(plugin, grants, batches),
            (Input::Evidence(evidence), _) => policy(plugin, grants, evidence),
        },
        Err(broken) => (Err(broken), None),
    };
    let (found, broken) = match result {
        Ok(found) => (found, None),
        Err(broken) => (Table::from_iter([("error".to_owned(), error_value(&broken))]), Some(broken)),
    };
    let expected = &case.written.expect;
    let differences = match expected.is_empty() {
        true => vec![unexpected(&found)],
        false => compare(expected, &found),
    };
    CaseReport { name: case.name.clone(), passed: differences.is_empty(), differences, broken, usage, found }
}

/// Everything that came out of a case that expects nothing.
fn unexpected(found: &Table) -> Difference {
    let line =
        |(key, value): (&String, &Value)| DiffLine { side: Side::Found, place: key.clone(), value: value.to_string() };
    Difference { key: "expect".into(), lines: found.iter().map(line).collect() }
}

/// The settings are completed and the grants checked as a run does it.
pub(crate) fn grants(plugin: &Plugin, case: &Case) -> Result<Grants, Broken> {
    let refused = |code: &str, message: String| Broken { code: code.into(), message, location: None, trace: None };
    let manifest = plugin.manifest();
    let settings = manifest.complete(&case.written.settings).map_err(|error| refused("settings", error.to_string()))?;
    if let Some(asset) = case.assets.keys().find(|asset| !manifest.asks_for_asset(asset)) {
        return Err(refused("grant", format!("plugin.toml does not ask for the asset `{asset}`")));
    }
    Ok(Grants::new(settings, case.assets.clone()))
}

impl From<SandboxError> for Broken {
    fn from(error: SandboxError) -> Self {
        let (code, trace) = (error.code().to_owned(), error.trace().map(str::to_owned));
        let (message, location) = match error {
            SandboxError::Panicked { message, location, .. } => (message, Some(location)),
            SandboxError::Refused { message, .. } => (message, None),
            other => (other.to_string(), None),
        };
        Self { code, message, location, trace }
    }
}

/// What a case can expect: the code, and the message where it is the author's. The place of a panic is not among it, because it
/// moves with every line.
fn error_value(broken: &Broken) -> Value {
    let mut table = Table::from_iter([("code".to_owned(), Value::from(broken.code.clone()))]);
    if ["panicked", "error", "settings", "grant"].contains(&broken.code.as_str()) {
        table.insert("message".into(), broken.message.clone().into());
    }
    Value::Table(table)
}

type Found = (Result<Table, Broken>, Option<Usage>);

fn numbers(values: impl IntoIterator<Item = u64>) -> Value {
    Value::Array(values.into_iter().map(|value| Value::Integer(value.cast_signed())).collect())
}

fn transform(plugin: &Plugin, grants: Grants, batches: &[Batch]) -> Found {
    let mut transform = match plugin.transform(grants) {
        Ok(transform) => transform,
        Err(error) => return (Err(error.into()), None),
    };
    let mut run = || -> Result<Vec<Outcome>, SandboxError> {
        let mut outcomes = Vec::new();
        transform.describe()?;
        for batch in batches {
            outcomes.push(transform.process(batch)?);
        }
        outcomes.push(transform.finish()?);
        Ok(outcomes)
    };
    let result = run().map(|outcomes| {
        let dropped = outcomes.iter().flat_map(|outcome| &outcome.dropped).map(|dropped| {
            let row = Value::Integer(dropped.row.cast_signed());
            Value::Table(
                [("row".to_owned(), row), ("reason".to_owned(), dropped.reason.clone().into())].into_iter().collect(),
            )
        });
        let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
        for count in outcomes.iter().flat_map(|outcome| &outcome.counts) {
            *counts.entry(&count.key).or_default() += match count.value {
                Fact::Integer(value) => value as f64,
                Fact::Number(value) => value,
                Fact::Boolean(_) | Fact::Text(_) => 0.0,
            };
        }
        let counts = counts.into_iter().map(|(key, count)| (key.to_owned(), written(count))).collect();
        Table::from_iter([
            ("rows".to_owned(), Value::Array(outcomes.iter().flat_map(rows_of).collect())),
            ("origins".to_owned(), numbers(outcomes.iter().flat_map(|outcome| outcome.origins.clone()))),
            ("dropped".to_owned(), Value::Array(dropped.collect())),
            ("counts".to_owned(), Value::Table(counts)),
        ])
    });
    (result.map_err(Broken::from), Some(transform.usage()))
}

fn metric(plugin: &Plugin, grants: Grants, batches: &[Batch]) -> Found {
    let mut metric = match plugin.metric(grants) {
        Ok(metric) => metric,
        Err(error) => return (Err(error.into()), None),
    };
    let mut run = || -> Result<Table, SandboxError> {
        let width = metric.describe()?.statistics.len();
        let (mut sums, mut statistics) = (vec![0.0; width], Vec::new());
        for batch in batches {
            for row in metric.statistics(batch)?.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
                statistics.push(Value::Array(row.iter().map(|number| written(*number)).collect()));
            }
        }
        let value = metric.values(&sums)?.first().copied().unwrap_or(0.0);
        Ok(Table::from_iter([
            ("value".to_owned(), written(value)),
            ("statistics".to_owned(), Value::Array(statistics)),
        ]))
    };
    (run().map_err(Broken::from), Some(metric.usage()))
}

fn policy(plugin: &Plugin, grants: Grants, evidence: &Evidence) -> Found {
    let (verdict, usage) = match plugin.policy() {
        Ok(policy) => policy.check(grants, evidence),
        Err(error) => return (Err(error.into()), None),
    };
    match verdict {
        Err(error) => (Err(error.into()), Some(usage)),
        Ok(verdict) => {
            let rests_on = verdict.rests_on.into_iter().map(Value::from).collect();
            let found = Table::from_iter([
                ("outcome".to_owned(), Value::from(verdict.outcome.as_str())),
                ("code".to_owned(), verdict.code.into()),
                ("reason".to_owned(), verdict.reason.into()),
                ("rests_on".to_owned(), Value::Array(rests_on)),
            ]);
            (Ok(found), Some(usage))
        }
    }
}
