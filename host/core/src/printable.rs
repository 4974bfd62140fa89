//! Text of strangers that is shown to people: on one line, and in the order in which it is written.

/// Whether a character shows as itself. Controls do not, nor do those that turn the text around them, break its line or
/// cannot be seen: with them, text says something else than it shows.
pub fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// The first `characters` characters, with a space in place of each that does not show as itself.
pub fn printable(text: &str, characters: usize) -> String {
    text.chars().take(characters).map(|c| if is_printable(c) { c } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_as_itself_becomes_a_space() {
        assert_eq!(printable("a\u{1b}[2J\nb", 100), "a [2J b");
        // `allow` turned around reads as its opposite.
        assert_eq!(printable("\u{202e}wolla\u{202c}", 100), " wolla ");
        for hidden in ['\u{2066}', '\u{2069}', '\u{200f}', '\u{2028}', '\u{feff}', '\u{e0041}', '\u{9b}', '\u{7f}'] {
            assert!(!is_printable(hidden), "{hidden:?}");
        }
        assert_eq!(printable("Grüße, 你好, שלום, 👩\u{200d}💻", 100), "Grüße, 你好, שלום, 👩\u{200d}💻");
        assert_eq!(printable("abcdef", 3), "abc");
    }
}
