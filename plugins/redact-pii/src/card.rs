//! Payment cards: 13 to 19 digits, bare or in groups, whose Luhn sum holds.

use crate::scan::{digits, is_word, separator};
use std::ops::Range;

/// The card whose number starts with the digits at `at`.
pub(crate) fn at_digits(bytes: &[u8], free: usize, at: usize) -> Option<Range<usize>> {
    // No card starts with 0; a number that goes on from before is not a start.
    let goes_on = match &bytes[free..at] {
        [.., b'+'] => true,
        [.., earlier, b'.' | b'-'] => earlier.is_ascii_digit(),
        _ => false,
    };
    if bytes[at] == b'0' || goes_on {
        return None;
    }
    let (mut number, mut count, mut end, mut longest) = ([0u8; 19], 0, at, None);
    loop {
        let group = digits(&bytes[end..]);
        if group == 0 || count + group > number.len() {
            break;
        }
        number[count..count + group].copy_from_slice(&bytes[end..end + group]);
        count += group;
        end += group;
        let inside = bytes.get(end).is_some_and(|&byte| is_word(byte));
        if count >= 13 && !inside && luhn(&number[..count]) {
            longest = Some(at..end);
        }
        match separator(&bytes[end..], b" -") {
            0 => break,
            length => end += length,
        }
    }
    longest
}

fn luhn(number: &[u8]) -> bool {
    let sum: u32 = number.iter().rev().enumerate().fold(0, |sum, (place, digit)| {
        let digit = u32::from(digit - b'0');
        sum + if place % 2 == 0 { digit } else { digit * 2 % 10 + digit / 5 }
    });
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::at_digits;

    #[test]
    fn the_luhn_sum_must_hold() {
        for (text, card) in [
            ("4111111111111111", Some("4111111111111111")),
            ("4111 1111 1111 1111", Some("4111 1111 1111 1111")),
            ("5500-0000-0000-0004", Some("5500-0000-0000-0004")),
            ("378282246310005.", Some("378282246310005")),
            ("3782 822463 10005", Some("3782 822463 10005")),
            ("4111 1111 1111 1111 12/27", Some("4111 1111 1111 1111")),
            ("4111111111111112", None),
            ("411111111111", None),
            ("41111111111111111111", None),
            ("4111111111111111x", None),
            ("0000000000000000", None),
        ] {
            assert_eq!(at_digits(text.as_bytes(), 0, 0).map(|range| &text[range]), card, "{text}");
        }
    }
}
