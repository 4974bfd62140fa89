//! Why a file is no pack, and what to do about it.

use freehold_archive::ArchiveError;

/// A file is no pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// It is no canonical archive, or one that is too large.
    #[error("the pack {0}")]
    Archive(#[from] ArchiveError),
    /// A file that no pack has.
    #[error("the pack holds `{0}`, a file that no pack has")]
    Foreign(String),
    /// A file comes after one that it has to come before, or is there twice.
    #[error("the pack holds `{0}` behind its place or twice")]
    Order(String),
    /// A file is missing.
    #[error("the pack holds no `{0}`")]
    Missing(String),
    /// `pack.json` does not say what it has to.
    #[error("`pack.json` of the pack {0}")]
    Description(String),
    /// A blob is not the one of its name.
    #[error("the pack holds `{file}` with the bytes of {found}")]
    Digest {
        /// The file.
        file: String,
        /// The digest of its bytes.
        found: String,
    },
    /// Its parts have more bytes together than are held in memory.
    #[error("the pack has more than {limit} bytes in parts that have to be held in memory")]
    Total {
        /// The limit.
        limit: u64,
    },
    /// It has more files than any pack.
    #[error("the pack has more than {0} files")]
    Files(usize),
}

impl PackError {
    /// Whether its bytes could not be had at all, which says nothing of what they are.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Archive(ArchiveError::Unreadable(_)))
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Archive(ArchiveError::NotGzip | ArchiveError::GzipFields) => {
                "give a file that `freehold audit export RUN --format pack` made"
            }
            Self::Archive(
                ArchiveError::Empty
                | ArchiveError::Damaged(_)
                | ArchiveError::CutOff
                | ArchiveError::HeaderChecksum { .. },
            ) => "get the file again; if it is the same, it has to be exported anew",
            Self::Archive(ArchiveError::Unreadable(_)) => "see that the file can be read",
            _ => "do not rely on this file; a good one is made with `freehold audit export RUN --format pack`",
        }
    }
}
