//! Which runs there were.

use freehold_core::digest::Digest;
use freehold_core::name::PluginName;
use freehold_core::record::Phase;
use freehold_core::schema::Time;
use freehold_core::verdict::Decision;
use freehold_index::{Group, Mark, MarkKind, Wanted};
use jiff::Timestamp;
use schemars::JsonSchema;
use semver::Version;
use serde::Serialize;

use super::past::Past;
use super::time::Moment;
use crate::{Home, WorkflowError, run};

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunSummary {
    /// The run.
    pub run: String,
    /// When its first phase began.
    #[schemars(with = "Time")]
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
    let wanted = filter.wanted(&past)?;
    for name in past.wanted(&wanted) {
        let name = name?;
        let summary = summary(&past, &name)?;
        if !filter.lets(&summary) || !filter.lets_plugins(&past, &name)? {
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
    /// Where to look for what it lets.
    fn wanted(&self, past: &Past) -> Result<Wanted, WorkflowError> {
        let mut groups = Vec::new();
        if let Some(model) = &self.model {
            let named = past.aliases()?.iter().filter(|(alias, _)| alias.to_string() == *model);
            let names = named.map(|(_, run)| run.clone()).chain([model.clone()]).collect();
            groups.push(Group { marks: vec![Mark::of(MarkKind::Recipe, model)], names });
        }
        if let Some((name, version)) = &self.plugin {
            groups.push(Group { marks: vec![plugin_mark(name, version.as_ref())], names: Vec::new() });
        }
        Ok(Wanted { groups, decision: self.decision, since: self.since.map(|since| since.from) })
    }

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
        let lock = past.part(name, &[Phase::Resolve])?.resolved()?.lock;
        let is_meant = |plugin: &freehold_core::lock::LockedPlugin| {
            plugin.name == *wanted && version.as_ref().is_none_or(|version| plugin.version == *version)
        };
        Ok(lock.plugin.iter().any(is_meant))
    }
}

/// A run in short.
pub(super) fn summary(past: &Past, name: &str) -> Result<RunSummary, WorkflowError> {
    let entries = past.phase_entries(name)?;
    let none = || WorkflowError::Record { what: name.into(), problem: "has no phase".into() };
    let phases = || entries.iter().map(|(_, phase, _)| *phase);
    let (first, last) = phases().min().zip(phases().max()).ok_or_else(none)?;
    // The first says when, the last what; those between need not be read.
    let run = past.part(name, &[first, Phase::Record])?;
    let record = run.record(Phase::Record).map(run::recorded).transpose()?;
    Ok(RunSummary {
        run: name.into(),
        started: run.started().ok_or_else(none)?,
        phase: last,
        decision: record.as_ref().map(|record| record.decision),
        reason: record.as_ref().and_then(|record| record.reason.clone()),
        adapter: record.as_ref().and_then(|record| record.adapter),
        aliases: past.aliases_of(name)?,
    })
}

/// The mark of a plugin, in one version or in all.
pub(super) fn plugin_mark(name: &PluginName, version: Option<&Version>) -> Mark {
    match version {
        Some(version) => Mark::of(MarkKind::Version, &format!("{name}@{version}")),
        None => Mark::of(MarkKind::Plugin, &name.to_string()),
    }
}
