//! Orders the phases of a run, and nothing else does: resolve, admit, transform, tokenise, train, evaluate, promote, record.
//!
//! Each phase ends with a signed statement in the store and an entry in the ledger before the next begins.

mod aliases;
pub mod audit;
mod bundle;
mod catalog;
mod dataset;
mod difference;
mod drift;
mod energy;
mod error;
mod home;
mod host;
mod keys;
mod labels;
mod model_signature;
mod models;
mod observe;
mod occupant;
mod page;
mod project;
mod promote;
mod publish;
mod rebase;
mod resample;
mod resolution;
mod rollback;
mod run;
mod seen;
pub mod serving;
mod statements;
mod trust;
mod unlock;
mod update;
mod watch;
mod yank;

pub use aliases::AliasState;
pub use bundle::{Addition, AdditionState, BUNDLE_LIMIT, Bundled, Packed, add, pack, unpack};
pub use catalog::{COMPONENT_FILE, Catalog, CatalogEntry, MANIFEST_FILE, YANK_FILE};
pub use difference::{Difference, differences};
pub use drift::{Answer, Described, Distribution, DistributionBin, DriftOptions, DriftReport, SideReport, drift};
pub use error::{ExitCode, WorkflowError};
pub use freehold_drift::{Comparison, Correction, Finding, Settings as DriftSettings, Statistic};
pub use freehold_engine::Packing;
pub use freehold_hub::{
    Access as HubAccess, DEFAULT_ENDPOINT as DEFAULT_HUB, Endpoint as HubEndpoint, Token as HubToken,
};
pub use home::{Home, OpenOutside};
pub use host::HOST_FILE;
pub use keys::{Kept, KeyEntry, P256KeyEntry};
pub use labels::{Denial, may_export, may_serve};
pub use model_signature::{ModelSignature, sign_model};
pub use models::{ListedModel, ModelPull, OpenedModel, PulledFile, PulledModel, PulledModels, UnfinishedPull};
pub use observe::{Event, Observer, Unit};
pub use project::{Files, Project};
pub use promote::{Promoted, Refusal, promote};
pub use publish::{Publication, Signing, publish};
pub use rebase::{BaseReport, PairedReport, PluginDigest, RebaseOptions, RebaseReport, Rung, RungReport, rebase};
pub use resolution::{Choice, ResolutionError, Wanted};
pub use rollback::{Rollback, rollback};
pub use run::{
    Bin, Brought, CheckReport, DataProblem, DatasetReport, Lengths, MetricReport, NamedRow, Origin, PluginReport,
    PolicyReport, Remade, Reproduction, Rows, RunOptions, RunReport, SplitCounts, TooLong, TrainingReport, Validation,
    Waiting, check, reproduce, run,
};
pub use trust::RootSigning;
pub use unlock::PassphraseSource;
pub use update::{PluginUpdate, UpdateReport, update};
pub use watch::{
    Budget, DriftTrigger, Hook, Increment, Trigger, Watch, WatchBatch, WatchCompared, WatchEvent, WatchNews,
    WatchSettings, WatchState, trigger, watched,
};
pub use yank::yank;
