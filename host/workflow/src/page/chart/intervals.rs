//! Values with their confidence intervals, one a line, and the bars that they had to pass.

use freehold_core::evidence::Estimate;
use maud::{Markup, html};

use super::{Scale, WIDTH, figure, labels, n, ticks};
use crate::page::elements::{interval, number};

/// What a value is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Circle,
    Square,
    Triangle,
}

/// A value.
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    pub(crate) mark: Mark,
    pub(crate) estimate: Estimate,
}

/// A line across all values, such as a bar that a policy set.
pub(crate) struct Rule {
    pub(crate) label: String,
    pub(crate) at: f64,
    /// How it is drawn: `rule` for a bar, `zero` for what values are held against.
    pub(crate) class: &'static str,
}

const PLOT: (f64, f64) = (88.0, 318.0);
const ROW: f64 = 38.0;
const LABEL: f64 = 18.0;

pub(crate) fn chart(id: &str, title: &str, rows: &[Row<'_>], rules: &[Rule]) -> Markup {
    let ticks = ticks_of(rows, rules);
    let (Some(low), Some(high)) = (ticks.first(), ticks.last()) else { return html! {} };
    let scale = Scale { values: (*low, *high), drawing: PLOT };
    let top = LABEL * rules.len() as f64 + 6.0;
    let bottom = top + ROW * rows.len() as f64;
    let body = html! {
        @for (tick, label) in ticks.iter().zip(labels(&ticks)) {
            line.grid x1=(n(scale.at(*tick))) x2=(n(scale.at(*tick))) y1=(n(top)) y2=(n(bottom)) {}
            text.tick x=(n(scale.at(*tick))) y=(n(bottom + 16.0)) text-anchor="middle" { (label) }
        }
        @for (index, rule) in rules.iter().enumerate() { (ruled(rule, index, scale, bottom)) }
        @for (index, row) in rows.iter().enumerate() { (valued(row, top + ROW * (index as f64 + 0.5), scale)) }
    };
    figure(id, title, &description(rows, rules), bottom + 24.0, &body)
}

/// From 0 to 1 if everything is, as most metrics are; else as far as the values go.
fn ticks_of(rows: &[Row<'_>], rules: &[Rule]) -> Vec<f64> {
    let estimates = rows.iter().flat_map(|row| [row.estimate.value, row.estimate.low, row.estimate.high]);
    let all: Vec<f64> = estimates.chain(rules.iter().map(|rule| rule.at)).filter(|value| value.is_finite()).collect();
    let (low, high) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    match all.as_slice() {
        [] => Vec::new(),
        _ if low >= 0.0 && high <= 1.0 && high > 0.2 => vec![0.0, 0.25, 0.5, 0.75, 1.0],
        _ if high == low => ticks(low - 0.1, high + 0.1, 4),
        _ => ticks(low, high, 4),
    }
}

fn ruled(rule: &Rule, index: usize, scale: Scale, bottom: f64) -> Markup {
    let x = scale.at(rule.at);
    let y = LABEL * (index as f64 + 1.0) - 4.0;
    // A label begins at its line, or ends there where the line is far to the right.
    let (anchor, offset) = if x < 240.0 { ("start", 4.0) } else { ("end", -4.0) };
    html! {
        line class=(rule.class) x1=(n(x)) x2=(n(x)) y1=(n(y - 10.0)) y2=(n(bottom)) {}
        text class={ (rule.class) "-label" } x=(n(x + offset)) y=(n(y)) text-anchor=(anchor) { (rule.label) }
    }
}

fn valued(row: &Row<'_>, y: f64, scale: Scale) -> Markup {
    let Row { name, mark, estimate } = row;
    let [x, low, high] = [estimate.value, estimate.low, estimate.high].map(|value| scale.at(value));
    let class = match mark {
        Mark::Circle => "base",
        Mark::Square => "adapted",
        Mark::Triangle => "production",
    };
    html! {
        text.name x="0" y=(n(y + 4.5)) { (name) }
        g class=(class) {
            line.whisker x1=(n(low)) x2=(n(high)) y1=(n(y)) y2=(n(y)) {}
            line.whisker x1=(n(low)) x2=(n(low)) y1=(n(y - 6.0)) y2=(n(y + 6.0)) {}
            line.whisker x1=(n(high)) x2=(n(high)) y1=(n(y - 6.0)) y2=(n(y + 6.0)) {}
            @match mark {
                Mark::Circle => circle.mark cx=(n(x)) cy=(n(y)) r="5" {},
                Mark::Square => rect.mark x=(n(x - 4.5)) y=(n(y - 4.5)) width="9" height="9" {},
                Mark::Triangle => path.mark d={ "M" (n(x)) " " (n(y - 6.0)) "l6 10.5h-12z" } {},
            }
        }
        text.value x=(n(WIDTH)) y=(n(y - 2.0)) text-anchor="end" { (number(estimate.value)) }
        text.tick x=(n(WIDTH)) y=(n(y + 13.0)) text-anchor="end" { (interval(estimate)) }
    }
}

fn description(rows: &[Row<'_>], rules: &[Rule]) -> String {
    let values = rows.iter().map(|row| {
        let Estimate { value, low, high } = row.estimate;
        format!("{} {}, from {} to {}", row.name, number(value), number(low), number(high))
    });
    let rules = rules.iter().map(|rule| format!("line: {}", rule.label));
    values.chain(rules).collect::<Vec<_>>().join("; ")
}
