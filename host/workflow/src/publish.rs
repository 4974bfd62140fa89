//! Signing a component into a folder of plugins.

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_core::toml_text;
use freehold_trust::{KeyId, SecretKey, sign_plugin};
use jiff::{SignedDuration, Timestamp};

use crate::{COMPONENT_FILE, MANIFEST_FILE, WorkflowError};

/// What was signed, and where it lies.
#[derive(Debug, Clone)]
pub struct Publication {
    /// What was signed.
    pub manifest: Manifest,
    /// Who signed.
    pub signer: KeyId,
    /// Its folder within the folder of plugins.
    pub folder: String,
}

/// Signs `component` with what `source` (the text of `plugin.toml`, from `file`) says of it, valid for `days`, and puts both
/// into `plugins`.
pub fn publish(
    plugins: &Dir,
    (file, source): (&str, &str),
    component: &[u8],
    key: &SecretKey,
    days: u32,
) -> Result<Publication, WorkflowError> {
    let source: PluginSource = toml_text::parse(source).map_err(|error| WorkflowError::Toml {
        file: file.into(),
        document: source.into(),
        error,
    })?;
    let created = Timestamp::now();
    let expires = created + SignedDuration::from_hours(i64::from(days) * 24);
    let manifest = Manifest::new(source, Digest::of(component), created, expires);
    let folder = format!("{}/{}", manifest.name, manifest.version);
    let envelope = sign_plugin(&manifest, key);
    freehold_files::write(plugins, format!("{folder}/{COMPONENT_FILE}"), component)?;
    freehold_files::write(plugins, format!("{folder}/{MANIFEST_FILE}"), &envelope.to_bytes())?;
    Ok(Publication { manifest, signer: key.public().id(), folder })
}
