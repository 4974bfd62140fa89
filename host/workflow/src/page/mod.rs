//! Pages for people. A file needs no other: no script, no font, no image from elsewhere, and its policy
//! (`Content-Security-Policy`) lets none in.
//!
//! Names, reasons and notes come from plugins and from strangers. What is inserted is escaped where the markup is made (maud); what
//! does not show as itself, such as a character that turns the text around, is written out once, over the whole page.

pub(crate) mod chart;
pub(crate) mod elements;

use std::fmt::Write as _;

use freehold_core::printable::is_printable;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A section: what its address is, what it is called, and what it says.
pub(crate) type Section = (&'static str, &'static str, Markup);

/// A page.
pub(crate) struct Page<'a> {
    pub(crate) title: String,
    pub(crate) header: Markup,
    pub(crate) sections: &'a [Section],
    pub(crate) footer: Markup,
}

impl Page<'_> {
    /// The page as a file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        written_out(&self.document().into_string()).into_bytes()
    }

    fn document(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    meta name="generator" content={ "freehold " (env!("CARGO_PKG_VERSION")) };
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.header)
                    nav aria-label="Sections" {
                        ol { @for (id, title, _) in self.sections { li { a href={ "#" (id) } { (title) } } } }
                    }
                    main {
                        @for (id, title, body) in self.sections {
                            section id=(id) aria-labelledby={ (id) "-title" } {
                                h2 id={ (id) "-title" } { (title) }
                                (body)
                            }
                        }
                    }
                    footer { (self.footer) }
                }
            }
        }
    }
}

/// The page with what does not show as itself written out, such as `\u{202e}`. Its own markup has line breaks and nothing else.
fn written_out(page: &str) -> String {
    let mut written = String::with_capacity(page.len());
    for c in page.chars() {
        if c == '\n' || is_printable(c) {
            written.push(c);
        } else {
            // Writing to a String does not fail.
            let _ = write!(written, "{}", c.escape_unicode());
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_the_text_around_is_written_out_and_markup_is_escaped() {
        let text = "<script>alert(\"1\")</script>\u{202e}wolla\u{202c}\u{0}";
        let page = written_out(&html! { p title=(text) { (text) } }.into_string());
        let shown = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;\\u{202e}wolla\\u{202c}\\u{0}";
        assert_eq!(page, format!("<p title=\"{shown}\">{shown}</p>"));
    }

    #[test]
    fn the_style_brings_nothing_from_elsewhere() {
        for forbidden in ["url(", "@import", "://", "</", "@font-face"] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }
}
