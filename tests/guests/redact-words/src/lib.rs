//! The redaction of the benches: a word that holds an `@` becomes `[EMAIL]`, one that holds four digits `[NUM]`. In Python:
//! `" ".join("[EMAIL]" if "@" in w else "[NUM]" if sum(c.isdigit() for c in w) >= 4 else w for w in s.split(" "))`.

use freehold_sdk::Transform;
use freehold_sdk::batch::{Batch, Edits};
use freehold_sdk::transform::{Description, Outcome};
use wide::i8x16;

/// What the recipe can set: nothing.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// The transform.
pub struct RedactWords;

impl Transform for RedactWords {
    type Settings = Settings;

    fn new(_: Settings) -> Result<Self, String> {
        Ok(Self)
    }

    fn describe(&self) -> Description {
        Description::rows_independent().reads(["text"]).writes(["text"])
    }

    fn process(&mut self, mut batch: Batch) -> Result<Outcome, String> {
        batch.column_mut("text")?.texts_mut()?.edit(redact);
        Ok(Outcome::all(batch))
    }
}

/// Bytes that are looked at together, one bit each.
const BLOCK: usize = 64;

/// A bit for each byte of a block that is of a kind; the lowest is the first byte.
#[derive(Clone, Copy, Default)]
struct Kinds {
    space: u64,
    at: u64,
    digit: u64,
}

impl Kinds {
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut kinds = Self::default();
        for (vector, shift) in block.chunks_exact(16).zip((0..).step_by(16)) {
            let bytes = i8x16::from(std::array::from_fn(|at| vector[at].cast_signed()));
            let bits = |found: i8x16| u64::from(found.to_bitmask()) << shift;
            kinds.space |= bits(bytes.simd_eq(i8x16::splat(b' '.cast_signed())));
            kinds.at |= bits(bytes.simd_eq(i8x16::splat(b'@'.cast_signed())));
            let from_zero = bytes.simd_gt(i8x16::splat(b'0'.cast_signed() - 1));
            kinds.digit |= bits(from_zero & bytes.simd_lt(i8x16::splat(b'9'.cast_signed() + 1)));
        }
        kinds
    }
}

/// The word that is being read, which may have begun in an earlier block.
#[derive(Default)]
struct Word {
    start: usize,
    digits: u32,
    at: bool,
}

impl Word {
    /// Takes in the bytes of a block that are chosen by `bits`.
    fn read(&mut self, kinds: Kinds, bits: u64) {
        self.digits += (kinds.digit & bits).count_ones();
        self.at |= kinds.at & bits != 0;
    }

    /// Ends before the byte at `end` of the row; the next word begins after it.
    fn end(&mut self, end: usize, edits: &mut Edits<'_>) {
        if self.at {
            edits.replace(self.start..end, "[EMAIL]");
        } else if self.digits >= 4 {
            edits.replace(self.start..end, "[NUM]");
        }
        *self = Self { start: end + 1, ..Self::default() };
    }
}

fn redact(text: &str, edits: &mut Edits<'_>) {
    let (mut word, mut first) = (Word::default(), 0);
    let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    for block in blocks.iter().chain((!rest.is_empty()).then_some(&last)) {
        let kinds = Kinds::of(block);
        let (mut spaces, mut open) = (kinds.space, u64::MAX);
        while spaces != 0 {
            // The bits before the lowest space.
            let before = spaces ^ (spaces - 1);
            word.read(kinds, open & before);
            word.end(first + spaces.trailing_zeros() as usize, edits);
            open &= !before;
            spaces &= spaces - 1;
        }
        word.read(kinds, open);
        first += BLOCK;
    }
    word.end(text.len(), edits);
}

freehold_sdk::transform!(RedactWords);

#[cfg(test)]
mod tests {
    use super::RedactWords;
    use freehold_sdk::test::{Host, batch};

    #[test]
    fn words_are_replaced_whole() {
        let mut plugin = Host::of(include_str!("../plugin.toml")).transform::<RedactWords>();
        let texts = [
            "a@b wrote of 12345 and 123",
            "",
            "  x ",
            "order 1234",
            "a1b2c3d4",
            "\u{660}\u{661}\u{662}\u{663} \u{2040}",
        ];
        let ran = plugin.run([batch(0, [("text", texts.into())])]).unwrap();
        let expected = ["[EMAIL] wrote of [NUM] and 123", "", "  x ", "order [NUM]", "[NUM]", texts[5]];
        assert_eq!(ran.texts("text"), expected);
    }

    /// The same, as one would write it.
    fn plain(text: &str) -> String {
        let redacted = text.split(' ').map(|text| match text {
            text if text.contains('@') => "[EMAIL]",
            text if text.bytes().filter(u8::is_ascii_digit).count() >= 4 => "[NUM]",
            text => text,
        });
        redacted.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_that_cross_the_blocks_are_whole() {
        // Every place of a word in the blocks of 64 bytes, up to the third.
        let mut plugin = Host::of(include_str!("../plugin.toml")).transform::<RedactWords>();
        let words = ["x@y", "1234", "123", "a1b2c3d4e5", " ", "word"];
        let texts: Vec<String> = (0..150)
            .flat_map(|before| words.map(|word| format!("{} {word} {word}", "x".repeat(before))))
            .chain((0..130).map(|length| "7".repeat(length)))
            .collect();
        let rows: Vec<&str> = texts.iter().map(String::as_str).collect();
        let ran = plugin.run([batch(0, [("text", rows.as_slice().into())])]).unwrap();
        let expected: Vec<String> = texts.iter().map(|text| plain(text)).collect();
        assert_eq!(ran.texts("text"), expected);
    }
}
