//! What lies in a folder of plugins where a version is to be put.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::manifest::Manifest;
use freehold_files::FileError;
use freehold_trust::{Envelope, KeyId, MANIFEST_TYPE, PublicKey};

use crate::catalog::{COMPONENT_LIMIT, MANIFEST_LIMIT};
use crate::difference::differences;
use crate::resolution::differing;
use crate::{COMPONENT_FILE, Home, MANIFEST_FILE, WorkflowError};

/// What lies there.
#[derive(Debug)]
pub(crate) enum Occupant {
    /// Nothing that would be lost: at most what an interrupted call left, or a part of the same.
    Nothing,
    /// The same component and the same content, whole.
    Same(Box<Present>),
    /// Something else. How it differs.
    Other(String),
}

/// A signed manifest that lies there, with its component.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) manifest: Manifest,
    pub(crate) signers: Vec<KeyId>,
    pub(crate) envelope: Vec<u8>,
}

fn read(plugins: &Dir, file: &str, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    match freehold_files::read(plugins, file, limit) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

/// What lies in the folder of the version of `manifest`, compared with it. A component without a manifest is what an
/// interrupted call left. A manifest by nobody that this home ever knew, nor by `also`, says nothing that could be compared, so
/// that the component alone is.
pub(crate) fn occupant(
    home: &Home,
    plugins: &Dir,
    manifest: &Manifest,
    also: Option<PublicKey>,
) -> Result<Occupant, WorkflowError> {
    let folder = format!("{}/{}", manifest.name, manifest.version);
    let Some(envelope) = read(plugins, &format!("{folder}/{MANIFEST_FILE}"), MANIFEST_LIMIT)? else {
        return Ok(Occupant::Nothing);
    };
    let component =
        read(plugins, &format!("{folder}/{COMPONENT_FILE}"), COMPONENT_LIMIT)?.map(|bytes| Digest::of(&bytes));
    let mut keys: BTreeMap<_, _> = home.publishers_ever()?;
    keys.extend(also.map(|key| (key.id(), key)));
    let verified = Envelope::from_bytes(&envelope).and_then(|envelope| envelope.verify(MANIFEST_TYPE, &keys, 1));
    let read = verified.ok().and_then(|(payload, signers)| Some((serde_json::from_slice(&payload).ok()?, signers)));
    let Some((before, signers)): Option<(Manifest, _)> = read else {
        return Ok(match component.filter(|component| *component != manifest.component) {
            Some(other) => Occupant::Other(format!("component {} -> {}", other.short(), manifest.component.short())),
            None => Occupant::Nothing,
        });
    };
    let differs = differences(&before, manifest);
    if !differs.is_empty() {
        return Ok(Occupant::Other(differing(&differs)));
    }
    // A component that was lost or damaged since is put back.
    Ok(match component == Some(manifest.component) {
        true => {
            Occupant::Same(Box::new(Present { manifest: before, signers: signers.into_iter().collect(), envelope }))
        }
        false => Occupant::Nothing,
    })
}
