//! Blobs that are larger than memory: written and read piece by piece, never held whole.

use std::io::Read as _;

use cap_std::fs::File;
use freehold_core::digest::{Digest, Hasher};
use freehold_files::{FileError, Unfinished};

use crate::{BLOBS, Store, StoreError, path_of};

/// Bytes that are gathered before they go to the disk.
const BUFFER_BYTES: usize = 256 << 10;

/// A blob that is being written. It is in the store when [`BlobWriter::finish`] returns; if it is dropped before, nothing of it
/// stays.
#[derive(Debug)]
pub struct BlobWriter<'s> {
    store: &'s Store,
    file: Unfinished<'s>,
    buffer: Vec<u8>,
    hasher: Hasher,
}

impl BlobWriter<'_> {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.hasher.update(&self.buffer);
        self.file.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Keeps what was written. When the call returns it is on the disk.
    pub fn finish(mut self) -> Result<Digest, StoreError> {
        self.flush()?;
        let digest = self.hasher.finish();
        match self.store.verify(&digest) {
            Ok(()) => Ok(digest),
            Err(StoreError::Missing(_)) => {
                self.file.persist(path_of(&digest))?;
                Ok(digest)
            }
            Err(error) => Err(error),
        }
    }
}

/// A blob that is being read. What was read is that of the digest only when the end was reached, which is why there is no end
/// of a blob that was changed: there is an error in its place.
#[derive(Debug)]
pub struct BlobReader {
    expected: Digest,
    file: File,
    bytes: u64,
    hasher: Hasher,
}

impl BlobReader {
    /// Size of the blob in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the next bytes and returns how many; 0 at the end, and only if all of them were those of the digest.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let count = self.file.read(buffer).map_err(failed("read", &self.expected))?;
        self.hasher.update(&buffer[..count]);
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let found = self.hasher.clone().finish();
        if found == self.expected { Ok(0) } else { Err(StoreError::Corrupt { expected: self.expected, found }) }
    }
}

fn failed(action: &'static str, digest: &Digest) -> impl FnOnce(std::io::Error) -> StoreError {
    let digest = *digest;
    move |source| match source.kind() {
        std::io::ErrorKind::NotFound => StoreError::Missing(digest),
        _ => FileError::Io { action, path: path_of(&digest), source }.into(),
    }
}

impl Store {
    /// Begins a blob.
    pub fn writer(&self) -> Result<BlobWriter<'_>, StoreError> {
        let file = Unfinished::new(&self.dir, format!("{BLOBS}/blob"))?;
        Ok(BlobWriter { store: self, file, buffer: Vec::new(), hasher: Hasher::new() })
    }

    /// Begins to read the blob with this digest.
    pub fn reader(&self, digest: &Digest) -> Result<BlobReader, StoreError> {
        let file = self.dir.open(path_of(digest)).map_err(failed("open", digest))?;
        let bytes = file.metadata().map_err(failed("read", digest))?.len();
        Ok(BlobReader { expected: *digest, file, bytes, hasher: Hasher::new() })
    }

    /// Reads the blob with this digest, piece by piece, and says whether its bytes are those of the digest.
    pub fn verify(&self, digest: &Digest) -> Result<(), StoreError> {
        let mut reader = self.reader(digest)?;
        let mut buffer = vec![0; BUFFER_BYTES.min(reader.bytes() as usize + 1)];
        while reader.read(&mut buffer)? > 0 {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_in_pieces_is_read_in_pieces() {
        let (folder, store) = crate::tests::store();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let mut writer = store.writer().unwrap();
        for piece in bytes.chunks(777) {
            writer.write(piece).unwrap();
        }
        let digest = writer.finish().unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(store.get(&digest).unwrap(), bytes);
        let mut reader = store.reader(&digest).unwrap();
        assert_eq!(reader.bytes(), bytes.len() as u64);
        let (mut read, mut buffer) = (Vec::new(), [0; 999]);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                count => read.extend_from_slice(&buffer[..count]),
            }
        }
        assert_eq!(read, bytes);
        // The same again is the same blob, and nothing is left beside it.
        let mut again = store.writer().unwrap();
        again.write(&bytes).unwrap();
        assert_eq!(again.finish().unwrap(), digest);
        assert_eq!(std::fs::read_dir(folder.path().join(BLOBS)).unwrap().count(), 1);
    }

    #[test]
    fn a_blob_that_was_not_finished_leaves_nothing() {
        let (folder, store) = crate::tests::store();
        let mut writer = store.writer().unwrap();
        writer.write(&vec![1; 3 * BUFFER_BYTES]).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join(BLOBS)).unwrap().count(), 1);
        assert_eq!(store.check().unwrap(), (0, vec![]), "what is being written is no blob yet");
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path().join(BLOBS)).unwrap().count(), 0);
    }

    #[test]
    fn there_is_no_end_of_a_changed_blob() {
        let (folder, store) = crate::tests::store();
        let digest = store.put(b"bytes").unwrap();
        for changed in [&b"Bytes"[..], b"byte", b"bytes and more", b""] {
            std::fs::write(folder.path().join(path_of(&digest)), changed).unwrap();
            assert!(matches!(store.verify(&digest), Err(StoreError::Corrupt { .. })), "{changed:?}");
            let mut writer = store.writer().unwrap();
            writer.write(b"bytes").unwrap();
            assert!(matches!(writer.finish(), Err(StoreError::Corrupt { .. })), "{changed:?}");
        }
        std::fs::remove_file(folder.path().join(path_of(&digest))).unwrap();
        assert!(matches!(store.verify(&digest), Err(StoreError::Missing(_))));
    }
}
