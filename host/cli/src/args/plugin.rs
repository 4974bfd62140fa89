//! `freehold plugin`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use freehold_component::{Provider, Tools};
use freehold_core::manifest::World;
use freehold_core::name::PluginName;

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
    /// Run the cases of a plugin in the sandbox, under the limits that a run has
    ///
    /// The limits are those of its plugin.toml, capped by host.toml of the home if there is one.
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
    /// Show how two versions of a plugin differ, and whether recipes that use the first fit the second
    Diff {
        /// The version that is used: publisher/name@version
        before: String,
        /// The version to compare it with: publisher/name@version
        after: String,
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
    /// Make one file of a signed plugin, to be handed over
    ///
    /// The file is a gzip'd tar archive of the signed manifest, the component, and what the publisher says of the version
    /// since. The same plugin gives the same bytes. Exit code 4: the plugin does not verify.
    Pack {
        /// The plugin: publisher/name for the newest version that is not yanked, or publisher/name@version
        #[arg(value_name = "NAME[@VERSION]")]
        plugin: String,
        /// The folder of plugins
        #[arg(long, default_value = "plugins", value_name = "FOLDER")]
        plugins: PathBuf,
        /// The file to write; without it, publisher.name-version.plugin, here
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Put plugins into a folder of plugins, each from one file that `pack` made
    ///
    /// All are verified before any is put there: signature, publisher, digest, expiry, revocations, and that this home never
    /// saw the version with other bytes. Which plugin it is says the signed manifest, not the name of the file. The same
    /// again changes nothing. Exit code 4: a file does not verify, or is none that `pack` made.
    Add {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The folder of plugins
        #[arg(long, default_value = "plugins", value_name = "FOLDER")]
        plugins: PathBuf,
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
