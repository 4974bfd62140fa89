//! Charts as SVG in the page. Colors are classes, so that they follow the page into the dark and onto paper; shapes and labels say
//! the same without them. Every chart has a title and a description for those who do not see it.

pub(crate) mod columns;
pub(crate) mod intervals;
pub(crate) mod line;
pub(crate) mod sides;
pub(crate) mod spans;

use maud::{Markup, html};

/// Width of every chart, in units of its view box.
const WIDTH: f64 = 440.0;

/// A chart with its frame. `id` has to be the only one of its name in the page.
fn figure(id: &str, title: &str, description: &str, height: f64, body: &Markup) -> Markup {
    html! {
        figure {
            figcaption { (title) }
            svg viewBox={ "0 0 " (n(WIDTH)) " " (n(height)) } role="img" aria-labelledby={ (id) "-title " (id) "-desc" } {
                title id={ (id) "-title" } { (title) }
                desc id={ (id) "-desc" } { (description) }
                (body)
            }
        }
    }
}

/// A number of the drawing: to a tenth, the same on every machine.
fn n(value: f64) -> String {
    let rounded = format!("{value:.1}");
    let short = rounded.strip_suffix(".0").unwrap_or(&rounded);
    if short == "-0" { "0".into() } else { short.into() }
}

/// A range of values on a range of the drawing.
#[derive(Debug, Clone, Copy)]
struct Scale {
    values: (f64, f64),
    drawing: (f64, f64),
}

impl Scale {
    fn at(self, value: f64) -> f64 {
        let ((low, high), (start, end)) = (self.values, self.drawing);
        let span = high - low;
        if span > 0.0 { start + (value - low) / span * (end - start) } else { (start + end) / 2.0 }
    }
}

/// Values for the ticks of an axis, and the range that they cover: it holds `low` and `high`.
fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let span = if high > low { high - low } else { high.abs().max(1.0) };
    let rough = span / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
    let last = last.max(first + 1.0);
    let count = (last - first) as usize;
    // So that 0.30000000000000004 is 0.3.
    (0..=count.min(50)).map(|index| ((first + index as f64) * step * 1e12).round() / 1e12).collect()
}

/// The labels of ticks: as many digits as their step has.
fn labels(ticks: &[f64]) -> Vec<String> {
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    if !step.is_finite() || !(1e-6..1e9).contains(&step) {
        return ticks.iter().map(|tick| format!("{tick:.0e}")).collect();
    }
    let digits = (0..=6).find(|digits| {
        let scaled = step * 10f64.powi(*digits);
        (scaled - scaled.round()).abs() < 1e-6
    });
    let digits = digits.unwrap_or(6) as usize;
    ticks.iter().map(|tick| format!("{:.digits$}", if *tick == 0.0 { 0.0 } else { *tick })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_range() {
        assert_eq!(ticks(0.0, 1.0, 4), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(-0.012, 0.02, 4), [-0.02, -0.01, 0.0, 0.01, 0.02]);
        assert_eq!(labels(&ticks(0.0, 6.9, 4)), ["0", "2", "4", "6", "8"]);
        assert_eq!(labels(&ticks(0.0, 0.3, 3)), ["0.0", "0.1", "0.2", "0.3"]);
        for (low, high) in [(0.0, 0.0), (5.0, 5.0), (-3.0, 1e6), (1e-9, 2e-9), (-1e12, 1e12), (0.0, f64::MIN_POSITIVE)]
        {
            let ticks = ticks(low, high, 4);
            assert!((2..=51).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert_eq!(labels(&ticks).len(), ticks.len());
        }
    }

    #[test]
    fn a_range_without_width_is_drawn_in_the_middle() {
        let scale = Scale { values: (2.0, 2.0), drawing: (0.0, 100.0) };
        assert_eq!(n(scale.at(2.0)), "50");
        let scale = Scale { values: (0.0, 1.0), drawing: (100.0, 0.0) };
        assert_eq!((n(scale.at(0.25)).as_str(), n(-0.04).as_str()), ("75", "0"));
    }
}
