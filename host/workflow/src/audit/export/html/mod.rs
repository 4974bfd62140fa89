//! A run as one page for people: what an auditor asks, in the order in which it is asked. The file needs no other: no script, no
//! font, no image from elsewhere, and its policy (`Content-Security-Policy`) lets none in.
//!
//! Names, reasons and notes come from plugins and from strangers. What is inserted is escaped where the markup is made (maud); what
//! does not show as itself, such as a character that turns the text around, is written out once, over the whole page.

mod chart;
mod data;
mod decision;
mod elements;
mod gaps;
mod metrics;
mod people;
mod plugins;
mod timeline;
mod training;
mod verdicts;
mod verification;

use std::fmt::Write as _;

use freehold_core::printable::is_printable;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::audit::dossier::Dossier;
use crate::audit::{ProfileReport, profile};
use crate::run::{self, StepLine};
use crate::{Home, WorkflowError};

const STYLE: &str = include_str!("page.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// What the page is made of.
struct Facts {
    run: Dossier,
    profiles: Vec<ProfileReport>,
    /// What the home has of the steps of the training. No record speaks of it.
    steps: Option<Vec<StepLine>>,
}

/// A section: what its address is, what it is called, and what it says.
type Section = (&'static str, &'static str, Markup);

/// The page of a run, finished or not.
pub(super) fn page(home: &Home, name: &str) -> Result<Vec<u8>, WorkflowError> {
    let run = Dossier::read(home, name)?;
    let profiles = profile::of_dossier(&run)?;
    // What is no evidence stops no page.
    let steps = run::steps(home, name).unwrap_or_default();
    let facts = Facts { run, profiles, steps };
    Ok(written_out(&document(&facts).into_string()).into_bytes())
}

fn document(facts: &Facts) -> Markup {
    let sections: [Section; 9] = [
        ("verdicts", "Verdicts of the policies", verdicts::section(facts)),
        ("metrics", "Metrics", metrics::section(facts)),
        ("data", "Base model and data", data::section(facts)),
        ("training", "Training", training::section(facts)),
        ("plugins", "Plugins", plugins::section(facts)),
        ("people", "Approvals, use and keys", people::section(facts)),
        ("statements", "Phases and statements", timeline::section(facts)),
        ("frameworks", "Frameworks: what is missing", gaps::section(facts)),
        ("verify", "How to verify it", verification::section(facts)),
    ];
    let name = &facts.run.explanation.run;
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
                title { "Run " (name) ": " (decision::word(facts)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (decision::header(facts))
                nav aria-label="Sections" {
                    ol { @for (id, title, _) in &sections { li { a href={ "#" (id) } { (title) } } } }
                }
                main {
                    @for (id, title, body) in &sections {
                        section id=(id) aria-labelledby={ (id) "-title" } {
                            h2 id={ (id) "-title" } { (title) }
                            (body)
                        }
                    }
                }
                footer {
                    p {
                        "Written by freehold " (env!("CARGO_PKG_VERSION")) " from the records of run " bdi { (name) } ". "
                        "The same records give the same page, byte for byte."
                    }
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
