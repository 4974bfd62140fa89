//! Bytes to files. What is decompressed is looked at block by block: a size is held against its limit before anything of that
//! size is read, and the first byte that no archive has ends it. So memory is bounded by the limits, whatever a stranger sends.

use std::borrow::Cow;
use std::io::{self, BufRead, Chain, Cursor, Read as _};

use flate2::bufread::GzDecoder;
use tar::Header;

use crate::ArchiveError;
use crate::header::{BLOCK, check, padding, shown, size};

/// Gzip's magic bytes and its one method, then no flags: no name, no comment, no further fields.
const GZIP: [u8; 4] = [0x1f, 0x8b, 8, 0];
/// What is decompressed at one time where a file is handed over in pieces.
const PIECE_BYTES: usize = 64 << 10;

/// An archive, read from the front.
#[derive(Debug)]
pub struct Reader<R: BufRead> {
    gzip: GzDecoder<Chain<Cursor<Vec<u8>>, R>>,
    /// How many headers were read.
    entries: usize,
}

impl<R: BufRead> Reader<R> {
    /// Begins to read an archive.
    ///
    /// # Errors
    /// It does not begin as an archive does.
    pub fn open(mut reader: R) -> Result<Self, ArchiveError> {
        let mut first = Vec::new();
        (&mut reader).take(GZIP.len() as u64).read_to_end(&mut first).map_err(failed)?;
        let agree = first.iter().zip(GZIP).take_while(|(found, expected)| *found == expected).count();
        match (first.len(), agree) {
            (0, _) => Err(ArchiveError::Empty),
            (_, 4) => Ok(Self { gzip: GzDecoder::new(Cursor::new(first).chain(reader)), entries: 0 }),
            (4, 3) => Err(ArchiveError::GzipFields),
            (length, agree) if length == agree => Err(ArchiveError::CutOff),
            _ => Err(ArchiveError::NotGzip),
        }
    }

    /// The next file; nothing at the first of the two empty blocks behind the files. The one before has to have been read.
    ///
    /// # Errors
    /// The archive goes on with something else than a regular file.
    pub fn entry(&mut self) -> Result<Option<Entry<'_, R>>, ArchiveError> {
        let mut block = [0; BLOCK];
        self.gzip.read_exact(&mut block).map_err(failed)?;
        self.entries += 1;
        if block == [0; BLOCK] {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        check(&header, self.entries)?;
        Ok(Some(Entry { reader: self, header }))
    }

    /// Nothing may follow the files but the second empty block.
    ///
    /// # Errors
    /// Something does, or the checksum of the whole is another one.
    pub fn end(mut self) -> Result<(), ArchiveError> {
        let mut block = [0; BLOCK];
        self.gzip.read_exact(&mut block).map_err(failed)?;
        // Gzip's checksum and length are compared when its end is reached.
        let more = block != [0; BLOCK] || self.gzip.read(&mut [0]).map_err(failed)? != 0;
        if more || !self.gzip.get_mut().fill_buf().map_err(failed)?.is_empty() {
            return Err(ArchiveError::Trailing);
        }
        Ok(())
    }
}

/// A file of an archive, before its bytes are read. Its header is looked at as a whole when they are.
#[derive(Debug)]
pub struct Entry<'a, R: BufRead> {
    reader: &'a mut Reader<R>,
    header: Header,
}

impl<R: BufRead> Entry<'_, R> {
    /// Its name, as it stands there: any bytes but zero.
    pub fn name(&self) -> Cow<'_, [u8]> {
        self.header.path_bytes()
    }

    /// Its name as it may be shown, without what a terminal would act on.
    pub fn shown(&self) -> String {
        shown(&self.name())
    }

    /// Its size in bytes, as the archive says.
    ///
    /// # Errors
    /// It is more than `limit`; the header is not the one that a file of this name and size has.
    pub fn bytes(&self, limit: u64) -> Result<u64, ArchiveError> {
        size(&self.header, limit)
    }

    /// Its bytes, if they are no more than `limit`.
    ///
    /// # Errors
    /// As [`Entry::bytes`]; the archive ends before them.
    pub fn read(self, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut data = Vec::new();
        self.pieces(limit, |piece| data.extend_from_slice(piece))?;
        Ok(data)
    }

    /// Hands over its bytes piece by piece, if they are no more than `limit`.
    ///
    /// # Errors
    /// As [`Entry::read`].
    pub fn pieces(self, limit: u64, mut see: impl FnMut(&[u8])) -> Result<(), ArchiveError> {
        let bytes = self.bytes(limit)?;
        let file = self.shown();
        self.reader.take(bytes, &mut see)?;
        let mut zero = true;
        self.reader.take(padding(bytes) as u64, |piece| zero &= piece.iter().all(|byte| *byte == 0))?;
        if zero { Ok(()) } else { Err(ArchiveError::NotCanonical { file, field: "padding" }) }
    }
}

impl<R: BufRead> Reader<R> {
    /// Exactly so many bytes.
    fn take(&mut self, bytes: u64, mut see: impl FnMut(&[u8])) -> Result<(), ArchiveError> {
        let mut left = bytes;
        let mut buffer = vec![0; PIECE_BYTES.min(usize::try_from(bytes).unwrap_or(PIECE_BYTES))];
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(PIECE_BYTES));
            let count = self.gzip.read(&mut buffer[..wanted]).map_err(failed)?;
            if count == 0 {
                return Err(ArchiveError::CutOff);
            }
            see(&buffer[..count]);
            left -= count as u64;
        }
        Ok(())
    }
}

fn failed(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::CutOff,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => ArchiveError::Damaged(error.to_string()),
        _ => ArchiveError::Unreadable(error.to_string()),
    }
}
