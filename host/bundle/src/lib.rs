//! A signed plugin in one file, to be handed over. Bytes become parts and parts bytes: nothing is verified or compiled here,
//! and no file is opened.
//!
//! A bundle is a canonical archive ([`freehold_archive`]) of two or three files, in this order:
//!
//! ```text
//! manifest.dsse.json   the signed manifest
//! component.wasm       the component
//! yank.dsse.json       the publisher's newest word on the version, if there is one
//! ```
//!
//! So the same plugin gives the same archive, and [`read`] takes no archive in which another program could see something else.
//! Which plugin it is stands in the signed manifest, and nowhere else.

mod error;
mod read;
mod write;

pub use error::BundleError;
pub use read::read;
pub use write::write;

/// File name of the signed manifest.
pub const MANIFEST_FILE: &str = "manifest.dsse.json";
/// File name of the component.
pub const COMPONENT_FILE: &str = "component.wasm";
/// File name of the signed yank.
pub const YANK_FILE: &str = "yank.dsse.json";

/// What a bundle holds. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts<B = Vec<u8>> {
    /// The signed manifest.
    pub manifest: B,
    /// The component.
    pub component: B,
    /// The signed yank.
    pub yank: Option<B>,
}

/// The most that the parts of a bundle may have, decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the signed manifest.
    pub manifest_bytes: u64,
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Bytes of the signed yank.
    pub yank_bytes: u64,
}

/// A part, in the order of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Manifest,
    Component,
    Yank,
}

impl Part {
    const ALL: [Self; 3] = [Self::Manifest, Self::Component, Self::Yank];

    fn file(self) -> &'static str {
        match self {
            Self::Manifest => MANIFEST_FILE,
            Self::Component => COMPONENT_FILE,
            Self::Yank => YANK_FILE,
        }
    }

    fn limit(self, limits: &Limits) -> u64 {
        match self {
            Self::Manifest => limits.manifest_bytes,
            Self::Component => limits.component_bytes,
            Self::Yank => limits.yank_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
