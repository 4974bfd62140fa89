//! Parts to bytes.

use std::io;

use freehold_archive::Writer;

use crate::{Part, Parts};

/// The bundle of these parts. The same parts give the same archive, and the same build the same bytes. Only memory is written
/// to, so that an error is the compressor's.
pub fn write<B: AsRef<[u8]>>(parts: &Parts<B>) -> io::Result<Vec<u8>> {
    let mut archive = Writer::new(Vec::new());
    let files = [Some(&parts.manifest), Some(&parts.component), parts.yank.as_ref()];
    for (part, data) in Part::ALL.into_iter().zip(files) {
        if let Some(data) = data {
            archive.file(part.file(), data.as_ref())?;
        }
    }
    archive.finish()
}
