//! `index.json`: names for artifacts. A convenience for readers of the layout; the ledger is what says where an alias points.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use serde::Serialize;

use crate::artifact::Descriptor;
use crate::{Store, StoreError};

const INDEX: &str = "index.json";
const INDEX_LIMIT: u64 = 64 << 20;
const LOCK: &str = ".index.lock";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageIndex {
    schema_version: u32,
    media_type: String,
    manifests: Vec<Descriptor>,
}

impl ImageIndex {
    fn empty() -> Self {
        let media_type = "application/vnd.oci.image.index.v1+json".into();
        Self { schema_version: 2, media_type, manifests: Vec::new() }
    }
}

fn malformed(error: serde_json::Error) -> StoreError {
    StoreError::Malformed { file: INDEX.into(), problem: error.to_string() }
}

fn encode(index: &ImageIndex) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec_pretty(index).map_err(malformed)
}

fn write(dir: &Dir, index: &ImageIndex) -> Result<(), StoreError> {
    Ok(freehold_files::write(dir, INDEX, &encode(index)?)?)
}

pub(crate) fn create(dir: &Dir) -> Result<(), StoreError> {
    write(dir, &ImageIndex::empty())
}

impl Store {
    /// The index that holds these names and nothing else.
    fn index_of(&self, names: &BTreeMap<String, Digest>) -> Result<ImageIndex, StoreError> {
        let mut index = ImageIndex::empty();
        for (name, digest) in names {
            index.manifests.push(Descriptor {
                media_type: "application/vnd.oci.image.manifest.v1+json".into(),
                digest: *digest,
                size: self.get(digest)?.len() as u64,
                annotations: BTreeMap::from([(REF_NAME.into(), name.clone())]),
            });
        }
        Ok(index)
    }

    /// Whether the index is, byte for byte, the one that [`Store::set_names`] writes for these names.
    pub fn has_names(&self, names: &BTreeMap<String, Digest>) -> Result<bool, StoreError> {
        Ok(freehold_files::read(&self.dir, INDEX, INDEX_LIMIT)? == encode(&self.index_of(names)?)?)
    }

    /// Replaces all names by `names`; used to make the index follow the ledger.
    pub fn set_names(&self, names: &BTreeMap<String, Digest>) -> Result<(), StoreError> {
        let _lock = freehold_files::lock(&self.dir, LOCK)?;
        write(&self.dir, &self.index_of(names)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_move() {
        let (_folder, store) = crate::tests::store();
        let digest = store.put_artifact("application/x", &[], BTreeMap::new()).unwrap();
        let names = BTreeMap::from([("support@production".to_owned(), digest)]);
        store.set_names(&names).unwrap();
        assert!(store.has_names(&names).unwrap());
        assert!(!store.has_names(&BTreeMap::new()).unwrap());
        let missing = BTreeMap::from([("a@b".to_owned(), Digest::of(b"missing"))]);
        assert!(store.set_names(&missing).is_err());
        assert!(store.has_names(&names).unwrap());
    }
}
