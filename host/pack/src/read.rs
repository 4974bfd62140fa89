//! Bytes to parts. Memory is bounded by the limits of the crate, whatever a stranger sends: what is large is hashed as it passes.

use std::collections::BTreeMap;
use std::io::BufRead;

use freehold_archive::{Entry, Reader};
use freehold_core::digest::{Digest, Hasher};

use crate::layout::{Place, described};
use crate::{
    BLOB_BYTES_MAX, Blob, FILES_MAX, HELD_BYTES_MAX, Pack, PackError, SMALL_BYTES_MAX, TOTAL_BYTES_MAX, Witnessed,
};

/// The parts of a pack.
///
/// # Errors
/// It is no pack, is not written as packs are, or is larger than is allowed here.
pub fn read(from: impl BufRead) -> Result<Pack, PackError> {
    let mut archive = Reader::open(from)?;
    let mut parts = Parts::default();
    let mut last = None;
    while let Some(entry) = archive.entry()? {
        let place = Place::of(&entry.name()).ok_or_else(|| PackError::Foreign(entry.shown()))?;
        if last.is_some_and(|last| place <= last) {
            return Err(PackError::Order(entry.shown()));
        }
        last = Some(place);
        parts.add(place, entry)?;
    }
    archive.end()?;
    parts.finish()
}

#[derive(Default)]
struct Parts {
    description: Option<Vec<u8>>,
    roots: Vec<Vec<u8>>,
    checkpoint: Option<Vec<u8>>,
    witnessed: Option<Vec<u8>>,
    consistency: Option<Vec<u8>>,
    proofs: BTreeMap<u64, Vec<u8>>,
    blobs: BTreeMap<Digest, Blob>,
    files: usize,
    /// Bytes that are held.
    held: u64,
}

impl Parts {
    fn add<R: BufRead>(&mut self, place: Place, entry: Entry<'_, R>) -> Result<(), PackError> {
        self.files += 1;
        if self.files > FILES_MAX {
            return Err(PackError::Files(FILES_MAX));
        }
        if let Place::Blob(digest) = place {
            let blob = self.blob(&digest, entry)?;
            self.blobs.insert(digest, blob);
            return Ok(());
        }
        if let Place::Root(version) = place
            && version != self.roots.len() as u64 + 1
        {
            return Err(PackError::Missing(Place::Root(self.roots.len() as u64 + 1).file()));
        }
        self.hold(entry.bytes(SMALL_BYTES_MAX)?)?;
        let bytes = entry.read(SMALL_BYTES_MAX)?;
        match place {
            Place::Description => self.description = Some(bytes),
            Place::Root(_) => self.roots.push(bytes),
            Place::Checkpoint => self.checkpoint = Some(bytes),
            Place::Witnessed => self.witnessed = Some(bytes),
            Place::Consistency => self.consistency = Some(bytes),
            Place::Proof(index) => drop(self.proofs.insert(index, bytes)),
            Place::Blob(_) => {}
        }
        Ok(())
    }

    fn hold(&mut self, bytes: u64) -> Result<(), PackError> {
        self.held += bytes;
        if self.held > TOTAL_BYTES_MAX { Err(PackError::Total { limit: TOTAL_BYTES_MAX }) } else { Ok(()) }
    }

    fn blob<R: BufRead>(&mut self, digest: &Digest, entry: Entry<'_, R>) -> Result<Blob, PackError> {
        let (file, bytes) = (entry.shown(), entry.bytes(BLOB_BYTES_MAX)?);
        let mut hasher = Hasher::new();
        let blob = if bytes > HELD_BYTES_MAX {
            entry.pieces(BLOB_BYTES_MAX, |piece| hasher.update(piece))?;
            Blob::Hashed { bytes }
        } else {
            self.hold(bytes)?;
            let data = entry.read(HELD_BYTES_MAX)?;
            hasher.update(&data);
            Blob::Held(data)
        };
        let found = hasher.finish();
        if found == *digest { Ok(blob) } else { Err(PackError::Digest { file, found: found.to_string() }) }
    }

    fn finish(self) -> Result<Pack, PackError> {
        let missing = |place: Place| PackError::Missing(place.file());
        let run = described(&self.description.ok_or_else(|| missing(Place::Description))?)?;
        let checkpoint = self.checkpoint.ok_or_else(|| missing(Place::Checkpoint))?;
        if self.roots.is_empty() {
            return Err(missing(Place::Root(1)));
        }
        let witnessed = match (self.witnessed, self.consistency) {
            (None, None) => None,
            (Some(checkpoint), Some(consistency)) => Some(Witnessed { checkpoint, consistency }),
            (None, Some(_)) => return Err(missing(Place::Witnessed)),
            (Some(_), None) => return Err(missing(Place::Consistency)),
        };
        Ok(Pack { run, roots: self.roots, checkpoint, witnessed, proofs: self.proofs, blobs: self.blobs })
    }
}

impl Blob {
    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Held(data) => data.len() as u64,
            Self::Hashed { bytes } => *bytes,
        }
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Held(bytes)
    }
}
