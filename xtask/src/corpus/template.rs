//! Templates: `[one|another]` picks an alternative, `$name` asks a slot, everything else is text.
//! Alternatives nest, and what a slot returns is expanded in turn.

use super::random::Random;

/// What fills the slots of a template.
pub(crate) trait Slots {
    /// The generator that picks alternatives.
    fn random(&mut self) -> &mut Random;

    /// The text for `$name`, itself a template; nothing where the name is unknown.
    fn slot(&mut self, name: &str) -> Option<String>;
}

/// Expands a template and tidies spaces and sentence starts.
pub(crate) fn expand(template: &str, slots: &mut dyn Slots) -> String {
    let mut text = String::new();
    append(template, slots, &mut text);
    tidy(&text)
}

fn append(template: &str, slots: &mut dyn Slots, text: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find(['[', '$']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('[') {
            let (options, after) = alternatives(rest);
            let choice = slots.random().pick(&options);
            append(choice, slots, text);
            rest = after;
        } else {
            let name: &str = &rest[1..];
            let end = name.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(name.len());
            match slots.slot(&name[..end]) {
                Some(value) => append(&value, slots, text),
                // An unknown name stays visible, so that a test can find it.
                None => text.push_str(&rest[..=end]),
            }
            rest = &name[end..];
        }
    }
    text.push_str(rest);
}

/// The alternatives of the bracket that `text` opens with, and the text after it.
fn alternatives(text: &str) -> (Vec<&str>, &str) {
    let mut options = Vec::new();
    let mut depth = 0_usize;
    let mut start = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            '|' if depth == 1 => {
                options.push(&text[start..at]);
                start = at + 1;
            }
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            options.push(&text[start..at]);
            return (options, &text[at + 1..]);
        }
    }
    options.push(&text[start..]);
    (options, "")
}

/// Collapses runs of spaces, drops a space before a full stop or comma, and starts sentences with a capital.
pub(crate) fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut starts = true;
    let mut ended = false;
    for letter in text.trim().chars() {
        if letter == ' ' && tidied.ends_with([' ', '\n']) {
            continue;
        }
        if matches!(letter, '.' | ',' | '!' | '?' | '\n') && tidied.ends_with(' ') {
            tidied.pop();
        }
        if letter == '\n' || (letter == ' ' && ended) {
            starts = true;
        }
        if starts && letter.is_ascii_lowercase() {
            tidied.push(letter.to_ascii_uppercase());
        } else {
            tidied.push(letter);
        }
        ended = matches!(letter, '.' | '!' | '?');
        starts = starts && letter.is_whitespace();
    }
    tidied
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Random);

    impl Slots for Fixed {
        fn random(&mut self) -> &mut Random {
            &mut self.0
        }

        fn slot(&mut self, name: &str) -> Option<String> {
            (name == "item").then(|| "[lamp|[lamp]]".to_owned())
        }
    }

    fn expanded(template: &str) -> String {
        expand(template, &mut Fixed(Random::new(1, "template")))
    }

    #[test]
    fn slots_and_nested_alternatives_expand() {
        assert_eq!(expanded("my $item's [[light]|light] is on"), "My lamp's light is on");
        assert_eq!(expanded("a [|] b"), "A b");
        assert_eq!(expanded("the $thing."), "The $thing.");
    }

    #[test]
    fn tidying_starts_sentences_and_drops_spaces() {
        assert_eq!(tidy("one  two . three? four\nfive 1.5 x"), "One two. Three? Four\nFive 1.5 x");
    }
}
