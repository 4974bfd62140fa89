//! What a run has to do with, in 32 bits: a file of many runs stays small, and who reads the records sees what was meant.

use freehold_core::digest::Digest;

/// What is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// A plugin in any version: its name.
    Plugin,
    /// A plugin in a version: `publisher/name@version`.
    Version,
    /// A key that signed something: its id.
    Key,
    /// Something that was read: its digest.
    File,
    /// A recipe: its name.
    Recipe,
}

/// A mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u32);

/// Bytes of a mark where it is kept.
pub(crate) const BYTES: usize = 4;
/// Digits of an adapter's digest that its mark has.
const ADAPTER_DIGITS: usize = 8;

impl Mark {
    /// The mark of something.
    pub fn of(kind: MarkKind, name: &str) -> Self {
        let digest = Digest::of(format!("{kind:?}\0{name}").as_bytes());
        Self(first(&digest.hex()).unwrap_or_default())
    }

    /// The mark of the adapter whose digest has these lowercase hexadecimal digits, or begins with them; `None` if they are fewer than eight
    /// or other characters.
    pub fn adapter(digits: &str) -> Option<Self> {
        first(digits).map(Self)
    }

    /// As it is kept.
    pub(crate) fn bytes(self) -> [u8; BYTES] {
        self.0.to_le_bytes()
    }

    /// Whether it is among marks as they are kept.
    pub(crate) fn is_in(self, marks: &[u8]) -> bool {
        marks.as_chunks::<BYTES>().0.contains(&self.bytes())
    }
}

fn first(digits: &str) -> Option<u32> {
    let digits = digits.get(..ADAPTER_DIGITS)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}
