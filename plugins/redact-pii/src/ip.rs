//! IP addresses. A version number of four parts looks like one and goes too.

use crate::scan::{digits, is_word};
use std::net::Ipv6Addr;
use std::ops::Range;

/// The longest text of an address of version 6.
const LONGEST_V6: usize = 45;

/// The address of version 4 that starts at `at`: four numbers up to 255, and no fifth.
pub(crate) fn v4(bytes: &[u8], free: usize, at: usize) -> Option<Range<usize>> {
    if bytes[free..at].ends_with(b".") && bytes[free..at].iter().rev().nth(1).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let mut end = at;
    for part in 0..4 {
        if part > 0 {
            end += usize::from(bytes.get(end) == Some(&b'.'));
        }
        let length = digits(&bytes[end..]);
        if !(1..=3).contains(&length) {
            return None;
        }
        let number = bytes[end..end + length].iter().fold(0u32, |number, digit| number * 10 + u32::from(digit - b'0'));
        if number > 255 {
            return None;
        }
        end += length;
        if part < 3 && bytes.get(end) != Some(&b'.') {
            return None;
        }
    }
    let rest = &bytes[end..];
    let goes_on = match rest {
        [b'.', next, ..] => next.is_ascii_digit(),
        // `1.2.3.4+dfsg` and `1.2.3.4~rc1` are versions.
        [b'+' | b'~', next, ..] => next.is_ascii_alphanumeric(),
        [next, ..] => is_word(*next),
        [] => false,
    };
    (!goes_on).then_some(at..end)
}

/// The address of version 6 around the colon at `colon`.
pub(crate) fn v6(bytes: &[u8], free: usize, colon: usize) -> Option<Range<usize>> {
    if !bytes.get(colon + 1).is_some_and(|byte| byte.is_ascii_hexdigit() || *byte == b':') {
        return None;
    }
    let group = bytes[free..colon].iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).take(5).count();
    let start = colon - group;
    if group > 4 || bytes[free..start].last().is_some_and(|&byte| is_word(byte) || byte == b':') {
        return None;
    }
    let run =
        bytes[start..].iter().take(LONGEST_V6).take_while(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte));
    let run = str::from_utf8(&bytes[start..start + run.count()]).ok()?;
    // The full stop may be that of `::ffff:192.0.2.1` or that of the sentence.
    let address = [run, run.split('.').next().unwrap_or(run)].into_iter().find_map(proper)?;
    let end = start + address.len();
    if bytes.get(end).is_some_and(|&byte| is_word(byte)) {
        return None;
    }
    let zone = match &bytes[end..] {
        [b'%', zone @ ..] => 1 + zone.iter().take_while(|&&byte| is_word(byte)).count(),
        _ => 0,
    };
    Some(start..if zone > 1 { end + zone } else { end })
}

/// The address without the punctuation after it, if it is one.
fn proper(run: &str) -> Option<&str> {
    let mut address = run.trim_end_matches('.');
    if address.ends_with(':') && !address.ends_with("::") {
        address = address.trim_end_matches(':');
    }
    // `a::b` is more often a path in a program than an address: two groups need a digit.
    let groups = address.split(':').filter(|group| !group.is_empty()).count();
    let telling = groups > 2 || address.bytes().any(|byte| byte.is_ascii_digit());
    (telling && address.parse::<Ipv6Addr>().is_ok()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::{v4, v6};

    #[test]
    fn four_octets_and_no_more() {
        for (text, address) in [
            ("192.168.0.1", Some("192.168.0.1")),
            ("10.0.0.255.", Some("10.0.0.255")),
            ("10.0.0.1:8080", Some("10.0.0.1")),
            ("2.10.1.5", Some("2.10.1.5")),
            ("256.1.1.1", None),
            ("1.2.3", None),
            ("1.2.3-4", None),
            ("1.2.3.4.5", None),
            ("1.2.3.4+dfsg", None),
            ("1.2.3.4a", None),
            ("1.2.3.", None),
        ] {
            assert_eq!(v4(text.as_bytes(), 0, 0).map(|range| &text[range]), address, "{text}");
        }
        assert_eq!(v4(b"1.2.3.4.5", 0, 2), None);
    }

    #[test]
    fn colons_alone_are_no_address() {
        for (text, address) in [
            ("2001:db8::1", Some("2001:db8::1")),
            ("[::1]:80", Some("::1")),
            ("fe80::1%eth0 up", Some("fe80::1%eth0")),
            ("2001:db8:0:0:0:0:0:1,", Some("2001:db8:0:0:0:0:0:1")),
            ("::ffff:192.0.2.1.", Some("::ffff:192.0.2.1")),
            ("at 2001:db8::/32", Some("2001:db8::")),
            ("12:34:56", None),
            ("std::vec", None),
            ("a::b", None),
            ("foo :: bar", None),
            ("00:1a:2b:3c:4d:5e", None),
            ("Closes: 1234", None),
            ("x::1y", None),
        ] {
            let colon = text.find(':').unwrap();
            assert_eq!(v6(text.as_bytes(), 0, colon).map(|range| &text[range]), address, "{text}");
        }
    }
}
