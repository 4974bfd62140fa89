//! Shingles: overlapping pieces of a text, as hashes. Fixed constants throughout: the same text gives the same numbers
//! on every machine.

/// Characters in a shingle. Short enough for tickets of a line, long enough to tell texts of one language apart.
const LENGTH: usize = 5;

/// A 64-bit hash of `bytes`; different seeds give independent ones.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed ^ (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        state = mix(state ^ u64::from_le_bytes(word));
    }
    let mut word = [0; 8];
    let rest = chunks.remainder();
    word[..rest.len()].copy_from_slice(rest);
    mix(state ^ u64::from_le_bytes(word))
}

/// The finisher of SplitMix64: every bit of the result depends on every bit of `value`.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The set of shingles of `text`, sorted. 32 bits of each: two texts of some thousand shingles share one by chance at
/// most, and the sets of a whole dataset stay in memory.
pub(crate) fn shingles(text: &str) -> Vec<u32> {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let letters = starts.len() - 1;
    let mut set: Vec<u32> = if letters <= LENGTH {
        vec![(hash(3, text.as_bytes()) >> 32) as u32]
    } else {
        let pieces = starts.windows(LENGTH + 1).map(|ends| &text.as_bytes()[ends[0]..ends[LENGTH]]);
        pieces.map(|piece| (hash(3, piece) >> 32) as u32).collect()
    };
    set.sort_unstable();
    set.dedup();
    set
}

/// The share of shingles that two sorted sets have in common.
pub(crate) fn jaccard(one: &[u32], other: &[u32]) -> f64 {
    let (mut left, mut right, mut shared) = (0, 0, 0usize);
    while left < one.len() && right < other.len() {
        let (a, b) = (one[left], other[right]);
        shared += usize::from(a == b);
        left += usize::from(a <= b);
        right += usize::from(b <= a);
    }
    let together = one.len() + other.len() - shared;
    if together == 0 { 1.0 } else { shared as f64 / together as f64 }
}

#[cfg(test)]
mod tests {
    use super::{hash, jaccard, shingles};

    #[test]
    fn numbers_are_the_same_everywhere() {
        assert_eq!(hash(1, b""), hash(1, b""));
        assert_ne!(hash(1, b"a"), hash(2, b"a"));
        assert_ne!(hash(1, b"a"), hash(1, b"a\0"));
        assert_eq!(hash(1, b"freehold"), KNOWN);
    }

    /// Written down once; if it changes, every record of a deduplication changes.
    const KNOWN: u64 = 5_813_251_890_013_261_142;

    #[test]
    fn jaccard_counts_shared_pieces() {
        assert_eq!(jaccard(&shingles("abcdef"), &shingles("abcdef")), 1.0);
        // abcde bcdef | bcdef cdefg
        assert_eq!(jaccard(&shingles("abcdef"), &shingles("bcdefg")), 1.0 / 3.0);
        assert_eq!(jaccard(&shingles("ab"), &shingles("abcdefgh")), 0.0);
        assert_eq!(shingles("").len(), 1);
        assert_eq!(shingles("äöüßäö").len(), 2);
    }
}
