//! Why a file is no bundle, and what to do about it.

use freehold_archive::ArchiveError;

/// A file is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is no canonical archive, or one that is too large.
    #[error("the bundle {0}")]
    Archive(#[from] ArchiveError),
    /// A file is there twice.
    #[error("the bundle holds `{0}` twice")]
    Duplicate(&'static str),
    /// A file is not at its place.
    #[error("the bundle holds `{found}` where `{expected}` has to be")]
    Order {
        /// What is there.
        found: &'static str,
        /// What has to be.
        expected: &'static str,
    },
    /// A file that no bundle has.
    #[error("the bundle holds `{0}`, a file that no bundle has")]
    Foreign(String),
    /// A file is missing.
    #[error("the bundle holds no `{0}`")]
    Missing(&'static str),
}

impl BundleError {
    /// Whether it has more bytes than are allowed here.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Archive(ArchiveError::TooLarge { .. }))
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Archive(ArchiveError::TooLarge { file, .. }) if file == crate::COMPONENT_FILE => {
                "if you trust its publisher with more, raise `component_bytes` under [plugins.limits] in host.toml of the home, \
                 to 64 MiB at most"
            }
            Self::Archive(
                ArchiveError::Empty
                | ArchiveError::Damaged(_)
                | ArchiveError::CutOff
                | ArchiveError::HeaderChecksum { .. },
            ) => "get the file again; if it is the same, its publisher has to make it anew with `freehold plugin pack`",
            Self::Archive(ArchiveError::NotGzip | ArchiveError::GzipFields) => {
                "give a file that `freehold plugin pack` made"
            }
            _ => "do not use this file; a good one is made by its publisher with `freehold plugin pack`",
        }
        .into()
    }
}
