//! What a plugin, a key or a dataset touched, and what of that is in production.

use freehold_core::digest::Digest;
use freehold_core::name::{Alias, PluginName};
use freehold_core::record::Phase;
use freehold_core::verdict::Decision;
use freehold_trust::KeyId;
use jiff::Timestamp;
use semver::Version;
use serde::Serialize;

use super::approvals::approvals_of;
use super::past::{Past, PastRun};
use super::time::Moment;
use crate::{Home, WorkflowError, run};

/// What may have gone wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspect {
    /// A plugin, in one version or in all.
    Plugin(PluginName, Option<Version>),
    /// A key: what it signed, plugins, records and approvals.
    Key(KeyId),
    /// A dataset, an asset, or any other file, by its digest.
    Data(Digest),
}

/// A run that a suspect touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// The run.
    pub run: String,
    /// When it began.
    pub started: Timestamp,
    /// How it was touched.
    pub through: Vec<String>,
    /// The decision; `None` while it is not recorded.
    pub decision: Option<Decision>,
    /// The adapter that it made.
    pub adapter: Option<Digest>,
    /// Aliases that name the adapter now: it is in production.
    pub aliases: Vec<String>,
    /// Aliases that named it once.
    pub formerly: Vec<String>,
}

/// Every run that a suspect touched, oldest first; with `since`, only those that began then or later.
///
/// # Errors
/// A record cannot be read.
pub fn impact(home: &Home, suspect: &Suspect, since: Option<Moment>) -> Result<Vec<Touched>, WorkflowError> {
    let past = Past::open(home)?;
    let mut touched = Vec::new();
    for name in past.runs() {
        let past_run = past.run(name)?;
        let Some(started) = past_run.started().filter(|started| since.is_none_or(|since| since.from <= *started))
        else {
            continue;
        };
        let through = through(&past, &past_run, suspect)?;
        if through.is_empty() {
            continue;
        }
        let (aliases, ever_named) = (past.aliases_of(name), past.ever_named(name).into_iter().map(Alias::to_string));
        let record = past_run.record(Phase::Record).map(run::recorded).transpose()?;
        touched.push(Touched {
            run: name.into(),
            started,
            through,
            decision: record.map(|record| record.decision),
            adapter: past_run.adapter(),
            formerly: ever_named.filter(|alias| !aliases.contains(alias)).collect(),
            aliases,
        });
    }
    Ok(touched)
}

fn through(past: &Past, run: &PastRun<'_>, suspect: &Suspect) -> Result<Vec<String>, WorkflowError> {
    let resolved = run.resolved()?;
    let mut through = Vec::new();
    match suspect {
        Suspect::Plugin(name, version) => {
            let meant = resolved.lock.plugin.iter().filter(|plugin| plugin.name == *name);
            let meant = meant.filter(|plugin| version.as_ref().is_none_or(|version| plugin.version == *version));
            through.extend(meant.map(|plugin| format!("plugin {}@{}", plugin.name, plugin.version)));
        }
        Suspect::Key(key) => {
            let key = key.to_string();
            let signed = resolved.signers.iter().filter(|(_, signer)| **signer == key);
            through.extend(signed.map(|(plugin, _)| format!("signed plugin {plugin}")));
            let recorded = run.phases.values().filter(|phase| phase.signers.iter().any(|id| id.to_string() == key));
            let phases: Vec<&str> = recorded.map(|phase| phase.record.phase.as_str()).collect();
            if !phases.is_empty() {
                through.push(format!("signed the record of {}", phases.join(", ")));
            }
            let approvals = approvals_of(past, run.name)?;
            through.extend(approvals.iter().any(|approval| approval.approver == key).then(|| "approved it".to_owned()));
        }
        Suspect::Data(digest) => {
            for phase in run.phases.values() {
                let read = phase.record.inputs.iter().filter(|input| input.digest == *digest);
                through.extend(read.map(|input| format!("{} in phase {}", input.name, phase.record.phase)));
            }
        }
    }
    Ok(through)
}
