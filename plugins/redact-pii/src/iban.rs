//! Bank accounts: the country's length and the check sum over 97 must both hold.

use crate::scan::{is_word, separator};
use std::ops::Range;

/// Lengths by country, after the SWIFT registry.
#[rustfmt::skip]
const LENGTHS: &[(&[u8; 2], u8)] = &[
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22),
    (b"BH", 22), (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24),
    (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18),
    (b"FK", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27),
    (b"GT", 28), (b"HN", 28), (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26),
    (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20),
    (b"LU", 20), (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20),
    (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23), (b"PK", 24),
    (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"RU", 33), (b"SA", 24),
    (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"SO", 23), (b"ST", 25),
    (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20),
    (b"YE", 30),
];

/// The account whose check digits are at `at`.
pub(crate) fn at_digits(bytes: &[u8], free: usize, at: usize) -> Option<Range<usize>> {
    let start = at.checked_sub(2).filter(|&start| start >= free)?;
    if bytes[free..start].last().is_some_and(|&byte| is_word(byte)) {
        return None;
    }
    let country = [bytes[start].to_ascii_uppercase(), bytes[start + 1].to_ascii_uppercase()];
    let length = usize::from(LENGTHS.iter().find(|(code, _)| **code == country)?.1);
    let (end, digits) = collect(bytes, start, length)?;
    let checked = digits.get(2..4)?.iter().all(u8::is_ascii_digit);
    let inside = bytes.get(end).is_some_and(|&byte| is_word(byte));
    (checked && !inside && is_valid(&digits)).then_some(start..end)
}

/// `length` letters and digits, with at most one separator between two.
fn collect(bytes: &[u8], start: usize, length: usize) -> Option<(usize, Vec<u8>)> {
    let (mut at, mut account) = (start, Vec::with_capacity(length));
    loop {
        account.push(bytes.get(at).filter(|byte| byte.is_ascii_alphanumeric())?.to_ascii_uppercase());
        at += 1;
        if account.len() == length {
            return Some((at, account));
        }
        at += separator(&bytes[at..], b" -");
    }
}

/// Country and check digits go to the end, letters count from 10; the rest over 97 is 1.
fn is_valid(account: &[u8]) -> bool {
    let turned = account[4..].iter().chain(&account[..4]);
    let rest = turned.fold(0u32, |rest, &byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::at_digits;

    #[test]
    fn check_sum_and_length_must_hold() {
        for (text, is) in [
            ("DE89370400440532013000", true),
            ("DE89 3704 0044 0532 0130 00", true),
            ("GB29 NWBK 6016 1331 9268 19", true),
            ("fr1420041010050500013m02606", true),
            ("NO9386011117947", true),
            ("MT84MALT011000012345MTLCAST001S", true),
            ("DE88370400440532013000", false),
            ("DE8937040044053201300", false),
            ("DE893704004405320130000", false),
            ("ZZ89370400440532013000", false),
        ] {
            assert_eq!(at_digits(text.as_bytes(), 0, 2).map(|range| range.len()), is.then_some(text.len()), "{text}");
        }
    }
}
