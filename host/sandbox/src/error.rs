//! What can go wrong with a plugin. Each limit has an error of its own.

use freehold_core::batch::ShapeError;
use freehold_core::manifest::World;

/// A plugin cannot be loaded or did not do what its world asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime cannot work on this machine.
    #[error("cannot start the plugin engine: {0}")]
    Engine(String),
    /// The component is too large.
    #[error("plugin `{plugin}`: the component has {bytes} bytes; at most {limit} are compiled")]
    ComponentSize {
        /// The plugin.
        plugin: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes are not a WebAssembly component.
    #[error("plugin `{plugin}` is not a WebAssembly component: {problem}")]
    NotAComponent {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: String,
    },
    /// It imports something that no world has.
    #[error("plugin `{plugin}` imports `{import}`, which no world offers")]
    ForeignImport {
        /// The plugin.
        plugin: String,
        /// The import.
        import: String,
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
    /// It ran out of fuel.
    #[error("plugin `{plugin}` used up its fuel ({limit})")]
    Fuel {
        /// The plugin.
        plugin: String,
        /// The limit.
        limit: u64,
    },
    /// A call took too long.
    #[error("plugin `{plugin}`: a call took longer than {limit_ms} ms")]
    WallTime {
        /// The plugin.
        plugin: String,
        /// The limit.
        limit_ms: u64,
    },
    /// It asked for more memory than it may have.
    #[error("plugin `{plugin}` needs more than its {limit} bytes of memory")]
    Memory {
        /// The plugin.
        plugin: String,
        /// The limit.
        limit: u64,
    },
    /// It returned too much.
    #[error("plugin `{plugin}`: a call returned more than {limit} bytes")]
    Output {
        /// The plugin.
        plugin: String,
        /// The limit.
        limit: u64,
    },
    /// It logged too much.
    #[error("plugin `{plugin}` logged more than {limit} bytes")]
    Log {
        /// The plugin.
        plugin: String,
        /// The limit.
        limit: u64,
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
    },
    /// It trapped without a message.
    #[error("plugin `{plugin}` trapped: {problem}")]
    Trapped {
        /// The plugin.
        plugin: String,
        /// The trap.
        problem: String,
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
            Self::ComponentSize { .. } => "component-size",
            Self::NotAComponent { .. } => "not-a-component",
            Self::ForeignImport { .. } => "foreign-import",
            Self::WrongWorld { .. } => "wrong-world",
            Self::Instantiate { .. } => "instantiate",
            Self::Fuel { .. } => "out-of-fuel",
            Self::WallTime { .. } => "out-of-time",
            Self::Memory { .. } => "out-of-memory",
            Self::Output { .. } => "output-limit",
            Self::Log { .. } => "log-limit",
            Self::Panicked { .. } => "panicked",
            Self::Trapped { .. } => "trapped",
            Self::Refused { .. } => "error",
            Self::Shape { .. } => "malformed-batch",
            Self::Lineage { .. } => "row-lineage",
            Self::Numbers { .. } => "malformed-numbers",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Engine(_) => "free some address space or memory, then try again",
            Self::ComponentSize { .. } => "build the plugin with the profile `component`, which strips it",
            Self::NotAComponent { .. } => {
                "build it with `cargo xtask plugins`, which turns the module into a component"
            }
            Self::ForeignImport { .. } => {
                "build it for wasm32-unknown-unknown with the SDK; plugins get no clock, files or network"
            }
            Self::WrongWorld { .. } => {
                "list it under the recipe's table of its own world, or correct `world` in plugin.toml"
            }
            Self::Instantiate { .. } => {
                "raise the limits in the plugin's plugin.toml if it needs more, and sign it again"
            }
            Self::Fuel { .. } => {
                "raise `limits.fuel` in the plugin's plugin.toml and sign it again, or give it less data"
            }
            Self::WallTime { .. } => "raise `limits.wall_time_ms` in the plugin's plugin.toml and sign it again",
            Self::Memory { .. } => "raise `limits.memory_bytes` in the plugin's plugin.toml and sign it again",
            Self::Output { .. } => "raise `limits.output_bytes` in the plugin's plugin.toml and sign it again",
            Self::Log { .. } => "log less, or raise `limits.log_bytes` in the plugin's plugin.toml and sign it again",
            Self::Refused { .. } => "correct the recipe's settings or data as the message says",
            Self::Panicked { .. }
            | Self::Trapped { .. }
            | Self::Shape { .. }
            | Self::Lineage { .. }
            | Self::Numbers { .. } => {
                "this is a defect of the plugin: report it to its publisher or use another version"
            }
        }
    }
}
