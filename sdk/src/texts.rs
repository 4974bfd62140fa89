//! Text columns: the bytes of all rows in one run, checked once, read without copying.

use crate::bindings::shared::freehold::types::types as raw;
use std::ops::Range;

/// One text a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// `rows + 1` positions in `text`, all on character boundaries.
    offsets: Vec<u32>,
    text: String,
}

impl Texts {
    /// No rows yet.
    #[must_use]
    pub fn new() -> Self {
        Self { offsets: vec![0], text: String::new() }
    }

    /// No rows yet, with room for `rows` rows of `bytes` bytes together.
    #[must_use]
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, text: String::with_capacity(bytes) }
    }

    /// Adds a row.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.offsets.push(position(self.text.len()));
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all rows.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The text of row `row`, which must exist.
    #[must_use]
    pub fn get(&self, row: usize) -> &str {
        &self.text[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// The texts of all rows, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.offsets.windows(2).map(|ends| &self.text[ends[0] as usize..ends[1] as usize])
    }

    /// The rows named, in that order.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        let mut taken = Self::with_capacity(rows.len(), 0);
        for &row in rows {
            taken.push(self.get(row));
        }
        taken
    }

    /// Replaces parts of the texts. Runs of unchanged bytes are copied once, over rows, and a column without a
    /// replacement is not copied at all; that is what makes rewriting cheap where hits are rare.
    pub fn edit(&mut self, mut row: impl FnMut(&str, &mut Edits<'_>)) {
        let mut edits = Edits { source: &self.text, edited: String::new(), copied: 0, start: 0 };
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        for ends in self.offsets.windows(2) {
            let (start, end) = (ends[0] as usize, ends[1] as usize);
            edits.start = start;
            row(&self.text[start..end], &mut edits);
            offsets.push(position(edits.edited.len() + end - edits.copied));
        }
        if edits.copied > 0 || !edits.edited.is_empty() {
            edits.edited.push_str(&self.text[edits.copied..]);
            self.text = edits.edited;
            self.offsets = offsets;
        }
    }

    pub(crate) fn from_raw(column: raw::TextColumn) -> Result<Self, String> {
        check_offsets(&column.offsets, column.bytes.len())?;
        let text = utf8(column.bytes)?;
        match column.offsets.iter().position(|&offset| !text.is_char_boundary(offset as usize)) {
            Some(row) => Err(format!("row {row} starts inside a character")),
            None => Ok(Self { offsets: column.offsets, text }),
        }
    }

    pub(crate) fn into_raw(self) -> raw::TextColumn {
        raw::TextColumn { offsets: self.offsets, bytes: self.text.into_bytes() }
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Texts {
    fn from_iter<I: IntoIterator<Item = S>>(rows: I) -> Self {
        let mut texts = Self::new();
        for row in rows {
            texts.push(row.as_ref());
        }
        texts
    }
}

/// Replacements in one row; see [`Texts::edit`].
pub struct Edits<'a> {
    source: &'a str,
    edited: String,
    /// How far `source` has been copied.
    copied: usize,
    /// Where the row starts in `source`.
    start: usize,
}

impl Edits<'_> {
    /// Puts `with` in the place of `range`, in bytes of the row. Ranges go forward and do not overlap.
    pub fn replace(&mut self, range: Range<usize>, with: &str) {
        if self.copied == 0 && self.edited.is_empty() {
            // Growing by and by would copy everything several times.
            self.edited.reserve(self.source.len());
        }
        self.edited.push_str(&self.source[self.copied..self.start + range.start]);
        self.edited.push_str(with);
        self.copied = self.start + range.end;
    }
}

/// Bytes as text. In a sandbox the standard library's check takes as long as a light transform; this one, with vectors, hardly any.
#[expect(unsafe_code, reason = "the standard library has no way to take a check for granted that was made elsewhere")]
fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    simdutf8::basic::from_utf8(&bytes).map_err(|error| format!("is not UTF-8: {error}"))?;
    // SAFETY: the line above has found these very bytes to be UTF-8.
    Ok(unsafe { String::from_utf8_unchecked(bytes) })
}

/// A position as the contract has it. A sandbox has 4 GiB at most, so nothing is lost.
pub(crate) fn position(length: usize) -> u32 {
    length as u32
}

/// The rule of `text-column.offsets`.
pub(crate) fn check_offsets(offsets: &[u32], length: usize) -> Result<(), String> {
    if offsets.first() != Some(&0) {
        return Err("offsets do not start with 0".to_owned());
    }
    if let Some(row) = offsets.windows(2).position(|ends| ends[0] > ends[1]) {
        return Err(format!("row {row} ends before it starts"));
    }
    match offsets.last() {
        Some(&last) if last as usize == length => Ok(()),
        _ => Err(format!("offsets do not end with the length, {length}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_keep_the_rows_apart() {
        let mut texts: Texts = ["one two", "", "two", "drei"].into_iter().collect();
        texts.edit(|row, edits| {
            for (at, part) in row.match_indices("two") {
                edits.replace(at..at + part.len(), "2");
            }
        });
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["one 2", "", "2", "drei"]);
        let before = texts.clone();
        texts.edit(|_, _| {});
        assert_eq!(texts, before);
    }

    #[test]
    fn a_replacement_at_the_very_start_counts() {
        let mut texts: Texts = ["ab"].into_iter().collect();
        texts.edit(|_, edits| edits.replace(0..0, "x"));
        assert_eq!(texts.get(0), "xab");
        texts.edit(|_, edits| edits.replace(0..3, ""));
        assert_eq!(texts.get(0), "");
    }

    #[test]
    fn malformed_columns_are_refused() {
        let column = |offsets: &[u32], bytes: &[u8]| {
            Texts::from_raw(raw::TextColumn { offsets: offsets.to_vec(), bytes: bytes.to_vec() })
        };
        assert!(column(&[0, 2], b"ab").is_ok());
        assert!(column(&[], b"").is_err());
        assert!(column(&[1, 2], b"ab").is_err());
        assert!(column(&[0, 1], b"ab").is_err());
        assert!(column(&[0, 2, 1, 2], b"ab").is_err());
        assert!(column(&[0, 1], b"\xff").is_err());
        assert!(column(&[0, 1, 2], "ä".as_bytes()).is_err());
    }
}
