//! Why bytes are no canonical archive. Each error goes on after the name of what was to be read: "the bundle", "the pack".

/// Bytes are no canonical archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// It has no bytes.
    #[error("is empty")]
    Empty,
    /// It is not compressed by gzip.
    #[error("does not begin as gzip does")]
    NotGzip,
    /// The header of gzip carries more than it has to: a name, a comment, or fields of other programs.
    #[error("carries optional fields in its gzip header")]
    GzipFields,
    /// Its bytes cannot be had, which says nothing of what they are.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It cannot be decompressed, or its checksum is another one.
    #[error("was damaged: {0}")]
    Damaged(String),
    /// It ends too early.
    #[error("was cut off: it ends within the archive")]
    CutOff,
    /// A header has another checksum than it says.
    #[error("was damaged: the header of entry {entry} has a wrong checksum")]
    HeaderChecksum {
        /// Which, from 1.
        entry: usize,
    },
    /// An entry is no regular file.
    #[error("holds {kind}, `{name}`; only regular files are taken")]
    Kind {
        /// Its name, printable.
        name: String,
        /// What it is.
        kind: String,
    },
    /// A file is too large.
    #[error("holds `{file}` with {bytes} bytes; at most {limit} are allowed here")]
    TooLarge {
        /// Which, printable.
        file: String,
        /// Its size, as the archive says.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An entry is not written in the one way.
    #[error("holds `{file}` with a `{field}` that it must not have")]
    NotCanonical {
        /// The file, printable.
        file: String,
        /// The field of its header that differs, or `padding`.
        field: &'static str,
    },
    /// Something follows where the archive ends.
    #[error("has something behind its end")]
    Trailing,
}
