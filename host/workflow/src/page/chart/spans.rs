//! How long things took that came one after the other.

use maud::{Markup, html};

use super::{Scale, WIDTH, figure, n};
use crate::page::elements::duration;

/// Something that took time.
pub(crate) struct Span<'a> {
    pub(crate) name: &'a str,
    pub(crate) seconds: f64,
}

const PLOT: (f64, f64) = (84.0, 432.0);
const ROW: f64 = 24.0;
/// What the words for a time need.
const WORDS: f64 = 84.0;

pub(crate) fn chart(id: &str, title: &str, spans: &[Span<'_>]) -> Markup {
    let whole: f64 = spans.iter().map(|span| span.seconds).sum();
    let scale = Scale { values: (0.0, whole), drawing: PLOT };
    let mut begin = 0.0;
    let body = html! {
        @for (index, span) in spans.iter().enumerate() {
            @let from = if whole > 0.0 { scale.at(begin) } else { PLOT.0 };
            @let to = if whole > 0.0 { scale.at(begin + span.seconds) } else { PLOT.0 };
            @let y = ROW * index as f64;
            (drawn(span, (from, to.max(from + 1.5)), y))
            ({ begin += span.seconds; "" })
        }
        line.axis x1=(n(PLOT.0)) x2=(n(PLOT.0)) y1="0" y2=(n(ROW * spans.len() as f64)) {}
    };
    let each = spans.iter().map(|span| format!("{} {}", span.name, duration(span.seconds)));
    let description = format!("{}; {} in all", each.collect::<Vec<_>>().join(", "), duration(whole));
    figure(id, title, &description, ROW * spans.len() as f64 + 4.0, &body)
}

/// The words stand behind the bar, in front of it, or in it, wherever there is room.
fn drawn(span: &Span<'_>, (from, to): (f64, f64), y: f64) -> Markup {
    let (x, anchor, class) = if to + WORDS < WIDTH {
        (to + 6.0, "start", "tick")
    } else if from - WORDS > PLOT.0 {
        (from - 6.0, "end", "tick")
    } else {
        (from + 8.0, "start", "in-bar")
    };
    html! {
        text.name x="0" y=(n(y + 16.5)) { (span.name) }
        rect.span x=(n(from)) y=(n(y + 4.0)) width=(n(to - from)) height=(n(ROW - 8.0)) {}
        text class=(class) x=(n(x)) y=(n(y + 16.5)) text-anchor=(anchor) { (duration(span.seconds)) }
    }
}
