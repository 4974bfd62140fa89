//! Parts to bytes.

use std::io::{self, Write};

use freehold_archive::Writer;
use freehold_core::digest::Digest;

use crate::layout::{Place, describe};
use crate::{Blob, Pack};

/// Where the bytes of blobs come from.
pub trait Blobs<B> {
    /// How many bytes a blob has.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn bytes(&self, digest: &Digest, blob: &B) -> io::Result<u64>;

    /// Writes its bytes.
    ///
    /// # Errors
    /// They cannot be read, or `to` refuses them.
    fn write(&self, digest: &Digest, blob: &B, to: &mut dyn Write) -> io::Result<()>;
}

/// Writes a pack. The same parts give the same archive, and the same build the same bytes.
///
/// # Errors
/// A blob cannot be read, or `to` refuses what is written.
pub fn write<B, W: Write>(pack: &Pack<B>, blobs: &impl Blobs<B>, to: W) -> io::Result<W> {
    let mut archive = Writer::new(to);
    let mut file = |place: Place, data: &[u8]| archive.file(&place.file(), data);
    file(Place::Description, &describe(&pack.run))?;
    for (root, version) in pack.roots.iter().zip(1..) {
        file(Place::Root(version), root)?;
    }
    file(Place::Checkpoint, &pack.checkpoint)?;
    if let Some(witnessed) = &pack.witnessed {
        file(Place::Witnessed, &witnessed.checkpoint)?;
        file(Place::Consistency, &witnessed.consistency)?;
    }
    for (index, proof) in &pack.proofs {
        file(Place::Proof(*index), proof)?;
    }
    for (digest, blob) in &pack.blobs {
        let name = Place::Blob(*digest).file();
        archive.file_of(&name, blobs.bytes(digest, blob)?, |to| blobs.write(digest, blob, to))?;
    }
    archive.finish()
}

/// Blobs that are in memory. One that was hashed only has no bytes any more.
impl Blobs<Blob> for () {
    fn bytes(&self, _: &Digest, blob: &Blob) -> io::Result<u64> {
        Ok(blob.bytes())
    }

    fn write(&self, digest: &Digest, blob: &Blob, to: &mut dyn Write) -> io::Result<()> {
        match blob {
            Blob::Held(data) => to.write_all(data),
            Blob::Hashed { .. } => Err(io::Error::other(format!("the bytes of {digest} are not held"))),
        }
    }
}
