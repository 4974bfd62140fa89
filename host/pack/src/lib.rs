//! The evidence of a run in one file, to be handed to a stranger. Bytes become parts and parts bytes: no signature and no proof
//! is verified here, and no file is opened. `DESIGN.md` beside this crate has the layout.

mod error;
mod layout;
mod read;
mod write;

use std::collections::BTreeMap;

use freehold_core::digest::Digest;

pub use error::PackError;
pub use read::read;
pub use write::{Blobs, write};

/// The most bytes of a trust root, a tree head, a proof, or of what else is small.
pub const SMALL_BYTES_MAX: u64 = 1 << 20;
/// A blob of more bytes is hashed and not held: what is read of a run is smaller, and weights are larger.
pub const HELD_BYTES_MAX: u64 = 16 << 20;
/// The most bytes that all parts which are held have together.
pub const TOTAL_BYTES_MAX: u64 = 256 << 20;
/// The most bytes of a blob that is not held.
pub const BLOB_BYTES_MAX: u64 = 64 << 30;
/// The most files of a pack.
pub const FILES_MAX: usize = 65_536;

/// The parts of a pack, with blobs of one kind or another. Nothing of it is verified but that a blob has its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack<B = Blob> {
    /// The run.
    pub run: String,
    /// Signed trust roots, from version 1 on.
    pub roots: Vec<Vec<u8>>,
    /// The log's signed tree head.
    pub checkpoint: Vec<u8>,
    /// The newest tree head that witnesses cosigned, and the proof that the log went on from it.
    pub witnessed: Option<Witnessed>,
    /// Entries of the log by number, each with its proof (C2SP tlog-proof).
    pub proofs: BTreeMap<u64, Vec<u8>>,
    /// Statements and what they name, by digest.
    pub blobs: BTreeMap<Digest, B>,
}

/// A tree head that witnesses cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The signed note.
    pub checkpoint: Vec<u8>,
    /// Hashes that lead from it to the newer one, in base64, a line each.
    pub consistency: Vec<u8>,
}

/// A blob as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob {
    /// Its bytes.
    Held(Vec<u8>),
    /// It has more than [`HELD_BYTES_MAX`] bytes, of which the digest was taken.
    Hashed {
        /// How many.
        bytes: u64,
    },
}

#[cfg(test)]
mod tests;
