//! How something went over the steps of a training.

use maud::{Markup, html};

use super::{Scale, WIDTH, figure, labels, n, ticks};

/// A line.
pub(crate) struct Series<'a> {
    pub(crate) name: &'a str,
    /// From left to right.
    pub(crate) points: &'a [(f64, f64)],
    /// Whether each point is marked.
    pub(crate) dots: bool,
}

const LEFT: f64 = 44.0;
const TOP: f64 = 26.0;
const BASE: f64 = 190.0;
/// Points of a line that are drawn at most: of each stretch the least and the greatest.
const POINTS_MAX: usize = 400;

pub(crate) fn chart(id: &str, title: &str, unit: &str, series: &[Series<'_>]) -> Markup {
    let points = || series.iter().flat_map(|series| series.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((first, last), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    if points().next().is_none() {
        return html! {};
    }
    let axis = Axis::of(low, high);
    let y_ticks = axis.ticks(low, high);
    let (bottom, top) = (y_ticks.first().copied().unwrap_or(low), y_ticks.last().copied().unwrap_or(high));
    let x = Scale { values: (first, last), drawing: (LEFT, WIDTH - 8.0) };
    let y = Height(axis, Scale { values: (axis.of_value(bottom), axis.of_value(top)), drawing: (BASE, TOP) });
    let x_ticks: Vec<f64> = ticks(first, last, 5).into_iter().filter(|tick| (first..=last).contains(tick)).collect();
    let y_labels = axis.labels(&y_ticks);
    let caption = if axis == Axis::Logarithmic { format!("{title} (logarithmic)") } else { title.to_owned() };
    let body = html! {
        @for (tick, label) in y_ticks.iter().zip(&y_labels) {
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
    figure(id, &caption, &description(series), BASE + 42.0, &body)
}

/// How heights follow values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// From zero.
    Linear,
    /// Equal factors are equal heights: for what falls by two powers of ten and more.
    Logarithmic,
}

impl Axis {
    fn of(low: f64, high: f64) -> Self {
        if low > 0.0 && high / low >= 100.0 { Self::Logarithmic } else { Self::Linear }
    }

    fn of_value(self, value: f64) -> f64 {
        if self == Self::Logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }

    fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        match self {
            Self::Linear => ticks(low.min(0.0), high, 4),
            Self::Logarithmic => {
                let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
                let every = ((last - first) / 6 + 1).unsigned_abs() as usize;
                // Downwards from the greatest, so that it is among them; the least may lie below the last.
                let mut powers: Vec<i32> = (first..=last).rev().step_by(every).collect();
                if powers.last().is_some_and(|power| *power > first) {
                    powers.push(powers[powers.len() - 1] - every as i32);
                }
                powers.into_iter().rev().map(|power| 10f64.powi(power)).collect()
            }
        }
    }

    fn labels(self, ticks: &[f64]) -> Vec<String> {
        let label = |tick: &f64| if (1e-5..1e6).contains(tick) { format!("{tick}") } else { format!("{tick:.0e}") };
        if self == Self::Linear { labels(ticks) } else { ticks.iter().map(label).collect() }
    }
}

/// Heights of values.
#[derive(Debug, Clone, Copy)]
struct Height(Axis, Scale);

impl Height {
    fn at(self, value: f64) -> f64 {
        let Self(axis, scale) = self;
        scale.at(axis.of_value(value))
    }
}

fn class(series: &Series<'_>) -> &'static str {
    if series.dots { "held-out" } else { "adapted" }
}

fn drawn(index: usize, series: &Series<'_>, x: Scale, y: Height) -> Markup {
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
    fn what_falls_far_is_drawn_by_powers_of_ten() {
        let axis = Axis::of(7.8e-4, 6.9);
        assert_eq!(axis, Axis::Logarithmic);
        assert_eq!(axis.labels(&axis.ticks(7.8e-4, 6.9)), ["0.0001", "0.001", "0.01", "0.1", "1", "10"]);
        for (low, high) in [(1e-300, 1e300), (0.001, 0.1), (1.0, 1e7), (1e-9, 1.0)] {
            let ticks = Axis::Logarithmic.ticks(low, high);
            assert!((3..=9).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert!(ticks[0] <= low * 1.001 && ticks[ticks.len() - 1] >= high * 0.999, "{ticks:?}");
        }
        for (low, high) in [(0.5, 6.9), (0.0, 6.9), (-1.0, 1e6)] {
            assert_eq!(Axis::of(low, high), Axis::Linear);
        }
    }

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
