//! Signing a component into a folder of plugins. A version that is there already is never overwritten with anything else.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_core::toml_text;
use freehold_files::FileError;
use freehold_trust::{Envelope, KeyId, MANIFEST_TYPE, PluginError, SecretKey, sign_plugin, verify_plugin};
use jiff::{SignedDuration, Timestamp};
use semver::Version;

use crate::catalog::{COMPONENT_LIMIT, MANIFEST_LIMIT};
use crate::difference::differences;
use crate::resolution::{ResolutionError, differing};
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
    let source: PluginSource = toml_text::parse(source).map_err(|error| WorkflowError::Toml {
        file: file.into(),
        document: source.into(),
        error,
    })?;
    let created = Timestamp::now();
    let expires = created + SignedDuration::from_hours(i64::from(signing.days) * 24);
    let manifest = Manifest { contract, ..Manifest::new(source, Digest::of(component), created, expires) };
    let folder = format!("{}/{}", manifest.name, manifest.version);
    let signer = signing.key.public().id();
    let before = before(home, plugins, &folder, &manifest, signing.key)?;
    home.refuse_other(&manifest)?;
    if let Some((before, signers)) = before
        && signers.contains(&signer)
        && !signing.renew
        && before.expires > created
        && !is_revoked(home, plugins, &folder, &before, component)?
    {
        return Ok(Publication { manifest: before, signer, folder, earlier: true });
    }
    freehold_files::write(plugins, format!("{folder}/{COMPONENT_FILE}"), component)?;
    freehold_files::write(
        plugins,
        format!("{folder}/{MANIFEST_FILE}"),
        &sign_plugin(&manifest, signing.key).to_bytes(),
    )?;
    Ok(Publication { manifest, signer, folder, earlier: false })
}

/// Whether the signature that lies there was revoked, so that only a new one is of use.
fn is_revoked(
    home: &Home,
    plugins: &Dir,
    folder: &str,
    before: &Manifest,
    component: &[u8],
) -> Result<bool, WorkflowError> {
    let Some(envelope) = read(plugins, &format!("{folder}/{MANIFEST_FILE}"), MANIFEST_LIMIT)? else { return Ok(false) };
    let asked = (&before.name, &before.version);
    let verified = verify_plugin(&home.newest_root()?, Timestamp::now(), asked, &envelope, component.to_vec());
    Ok(matches!(verified, Err(PluginError::RevokedManifest { .. })))
}

fn read(plugins: &Dir, file: &str, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    match freehold_files::read(plugins, file, limit) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

/// What lies in the folder of the version, if it is the same component and the same content, whole; an error if it is not the
/// same. A component without a manifest is what an interrupted call left. A manifest by nobody that this home ever knew says
/// nothing that could be compared, so that the component alone is.
fn before(
    home: &Home,
    plugins: &Dir,
    folder: &str,
    manifest: &Manifest,
    key: &SecretKey,
) -> Result<Option<(Manifest, Vec<KeyId>)>, WorkflowError> {
    let Some(envelope) = read(plugins, &format!("{folder}/{MANIFEST_FILE}"), MANIFEST_LIMIT)? else { return Ok(None) };
    let component =
        read(plugins, &format!("{folder}/{COMPONENT_FILE}"), COMPONENT_LIMIT)?.map(|bytes| Digest::of(&bytes));
    let refused = |differs: String| {
        let (plugin, version) = (manifest.name.clone(), manifest.version.clone());
        Err(ResolutionError::Published { plugin, version, differs }.into())
    };
    let mut keys: BTreeMap<_, _> = home.publishers_ever()?;
    keys.insert(key.public().id(), key.public());
    let verified = Envelope::from_bytes(&envelope).and_then(|envelope| envelope.verify(MANIFEST_TYPE, &keys, 1));
    let read = verified.ok().and_then(|(payload, signers)| Some((serde_json::from_slice(&payload).ok()?, signers)));
    let Some((before, signers)): Option<(Manifest, _)> = read else {
        return match component.filter(|component| *component != manifest.component) {
            Some(other) => refused(format!("component {} -> {}", other.short(), manifest.component.short())),
            None => Ok(None),
        };
    };
    let differs = differences(&before, manifest);
    if !differs.is_empty() {
        return refused(differing(&differs));
    }
    // A component that was lost or damaged since is put back.
    Ok((component == Some(manifest.component)).then(|| (before, signers.into_iter().collect())))
}
