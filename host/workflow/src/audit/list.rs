//! Which runs there were.

use freehold_core::digest::Digest;
use freehold_core::name::PluginName;
use freehold_core::record::Phase;
use freehold_core::verdict::Decision;
use jiff::Timestamp;
use semver::Version;
use serde::Serialize;

use super::past::{Past, PastRun};
use super::time::Moment;
use crate::{Home, WorkflowError, run};

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run.
    pub run: String,
    /// When its first phase began.
    pub started: Timestamp,
    /// The last phase that is done.
    pub phase: Phase,
    /// The decision; `None` while it is not recorded.
    pub decision: Option<Decision>,
    /// Why it was denied.
    pub reason: Option<String>,
    /// The adapter's manifest.
    pub adapter: Option<Digest>,
    /// Aliases that name it now.
    pub aliases: Vec<String>,
}

/// Which runs are wanted; what is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Runs of the recipe of this name, of this alias, or the run itself.
    pub model: Option<String>,
    /// Runs that used a plugin, in one version or in any.
    pub plugin: Option<(PluginName, Option<Version>)>,
    /// Runs with this decision; `Some(None)` for those that have none.
    pub decision: Option<Option<Decision>>,
    /// Runs that began then or later.
    pub since: Option<Moment>,
    /// Runs that began before, or on that day.
    pub until: Option<Moment>,
    /// How many at most, the newest; all if not said.
    pub limit: Option<usize>,
}

/// Runs in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// The runs, newest first.
    pub runs: Vec<RunSummary>,
    /// Whether older runs were left out because of the limit.
    pub more: bool,
}

/// The runs that are wanted, newest first.
///
/// # Errors
/// A record cannot be read.
pub fn list(home: &Home, filter: &Filter) -> Result<Listed, WorkflowError> {
    let past = Past::open(home)?;
    let mut listed = Listed { runs: Vec::new(), more: false };
    for name in past.runs().into_iter().rev() {
        let summary = summary(&past, name)?;
        if !filter.lets(&summary) || !filter.lets_plugins(&past, name)? {
            continue;
        }
        if filter.limit.is_some_and(|limit| listed.runs.len() >= limit) {
            listed.more = true;
            break;
        }
        listed.runs.push(summary);
    }
    Ok(listed)
}

impl Filter {
    fn lets(&self, summary: &RunSummary) -> bool {
        let of_recipe = |model: &str| {
            let number = summary.run.strip_prefix(model).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let is_model = |model: &String| summary.run == *model || of_recipe(model) || summary.aliases.contains(model);
        self.model.as_ref().is_none_or(is_model)
            && self.decision.is_none_or(|decision| summary.decision == decision)
            && self.since.is_none_or(|since| since.from <= summary.started)
            && self.until.is_none_or(|until| until.follows(summary.started))
    }

    fn lets_plugins(&self, past: &Past, name: &str) -> Result<bool, WorkflowError> {
        let Some((wanted, version)) = &self.plugin else { return Ok(true) };
        let lock = past.run(name)?.resolved()?.lock;
        let is_meant = |plugin: &freehold_core::lock::LockedPlugin| {
            plugin.name == *wanted && version.as_ref().is_none_or(|version| plugin.version == *version)
        };
        Ok(lock.plugin.iter().any(is_meant))
    }
}

/// A run in short.
pub(super) fn summary(past: &Past, name: &str) -> Result<RunSummary, WorkflowError> {
    let run: PastRun<'_> = past.run(name)?;
    let none = || WorkflowError::Record { what: name.into(), problem: "has no phase".into() };
    let (phase, _) = run.phases.last_key_value().ok_or_else(none)?;
    let record = run.record(Phase::Record).map(run::recorded).transpose()?;
    Ok(RunSummary {
        run: name.into(),
        started: run.started().ok_or_else(none)?,
        phase: *phase,
        decision: record.as_ref().map(|record| record.decision),
        reason: record.as_ref().and_then(|record| record.reason.clone()),
        adapter: record.as_ref().and_then(|record| record.adapter),
        aliases: past.aliases_of(name),
    })
}
