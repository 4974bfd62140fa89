//! Bytes to parts. What is decompressed is looked at block by block: a size is held against its limit before anything of that
//! size is read, and the first byte that no bundle has ends it. So memory is bounded by the limits, whatever a stranger sends.

use std::io::{self, Read as _};

use flate2::bufread::GzDecoder;

use crate::header::{BLOCK, padding, size};
use crate::{BundleError, Limits, Part, Parts};

/// Gzip's magic bytes and its one method, then no flags: no name, no comment, no further fields.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const FLAGS: usize = 3;

/// The parts of a bundle. They take no more memory than `limits` allow.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Parts, BundleError> {
    let mut archive = Archive::open(bytes)?;
    let mut next = |part: Part| archive.file(part, part.limit(limits));
    let manifest = next(Part::Manifest)?.ok_or(BundleError::Missing(Part::Manifest.file()))?;
    let component = next(Part::Component)?.ok_or(BundleError::Missing(Part::Component.file()))?;
    let yank = next(Part::Yank)?;
    archive.end(yank.is_some())?;
    Ok(Parts { manifest, component, yank })
}

struct Archive<'a> {
    gzip: GzDecoder<&'a [u8]>,
    /// How many headers were read.
    entries: usize,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, BundleError> {
        if bytes.is_empty() {
            return Err(BundleError::Empty);
        }
        if !bytes.starts_with(&GZIP) {
            return Err(if GZIP.starts_with(bytes) { BundleError::CutOff } else { BundleError::NotGzip });
        }
        if bytes.get(FLAGS).is_some_and(|flags| *flags != 0) {
            return Err(BundleError::GzipFields);
        }
        Ok(Self { gzip: GzDecoder::new(bytes), entries: 0 })
    }

    /// The file at which the archive is, which has to be `part`; nothing if the files end here.
    fn file(&mut self, part: Part, limit: u64) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(block) = self.header()? else { return Ok(None) };
        let bytes = size(&block, self.entries, (Some(part), limit))?;
        let data = self.take(bytes)?;
        let padding = self.take(padding(bytes) as u64)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(BundleError::NotCanonical { file: part.file(), field: "padding" });
        }
        Ok(Some(data))
    }

    /// The next header; nothing at the first of the two empty blocks behind the files.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, BundleError> {
        let mut block = [0; BLOCK];
        self.gzip.read_exact(&mut block).map_err(failed)?;
        self.entries += 1;
        Ok((block != [0; BLOCK]).then_some(block))
    }

    /// Exactly so many bytes.
    fn take(&mut self, bytes: u64) -> Result<Vec<u8>, BundleError> {
        let mut data = Vec::new();
        (&mut self.gzip).take(bytes).read_to_end(&mut data).map_err(failed)?;
        if (data.len() as u64) < bytes { Err(BundleError::CutOff) } else { Ok(data) }
    }

    /// Nothing may follow but the empty blocks: both of them, or with `at_header` one more header's place before them.
    fn end(mut self, at_header: bool) -> Result<(), BundleError> {
        if at_header && let Some(block) = self.header()? {
            return Err(size(&block, self.entries, (None, 0)).err().unwrap_or(BundleError::Trailing));
        }
        if self.header()?.is_some() {
            return Err(BundleError::Trailing);
        }
        // Gzip's checksum and length are compared when its end is reached.
        if self.gzip.read(&mut [0]).map_err(failed)? != 0 || !self.gzip.get_ref().is_empty() {
            return Err(BundleError::Trailing);
        }
        Ok(())
    }
}

fn failed(error: io::Error) -> BundleError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BundleError::CutOff,
        _ => BundleError::Damaged(error.to_string()),
    }
}
