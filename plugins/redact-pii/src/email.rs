//! E-mail addresses: whatever has the shape `local@domain`, single-label hosts and letters beyond ASCII included.
//!
//! Too much is better than too little here: `getty@tty1` goes too.

use std::ops::Range;

/// Bytes that a quoted local part may have.
const QUOTED: usize = 64;

/// The first address that starts at or after `from`.
pub(crate) fn find(text: &str, from: usize) -> Option<Range<usize>> {
    let mut search = from;
    loop {
        let at = search + text[search..].find('@')?;
        let start = local_start(text, from, at);
        if start < at
            && let Some(end) = domain_end(text, at + 1)
        {
            return Some(start..end);
        }
        search = at + 1;
    }
}

/// Where the part before the `@` starts; `at` if there is none.
fn local_start(text: &str, from: usize, at: usize) -> usize {
    let before = &text[from..at];
    if let Some(quoted) = before.strip_suffix('"') {
        // `"john doe"@example.org`: as far as the other quote on the line, if it is near.
        let near = quoted.bytes().rev().take(QUOTED).take_while(|&byte| byte != b'\n').position(|byte| byte == b'"');
        return near.map_or(at, |letters| from + quoted.len() - letters - 1);
    }
    let (mut start, mut proper) = (at, at);
    for (position, letter) in before.char_indices().rev() {
        if !is_local(letter) {
            break;
        }
        start = from + position;
        // What leads is punctuation of the sentence, not of the address.
        if letter.is_alphanumeric() || matches!(letter, '_' | '+') {
            proper = start;
        }
    }
    debug_assert!(start <= proper, "the proper part lies within");
    proper
}

fn is_local(letter: char) -> bool {
    match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '.' | '_' | '-' | '+' | '%' | '\'' | '!' | '#' | '$' | '&' | '*' | '/' | '=' | '?' | '^' | '`' | '{' | '|'
        | '}' | '~' => true,
        _ => is_foreign(letter),
    }
}

/// Letters and digits of all scripts, and the marks that combine with them.
fn is_foreign(letter: char) -> bool {
    !letter.is_ascii()
        && (letter.is_alphanumeric() || matches!(letter, '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}'))
}

/// Where the part after the `@` ends, if there is one. In `a@b@c` it goes on after the second `@`.
fn domain_end(text: &str, start: usize) -> Option<usize> {
    let mut end = one_domain_end(text, start)?;
    while text[end..].starts_with('@') {
        match one_domain_end(text, end + 1) {
            Some(further) => end = further,
            None => break,
        }
    }
    Some(end)
}

fn one_domain_end(text: &str, start: usize) -> Option<usize> {
    let domain = &text[start..];
    if let Some(literal) = domain.strip_prefix('[') {
        // `user@[192.0.2.1]`
        let length = literal.bytes().take(64).position(|byte| byte == b']')?;
        let address = &literal[..length];
        let number = address.strip_prefix("IPv6:").unwrap_or(address);
        let is_address =
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:".contains(&byte));
        return is_address.then_some(start + length + 2);
    }
    let mut end = None;
    for (position, letter) in domain.char_indices() {
        if letter.is_ascii_alphanumeric() || is_foreign(letter) {
            end = Some(start + position + letter.len_utf8());
        } else if !matches!(letter, '.' | '-' | '_') {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn addresses_as_they_are_written() {
        for (text, address) in [
            ("<foo+bar@lists.debian.org>", "foo+bar@lists.debian.org"),
            ("name@host.example.", "name@host.example"),
            ("mail a.b-c_d@x-y.co.uk, now", "a.b-c_d@x-y.co.uk"),
            ("root@localhost", "root@localhost"),
            ("mailto:jörg@müller.example", "jörg@müller.example"),
            ("'o'brien@example.ie'", "o'brien@example.ie"),
            ("„anna@пример.рф“", "anna@пример.рф"),
            ("\"john doe\"@example.org", "\"john doe\"@example.org"),
            ("0123456789@provider.example", "0123456789@provider.example"),
            ("user@[192.0.2.1]!", "user@[192.0.2.1]"),
            ("ssh://git@host/path", "git@host"),
            ("a@b@c", "a@b@c"),
            ("x@@y z@w", "z@w"),
            ("a@b...", "a@b"),
            ("=?UTF-8?Q?x?= <y@z.de>", "y@z.de"),
        ] {
            let range = find(text, 0).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&text[range], address, "{text}");
        }
    }

    #[test]
    fn an_at_alone_is_none() {
        for text in ["@", "@home", "at 5@ noon", "a @ b", "..@..", "x@-", "\"@"] {
            assert_eq!(find(text, 0), None, "{text}");
        }
    }
}
