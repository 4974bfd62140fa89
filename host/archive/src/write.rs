//! Files to bytes.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::header::{BLOCK, canonical, padding};

/// Names that are longer do not fit the one field that is used for them.
const NAME_BYTES_MAX: usize = 100;

/// An archive that is being written. The same files give the same archive, and the same build the same bytes.
#[derive(Debug)]
pub struct Writer<W: Write> {
    gzip: GzEncoder<W>,
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub fn new(to: W) -> Self {
        Self { gzip: GzEncoder::new(to, Compression::best()) }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// What is written to refuses; the name is longer than 100 bytes.
    pub fn file(&mut self, name: &str, data: &[u8]) -> io::Result<()> {
        self.file_of(name, data.len() as u64, |to| to.write_all(data))
    }

    /// Adds a file of so many bytes, which `write` writes.
    ///
    /// # Errors
    /// As [`Writer::file`]; other than so many bytes were written.
    pub fn file_of(
        &mut self,
        name: &str,
        bytes: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if name.len() > NAME_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, format!("`{name}` is too long a name")));
        }
        self.gzip.write_all(canonical(name.as_bytes(), bytes).as_bytes())?;
        let mut counted = Counted { to: &mut self.gzip, bytes: 0 };
        write(&mut counted)?;
        if counted.bytes != bytes {
            let problem = format!("`{name}` has {} bytes, not {bytes}", counted.bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        self.gzip.write_all(&vec![0; padding(bytes)])
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// What is written to refuses.
    pub fn finish(mut self) -> io::Result<W> {
        self.gzip.write_all(&[0; 2 * BLOCK])?;
        self.gzip.finish()
    }
}

struct Counted<W> {
    to: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.to.write(data)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
