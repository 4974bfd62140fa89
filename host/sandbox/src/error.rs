//! What can go wrong with a plugin. Each limit has an error of its own.

use freehold_core::batch::ShapeError;
use freehold_core::contract::BorderError;
use freehold_core::limits::LimitKind;
use freehold_core::manifest::World;

/// Who set a limit: what was asked for, or what the host allows at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The plugin's own manifest.
    Manifest,
    /// The host's configuration.
    Host,
}

/// A plugin cannot be loaded or did not do what its world asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime cannot work on this machine.
    #[error("cannot start the plugin engine: {0}")]
    Engine(String),
    /// The operator allows what no plugin could be given.
    #[error("the host sets `{}` to {limit}; it may be from {least} to {most}", kind.key())]
    HostLimit {
        /// What is limited.
        kind: LimitKind,
        /// What it is set to.
        limit: u64,
        /// The least that is possible.
        least: u64,
        /// The most that is possible.
        most: u64,
    },
    /// It passed one of its limits.
    #[error("plugin `{plugin}` {}", kind.passed(*limit))]
    Limit {
        /// The plugin.
        plugin: String,
        /// What is limited.
        kind: LimitKind,
        /// The limit.
        limit: u64,
        /// Who set it.
        bound: Bound,
    },
    /// Every slot for running plugins is taken.
    #[error("plugin `{plugin}` has to wait: {limit} plugins run already")]
    Busy {
        /// The plugin.
        plugin: String,
        /// How many run at a time.
        limit: u32,
    },
    /// Only transforms may be metered by time alone.
    #[error("plugin `{plugin}` is a {world} plugin and asks to be metered by time alone")]
    Metering {
        /// The plugin.
        plugin: String,
        /// Its world.
        world: World,
    },
    /// The bytes are not a WebAssembly component.
    #[error("plugin `{plugin}` is not a WebAssembly component: {problem}")]
    NotAComponent {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: String,
    },
    /// Compiling it would take more time or memory than any plugin is worth.
    #[error("plugin `{plugin}` is too dear to compile: it {problem}")]
    TooHeavy {
        /// The plugin.
        plugin: String,
        /// What there is too much of.
        problem: String,
    },
    /// It imports something that no world has, or an interface in a version that is not its contract's.
    #[error("plugin `{plugin}` {problem}")]
    Border {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: Box<BorderError>,
    },
    /// It is not of the world that was asked for.
    #[error("plugin `{plugin}` is not a {world} plugin: {problem}")]
    WrongWorld {
        /// The plugin.
        plugin: String,
        /// The world that was wanted.
        world: World,
        /// What is wrong.
        problem: String,
    },
    /// It could not be started.
    #[error("plugin `{plugin}` cannot be started: {problem}")]
    Instantiate {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: String,
    },
    /// It panicked; the message is the author's.
    #[error("plugin `{plugin}` panicked at {location}: {message}")]
    Panicked {
        /// The plugin.
        plugin: String,
        /// The author's message.
        message: String,
        /// `file:line:column`.
        location: String,
        /// The functions that were called, a line each, the innermost first.
        trace: Option<String>,
    },
    /// It trapped without a message.
    #[error("plugin `{plugin}` trapped: {problem}")]
    Trapped {
        /// The plugin.
        plugin: String,
        /// The trap.
        problem: String,
        /// The functions that were called, a line each, the innermost first.
        trace: Option<String>,
    },
    /// It returned an error.
    #[error("plugin `{plugin}`: {message}")]
    Refused {
        /// The plugin.
        plugin: String,
        /// Its message.
        message: String,
    },
    /// What it returned does not have the shape that the contract asks for.
    #[error("plugin `{plugin}` returned a malformed batch: {problem}")]
    Shape {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: ShapeError,
    },
    /// It did not account for every row.
    #[error("plugin `{plugin}`: {problem}")]
    Lineage {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: String,
    },
    /// It treats rows together though it says that it treats each for itself.
    #[error(
        "plugin `{plugin}` says that it treats each row for itself, but what becomes of rows depends on those before them"
    )]
    RowDependence {
        /// The plugin.
        plugin: String,
    },
    /// It returned numbers that cannot be.
    #[error("plugin `{plugin}`: {problem}")]
    Numbers {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: String,
    },
}

impl SandboxError {
    /// A short stable code for verdicts and records.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(_) => "engine",
            Self::HostLimit { .. } => "host-limit",
            Self::Limit { kind, .. } => kind.code(),
            Self::Busy { .. } => "busy",
            Self::Metering { .. } => "metering",
            Self::NotAComponent { .. } => "not-a-component",
            Self::TooHeavy { .. } => "too-heavy",
            Self::Border { problem, .. } => match **problem {
                BorderError::Foreign(_) => "foreign-import",
                BorderError::Unaccepted { .. } | BorderError::Unclaimed { .. } => "contract",
            },
            Self::WrongWorld { .. } => "wrong-world",
            Self::Instantiate { .. } => "instantiate",
            Self::Panicked { .. } => "panicked",
            Self::Trapped { .. } => "trapped",
            Self::Refused { .. } => "error",
            Self::Shape { .. } => "malformed-batch",
            Self::Lineage { .. } => "row-lineage",
            Self::RowDependence { .. } => "row-dependence",
            Self::Numbers { .. } => "malformed-numbers",
        }
    }

    /// The functions that the plugin was in, a line each, the innermost first; for its author.
    pub fn trace(&self) -> Option<&str> {
        match self {
            Self::Panicked { trace, .. } | Self::Trapped { trace, .. } => trace.as_deref(),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::HostLimit { kind, .. } => {
                return format!("correct `{kind}` under `[plugins.limits]` in `host.toml` of the home");
            }
            Self::Engine(_) => {
                "every plugin that may run at a time takes address space: lower `concurrent` under `[plugins]` in `host.toml` \
                 of the home, or free some memory (`ulimit -v` shows a limit)"
            }
            Self::Limit { kind, bound: Bound::Manifest, .. } => {
                return format!("raise `limits.{kind}` in the plugin's plugin.toml and sign it again, or give it less to do");
            }
            Self::Limit { kind, bound: Bound::Host, .. } => {
                return format!("this host allows no more: if you trust the plugin with it, raise `{kind}` under `[plugins.limits]` in `host.toml` of the home");
            }
            Self::Busy { .. } => "raise `concurrent` under `[plugins]` in `host.toml` of the home, or ask for less at a time",
            Self::Metering { .. } => "remove `limits.metering` from its plugin.toml: what decides has to be metered by fuel",
            Self::NotAComponent { .. } => {
                "build it with `freehold plugin build`, which turns the module into a component"
            }
            Self::TooHeavy { .. } => {
                "its author can split the function or the plugin, or build it with less inlining (`opt-level = \"s\"`)"
            }
            Self::Border { problem, .. } => return problem.remedy(),
            Self::WrongWorld { .. } => {
                "list it under the recipe's table of its own world, or correct `world` in plugin.toml"
            }
            Self::Instantiate { .. } => "report it to its publisher or use another version",
            Self::Refused { .. } => "correct the recipe's settings or data as the message says",
            Self::Panicked { .. }
            | Self::Trapped { .. }
            | Self::Shape { .. }
            | Self::Lineage { .. }
            | Self::RowDependence { .. }
            | Self::Numbers { .. } => {
                "this is a defect of the plugin: report it to its publisher or use another version"
            }
        }
        .into()
    }
}
