//! What can be said on the command line. The only place that reads the environment.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use freehold_component::{Provider, Tools};
use freehold_core::manifest::World;
use freehold_core::name::{NamePattern, PluginName};
use jiff::Timestamp;

/// Filter of the log, in the form of the `tracing` crates.
pub(crate) const LOG_VARIABLE: &str = "FREEHOLD_LOG";

/// Own your customised language models: train, judge, promote and audit them on your machines.
///
/// A recipe (freehold.toml) says which base model is adapted with which data, which plugins transform the data and measure the
/// result, and which policies decide whether the adapter is promoted. Every run leaves signed records that anyone can
/// verify offline.
///
/// Exit codes: 0 done, 1 broken, 2 wrong usage, 3 denied by policy, 4 verification failed.
#[derive(Debug, Parser)]
#[command(name = "freehold", version, propagate_version = true, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Folder of your store, ledger, keys and trust root
    #[arg(long, global = true, env = "FREEHOLD_HOME", default_value = ".freehold", value_name = "FOLDER")]
    pub(crate) home: PathBuf,
    /// Print results as JSON on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colors
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Show more of the log: -v for what plugins say, -vv for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a home: keys, a trust root, an empty store and a ledger
    Init,
    /// Run a recipe to a decision, or go on with a run that was interrupted
    ///
    /// Phases: resolve, admit, transform, tokenise, train, evaluate, promote, record. Each ends with a signed statement in
    /// the ledger before the next begins, so that a run that was killed goes on after its last finished phase when the
    /// same recipe is run again.
    Run(RunArguments),
    /// Make and list keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Say whose keys are trusted with what, replace and revoke them, and show it
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Make, build, test, sign, inspect, list, update and yank plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Inspect model folders, and train small base models from scratch
    #[command(subcommand)]
    Model(ModelCommand),
    /// List, show and verify the records of runs
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The recipe
    #[arg(default_value = "freehold.toml", value_name = "RECIPE")]
    pub(crate) recipe: PathBuf,
    /// Refuse to change the lockfile beside the recipe
    #[arg(long)]
    pub(crate) locked: bool,
    /// How many threads transforms may use; all of the machine if not said. The result is the same with any number
    #[arg(long, value_name = "COUNT", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Let the recipe name paths below this folder as well; may be repeated
    #[arg(long = "root", value_name = "FOLDER")]
    pub(crate) roots: Vec<PathBuf>,
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => Ok(threads),
        _ => Err("expected a number from 1 to 1024".into()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an Ed25519 key in the home
    New {
        /// Its name: lowercase letters, digits and hyphens
        name: String,
    },
    /// List the keys of the home
    List,
}

/// Every command but init and show makes the next version of the trust root, signed by keys in role root.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Make a home with its first trust root; the same as `freehold init`
    Init,
    /// Let a key publish plugins of some names, or give it a role
    Add {
        /// A key of the home by name or id, or a file with a public key in PEM
        #[arg(long)]
        key: String,
        /// Names that it may publish: publisher/name, publisher/* or *; may be repeated
        #[arg(long, required_unless_present = "role")]
        names: Vec<NamePattern>,
        /// The role that it gets
        #[arg(long, value_enum, conflicts_with = "names")]
        role: Option<RoleName>,
        /// How many keys of the role have to sign from now on
        #[arg(long, requires = "role", value_name = "N")]
        threshold: Option<usize>,
        /// What it signed before does not count
        #[arg(long, value_name = "TIME")]
        valid_from: Option<Timestamp>,
        /// What it signs from then on does not count
        #[arg(long, value_name = "TIME")]
        valid_until: Option<Timestamp>,
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Take a key out of a role, or names from a publisher
    Remove {
        /// A key by name or id
        #[arg(long)]
        key: String,
        /// The role that it loses; without it, it loses names
        #[arg(long, value_enum, conflicts_with = "names")]
        role: Option<RoleName>,
        /// Names that it may no longer publish; all of them if none is given
        #[arg(long)]
        names: Vec<NamePattern>,
        /// How many keys of the role have to sign from now on
        #[arg(long, requires = "role", value_name = "N")]
        threshold: Option<usize>,
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Put a new key in the place of an old one; for a time both are good
    ///
    /// In role root the old key goes at once: the new trust root, which both sign, is the moment of change. In the other
    /// roles and for publishers the old key stays good until the overlap ends.
    Rotate {
        /// The old key by name or id
        old: String,
        /// The new key by name or id, or a file with a public key in PEM
        new: String,
        /// Only in this role; without it, in every role of the old key and for the names that it publishes
        #[arg(long, value_enum)]
        role: Option<RoleName>,
        /// For how many days the old key stays good; 0 takes it out at once
        #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=3650))]
        overlap_days: u32,
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Revoke a key, a component or a signed manifest, for good
    Revoke {
        /// A key by name or id or in a PEM file, or sha256:DIGEST of a component or of a signed manifest
        what: String,
        /// Why, for those who meet it later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Change nothing but when the trust root expires
    Renew {
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Show the newest trust root, or an older one
    Show {
        /// Its version
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
}

/// A role of the trust root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Signs trust roots
    Root,
    /// Signs statements of runs
    Recorder,
    /// Signs tree heads of the ledger
    Log,
}

#[derive(Debug, Args)]
pub(crate) struct SigningArguments {
    /// A key that signs, by name; may be repeated. By default every key of the home in role root does
    #[arg(long, value_name = "NAME")]
    pub(crate) sign_with: Vec<String>,
    /// For how many days the new trust root holds
    #[arg(long, default_value_t = 365, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make the folder of a new plugin, with a small example that works
    ///
    /// The folder holds the SDK of this version and builds on its own, with Rust for wasm32-unknown-unknown and crates.io.
    New {
        /// What it is to be
        #[arg(value_enum)]
        kind: Kind,
        /// Its name: publisher/name
        name: PluginName,
        /// The folder to make; without it, one with the plugin's name, here
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
    /// Compile a plugin to a component
    Build {
        /// The plugin's folder
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Where cargo keeps what it compiles; without it, where cargo would
        #[arg(long, value_name = "FOLDER")]
        target_dir: Option<PathBuf>,
        #[command(flatten)]
        toolchain: ToolchainArguments,
    },
    /// Run the cases of a plugin in the sandbox, under the limits of its plugin.toml
    ///
    /// A case is a file `cases/NAME.toml` with settings, input and what is expected. Transforms and metrics are given
    /// [[batch]] with rows, policies [evidence]. Under [expect], what is left out is not compared.
    Test {
        /// The plugin's folder
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Only this case; may be repeated
        #[arg(long = "case", value_name = "NAME")]
        cases: Vec<String>,
        /// Write what came out as what is expected
        #[arg(long)]
        accept: bool,
        /// A component to test, instead of the one that was built last
        #[arg(long, value_name = "FILE")]
        component: Option<PathBuf>,
    },
    /// Measure how fast a plugin is in the sandbox, and how much of its limits it uses
    Bench {
        /// The plugin's folder
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// The case whose input is repeated; without it, the first that expects no error
        #[arg(long, value_name = "NAME")]
        case: Option<String>,
        /// Rows of a run
        #[arg(long, default_value_t = 65536, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        rows: u32,
        /// A component to measure, instead of the one that was built last
        #[arg(long, value_name = "FILE")]
        component: Option<PathBuf>,
    },
    /// Sign a component and put it into a folder of plugins
    Sign {
        /// The component, or the folder of a plugin that was built; without it, the folder of --source, or this one
        component: Option<PathBuf>,
        /// What its author says of it; without it, plugin.toml of the plugin's folder, or of this one
        #[arg(long, value_name = "FILE")]
        source: Option<PathBuf>,
        /// The key that signs, by name
        #[arg(long)]
        key: String,
        /// The folder of plugins
        #[arg(long, default_value = "plugins", value_name = "FOLDER")]
        into: PathBuf,
        /// For how many days the signature holds
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: u32,
        /// Sign again, with other dates, what this key signed before
        #[arg(long)]
        renew: bool,
    },
    /// Show a plugin: one of a folder of plugins, which is verified, or a component or folder of yours
    Inspect {
        /// The plugin: publisher/name, publisher/name@version, a .wasm file or the folder of a plugin (./a/b if it
        /// reads like a name)
        plugin: String,
        /// The folder of plugins
        #[arg(long, default_value = "plugins", value_name = "FOLDER")]
        from: PathBuf,
    },
    /// List a folder of plugins; each is verified
    List {
        /// The folder of plugins
        #[arg(long, default_value = "plugins", value_name = "FOLDER")]
        from: PathBuf,
    },
    /// Withdraw a version: no recipe is newly resolved to it, and runs that have it locked go on with a warning
    Yank {
        /// The version: publisher/name@version
        plugin: String,
        /// The key that signs, by name; it has to be one that may publish the plugin
        #[arg(long)]
        key: String,
        /// Why, in a line
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The folder of plugins
        #[arg(long, default_value = "plugins", value_name = "FOLDER")]
        from: PathBuf,
    },
    /// Offer a version again that was yanked
    Unyank {
        /// The version: publisher/name@version
        plugin: String,
        /// The key that signs, by name; it has to be one that may publish the plugin
        #[arg(long)]
        key: String,
        /// The folder of plugins
        #[arg(long, default_value = "plugins", value_name = "FOLDER")]
        from: PathBuf,
    },
    /// Show which newer versions a recipe could use, and what they ask for that the locked ones do not
    Update {
        /// The recipe
        #[arg(default_value = "freehold.toml", value_name = "RECIPE")]
        recipe: PathBuf,
        /// Lock the newest versions that fit
        #[arg(long)]
        write: bool,
        /// Let the recipe name paths below this folder as well; may be repeated
        #[arg(long = "root", value_name = "FOLDER")]
        roots: Vec<PathBuf>,
    },
}

/// What a plugin can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Changes data
    Transform,
    /// Measures models
    Metric,
    /// Judges runs
    Policy,
}

impl From<Kind> for World {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Transform => Self::Transform,
            Kind::Metric => Self::Metric,
            Kind::Policy => Self::Policy,
        }
    }
}

/// What compiles plugins.
#[derive(Debug, Args)]
pub(crate) struct ToolchainArguments {
    /// Whose compiler to use; without it, rustup's before Debian's
    #[arg(long, value_enum, env = "FREEHOLD_WASM_TOOLCHAIN", value_name = "WHOSE")]
    toolchain: Option<ToolchainChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolchainChoice {
    /// The one of rustup
    Rustup,
    /// The one of Debian's packages
    Debian,
}

impl ToolchainArguments {
    /// With what the environment says of cargo.
    pub(crate) fn tools(&self) -> Tools {
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        Tools {
            cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            cargo_home: cargo_home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"))),
            path: std::env::var_os("PATH").unwrap_or_default(),
            provider: self.toolchain.map(|choice| match choice {
                ToolchainChoice::Rustup => Provider::Rustup,
                ToolchainChoice::Debian => Provider::Debian,
            }),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Load a Hugging Face model folder and show what it is
    Inspect {
        /// The folder
        model: PathBuf,
    },
    /// Compute the logits of every position, for comparison with other implementations
    Logits {
        /// The model folder
        model: PathBuf,
        /// A safetensors file with `ids`: i64 [rows, tokens]
        #[arg(long, value_name = "FILE")]
        ids: PathBuf,
        /// A folder with an adapter in PEFT's format
        #[arg(long, value_name = "FOLDER")]
        adapter: Option<PathBuf>,
        /// The safetensors file to write, with `logits`: f32 [rows, tokens, vocabulary]
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Train every tensor of a small model on documents: a new model, or one more edition of an old one
    Pretrain {
        /// What the model is to be, in TOML
        spec: PathBuf,
        /// Documents: JSON Lines with a `text` each
        #[arg(long, value_name = "FILE")]
        text: PathBuf,
        /// The folder to write
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// A model folder to go on from
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List all runs
    List,
    /// Show a run: plugins, metrics, verdicts, statements
    Show {
        /// The run
        run: String,
    },
    /// Verify trust roots, ledger, statements and blobs, offline
    Verify {
        /// Verify the statements of this run only; files are always verified
        run: Option<String>,
        /// A public key in PEM that has to have signed the first trust root, as you were told by other means
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
    },
}
