//! The kinds of evidence that records can hold: the vocabulary of profiles. It is closed, so that a profile can ask for nothing
//! that nobody looks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! vocabulary {
    ($($variant:ident = $name:literal: $meaning:literal,)*) => {
        /// A kind of evidence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, Deserialize)]
        pub enum EvidenceKind {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl EvidenceKind {
            /// Every kind, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in profiles.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What has to be in the records.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

vocabulary! {
    RunRecipe = "run.recipe": "recipe and lockfile, kept and entered before anything else",
    RunPhases = "run.phases": "a signed statement of every phase, with its beginning and its end",
    RunPrevious = "run.previous": "the run of the same recipe before it, to compare with",
    BaseIdentity = "base.identity": "name and digest of the base model",
    BaseLicense = "base.license": "the licence of the base model, by the recipe's word",
    DataDigests = "data.digests": "a digest of every dataset",
    DataLabels = "data.labels": "labels of every dataset, such as residency and licence",
    DataRows = "data.rows": "the rows of every dataset, and how they are written",
    DataLineage = "data.lineage": "the way of every row through the transforms",
    DataDropped = "data.dropped": "what the transforms dropped and counted, and why",
    DataCounts = "data.counts": "tokens and lengths of what is trained on, and what of it is learned",
    DataHeldOut = "data.held-out": "held-out data that no dataset of the training is",
    PluginsIdentity = "plugins.identity": "version and digests of every plugin",
    PluginsSigned = "plugins.signed": "the key that signed every plugin",
    PluginsStanding = "plugins.standing": "no plugin, and no key that signed one, was revoked or yanked",
    PluginsKept = "plugins.kept": "the plugins themselves, so that verdicts and values can be had again",
    TrainingSettings = "training.settings": "method and settings of the training",
    TrainingOutcome = "training.outcome": "steps, tokens and loss of the training",
    TrainingResources = "training.resources": "time, tokens, hardware and energy of the training",
    TrainingDeterminism = "training.determinism": "within what the same inputs give the same bits",
    AdapterIdentity = "adapter.identity": "the digest of what was trained",
    Provenance = "provenance": "signed provenance (SLSA) of what was trained",
    MetricsValues = "metrics.values": "values of every metric, with the plugin that measured and the rows",
    MetricsIntervals = "metrics.intervals": "confidence intervals of every value",
    MetricsBase = "metrics.base": "the base model, measured on the same rows",
    MetricsProduction = "metrics.production": "what was in production, measured on the same rows",
    MetricsAnswers = "metrics.answers": "the models' answers to the held-out rows",
    BarsSetBefore = "bars.set-before": "the bars, in the log before the results",
    PoliciesAdmit = "policies.admit": "verdicts of policies before any data was touched",
    PoliciesPromote = "policies.promote": "verdicts of policies on the results, before anything was put to use",
    Decision = "decision": "the decision, and why",
    ApprovalsGiven = "approvals.given": "signed approvals, as many as the trust root asks for",
    ApprovalsFourEyes = "approvals.four-eyes": "approvals by keys that signed no record of the run",
    UseHistory = "use.history": "under which alias it was in use, and when",
    LogEntries = "log.entries": "an entry in the append-only log for every phase, in order",
    LogWitnessed = "log.witnessed": "cosignatures of witnesses over these entries",
    TrustRoot = "trust.root": "the trust root in force: keys, roles and thresholds",
    TrustStanding = "trust.standing": "no key that signed records or approvals was revoked",
}
