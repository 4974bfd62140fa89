//! What a pack says, for a reader who has nothing else.

use std::collections::BTreeMap;

use freehold_core::schema::Time;
use freehold_ledger::Extracted;
use freehold_trust::{Role, VerifiedRoot};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::contents::{LeftOut, contents};
use crate::WorkflowError;
use crate::audit::approvals::{Approval, approvals_of};
use crate::audit::past::Past;
use crate::run::RunReport;

/// What a pack says. It is to be believed as far as nothing was found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PackView {
    /// The run.
    pub run: String,
    /// How many entries the ledger had when the pack was made. What was entered later is not in it.
    pub size: u64,
    /// The root hash of the ledger then, in lowercase hexadecimal digits.
    pub root: String,
    /// When the last of these entries was written.
    #[schemars(with = "Option<Time>")]
    pub entered: Option<Timestamp>,
    /// How many entries the pack holds.
    pub entries: usize,
    /// Whether these are all of them. If not, others could concern the run that are not shown.
    pub whole: bool,
    /// The keys that may sign trust roots, by the first of them.
    pub root_keys: Vec<String>,
    /// Whether a key was given that has to have signed that root. If none was, the trust root is the pack's own word.
    pub root_key_given: bool,
    /// The newest trust root.
    pub trust_root: u64,
    /// Who signed the records of the run.
    pub recorded_by: Vec<String>,
    /// What the run came to; `None` if the pack does not show it.
    pub report: Option<RunReport>,
    /// Who approved it.
    pub approvals: Vec<Approval>,
    /// What each alias that ever named the run named then.
    pub aliases: BTreeMap<String, String>,
    /// What the pack does not hold, of what the run left.
    pub left_out: Vec<LeftOut>,
}

impl PackView {
    pub(in crate::audit) fn new(
        past: &Past,
        run: &str,
        extracted: &Extracted,
        root_key_given: bool,
    ) -> Result<Self, WorkflowError> {
        let past_run = past.run(run)?;
        let mut left_out = Vec::new();
        for (digest, extra) in contents(past, run)? {
            if let Some(extra) = extra
                && !past.store.contains(&digest)?
            {
                left_out.push(extra);
            }
        }
        left_out.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        let moved = past.ever_named(run)?;
        let aliases = past.aliases()?.iter().filter(|(alias, _)| moved.contains(alias));
        let root_keys = |root: &VerifiedRoot| root.keys_of(Role::Root).keys().map(ToString::to_string).collect();
        Ok(Self {
            run: run.into(),
            size: extracted.head.size,
            root: extracted.head.root_hex(),
            entered: past.entries().last().map(|(_, entry)| entry.time),
            entries: past.entries().len(),
            whole: extracted.is_whole(),
            root_keys: past.roots.first().map(root_keys).unwrap_or_default(),
            root_key_given,
            trust_root: past.roots.last().map_or(0, |root| root.version),
            recorded_by: past_run.signers().iter().map(ToString::to_string).collect(),
            report: past_run.report()?,
            approvals: approvals_of(past, run)?,
            aliases: aliases.map(|(alias, run)| (alias.to_string(), run.clone())).collect(),
            left_out,
        })
    }
}
