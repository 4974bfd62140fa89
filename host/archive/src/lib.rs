//! Canonical archives: what is handed over in one file is one gzip member around a POSIX tar archive (ustar) of regular files.
//! Bytes become files and files bytes: no file is opened here, and no name becomes a path.
//!
//! Each header is the one that [`Writer`] makes for that name and size, byte for byte: mode 0644, owner 0, time 0. So the same
//! files give the same archive, and [`Reader`] takes no archive in which another program could see something else. Which files
//! there may be, in which order and how large, is for the formats to say that are written in this way.

mod error;
mod header;
mod read;
mod write;

pub use error::ArchiveError;
pub use read::{Entry, Reader};
pub use write::Writer;
