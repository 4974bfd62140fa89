//! What can stop an author.

use freehold_core::toml_text::TomlError;
use freehold_files::FileError;
use freehold_sandbox::SandboxError;
use freehold_trust::{KeyError, PluginError, RootError};

use crate::folder::{COMPONENT_FILE, SOURCE_FILE};

/// A step of the author's loop cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum AuthoringError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder cannot be used.
    #[error("cannot {action} `{folder}`: {source}")]
    Folder {
        /// What was tried.
        action: &'static str,
        /// Which folder.
        folder: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A new plugin would overwrite something.
    #[error("`{0}` is there already")]
    Exists(String),
    /// The folder is not a plugin's.
    #[error("`{0}` is not the folder of a plugin: it has no `{SOURCE_FILE}`")]
    NoSource(String),
    /// A document cannot be understood.
    #[error("`{file}`: {error}")]
    Toml {
        /// The file.
        file: String,
        /// Its text.
        document: String,
        /// What is wrong.
        error: TomlError,
    },
    /// There is no component yet.
    #[error("the plugin in `{0}` is not built: there is no `{COMPONENT_FILE}`")]
    NotBuilt(String),
    /// The component is older than its source.
    #[error("`{newer}` was changed after `{COMPONENT_FILE}` was built")]
    Stale {
        /// A source file that is newer.
        newer: String,
    },
    /// There is nothing to test.
    #[error("there are no cases in `{0}`")]
    NoCases(String),
    /// There is no such case.
    #[error("there is no case `{name}`; there are: {known}")]
    NoCase {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A case says something that makes no sense.
    #[error("`{file}`: {problem}")]
    Case {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The plugin cannot be loaded or measured.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The plugin cannot be verified.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// No key could be made to rehearse with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No trust root could be made to rehearse with.
    #[error(transparent)]
    Root(#[from] RootError),
}

impl AuthoringError {
    /// What to do about it, if that is not in the message.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Exists(_) => "choose another folder with `--into`".into(),
            Self::NoSource(_) => "name the folder, or make one with `freehold plugin new`".into(),
            Self::Toml { error, .. } => error.remedy.clone()?,
            Self::NotBuilt(_) | Self::Stale { .. } => "build it with `freehold plugin build`".into(),
            Self::NoCases(_) => {
                "write `cases/NAME.toml` with settings and input, then let `freehold plugin test --accept` write what is expected"
                    .into()
            }
            Self::Sandbox(error) => error.remedy(),
            Self::Plugin(error) => error.remedy(),
            _ => return None,
        })
    }
}
