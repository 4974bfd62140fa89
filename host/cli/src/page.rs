//! Results on stdout: pages for people, JSON for programs.

use std::sync::OnceLock;

use comfy_table::{ContentArrangement, LineStyle, Table, presets};
use freehold_workflow::ExitCode;
use owo_colors::OwoColorize as _;
use serde::Serialize;

/// Widest page, in columns.
const WIDTH: u16 = 100;

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    /// Whether more than results and warnings was asked for.
    pub(crate) verbose: bool,
}

impl Terminal {
    /// Prints `value` as JSON, or what `page` makes of it.
    pub(crate) fn print<T: Serialize>(&self, value: &T, page: impl FnOnce(&T)) {
        if self.json { self.print_json(value) } else { page(value) }
    }

    pub(crate) fn print_json(&self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => say(&escaped_json(&text)),
            Err(error) => anstream::eprintln!("cannot print as JSON: {error}"),
        }
    }
}

/// The most characters of a message that are shown.
const MESSAGE_LENGTH: usize = 4_000;

/// Whether a character moves the cursor, changes how a terminal works, or changes the order in which others are read. What
/// plugins, their publishers and data say is shown without any.
fn is_unsafe(c: char) -> bool {
    // Marks, embeddings, overrides and isolates of the bidirectional algorithm, and separators of lines.
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as it is shown: what could deceive is written out, such as `\u{1b}`.
pub(crate) fn shown(text: &str) -> String {
    escaped(text, |c| is_unsafe(c).then(|| c.escape_unicode().to_string()))
}

/// The same for a text of several lines.
pub(crate) fn shown_lines(text: &str) -> String {
    escaped(text, |c| (c != '\n' && is_unsafe(c)).then(|| c.escape_unicode().to_string()))
}

/// The same for a message, parts of which may be as long as a stranger likes.
pub(crate) fn shown_message(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_LENGTH) {
        Some((end, _)) => format!("{} ...", shown_lines(&message[..end])),
        None => shown_lines(message),
    }
}

/// The same for a document in which places are counted in bytes: a character of as many takes the place of each.
pub(crate) fn shown_in_place(document: &str) -> String {
    let stands_for = |c: char| ["?", "\u{b7}", "\u{fffd}"].get(c.len_utf8() - 1).map(|&other| other.to_owned());
    escaped(document, |c| if is_unsafe(c) && !matches!(c, '\n' | '\r' | '\t') { stands_for(c) } else { None })
}

/// JSON as programs read it. Between strings it has only line breaks; in them serde has written out the rest of ASCII.
fn escaped_json(json: &str) -> String {
    escaped(json, |c| (c != '\n' && is_unsafe(c)).then(|| format!("\\u{:04x}", u32::from(c))))
}

fn escaped(text: &str, replacement: impl Fn(char) -> Option<String>) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match replacement(c) {
            Some(other) => written.push_str(&other),
            None => written.push(c),
        }
    }
    written
}

/// Lines on stdout, without colors.
pub(crate) fn say(lines: &str) {
    paint(&shown_lines(lines));
}

/// A line on stdout as it is: colors of ours, around what [`shown`] gave. A reader that has gone away is no reason to fail.
pub(crate) fn paint(line: &str) {
    use std::io::Write as _;
    if let Err(error) = writeln!(anstream::stdout(), "{line}") {
        unwritten(error);
    }
}

/// A part of the result could not be written to stdout.
pub(crate) fn unwritten(error: std::io::Error) {
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        // The first says why.
        let _ = UNWRITTEN.set(error);
    }
}

/// Why a part of the result is missing from stdout.
static UNWRITTEN: OnceLock<std::io::Error> = OnceLock::new();

/// The exit code of a command whose result was to be written, as to a disk that is full.
pub(crate) fn written(code: ExitCode) -> ExitCode {
    use std::io::Write as _;
    let Some(error) = UNWRITTEN.get() else { return code };
    let _ = writeln!(anstream::stderr(), "the result cannot be written to stdout: {error}");
    if code == ExitCode::Done { ExitCode::Broken } else { code }
}

/// A headline.
pub(crate) fn headline(text: &str) {
    paint(&format!("\n{}", shown(text).bold()));
}

/// A table that fits the page.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH);
    table.set_header(header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<String>>());
    for row in rows {
        table.add_row(row.iter().map(|cell| shown(cell)).collect::<Vec<String>>());
    }
    say(&table.trim_fmt());
}

/// Pairs of a name and a value, one a line; long values go on below themselves. A decision has its color.
pub(crate) fn pairs(pairs: &[(&str, String)]) {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in pairs {
        let mut name = *name;
        let decision = name == "decision";
        for line in wrapped(&shown(value), usize::from(WIDTH) - width - 2) {
            let line = if decision { colored_outcome(&line) } else { line };
            paint(&format!("{:width$}  {line}", name.dimmed()));
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
fn colored_outcome(outcome: &str) -> String {
    match outcome {
        "allow" | "promoted" => outcome.green().to_string(),
        "warn" => outcome.yellow().to_string(),
        _ => outcome.red().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE_LENGTH, escaped_json, shown, shown_in_place, shown_lines, shown_message, wrapped};

    #[test]
    fn what_deceives_a_reader_is_written_out() {
        for (text, written) in [
            ("Löwe 🦁 \u{5d0}\u{5d1}", "Löwe 🦁 \u{5d0}\u{5d1}"),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("a\nb\tc\rd", "a\\u{a}b\\u{9}c\\u{d}d"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("exe\u{202e}gpj\u{2066}\u{2069}\u{200f}\u{61c}", "exe\\u{202e}gpj\\u{2066}\\u{2069}\\u{200f}\\u{61c}"),
        ] {
            assert_eq!(shown(text), written);
        }
        assert_eq!(shown_lines("a\n\u{1b}b"), "a\n\\u{1b}b");
        assert_eq!(shown(""), "");
    }

    #[test]
    fn messages_end_somewhere() {
        assert_eq!(shown_message("größer\n\u{1b}"), "größer\n\\u{1b}");
        assert_eq!(shown_message(&"ä".repeat(MESSAGE_LENGTH)), "ä".repeat(MESSAGE_LENGTH));
        assert_eq!(shown_message(&"ä".repeat(MESSAGE_LENGTH + 1)), format!("{} ...", "ä".repeat(MESSAGE_LENGTH)));
    }

    #[test]
    fn places_in_a_document_stay() {
        let document = "a\u{1b}b\u{9b}c\u{202e}d\n\te";
        let written = shown_in_place(document);
        assert_eq!(written, "a?b\u{b7}c\u{fffd}d\n\te");
        assert_eq!(written.len(), document.len());
    }

    #[test]
    fn json_says_the_same_and_deceives_nobody() {
        let value = serde_json::json!({ "a": "x\u{202e}\u{9b}\u{1b}\u{7f}é" });
        let written = escaped_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(written.contains("x\\u202e\\u009b\\u001b\\u007fé"), "{written}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
    }

    #[test]
    fn long_values_are_wrapped_between_words() {
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("sha256:0123456789", 7), ["sha256:0123456789"]);
    }
}
