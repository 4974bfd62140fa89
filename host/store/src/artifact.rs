//! Artifacts: OCI manifests that hold several named blobs together, such as the files of an adapter.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const TITLE: &str = "org.opencontainers.image.title";

/// A blob by type, digest and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageManifest {
    schema_version: u32,
    media_type: String,
    artifact_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// Named blobs that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Digest of the manifest.
    pub digest: Digest,
    /// Its type.
    pub kind: String,
    /// The files: name and digest.
    pub files: Vec<(String, Digest)>,
    /// What else is known of it.
    pub annotations: BTreeMap<String, String>,
}

impl Store {
    /// Keeps `files` and a manifest that names them.
    pub fn put_artifact(
        &self,
        kind: &str,
        files: &[(String, Vec<u8>)],
        annotations: BTreeMap<String, String>,
    ) -> Result<Digest, StoreError> {
        let empty = b"{}";
        let config = Descriptor {
            media_type: EMPTY_TYPE.into(),
            digest: self.put(empty)?,
            size: empty.len() as u64,
            annotations: BTreeMap::new(),
        };
        let mut layers = Vec::new();
        for (name, bytes) in files {
            layers.push(Descriptor {
                media_type: "application/octet-stream".into(),
                digest: self.put(bytes)?,
                size: bytes.len() as u64,
                annotations: BTreeMap::from([(TITLE.into(), name.clone())]),
            });
        }
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.into(),
            artifact_type: kind.into(),
            config,
            layers,
            annotations,
        };
        let malformed =
            |error: serde_json::Error| StoreError::Malformed { file: "manifest".into(), problem: error.to_string() };
        self.put(&serde_json::to_vec(&manifest).map_err(malformed)?)
    }

    /// The artifact whose manifest has this digest.
    pub fn artifact(&self, digest: &Digest) -> Result<Artifact, StoreError> {
        parse(digest, &self.get(digest)?)
    }
}

/// The artifact of a manifest.
pub(crate) fn parse(digest: &Digest, bytes: &[u8]) -> Result<Artifact, StoreError> {
    let malformed = |problem: String| StoreError::Malformed { file: digest.to_string(), problem };
    let manifest: ImageManifest = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    let mut files = Vec::new();
    for layer in &manifest.layers {
        let name = layer.annotations.get(TITLE).ok_or_else(|| malformed("a layer has no title".into()))?;
        files.push((name.clone(), layer.digest));
    }
    let (kind, annotations) = (manifest.artifact_type, manifest.annotations);
    Ok(Artifact { digest: *digest, kind, files, annotations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_keeps_its_files_by_name() {
        let (_folder, store) = crate::tests::store();
        let files = [("a.txt".to_owned(), b"a".to_vec()), ("b.txt".to_owned(), b"b".to_vec())];
        let notes = BTreeMap::from([("run".to_owned(), "x-1".to_owned())]);
        let digest = store.put_artifact("application/x", &files, notes.clone()).unwrap();
        assert_eq!(store.put_artifact("application/x", &files, notes.clone()).unwrap(), digest);
        let artifact = store.artifact(&digest).unwrap();
        assert_eq!(artifact.files, [("a.txt".into(), Digest::of(b"a")), ("b.txt".into(), Digest::of(b"b"))]);
        assert_eq!(artifact.annotations, notes);
        let other = store.put(b"not a manifest").unwrap();
        assert!(matches!(store.artifact(&other), Err(StoreError::Malformed { .. })));
    }
}
