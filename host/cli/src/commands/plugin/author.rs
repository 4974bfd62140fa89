//! What the commands of the author's loop share: the folder, the plugin in the sandbox, and failures with their remedies.

use std::path::Path;

use freehold_authoring::{AuthoringError, PluginFolder, rehearse};
use freehold_component::BuildError;
use freehold_sandbox::{HostSettings, Plugin, Sandbox};
use freehold_workflow::{ExitCode, WorkflowError};

use crate::commands::{open_folder, read_file};
use crate::failure::Failure;

/// Largest component that is read.
pub(super) const COMPONENT_LIMIT: u64 = 64 << 20;

/// The folder of a plugin.
pub(super) fn open(folder: &Path) -> Result<PluginFolder, Failure> {
    Ok(PluginFolder::open(open_folder(folder)?, &folder.display().to_string())?)
}

/// The component that was named, or the one that was built last.
pub(super) fn component(folder: &PluginFolder, named: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match named {
        Some(file) => read_file(file, COMPONENT_LIMIT),
        None => Ok(folder.component()?),
    }
}

/// The plugin in a sandbox with the limits that a run has.
pub(super) fn load(folder: &PluginFolder, component: Vec<u8>) -> Result<(Sandbox, Plugin), Failure> {
    let verified = rehearse(folder.source(), component)?;
    let sandbox = Sandbox::new(HostSettings::default(), None).map_err(WorkflowError::from)?;
    let plugin = sandbox.load(&verified).map_err(WorkflowError::from)?;
    Ok((sandbox, plugin))
}

impl From<AuthoringError> for Failure {
    fn from(error: AuthoringError) -> Self {
        match error {
            AuthoringError::File(error) => WorkflowError::from(error).into(),
            AuthoringError::Toml { file, document, error } => WorkflowError::Toml { file, document, error }.into(),
            AuthoringError::Sandbox(error) => WorkflowError::from(error).into(),
            AuthoringError::Plugin(error) => WorkflowError::from(error).into(),
            AuthoringError::Exists(_) | AuthoringError::NoCase { .. } | AuthoringError::NoSource(_) => {
                Self::with_remedy(ExitCode::Usage, error.to_string(), error.remedy())
            }
            error => Self::with_remedy(ExitCode::Broken, error.to_string(), error.remedy()),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::with_remedy(ExitCode::Broken, error.to_string(), error.remedy())
    }
}
