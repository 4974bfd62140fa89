//! Parts to bytes.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::header::{BLOCK, canonical, padding};
use crate::{Part, Parts};

/// The bundle of these parts. The same parts give the same archive, and the same build the same bytes. Only memory is written
/// to, so that an error is the compressor's.
pub fn write<B: AsRef<[u8]>>(parts: &Parts<B>) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let files = [Some(&parts.manifest), Some(&parts.component), parts.yank.as_ref()];
    for (part, data) in Part::ALL.into_iter().zip(files) {
        let Some(data) = data.map(AsRef::as_ref) else { continue };
        let bytes = data.len() as u64;
        gzip.write_all(canonical(part.file(), bytes).as_bytes())?;
        gzip.write_all(data)?;
        gzip.write_all(&vec![0; padding(bytes)])?;
    }
    gzip.write_all(&[0; 2 * BLOCK])?;
    gzip.finish()
}
