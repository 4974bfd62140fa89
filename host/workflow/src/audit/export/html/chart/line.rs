//! How something went over the steps of a training.

use maud::{Markup, html};

use super::{Scale, WIDTH, figure, labels, n, ticks};

/// A line.
pub(in super::super) struct Series<'a> {
    pub(in super::super) name: &'a str,
    /// From left to right.
    pub(in super::super) points: &'a [(f64, f64)],
    /// Whether each point is marked.
    pub(in super::super) dots: bool,
}

const LEFT: f64 = 44.0;
const TOP: f64 = 26.0;
const BASE: f64 = 190.0;
/// Points of a line that are drawn at most: of each stretch the least and the greatest.
const POINTS_MAX: usize = 400;

pub(in super::super) fn chart(id: &str, title: &str, unit: &str, series: &[Series<'_>]) -> Markup {
    let points = || series.iter().flat_map(|series| series.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((first, last), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    if points().next().is_none() {
        return html! {};
    }
    // Losses are drawn from zero; what may be below it is not.
    let y_ticks = ticks(low.min(0.0), high, 4);
    let (bottom, top) = (y_ticks.first().copied().unwrap_or(low), y_ticks.last().copied().unwrap_or(high));
    let x = Scale { values: (first, last), drawing: (LEFT, WIDTH - 8.0) };
    let y = Scale { values: (bottom, top), drawing: (BASE, TOP) };
    let x_ticks: Vec<f64> = ticks(first, last, 5).into_iter().filter(|tick| (first..=last).contains(tick)).collect();
    let body = html! {
        @for (tick, label) in y_ticks.iter().zip(labels(&y_ticks)) {
            line.grid x1=(n(LEFT)) x2=(n(WIDTH)) y1=(n(y.at(*tick))) y2=(n(y.at(*tick))) {}
            text.tick x=(n(LEFT - 6.0)) y=(n(y.at(*tick) + 4.0)) text-anchor="end" { (label) }
        }
        @for (tick, label) in x_ticks.iter().zip(labels(&x_ticks)) {
            text.tick x=(n(x.at(*tick))) y=(n(BASE + 18.0)) text-anchor="middle" { (label) }
        }
        text.tick x=(n((LEFT + WIDTH) / 2.0)) y=(n(BASE + 35.0)) text-anchor="middle" { (unit) }
        @for (index, series) in series.iter().enumerate() { (drawn(index, series, x, y)) }
        (legend(series))
    };
    figure(id, title, &description(series), BASE + 42.0, &body)
}

fn class(series: &Series<'_>) -> &'static str {
    if series.dots { "held-out" } else { "adapted" }
}

fn drawn(index: usize, series: &Series<'_>, x: Scale, y: Scale) -> Markup {
    let points: Vec<_> = thinned(series.points).into_iter().map(|(px, py)| (n(x.at(px)), n(y.at(py)))).collect();
    let line: Vec<_> = points.iter().map(|(px, py)| format!("{px},{py}")).collect();
    html! {
        g class={ (class(series)) " series-" (index) } {
            polyline.line points=(line.join(" ")) {}
            @if series.dots { @for (px, py) in &points { circle.mark cx=(px) cy=(py) r="3.5" {} } }
        }
    }
}

/// Names of the lines, at the top; one line alone has the name of the chart.
fn legend(series: &[Series<'_>]) -> Markup {
    html! {
        @if series.len() > 1 {
            @for (index, series) in series.iter().enumerate() {
                @let x = LEFT + 110.0 * index as f64;
                g class=(class(series)) {
                    line.whisker x1=(n(x)) x2=(n(x + 18.0)) y1="10" y2="10" {}
                    @if series.dots { circle.mark cx=(n(x + 9.0)) cy="10" r="3.5" {} }
                }
                text.name x=(n(x + 24.0)) y="14.5" { (series.name) }
            }
        }
    }
}

/// Fewer points that look the same: of each stretch of equal length the least and the greatest, in their order.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS_MAX {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(POINTS_MAX / 2 - 1);
    let mut kept = vec![points[0]];
    for chunk in points[1..].chunks(stretch) {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(least), Some(most)) = (chunk.iter().min_by(by), chunk.iter().max_by(by)) else { continue };
        let pair = if least.0 <= most.0 { [*least, *most] } else { [*most, *least] };
        kept.extend(pair);
    }
    kept.extend(points.last());
    kept
}

fn description(series: &[Series<'_>]) -> String {
    let each = series.iter().filter_map(|series| {
        let ((first, from), (last, to)) = (series.points.first()?, series.points.last()?);
        Some(format!("{}: {from:.3} at step {first}, {to:.3} at step {last}", series.name))
    });
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_ends_and_its_peaks() {
        let mut points: Vec<_> = (0..10_000).map(|step| (f64::from(step), 1.0)).collect();
        points[5_000].1 = 9.0;
        points[7_001].1 = -3.0;
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS_MAX + 2, "{}", thin.len());
        assert_eq!((thin.first(), thin.last()), (points.first(), points.last()));
        assert!(thin.contains(&(5_000.0, 9.0)) && thin.contains(&(7_001.0, -3.0)));
        assert!(thin.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        assert_eq!(thinned(&points[..5]), points[..5]);
    }
}
