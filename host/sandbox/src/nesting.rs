//! How a component is nested, looked at before anything is parsed in earnest: a file of one megabyte can nest components so
//! deep that a parser which keeps a scope for each needs more memory than the machine has.

/// Deeper than any tool nests: compilers and adapters need three levels.
const DEPTH_MAX: usize = 16;
/// More modules and components than any tool puts into one.
const PARTS_MAX: usize = 1_000;

/// Magic number and version, of modules and components alike.
const HEADER_BYTES: usize = 8;
const MODULE_SECTION: u8 = 1;
const COMPONENT_SECTION: u8 = 4;

/// A number in LEB128 of at most 32 bits, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[at + 1..]));
        }
    }
    None
}

/// Refuses what is nested too deep or consists of too many parts. What is malformed in another way passes: whoever parses it
/// will say so better.
pub(crate) fn check(component: &[u8]) -> Result<(), String> {
    let mut parts = 0;
    // The rests of the components around the one that is looked at.
    let mut open = vec![component.get(HEADER_BYTES..).unwrap_or_default()];
    while let Some(rest) = open.pop() {
        let Some((&id, rest)) = rest.split_first() else { continue };
        let Some((contents, rest)) = number(rest).and_then(|(length, rest)| rest.split_at_checked(length)) else {
            return Ok(());
        };
        open.push(rest);
        parts += usize::from(matches!(id, MODULE_SECTION | COMPONENT_SECTION));
        if parts > PARTS_MAX {
            return Err(format!("it consists of more than {PARTS_MAX} modules and components"));
        }
        if id == COMPONENT_SECTION {
            open.push(contents.get(HEADER_BYTES..).unwrap_or_default());
        }
        if open.len() > DEPTH_MAX + 1 {
            return Err(format!("it nests components more than {DEPTH_MAX} deep"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

    /// A component of these sections; each shorter than 128 bytes unless the length is given.
    fn of(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let section = |(id, contents): &(u8, Vec<u8>)| {
            let length = contents.len();
            [&[*id, length as u8 & 0x7f | 0x80, (length >> 7) as u8], contents.as_slice()].concat()
        };
        HEADER.iter().copied().chain(sections.iter().flat_map(section)).collect()
    }

    fn nested(depth: usize) -> Vec<u8> {
        (0..depth).fold(of(&[]), |inner, _| of(&[(COMPONENT_SECTION, inner)]))
    }

    #[test]
    fn depth_and_parts_are_bounded() {
        assert!(check(&nested(0)).is_ok());
        assert!(check(&nested(DEPTH_MAX)).is_ok());
        assert!(check(&nested(DEPTH_MAX + 1)).unwrap_err().contains("deep"));
        let modules = |count| of(&vec![(MODULE_SECTION, b"\0asm\x01\0\0\0".to_vec()); count]);
        assert!(check(&modules(PARTS_MAX)).is_ok());
        assert!(check(&modules(PARTS_MAX + 1)).unwrap_err().contains("modules and components"));
        // One beside the other is not one in the other.
        assert!(check(&of(&vec![(COMPONENT_SECTION, nested(3)); DEPTH_MAX + 5])).is_ok());
    }

    #[test]
    fn what_is_malformed_is_left_to_the_parser() {
        for bytes in [
            &b""[..],
            b"\0asm",
            b"\0asm\x0d\0\x01\0\x04",
            b"\0asm\x0d\0\x01\0\x04\xff\xff\xff\xff\xff\x01",
            b"\0asm\x0d\0\x01\0\x04\x7f",
        ] {
            assert!(check(bytes).is_ok());
        }
    }
}
