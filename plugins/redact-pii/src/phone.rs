//! Telephone numbers: `+` and a country, a leading 0 or an area code in parentheses, or groups as they are dialled
//! somewhere. Dates, versions, years and amounts are in groups too; most of this is about leaving them alone.

use crate::scan::{digits, is_word, separator};
use std::ops::Range;

/// Groups of national numbers without a leading 0, by their lengths.
#[rustfmt::skip]
const GROUPINGS: &[&[usize]] = &[
    &[3, 3, 4], &[1, 3, 3, 4], &[3, 3, 3], &[2, 2, 2, 2], &[3, 2, 2, 2], &[3, 4, 4], &[2, 4, 4], &[2, 5, 4],
    &[3, 3, 2, 2], &[2, 3, 2, 2], &[2, 3, 4], &[5, 5],
];

/// No number has more groups.
const MOST_GROUPS: usize = 8;

/// Digits of a number in groups, and where they are.
struct Groups {
    start: usize,
    /// Ends of the groups in the text.
    ends: [usize; MOST_GROUPS],
    lengths: [usize; MOST_GROUPS],
    values: [u32; MOST_GROUPS],
    /// Whether a full stop comes before the group.
    dotted: [bool; MOST_GROUPS],
    count: usize,
}

/// How a number starts.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    Plus,
    Parenthesis,
    Plain,
}

/// The number whose first digits are at `at`.
pub(crate) fn at_digits(bytes: &[u8], free: usize, at: usize) -> Option<Range<usize>> {
    let before = &bytes[free..at];
    let (start, kind) = match before {
        [.., b'+', b'('] => (at - 2, Start::Plus),
        [.., b'+'] => (at - 1, Start::Plus),
        [.., b'('] if area_code(&bytes[at..]) => (at - 1, Start::Parenthesis),
        _ => (at, Start::Plain),
    };
    if goes_on_from(&bytes[free..start], kind) {
        return None;
    }
    let mut groups = read_groups(bytes, start, at);
    groups.count = (0..groups.count).find(|&group| groups.is_date(group)).unwrap_or(groups.count);
    (1..=groups.count)
        .rev()
        .find(|&count| groups.is_number(bytes, at, kind, count))
        .map(|count| start..groups.ends[count - 1])
}

/// Whether digits and a closing parenthesis follow, as in `(030)`.
fn area_code(bytes: &[u8]) -> bool {
    let length = digits(bytes);
    (2..=5).contains(&length) && bytes.get(length) == Some(&b')')
}

/// Whether a number that starts after `before` is the middle of something else.
fn goes_on_from(before: &[u8], kind: Start) -> bool {
    match before {
        [.., byte] if is_word(*byte) || b"#$+".contains(byte) => true,
        [.., earlier, b'.' | b','] => earlier.is_ascii_digit(),
        [.., earlier, b':'] => kind == Start::Plain && earlier.is_ascii_digit(),
        [.., earlier, b'-' | b'/' | b'~' | b'='] => {
            kind == Start::Plain && earlier.is_ascii_digit() || is_word(*earlier) && before.ends_with(b"-")
        }
        _ => false,
    }
}

fn read_groups(bytes: &[u8], start: usize, at: usize) -> Groups {
    let none = [0; MOST_GROUPS];
    let mut groups =
        Groups { start, ends: none, lengths: none, values: [0; MOST_GROUPS], dotted: [false; MOST_GROUPS], count: 0 };
    let (mut from, mut dotted) = (at, false);
    while groups.count < MOST_GROUPS {
        let length = digits(&bytes[from..]);
        if length == 0 {
            break;
        }
        let group = groups.count;
        groups.ends[group] = from + length;
        groups.lengths[group] = length;
        let value = |value: u32, digit: &u8| value.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
        groups.values[group] = bytes[from..from + length].iter().fold(0, value);
        groups.dotted[group] = dotted;
        groups.count += 1;
        let gap = gap(&bytes[from + length..]);
        dotted = bytes[from + length..from + length + gap].contains(&b'.');
        from += length + gap;
        if gap == 0 {
            break;
        }
    }
    groups
}

/// Length of what separates two groups: up to three signs, at most one of them other than a space or a parenthesis.
fn gap(bytes: &[u8]) -> usize {
    let (mut length, mut dashes, mut spaces) = (0, 0, 0);
    for _ in 0..3 {
        let sign = separator(&bytes[length..], b" -./()");
        match bytes.get(length) {
            Some(b' ') => spaces += 1,
            Some(b'-' | b'.' | b'/') => dashes += 1,
            _ => {}
        }
        if sign == 0 || dashes > 1 || spaces > 2 {
            break;
        }
        length += sign;
    }
    length
}

impl Groups {
    /// Whether the three groups from `first` on are a date, in one of the orders.
    fn is_date(&self, first: usize) -> bool {
        if first + 3 > self.count {
            return false;
        }
        let (lengths, values) = (&self.lengths[first..first + 3], &self.values[first..first + 3]);
        let short = |group: usize| lengths[group] <= 2 && (1..=31).contains(&values[group]);
        let year = |group: usize| lengths[group] == 4 && (1000..=2999).contains(&values[group]);
        year(0) && short(1) && short(2) || short(0) && short(1) && year(2)
    }

    /// Whether the first `count` groups are a telephone number.
    fn is_number(&self, bytes: &[u8], at: usize, kind: Start, count: usize) -> bool {
        let lengths = &self.lengths[..count];
        let total: usize = lengths.iter().sum();
        if total > 15 || self.is_cut(bytes, self.ends[count - 1]) {
            return false;
        }
        match kind {
            Start::Plus => total >= 7 && bytes[at] != b'0',
            Start::Parenthesis => total >= 8 && count > 1 && lengths[1..].iter().all(|&length| length > 1),
            Start::Plain if bytes[at] == b'0' => match count {
                1 => {
                    bytes[at..].starts_with(b"00") && total >= 11
                        || !bytes[at..].starts_with(b"00") && (10..=12).contains(&total)
                }
                _ => total >= 8 && lengths.iter().all(|&length| length > 1),
            },
            Start::Plain => {
                let thousands = self.dotted[1..count].iter().all(|&dotted| dotted)
                    && lengths[1..].iter().all(|&length| length == 3);
                let prefixed = lengths.len() != 4 || lengths[0] != 1 || bytes[at] == b'1';
                // `912 345 678` is dialled, `100 200 300` is counted.
                let counted = lengths == [3, 3, 3] && bytes[at] < b'5';
                // `64000-64999` is a range.
                let range = lengths == [5, 5] && bytes[self.ends[0]] != b' ';
                GROUPINGS.contains(&lengths) && prefixed && !thousands && !counted && !range
            }
        }
    }

    /// Whether the text goes on at `end` so that the last group belongs to what follows.
    fn is_cut(&self, bytes: &[u8], end: usize) -> bool {
        debug_assert!(end > self.start, "a number has digits");
        match &bytes[end..] {
            [b':' | b',' | b'-' | b'.', next, ..] => next.is_ascii_digit(),
            [next, ..] => is_word(*next) || b"%~".contains(next),
            [] => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::at_digits;

    fn first(text: &str) -> Option<&str> {
        let starts = text.bytes().enumerate().filter(|(at, byte)| {
            byte.is_ascii_digit() && !text[..*at].ends_with(|before: char| before.is_ascii_digit())
        });
        starts.into_iter().find_map(|(at, _)| at_digits(text.as_bytes(), 0, at)).map(|range| &text[range])
    }

    #[test]
    fn numbers_of_many_countries() {
        for text in [
            "+49 30 1234567",
            "+49 (0)30 123 45 67",
            "+1 (555) 123-4567",
            "+1-555-123-4567",
            "+442079460958",
            "(555) 123-4567",
            "(030) 1234567",
            "555-123-4567",
            "555.123.4567",
            "1-800-555-0199",
            "030 1234567",
            "030/1234567",
            "030 - 1234567",
            "0151-12345678",
            "01761234567",
            "0049 30 1234567",
            "01 23 45 67 89",
            "01.23.45.67.89",
            "020 7946 0958",
            "912 345 678",
            "12 34 56 78",
            "138 0013 8000",
            "98765 43210",
            "+49\u{a0}30\u{a0}1234567",
            "+49 30 1234\u{2011}567",
        ] {
            assert_eq!(first(text), Some(text));
            assert_eq!(first(&format!("call {text}, or write")), Some(text));
            assert_eq!(first(&format!("Tel.: {text}.")), Some(text));
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "2024-05-01",
            "01.05.2024",
            "05/01/2024",
            "2024-05-01 12:30",
            "#483920",
            "order #0301234567",
            "1.2.3-4",
            "0.20240501-1",
            "2.10.1.5",
            "1998-2004",
            "64000-64999",
            "1024 2048 4096",
            "1,000,000,000",
            "12.345.678",
            "12345-6789",
            "20240501123000",
            "CVE-2024-12345",
            "978-3-16-148410-0",
            "3.14159265358",
            "0.123456789",
            "1.2+20240501",
            "12:34:56",
            "1234567",
            "x0301234567",
            "0301234567x",
            "2024/05/01 - 2024/05/31",
            "100 200 300",
        ] {
            assert_eq!(first(text), None, "{text}");
        }
    }

    #[test]
    fn neighbours_stay() {
        assert_eq!(first("030 1234567 2024-05-01"), Some("030 1234567"));
        assert_eq!(first("555-123-4567 12 pieces"), Some("555-123-4567"));
        assert_eq!(first("030 1234567 12:30"), Some("030 1234567"));
    }
}
