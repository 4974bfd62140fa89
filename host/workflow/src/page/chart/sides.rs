//! Two distributions side by side: for each bin a hollow column and a filled one.

use maud::{Markup, html};

use super::{Scale, WIDTH, figure, n};

/// A bin, and the part of each side that is in it.
pub(crate) struct Pair {
    pub(crate) label: String,
    /// Of 1.
    pub(crate) reference: f64,
    /// Of 1.
    pub(crate) current: f64,
}

const TOP: f64 = 30.0;
const BASE: f64 = 178.0;
const LEFT: f64 = 36.0;
/// What the words of a label need, a character.
const CHARACTER: f64 = 7.0;

pub(crate) fn chart(id: &str, title: &str, (reference, current): (&str, &str), pairs: &[Pair]) -> Markup {
    let most = pairs.iter().map(|pair| pair.reference.max(pair.current)).fold(0.0, f64::max).max(0.01);
    let scale = Scale { values: (0.0, most), drawing: (BASE, TOP) };
    let width = (WIDTH - LEFT) / pairs.len().max(1) as f64;
    let longest = pairs.iter().map(|pair| pair.label.chars().count()).max().unwrap_or(1);
    let every = ((longest as f64 + 1.0) * CHARACTER / width).ceil().max(1.0) as usize;
    // A long name that has no room beside the others is cut, and whole in the description.
    let fits = (width * every as f64 / CHARACTER) as usize;
    let bar = (width - 2.0) / 2.0;
    let body = html! {
        @for tick in [0.0, most / 2.0, most] {
            line.grid x1=(n(LEFT)) x2=(n(WIDTH)) y1=(n(scale.at(tick))) y2=(n(scale.at(tick))) {}
            text.tick x=(n(LEFT - 5.0)) y=(n(scale.at(tick) + 4.0)) text-anchor="end" { (percent(tick)) }
        }
        @for (index, pair) in pairs.iter().enumerate() {
            @let x = LEFT + width * index as f64 + 1.0;
            (column("reference", x, bar, scale, pair.reference))
            (column("current", x + bar, bar, scale, pair.current))
            @if index % every == 0 {
                text.tick x=(n(x + width / 2.0 - 1.0)) y=(n(BASE + 16.0)) text-anchor="middle" {
                    (pair.label.chars().take(fits.max(3)).collect::<String>())
                }
            }
        }
        line.axis x1=(n(LEFT)) x2=(n(WIDTH)) y1=(n(BASE)) y2=(n(BASE)) {}
        @for (class, name, x) in [("reference", reference, LEFT), ("current", current, LEFT + 180.0)] {
            rect class={ "side " (class) } x=(n(x)) y="4" width="12" height="12" {}
            text.name x=(n(x + 18.0)) y="14.5" { (name) }
        }
    };
    let each = pairs.iter().map(|pair| {
        format!("{}: {} {reference}, {} {current}", pair.label, percent(pair.reference), percent(pair.current))
    });
    figure(id, title, &each.collect::<Vec<_>>().join("; "), BASE + 24.0, &body)
}

fn column(class: &str, x: f64, width: f64, scale: Scale, part: f64) -> Markup {
    let y = scale.at(part);
    html! {
        @if part > 0.0 {
            rect class={ "side " (class) } x=(n(x)) y=(n(y)) width=(n(width.max(0.5))) height=(n((BASE - y).max(0.5))) {}
        }
    }
}

fn percent(part: f64) -> String {
    let percent = 100.0 * part;
    if percent < 9.95 && percent > 0.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}
