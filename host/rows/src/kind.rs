//! What a file is, told by how it begins.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{TableError, arrow, parquet};

/// What rows are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// JSON Lines.
    Jsonl,
    /// Parquet.
    Parquet,
    /// An Arrow IPC file, also called Feather 2.
    Arrow,
    /// An Arrow IPC stream.
    ArrowStream,
}

/// How many bytes tell what a file is.
pub const MAGIC_BYTES: usize = 8;

/// What is not read, by how it begins, and what to do about it.
const OTHERS: [(&[u8], &str, &str); 6] = [
    (b"\x1f\x8b", "the file is compressed with gzip", "decompress it"),
    (b"\x28\xb5\x2f\xfd", "the file is compressed with zstd", "decompress it"),
    (b"PK\x03\x04", "the file is a zip archive", "unpack it"),
    (b"PARE", "the file is Parquet with an encrypted footer", "write it without encryption"),
    (b"FEA1", "the file is Feather 1", "write it as Feather 2"),
    (b"Obj\x01", "the file is Avro", "write it as Parquet"),
];

impl FileKind {
    /// By the first bytes of a file, [`MAGIC_BYTES`] if there are so many.
    ///
    /// # Errors
    /// They are those of something that is not read.
    pub fn of(first: &[u8]) -> Result<Self, TableError> {
        if let Some((_, problem, remedy)) = OTHERS.iter().find(|(magic, ..)| first.starts_with(magic)) {
            return Err(TableError::of_file(*problem, format!("JSON Lines, Parquet or Arrow; {remedy}")));
        }
        Ok(match first {
            first if first.starts_with(parquet::MAGIC) => Self::Parquet,
            first if first.starts_with(arrow::MAGIC) => Self::Arrow,
            first if first.starts_with(&[0xff; 4]) => Self::ArrowStream,
            _ => Self::Jsonl,
        })
    }

    /// As it is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::ArrowStream => "arrow-stream",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_how_it_begins() {
        for (first, kind) in [
            (&b""[..], Some(FileKind::Jsonl)),
            (b"{\"a\":1}", Some(FileKind::Jsonl)),
            (b"PAR1\x15\x04", Some(FileKind::Parquet)),
            (b"ARROW1\0\0", Some(FileKind::Arrow)),
            (b"\xff\xff\xff\xff\x70\0\0\0", Some(FileKind::ArrowStream)),
            (b"\x1f\x8b\x08", None),
            (b"PARE", None),
            (b"FEA1", None),
        ] {
            assert_eq!(FileKind::of(first).ok(), kind, "{first:?}");
        }
    }
}
