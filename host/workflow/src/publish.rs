//! Signing a component into a folder of plugins. A version that is there already is never overwritten with anything else.

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_trust::{Encounter, KeyId, PluginError, SecretKey, sign_plugin, verify_plugin};
use jiff::{SignedDuration, Timestamp};
use semver::Version;

use crate::occupant::{Occupant, Present, occupant};
use crate::resolution::ResolutionError;
use crate::{COMPONENT_FILE, Home, MANIFEST_FILE, WorkflowError};

/// What was signed, and where it lies.
#[derive(Debug, Clone)]
pub struct Publication {
    /// What was signed.
    pub manifest: Manifest,
    /// Who signed.
    pub signer: KeyId,
    /// Its folder within the folder of plugins.
    pub folder: String,
    /// Whether all of it was there before, so that nothing was written.
    pub earlier: bool,
}

/// How something is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// The key.
    pub key: &'a SecretKey,
    /// For how many days.
    pub days: u32,
    /// Whether to sign again, with other dates, what this key signed before and has not expired.
    pub renew: bool,
}

/// Signs `component`, which was built for `contract`, with what `source` (the text of `plugin.toml`, from `file`) says of it and
/// puts both into `plugins`. The same again changes nothing; the same by another key, or after the signature expired or was
/// revoked, renews the signature.
pub fn publish(
    home: &Home,
    plugins: &Dir,
    (file, source): (&str, &str),
    (component, contract): (&[u8], Version),
    signing: Signing<'_>,
) -> Result<Publication, WorkflowError> {
    let source = PluginSource::parse(source).map_err(|error| WorkflowError::Toml {
        file: file.into(),
        document: source.into(),
        error,
    })?;
    let created = Timestamp::now();
    let expires = created + SignedDuration::from_hours(i64::from(signing.days) * 24);
    let manifest = Manifest { contract, ..Manifest::new(source, Digest::of(component), created, expires) };
    let folder = format!("{}/{}", manifest.name, manifest.version);
    let signer = signing.key.public().id();
    let before = match occupant(home, plugins, &manifest, Some(signing.key.public()))? {
        Occupant::Other(differs) => {
            let (plugin, version) = (manifest.name, manifest.version);
            return Err(ResolutionError::Published { plugin, version, differs }.into());
        }
        Occupant::Same(before) => Some(*before),
        Occupant::Nothing => None,
    };
    home.refuse_other(&manifest)?;
    if let Some(Present { manifest: before, signers, envelope }) = before
        && signers.contains(&signer)
        && !signing.renew
        && before.expires > created
        && !is_revoked(home, &before, &envelope, component)?
    {
        return Ok(Publication { manifest: before, signer, folder, earlier: true });
    }
    freehold_files::write(plugins, format!("{folder}/{COMPONENT_FILE}"), component)?;
    freehold_files::write(
        plugins,
        format!("{folder}/{MANIFEST_FILE}"),
        &sign_plugin(&manifest, signing.key).map_err(WorkflowError::Signing)?.to_bytes(),
    )?;
    Ok(Publication { manifest, signer, folder, earlier: false })
}

/// Whether the signature that lies there was revoked, so that only a new one is of use.
fn is_revoked(home: &Home, before: &Manifest, envelope: &[u8], component: &[u8]) -> Result<bool, WorkflowError> {
    let asked = (&before.name, &before.version);
    // Whether it was met before makes no difference to that.
    let met = Encounter::again(Timestamp::now());
    let verified = verify_plugin(&home.newest_root()?, met, asked, envelope, component.to_vec());
    Ok(matches!(verified, Err(PluginError::RevokedManifest { .. })))
}
