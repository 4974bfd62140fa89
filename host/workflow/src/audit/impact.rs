//! What a plugin, a key or a dataset touched, and what of that is in production.

use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_core::name::PluginName;
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_core::schema::Time;
use freehold_core::verdict::Decision;
use freehold_index::{Group, Mark, MarkKind, Wanted};
use freehold_trust::KeyId;
use jiff::Timestamp;
use schemars::JsonSchema;
use semver::Version;
use serde::Serialize;

use super::approvals::approvals_of;
use super::list::plugin_mark;
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Touched {
    /// The run.
    pub run: String,
    /// When it began.
    #[schemars(with = "Time")]
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

/// The runs that a suspect touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Touches {
    /// What is in production first, then the newest first.
    pub touched: Vec<Touched>,
    /// Whether others were left out because of the limit.
    pub more: bool,
}

/// The runs that a suspect touched; with `since`, only those that began then or later, and at most `limit`.
///
/// # Errors
/// A record cannot be read.
pub fn impact(
    home: &Home,
    suspect: &Suspect,
    since: Option<Moment>,
    limit: Option<usize>,
) -> Result<Touches, WorkflowError> {
    let past = Past::open(home)?;
    let wanted = Wanted {
        groups: vec![Group { marks: vec![suspect.mark()], names: Vec::new() }],
        since: since.map(|since| since.from),
        decision: None,
    };
    let live: BTreeSet<&str> = past.aliases()?.values().map(String::as_str).collect();
    let of_production = Wanted {
        groups: [
            wanted.groups.clone(),
            vec![Group { marks: vec![], names: live.iter().map(ToString::to_string).collect() }],
        ]
        .concat(),
        ..wanted.clone()
    };
    let others = past.wanted(&wanted).filter(|name| name.as_ref().map_or(true, |name| !live.contains(name.as_str())));
    let in_production =
        past.wanted(&of_production).filter(|name| name.as_ref().map_or(true, |name| live.contains(name.as_str())));
    let mut touches = Touches { touched: Vec::new(), more: false };
    for name in in_production.chain(others) {
        let Some(touched) = touched(&past, &name?, suspect, since)? else { continue };
        if limit.is_some_and(|limit| touches.touched.len() >= limit) {
            touches.more = true;
            break;
        }
        touches.touched.push(touched);
    }
    Ok(touches)
}

impl Suspect {
    fn mark(&self) -> Mark {
        match self {
            Self::Plugin(name, version) => plugin_mark(name, version.as_ref()),
            Self::Key(key) => Mark::of(MarkKind::Key, &key.to_string()),
            Self::Data(digest) => Mark::of(MarkKind::File, &digest.hex()),
        }
    }

    /// The phases whose statements say whether it touched a run, and what became of that.
    fn phases(&self) -> Vec<Phase> {
        match self {
            Self::Plugin(..) => vec![Phase::Resolve, Phase::Train, Phase::Record],
            Self::Key(_) | Self::Data(_) => Phase::ALL.to_vec(),
        }
    }
}

/// How a run was touched, if it was.
fn touched(
    past: &Past,
    name: &str,
    suspect: &Suspect,
    since: Option<Moment>,
) -> Result<Option<Touched>, WorkflowError> {
    let run = past.part(name, &suspect.phases())?;
    let Some(started) = run.started().filter(|started| since.is_none_or(|since| since.from <= *started)) else {
        return Ok(None);
    };
    let through = through(past, &run, suspect)?;
    if through.is_empty() {
        return Ok(None);
    }
    let aliases = past.aliases_of(name)?;
    let ever_named = past.ever_named(name)?.into_iter().map(|alias| alias.to_string());
    Ok(Some(Touched {
        run: name.into(),
        started,
        through,
        decision: run.record(Phase::Record).map(run::recorded).transpose()?.map(|record| record.decision),
        adapter: run.adapter(),
        formerly: ever_named.filter(|alias| !aliases.contains(alias)).collect(),
        aliases,
    }))
}

/// What a phase read, other phases' statements aside.
pub(super) fn files(record: &PhaseRecord) -> impl Iterator<Item = &Material> {
    record.inputs.iter().filter(|input| !input.name.starts_with("statement/"))
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
                let read = files(&phase.record).filter(|input| input.digest == *digest);
                through.extend(read.map(|input| format!("{} in phase {}", input.name, phase.record.phase)));
            }
        }
    }
    Ok(through)
}
