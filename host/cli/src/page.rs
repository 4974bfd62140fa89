//! Results on stdout: pages for people, JSON for programs.

use comfy_table::{ContentArrangement, LineStyle, Table, presets};
use owo_colors::OwoColorize as _;
use serde::Serialize;

/// Widest page, in columns.
const WIDTH: u16 = 100;

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Terminal {
    /// Prints `value` as JSON, or what `page` makes of it.
    pub(crate) fn print<T: Serialize>(&self, value: &T, page: impl FnOnce(&T)) {
        if self.json { self.print_json(value) } else { page(value) }
    }

    pub(crate) fn print_json(&self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => say(&text),
            Err(error) => anstream::eprintln!("cannot print as JSON: {error}"),
        }
    }
}

/// The most characters of a message that are shown.
const MESSAGE_LENGTH: usize = 4_000;

/// A message as it may be shown: parts of it can be a stranger's, who would have the terminal do something or show something
/// else. Lines stay.
pub(crate) fn printable(message: &str) -> String {
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown: String =
        message.chars().take(MESSAGE_LENGTH).map(|c| if acts(c) { '\u{fffd}' } else { c }).collect();
    if message.chars().nth(MESSAGE_LENGTH).is_some() {
        shown.push_str(" ...");
    }
    shown
}

/// A line on stdout. A reader that has gone away is no reason to fail.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// A headline.
pub(crate) fn headline(text: &str) {
    say(&format!("\n{}", text.bold()));
}

/// A table that fits the page.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH);
    table.set_header(header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<String>>());
    for row in rows {
        table.add_row(row);
    }
    say(&table.trim_fmt());
}

/// Pairs of a name and a value, one a line; long values go on below themselves.
pub(crate) fn pairs(pairs: &[(&str, String)]) {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in pairs {
        let mut name = *name;
        for line in wrapped(value, usize::from(WIDTH) - width - 2) {
            say(&format!("{:width$}  {line}", name.dimmed()));
            name = "";
        }
    }
}

/// The words of a text in lines of at most `width` characters; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Outcomes in the color that people expect.
pub(crate) fn colored_outcome(outcome: &str) -> String {
    match outcome {
        "allow" | "promoted" => outcome.green().to_string(),
        "warn" => outcome.yellow().to_string(),
        _ => outcome.red().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE_LENGTH, printable, wrapped};

    #[test]
    fn messages_do_nothing_to_a_terminal() {
        assert_eq!(printable("two\nlines, größer"), "two\nlines, größer");
        assert_eq!(printable("\u{1b}[2J\r\u{202e}x\u{9b}"), "\u{fffd}[2J\u{fffd}\u{fffd}x\u{fffd}");
        assert_eq!(printable(&"x".repeat(MESSAGE_LENGTH + 1)).chars().count(), MESSAGE_LENGTH + 4);
    }

    #[test]
    fn long_values_are_wrapped_between_words() {
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("sha256:0123456789", 7), ["sha256:0123456789"]);
    }
}
