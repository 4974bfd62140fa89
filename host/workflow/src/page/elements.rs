//! What the sections are made of.

use freehold_core::digest::Digest;
use freehold_core::evidence::Estimate;
use freehold_core::verdict::Outcome;
use jiff::Timestamp;
use maud::{Markup, html};

/// Rows of a table that is not divided between two sheets of paper.
const SHORT: usize = 6;

/// A table that becomes a list of cards where the page is narrow; roles keep it a table for those who hear it.
pub(crate) fn table(caption: &str, header: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table.short[rows.len() <= SHORT] role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" { @for name in header { th role="columnheader" scope="col" { (name) } } }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (index, (cell, name)) in row.iter().zip(header).enumerate() {
                            @if index == 0 {
                                th role="rowheader" scope="row" data-label=(name) { div { (cell) } }
                            } @else {
                                td role="cell" data-label=(name) { div { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Names and what they stand for.
pub(crate) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
    }
}

pub(crate) fn text(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}

/// A text of a stranger: on its own, whichever way it is written, and of any length without a space.
pub(crate) fn said(text: impl AsRef<str>) -> Markup {
    html! { bdi.said { (text.as_ref()) } }
}

/// A name with a slash, after which it may be broken.
pub(crate) fn name(name: &str) -> Markup {
    html! {
        @for (index, part) in name.split('/').enumerate() {
            @if index > 0 { "/" wbr; }
            (part)
        }
    }
}

/// A text, or a dash where there is none.
pub(crate) fn or_dash(some: Option<&str>) -> Markup {
    html! {
        @match some.filter(|text| !text.is_empty()) {
            Some(text) => { (said(text)) }
            None => { "–" }
        }
    }
}

/// Texts, one a line.
pub(crate) fn lines<T: AsRef<str>>(texts: &[T]) -> Markup {
    html! {
        @for (index, text) in texts.iter().enumerate() {
            @if index > 0 { br; }
            (said(text))
        }
        @if texts.is_empty() { "–" }
    }
}

pub(crate) fn digest(digest: &Digest) -> Markup {
    html! { code.digest { (digest) } }
}

/// The first digits of a key's id; the whole of it is in the table of keys.
pub(crate) fn key(id: &str) -> Markup {
    html! { code.key { (id.chars().take(12).collect::<String>()) } }
}

pub(crate) fn keys<T: AsRef<str>>(ids: &[T]) -> Markup {
    html! {
        @for (index, id) in ids.iter().enumerate() {
            @if index > 0 { " " }
            (key(id.as_ref()))
        }
        @if ids.is_empty() { "–" }
    }
}

/// A word of good or bad news. The word says it; the color only repeats it.
pub(crate) fn badge(kind: &str, word: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (word) } }
}

pub(crate) fn outcome(outcome: Outcome) -> Markup {
    badge(outcome.as_str(), outcome.as_str())
}

pub(crate) fn note(says: &str) -> Markup {
    html! { p.note { (says) } }
}

pub(crate) fn time(time: Timestamp) -> Markup {
    html! { time datetime=(time) { (time.strftime("%Y-%m-%d %H:%M:%S")) } }
}

/// A number as people read it: to three digits after the point, or of its value where it is small.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size == 0.0 || (0.01..1000.0).contains(&size) => format!("{value:.3}"),
        _ if (1000.0..1e9).contains(&size) => format!("{value:.1}"),
        _ => format!("{value:.2e}"),
    }
}

pub(crate) fn interval(estimate: &Estimate) -> String {
    format!("[{}, {}]", number(estimate.low), number(estimate.high))
}

/// Seconds as people read them.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        _ if seconds < 0.0995 => format!("{:.0} ms", 1000.0 * seconds),
        _ if seconds < 99.95 => format!("{seconds:.1} s"),
        _ if whole < 3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A whole number with a narrow gap between thousands.
pub(crate) fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_say_enough() {
        for (value, shown) in [
            (0.0, "0.000"),
            (0.985, "0.985"),
            (-0.02, "-0.020"),
            (0.0012, "1.20e-3"),
            (1234.56, "1234.6"),
            (1e12, "1.00e12"),
        ] {
            assert_eq!(number(value), shown);
        }
        for (seconds, shown) in
            [(0.0, "0 ms"), (0.05, "50 ms"), (17.53, "17.5 s"), (100.4, "1 min 40 s"), (7384.0, "2 h 3 min")]
        {
            assert_eq!(duration(seconds), shown);
        }
        assert_eq!(whole(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(whole(999), "999");
    }
}
