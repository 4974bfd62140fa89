//! What a plugin, a key or a dataset touched, and what of that is in production.

use freehold_core::digest::Digest;
use freehold_core::name::PluginName;
use freehold_core::record::Subject;
use freehold_core::verdict::Decision;
use freehold_trust::KeyId;
use jiff::Timestamp;
use semver::Version;
use serde::Serialize;

use super::past::{Past, PastRun};
use super::time::Moment;
use crate::{Home, WorkflowError};

/// What may have gone wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspect {
    /// A plugin, in one version or in all.
    Plugin(PluginName, Option<Version>),
    /// A key: what it signed, plugins and records.
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
        let run = past.run(name)?;
        let Some(started) = run.started().filter(|started| since.is_none_or(|since| since.from <= *started)) else {
            continue;
        };
        let through = through(&run, suspect)?;
        if through.is_empty() {
            continue;
        }
        let aliases = past.aliases_of(name);
        let record = run.record(freehold_core::record::Phase::Record).map(crate::run::recorded).transpose()?;
        touched.push(Touched {
            run: name.into(),
            started,
            through,
            decision: record.map(|record| record.decision),
            adapter: run.adapter(),
            formerly: formerly(&past, name).into_iter().filter(|alias| !aliases.contains(alias)).collect(),
            aliases,
        });
    }
    Ok(touched)
}

fn through(run: &PastRun<'_>, suspect: &Suspect) -> Result<Vec<String>, WorkflowError> {
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

/// Every alias that ever named what a run made.
fn formerly(past: &Past, name: &str) -> Vec<String> {
    let mut aliases: Vec<String> = Vec::new();
    for entry in &past.entries {
        if let Subject::Alias { alias, run, .. } = &entry.subject
            && run == name
            && !aliases.contains(&alias.to_string())
        {
            aliases.push(alias.to_string());
        }
    }
    aliases
}
