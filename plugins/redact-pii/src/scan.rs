//! One way through a text: addresses around each `@`, numbers in what lies between.

use crate::{card, email, iban, ip, phone};
use std::ops::Range;

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Email,
    Phone,
    Iban,
    Card,
    Ip,
}

pub(crate) const KINDS: [Kind; 5] = [Kind::Email, Kind::Phone, Kind::Iban, Kind::Card, Kind::Ip];

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Iban => "iban",
            Self::Card => "card",
            Self::Ip => "ip",
        }
    }

    pub(crate) const fn placeholder(self) -> &'static str {
        match self {
            Self::Email => "[EMAIL]",
            Self::Phone => "[PHONE]",
            Self::Iban => "[IBAN]",
            Self::Card => "[CARD]",
            Self::Ip => "[IP]",
        }
    }
}

/// Some kinds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) fn add(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    pub(crate) const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

/// Tells of all personal data in `text`, in order and without overlap.
pub(crate) fn scan(text: &str, kinds: Kinds, found: &mut impl FnMut(Kind, Range<usize>)) {
    let mut from = 0;
    if kinds.has(Kind::Email) {
        while let Some(address) = email::find(text, from) {
            numbers(&text.as_bytes()[..address.start], from, kinds, found);
            from = address.end;
            found(Kind::Email, address);
        }
    }
    numbers(text.as_bytes(), from, kinds, found);
}

/// Everything that holds digits or colons, in `bytes` from `from` on.
fn numbers(bytes: &[u8], from: usize, kinds: Kinds, found: &mut impl FnMut(Kind, Range<usize>)) {
    // Nothing may start before `free`: that is taken.
    let (mut at, mut free) = (from, from);
    while let Some(skipped) = bytes[at..].iter().position(|&byte| byte.is_ascii_digit() || byte == b':') {
        at += skipped;
        let hit = if bytes[at] == b':' {
            kinds.has(Kind::Ip).then(|| ip::v6(bytes, free, at)).flatten().map(|range| (Kind::Ip, range))
        } else {
            number(bytes, free, at, kinds)
        };
        match hit {
            Some((kind, range)) => {
                at = range.end;
                free = range.end;
                found(kind, range);
            }
            None if bytes[at] == b':' => at += 1,
            None => at += digits(&bytes[at..]),
        }
    }
}

/// What the digits at `at` belong to.
fn number(bytes: &[u8], free: usize, at: usize, kinds: Kinds) -> Option<(Kind, Range<usize>)> {
    let before = bytes[free..at].last().copied();
    if before.is_some_and(|byte| byte.is_ascii_alphabetic()) {
        let range = kinds.has(Kind::Iban).then(|| iban::at_digits(bytes, free, at)).flatten();
        return range.map(|range| (Kind::Iban, range));
    }
    // Digits in a word, and numbers of tickets, are names of something else.
    if before.is_some_and(|byte| is_word(byte) || byte == b'#') {
        return None;
    }
    if kinds.has(Kind::Ip)
        && let Some(range) = ip::v4(bytes, free, at)
    {
        return Some((Kind::Ip, range));
    }
    if kinds.has(Kind::Card)
        && let Some(range) = card::at_digits(bytes, free, at)
    {
        return Some((Kind::Card, range));
    }
    let range = kinds.has(Kind::Phone).then(|| phone::at_digits(bytes, free, at)).flatten();
    range.map(|range| (Kind::Phone, range))
}

/// How many digits stand at the start.
pub(crate) fn digits(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len())
}

/// Whether a byte is part of a word; letters beyond ASCII are.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Length of the space or dash at the start: ASCII, no-break space or one of the Unicode hyphens.
pub(crate) fn separator(bytes: &[u8], ascii: &[u8]) -> usize {
    match bytes {
        [first, ..] if ascii.contains(first) => 1,
        [0xc2, 0xa0, ..] => 2,
        [0xe2, 0x80, 0x90..=0x93 | 0xaf, ..] => 3,
        _ => 0,
    }
}
