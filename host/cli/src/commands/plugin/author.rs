//! What the commands of the author's loop share: the folder, the plugin in the sandbox, and failures with their remedies.

use std::path::{Path, PathBuf};

use freehold_authoring::{AuthoringError, PluginFolder, SOURCE_FILE, rehearse};
use freehold_component::BuildError;
use freehold_sandbox::{Plugin, Sandbox};
use freehold_workflow::{ExitCode, HOST_FILE, Home, WorkflowError};

use crate::commands::{Place, open_folder, read_file};
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

/// A plugin under the limits that a run has.
pub(super) struct Rehearsed {
    pub(super) plugin: Plugin,
    /// The `host.toml` that caps its limits; without one, this program's own caps do.
    pub(super) host_file: Option<PathBuf>,
    _sandbox: Sandbox,
}

impl Rehearsed {
    /// Whose limits they are, in words.
    pub(super) fn limits(&self) -> String {
        match &self.host_file {
            Some(file) => format!("Limits: those of {SOURCE_FILE}, capped by {}", file.display()),
            None => format!("Limits: those of {SOURCE_FILE}, capped by what freehold allows without a {HOST_FILE}"),
        }
    }
}

/// The plugin in a sandbox with the limits that a run in this place has.
pub(super) fn load(place: &Place<'_>, folder: &PluginFolder, component: Vec<u8>) -> Result<Rehearsed, Failure> {
    let verified = rehearse(folder.source(), component)?;
    let home = place.open_if_there()?;
    let settings = home.as_ref().map(Home::host_settings).transpose()?.unwrap_or_default();
    let limited = home.as_ref().map(Home::has_host_file).transpose()?.unwrap_or_default();
    let host_file = limited.then(|| place.0.join(HOST_FILE));
    let sandbox = Sandbox::new(settings, None).map_err(WorkflowError::from)?;
    let plugin = sandbox.load(&verified).map_err(WorkflowError::from)?;
    Ok(Rehearsed { plugin, host_file, _sandbox: sandbox })
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
