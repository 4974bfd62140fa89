//! Where blobs are read: a store, or what was taken out of one.

use std::fmt;

use freehold_core::digest::Digest;

use crate::artifact::parse;
use crate::{Artifact, Store, StoreError};

/// Blobs by digest, each verified when it is read.
pub trait Blobs: fmt::Debug {
    /// The bytes with this digest.
    ///
    /// # Errors
    /// They are not there, are not those of the digest, or cannot be read.
    fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError>;

    /// Whether there is a blob of this digest; its bytes are not read.
    ///
    /// # Errors
    /// It cannot be looked for.
    fn contains(&self, digest: &Digest) -> Result<bool, StoreError>;

    /// The artifact whose manifest has this digest.
    ///
    /// # Errors
    /// As [`Blobs::get`]; the blob is no manifest.
    fn artifact(&self, digest: &Digest) -> Result<Artifact, StoreError> {
        parse(digest, &self.get(digest)?)
    }
}

impl Blobs for Store {
    fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        Self::get(self, digest)
    }

    fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Self::contains(self, digest)
    }
}
