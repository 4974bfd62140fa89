//! Everything that can stop a command.

mod remedy;

use freehold_bundle::BundleError;
use freehold_core::digest::Digest;
use freehold_core::recipe::RecipeError;
use freehold_core::toml_text::TomlError;
use freehold_drift::DriftError;
use freehold_engine::{AdapterError, ChatError, ExamplesError, ExportError, GenerateError, ModelError, TrainError};
use freehold_files::FileError;
use freehold_hub::HubError;
use freehold_index::IndexError;
use freehold_ledger::LedgerError;
use freehold_pack::PackError;
use freehold_rows::TableError;
use freehold_sandbox::SandboxError;
use freehold_store::StoreError;
use freehold_trust::{ChangeError, KeyError, PluginError, RecordedError, Role, RootError, YankError};

use crate::audit::DocumentError;
use crate::{DataProblem, Denial, Refusal, ResolutionError};

/// Exit codes are documented API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// Something is broken.
    Broken = 1,
    /// The command was used in a way that it has not.
    Usage = 2,
    /// A policy denied.
    Denied = 3,
    /// A signature, digest or proof does not verify.
    Unverified = 4,
}

/// A command cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store cannot do what was asked.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The ledger cannot do what was asked.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// The index of the records cannot do what was asked.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The trust root cannot be trusted.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A key cannot be used.
    #[error("key `{name}`: {source}")]
    Key {
        /// Its name.
        name: String,
        /// Why not.
        source: KeyError,
    },
    /// A key does not sign.
    #[error("cannot sign: {0}")]
    Signing(KeyError),
    /// A key lives in a token, whose PIN nobody says.
    #[error("the key `{0}` is in a token, and there is no PIN")]
    NoPin(String),
    /// What can be done to a file cannot be done to a key in a token.
    #[error("the key `{0}` is in a token, which keeps it without a passphrase of this home")]
    KeyInToken(String),
    /// There is no such key.
    #[error("there is no key `{0}`")]
    NoKey(String),
    /// A key of this name is there already.
    #[error("there is a key `{0}` already")]
    KeyExists(String),
    /// A name cannot be used.
    #[error("`{0}` cannot be a name: use lowercase letters, digits and hyphens")]
    Name(String),
    /// A key is encrypted, and nobody says its passphrase.
    #[error("the key `{0}` is encrypted, and there is no passphrase")]
    KeyLocked(String),
    /// A passphrase or PIN cannot be read.
    #[error("what opens the key `{name}` cannot be read: {problem}")]
    Passphrase {
        /// The key.
        name: String,
        /// Why not.
        problem: String,
    },
    /// A key has lost its secret half.
    #[error("the secret half of the key `{0}` is gone: there is only `keys/{0}.pub.pem`")]
    KeyLost(String),
    /// A key of the home does not have the role that its name says.
    #[error("the key `{name}` of this home is not in the role {role} of trust root {root}")]
    NotInRole {
        /// Its name.
        name: String,
        /// The role.
        role: Role,
        /// Version of the trust root.
        root: u64,
    },
    /// The trust root in force has no entry in the ledger.
    #[error("trust root {0} has no entry in the ledger")]
    RootNotEntered(u64),
    /// The trust root cannot be changed so.
    #[error("trust root: {0}")]
    Change(#[from] ChangeError),
    /// There is no trust root of this version.
    #[error("there is no trust root {0}")]
    NoRoot(u64),
    /// Fewer keys than a role asks for can sign.
    #[error(
        "role {role} of trust root {root} needs {needed} keys to sign, {found} of this home can: {} missing",
        needed.saturating_sub(*found)
    )]
    Signers {
        /// The role.
        role: Role,
        /// Version of the trust root.
        root: u64,
        /// How many have to sign.
        needed: usize,
        /// How many can.
        found: usize,
    },
    /// The folder of trust roots is older than the ledger.
    #[error(
        "the trust root was rolled back: the folder `trust` ends at {newest}, the ledger names trust root {entered}"
    )]
    RolledBack {
        /// The newest in the folder.
        newest: u64,
        /// The newest in the ledger.
        entered: u64,
    },
    /// A trust root is not the one in the ledger.
    #[error("trust root {version} is not the one that ledger entry {index} names")]
    OtherRoot {
        /// Its version.
        version: u64,
        /// The entry.
        index: u64,
    },
    /// The ledger names trust roots out of order.
    #[error("ledger entry {index} names trust root {found}, expected was {expected}")]
    RootOrder {
        /// The entry.
        index: u64,
        /// What it names.
        found: u64,
        /// What it should.
        expected: u64,
    },
    /// An alias was moved after a run was compared with it.
    #[error("`{alias}` was moved after `{run}` was compared with it")]
    Superseded {
        /// The alias.
        alias: String,
        /// The run.
        run: String,
    },
    /// A run may not have an alias.
    #[error("`{alias}` does not move to what `{run}` made: {refusal}")]
    Promotion {
        /// The run.
        run: String,
        /// The alias.
        alias: String,
        /// Why not.
        refusal: Refusal,
    },
    /// Nobody says which alias is meant.
    #[error("the recipe of `{run}` promotes to no alias")]
    NoAlias {
        /// The run.
        run: String,
    },
    /// Data, or what is made of them, may not be or be used here.
    #[error(transparent)]
    Denied(#[from] Box<Denial>),
    /// An alias cannot go back.
    #[error("`{alias}` does not go back: {problem}")]
    Rollback {
        /// The alias.
        alias: String,
        /// Why not.
        problem: String,
    },
    /// There is no home.
    #[error("`{0}` is not a Freehold home")]
    NoHome(String),
    /// A statement does not verify.
    #[error("statement {statement}: {source}")]
    Statement {
        /// Its digest.
        statement: String,
        /// Why not.
        source: RecordedError,
    },
    /// A record cannot be understood.
    #[error("{what}: {problem}")]
    Record {
        /// Which.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// A recipe cannot be used.
    #[error("recipe `{file}`: {error}")]
    Recipe {
        /// The file.
        file: String,
        /// Its text.
        document: String,
        /// What is wrong.
        error: RecipeError,
    },
    /// A lockfile or a `plugin.toml` cannot be used.
    #[error("`{file}`: {error}")]
    Toml {
        /// The file.
        file: String,
        /// Its text.
        document: String,
        /// What is wrong.
        error: TomlError,
    },
    /// A path of the recipe cannot be opened.
    #[error("recipe: `{key} = \"{path}\"`: {problem}")]
    Path {
        /// The key.
        key: String,
        /// The path.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// With `--locked`, what was found is not what is locked.
    #[error("`{file}` would change:\n{}", moved.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>().join("\n"))]
    Locked {
        /// The lockfile.
        file: String,
        /// What would change, a line each.
        moved: Vec<String>,
    },
    /// With `--locked`, there is no lockfile.
    #[error("there is no `{0}` beside the recipe")]
    NoLockfile(String),
    /// No plugin fits.
    #[error("no plugin `{plugin}` with a version that fits `{wanted}` in `{folder}`; found: {found}")]
    NoPlugin {
        /// Its name.
        plugin: String,
        /// The range in the recipe.
        wanted: String,
        /// Where it was looked for.
        folder: String,
        /// What is there.
        found: String,
    },
    /// A plugin may not run.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A file is no bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file is no pack.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A yank cannot be trusted.
    #[error(transparent)]
    Yank(#[from] YankError),
    /// A yank is not worded so that it can be signed.
    #[error(transparent)]
    Wording(YankError),
    /// A version cannot be resolved, or is not what it was.
    #[error(transparent)]
    Resolution(Box<ResolutionError>),
    /// A plugin's settings are wrong.
    #[error("recipe: {0}")]
    Settings(#[from] freehold_core::manifest::SettingsError),
    /// A grant was not asked for, or a capability has no grant.
    #[error("{0}")]
    Grant(String),
    /// A plugin did not do what it should.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A line of a dataset is wrong.
    #[error("`{file}`, line {line}, column {column}: {problem}; expected {expected}")]
    Data {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
        /// What would be right.
        expected: String,
    },
    /// A table of a dataset is wrong.
    #[error("`{file}`: {error}")]
    Table {
        /// The file.
        file: String,
        /// Where, what is wrong, and what would be right.
        error: TableError,
    },
    /// A split has no rows.
    #[error("no rows are left in split `{split}`: {reasons}")]
    EmptySplit {
        /// The split.
        split: &'static str,
        /// What became of the rows.
        reasons: String,
    },
    /// A column that is needed is not there.
    #[error("split `{split}` has no column `{column}` after the transforms; it has: {found}")]
    NoColumn {
        /// The split.
        split: &'static str,
        /// The column.
        column: &'static str,
        /// What is there.
        found: String,
    },
    /// A dialogue cannot be used.
    #[error("row {row} of split `{split}`: {problem}")]
    Dialogue {
        /// The row after the transforms.
        row: usize,
        /// The split.
        split: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The model cannot be used.
    #[error("model `{model}`: {source}")]
    Model {
        /// Its path.
        model: String,
        /// Why not.
        source: ModelError,
    },
    /// A model cannot be fetched from a hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// Traffic cannot be captured so.
    #[error("`serve.capture`: {0}")]
    Capture(String),
    /// There is no API key of this name.
    #[error("there is no API key `{0}`")]
    NoApiKey(String),
    /// The base model of what is to be served is not there.
    #[error("its base model `{model}` ({digest}) is not there: {problem}")]
    NoBase {
        /// Its name in the recipe.
        model: String,
        /// Its digest.
        digest: Digest,
        /// What was found instead.
        problem: String,
    },
    /// A model of a hub was not pulled.
    #[error("`{0}` was not pulled into this home")]
    NotPulled(String),
    /// A pulled model is not what was pulled.
    #[error("`{model}` has other bytes in `{folder}` than were pulled: {expected} -> {found}")]
    PulledChanged {
        /// The model.
        model: String,
        /// Its folder, in the home.
        folder: String,
        /// Its digest when it was pulled.
        expected: Digest,
        /// Its digest now.
        found: Digest,
    },
    /// A dialogue cannot be turned into tokens.
    #[error("row {row} of split `{split}`: {source}")]
    Chat {
        /// The row after the transforms.
        row: usize,
        /// The split.
        split: &'static str,
        /// Why not.
        source: ChatError,
    },
    /// Tokens cannot be kept or read.
    #[error(transparent)]
    Examples(#[from] ExamplesError),
    /// The data cannot be trained on.
    #[error(transparent)]
    Unfit(#[from] DataProblem),
    /// Training failed.
    #[error("training: {0}")]
    Train(#[from] TrainError),
    /// An adapter cannot be read or written.
    #[error("adapter: {0}")]
    Adapter(#[from] AdapterError),
    /// A model cannot be written.
    #[error("model: {0}")]
    Export(#[from] ExportError),
    /// Generating failed.
    #[error("generating: {0}")]
    Generate(#[from] GenerateError),
    /// Nothing of this name was made.
    #[error(
        "there is no model `{model}`: no alias, no run and no adapter has this name; `freehold audit list` shows all"
    )]
    NoModel {
        /// What was asked for.
        model: String,
    },
    /// An approval is not of what its entry in the ledger says.
    #[error("approval {statement}: {problem}")]
    FalseApproval {
        /// The digest of its statement.
        statement: String,
        /// What is wrong.
        problem: String,
    },
    /// A run cannot be replayed.
    #[error("run `{run}` cannot be replayed: {problem}")]
    Replay {
        /// The run.
        run: String,
        /// Why not.
        problem: String,
    },
    /// What a recipe trains further cannot be.
    #[error("[start] adapter = \"{adapter}\": {problem}")]
    Start {
        /// What the recipe names.
        adapter: String,
        /// Why not.
        problem: String,
    },
    /// What is in production cannot be moved to another base model.
    #[error("cannot rebase: {problem}")]
    Rebase {
        /// Why not.
        problem: String,
    },
    /// A run cannot be approved.
    #[error("run `{run}` cannot be approved: {problem}")]
    Approval {
        /// The run.
        run: String,
        /// Why not.
        problem: String,
    },
    /// As many requests for an event wait as may.
    #[error("{waiting} events of `{trigger}` wait for the watch of `{recipe}` already")]
    HooksFull {
        /// The recipe.
        recipe: String,
        /// The trigger.
        trigger: String,
        /// How many.
        waiting: usize,
    },
    /// A text does not say what it should.
    #[error("`{text}` is not {expected}")]
    Question {
        /// The text.
        text: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A document for other tools cannot be made.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Rows cannot be compared.
    #[error("drift: {0}")]
    Drift(#[from] DriftError),
    /// Rows of now cannot be compared with those of a run.
    #[error("nothing can be compared with run `{run}`: {problem}")]
    Incomparable {
        /// The run.
        run: String,
        /// Why not.
        problem: String,
    },
    /// There is no such profile.
    #[error("there is no profile `{profile}`; {hint}")]
    NoProfile {
        /// What was asked for.
        profile: String,
        /// What there is.
        hint: String,
    },
    /// There is no such run.
    #[error("there is no run `{run}`; {hint}")]
    NoRun {
        /// What was asked for.
        run: String,
        /// What there is.
        hint: String,
    },
}

impl From<Denial> for WorkflowError {
    fn from(denial: Denial) -> Self {
        Self::Denied(Box::new(denial))
    }
}

impl From<ResolutionError> for WorkflowError {
    fn from(error: ResolutionError) -> Self {
        Self::Resolution(Box::new(error))
    }
}
