//! Files of weights, mapped into memory: what is not used is never read, and nothing is copied.

#![allow(unsafe_code, reason = "a file can be mapped only by promising that nobody cuts it off meanwhile")]

use cap_std::fs::File;
use memmap2::Mmap;

/// A file as bytes.
#[derive(Debug)]
pub(crate) struct Mapped(Bytes);

#[derive(Debug)]
enum Bytes {
    File(Mmap),
    /// The same in memory.
    Memory(Vec<u8>),
}

impl Mapped {
    /// Maps an open file. Whoever changes the file in place while it is mapped changes the weights too: model folders are
    /// replaced, not written over. What is mapped is digested after mapping.
    pub(crate) fn open(file: File) -> std::io::Result<Self> {
        let file = file.into_std();
        if file.metadata()?.len() == 0 {
            return Ok(Self::of(Vec::new()));
        }
        // SAFETY: the file is opened for reading; see above for what is asked of others.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self(Bytes::File(map)))
    }

    /// Bytes that are in memory.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self(Bytes::Memory(bytes))
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::File(map) => map,
            Bytes::Memory(bytes) => bytes,
        }
    }
}
