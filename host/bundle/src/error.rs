//! Why a file is no bundle, and what to do about it.

/// A file is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It has no bytes.
    #[error("the bundle is empty")]
    Empty,
    /// It is not compressed by gzip.
    #[error("not a bundle: it does not begin as gzip does")]
    NotGzip,
    /// The header of gzip carries more than it has to: a name, a comment, or fields of other programs.
    #[error("not a bundle: the gzip header carries optional fields")]
    GzipFields,
    /// It cannot be decompressed, or its checksum is another one.
    #[error("the bundle was damaged: {0}")]
    Damaged(String),
    /// It ends too early.
    #[error("the bundle was cut off: it ends within the archive")]
    CutOff,
    /// A header of the archive has another checksum than it says.
    #[error("the bundle was damaged: the header of entry {entry} has a wrong checksum")]
    HeaderChecksum {
        /// Which, from 1.
        entry: usize,
    },
    /// An entry is no regular file.
    #[error("the bundle holds {kind}, `{name}`; only regular files are taken")]
    Kind {
        /// Its name, printable.
        name: String,
        /// What it is.
        kind: String,
    },
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
    /// A file is too large.
    #[error("`{file}` in the bundle has {bytes} bytes; at most {limit} are allowed here")]
    TooLarge {
        /// Which.
        file: &'static str,
        /// Its size, as the archive says.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An entry is not written as bundles are.
    #[error("the bundle holds `{file}` with a `{field}` that no bundle has")]
    NotCanonical {
        /// The file.
        file: &'static str,
        /// The field of its header that differs, or `padding`.
        field: &'static str,
    },
    /// Something follows where the bundle ends.
    #[error("the bundle has something behind its end")]
    Trailing,
}

impl BundleError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::TooLarge { file: crate::COMPONENT_FILE, .. } => {
                "if you trust its publisher with more, raise `component_bytes` under [plugins.limits] in host.toml of the home, \
                 to 64 MiB at most"
            }
            Self::Empty | Self::Damaged(_) | Self::CutOff | Self::HeaderChecksum { .. } => {
                "get the file again; if it is the same, its publisher has to make it anew with `freehold plugin pack`"
            }
            Self::NotGzip | Self::GzipFields => "give a file that `freehold plugin pack` made",
            _ => "do not use this file; a good one is made by its publisher with `freehold plugin pack`",
        }
        .into()
    }
}
