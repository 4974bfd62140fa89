//! What a pack of a run has to hold, and what it may leave out. The statements say it, which are signed, and never the pack.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Subject};
use schemars::JsonSchema;
use serde::Serialize;

use crate::WorkflowError;
use crate::audit::past::Past;
use crate::run::{ADAPTER, PREDICTIONS, TOKENS};

/// What a pack may leave out: it is large, or not for every reader. Its digest is in the statements all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Extra {
    /// The weights of the adapter or model.
    Weights,
    /// Rows that the transforms let through, what became of each, tokens, and answers of the models.
    Data,
    /// The components of plugins. Their signed manifests are always there.
    Plugins,
}

impl Extra {
    /// Which of them it is that a statement calls by this name; `None` if it may not be left out.
    pub(in crate::audit) fn of(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('/')?;
        match kind {
            ADAPTER if rest.ends_with(".safetensors") => Some(Self::Weights),
            "plugin" => Some(Self::Plugins),
            "rows" | "lineage" | PREDICTIONS => Some(Self::Data),
            _ if name == TOKENS => Some(Self::Data),
            _ => None,
        }
    }

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Data => "data",
            Self::Plugins => "plugins",
        }
    }
}

/// Something that a pack does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOut {
    /// What kind of thing it is.
    pub kind: Extra,
    /// What the statements call it.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
}

/// Whether an entry of the ledger is about a run or about who may sign: then its statement belongs to the evidence of the run.
pub(in crate::audit) fn concerns(entry: &Entry, of: &str) -> bool {
    match &entry.subject {
        Subject::Phase { run, .. } | Subject::Alias { run, .. } | Subject::Approval { run, .. } => run == of,
        Subject::TrustRoot { .. } => true,
    }
}

/// Every blob that belongs to the evidence of a run, and what it is if it may be left out. What goes by several names may be left
/// out only if it may be by each.
pub(in crate::audit) fn contents(past: &Past, run: &str) -> Result<BTreeMap<Digest, Option<LeftOut>>, WorkflowError> {
    let mut contents: BTreeMap<Digest, Option<LeftOut>> = BTreeMap::new();
    let phases = past.run(run)?.phases;
    for material in phases.values().flat_map(|phase| phase.record.inputs.iter().chain(&phase.record.outputs)) {
        if !material.kept {
            continue;
        }
        let (name, digest) = (material.name.clone(), material.digest);
        let extra = Extra::of(&name).map(|kind| LeftOut { kind, name, digest });
        let known = contents.entry(digest).or_insert_with(|| extra.clone());
        if extra.is_none() {
            *known = None;
        }
    }
    let entries = || past.entries().iter().map(|(_, entry)| entry);
    let statements = entries().filter(|entry| concerns(entry, run)).map(|entry| (entry.statement, None));
    // Trust roots are files of their own.
    let roots = entries().filter(|entry| matches!(entry.subject, Subject::TrustRoot { .. }));
    let roots: Vec<Digest> = roots.map(|entry| entry.statement).collect();
    contents.extend(statements.filter(|(statement, _)| !roots.contains(statement)));
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_large_or_private_may_be_left_out() {
        for (name, extra) in [
            ("adapter/adapter_model.safetensors", Some(Extra::Weights)),
            ("adapter/model.safetensors", Some(Extra::Weights)),
            ("adapter", None),
            ("adapter/adapter_config.json", None),
            ("adapter/", None),
            ("plugin/freehold/redact-pii", Some(Extra::Plugins)),
            ("manifest/freehold/redact-pii", None),
            ("rows/train", Some(Extra::Data)),
            ("lineage/train", Some(Extra::Data)),
            ("lineage/train/1", Some(Extra::Data)),
            ("tokens/train", Some(Extra::Data)),
            ("tokens/other", None),
            ("predictions/base", Some(Extra::Data)),
            ("evidence/promote", None),
            ("statement/train", None),
            ("recipe", None),
            ("lockfile", None),
            ("validation", None),
            ("losses", None),
            ("provenance", None),
            ("rows", None),
            ("", None),
        ] {
            assert_eq!(Extra::of(name), extra, "{name}");
        }
    }
}
