//! The two-sample test of Kolmogorov and Smirnov.

use crate::DriftError;
use crate::descriptor::finite;
use crate::special::kolmogorov_tail;
use crate::test::Test;

/// Steps of the exact computation at most; beyond, the limit differs by less than what anyone decides by.
const STEPS_MAX: usize = 4_000_000;

/// The largest distance of the two distribution functions, and the chance that rows in any other order are as far apart.
///
/// The p-value is exact given the values, ties included: among all ways to deal the pooled values to two samples of these
/// sizes (Hodges 1957; with ties Schröer and Trenkler 1995). It is that of the limit where there are more than 4 million pairs.
///
/// # Errors
/// A sample is empty, or has a value that is not finite.
pub fn kolmogorov_smirnov(reference: &[f64], current: &[f64]) -> Result<Test, DriftError> {
    let (n, m) = (reference.len(), current.len());
    if n == 0 || m == 0 {
        return Err(DriftError::TooFew { what: "Kolmogorov-Smirnov", needed: 1, reference: n, current: m });
    }
    finite("reference", reference)?;
    finite("current", current)?;
    let pooled = pooled(reference, current);
    let (mut seen, mut farthest) = ([0i64; 2], 0i64);
    for (at, (_, side)) in pooled.iter().enumerate() {
        seen[usize::from(*side)] += 1;
        if ends(&pooled, at) {
            // In units of 1 / (n m), so that equal distances are equal.
            farthest = farthest.max((seen[0] * m as i64 - seen[1] * n as i64).abs());
        }
    }
    let value = farthest as f64 / (n as f64 * m as f64);
    let p = if farthest == 0 {
        1.0
    } else if n.saturating_mul(m) <= STEPS_MAX {
        exact(&pooled, (n, m), farthest)
    } else {
        kolmogorov_tail(value * libm::sqrt(n as f64 * m as f64 / (n + m) as f64))
    };
    Ok(Test { value, p })
}

/// All values in order, each with whether it is of the current sample.
fn pooled(reference: &[f64], current: &[f64]) -> Vec<(f64, bool)> {
    let reference = reference.iter().map(|value| (*value, false));
    // Zeros of both signs are one value.
    let mut pooled: Vec<(f64, bool)> =
        reference.chain(current.iter().map(|value| (*value, true))).map(|(value, side)| (value + 0.0, side)).collect();
    pooled.sort_by(|a, b| a.0.total_cmp(&b.0));
    pooled
}

/// Whether the next value is another one: between equal values the distribution functions have no place.
fn ends(pooled: &[(f64, bool)], at: usize) -> bool {
    match (pooled.get(at), pooled.get(at + 1)) {
        (Some((value, _)), Some((next, _))) => value != next,
        _ => true,
    }
}

/// The chance that a random path from (0, 0) to (n, m) is as far from the diagonal somewhere as `farthest`. What is lost on the
/// way there is summed, so that small chances keep their digits.
fn exact(pooled: &[(f64, bool)], (n, m): (usize, usize), farthest: i64) -> f64 {
    let is_far = |i: usize, j: usize| {
        i + j > 0 && ends(pooled, i + j - 1) && (i as i64 * m as i64 - j as i64 * n as i64).abs() >= farthest
    };
    let mut lost = 0.0;
    // Chances to come through (i, j) without having been far, for one i and all j.
    let mut chances = vec![0.0; m + 1];
    for i in 0..=n {
        let mut from_left = if i == 0 { 1.0 } else { 0.0 };
        for (j, chance) in chances.iter_mut().enumerate() {
            let left_over = (n + m - i - j) as f64;
            let mut here = if i == 0 { from_left } else { *chance + from_left };
            if is_far(i, j) {
                lost += here;
                here = 0.0;
            }
            if left_over > 0.0 {
                from_left = here * (m - j) as f64 / left_over;
                *chance = here * (n - i) as f64 / left_over;
            }
        }
    }
    lost.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance of every way to deal the values, one after the other.
    fn by_hand(values: &[f64], n: usize) -> (f64, f64) {
        let distance = |chosen: u32| {
            let of = |side: bool| {
                let mask = move |at: &usize| (chosen >> at & 1 == 1) == side;
                (0..values.len()).filter(mask).map(|at| values[at]).collect::<Vec<_>>()
            };
            let (a, b) = (of(true), of(false));
            let below = |side: &[f64], x: f64| side.iter().filter(|v| **v <= x).count() as f64 / side.len() as f64;
            values.iter().map(|x| (below(&a, *x) - below(&b, *x)).abs()).fold(0.0, f64::max)
        };
        let all: Vec<u32> = (0..1u32 << values.len()).filter(|chosen| chosen.count_ones() as usize == n).collect();
        let found = distance((1 << n) - 1);
        let far = all.iter().filter(|chosen| distance(**chosen) >= found - 1e-12).count();
        (found, far as f64 / all.len() as f64)
    }

    #[test]
    fn chances_are_those_of_all_ways_to_deal_the_values() {
        for (values, n) in [
            (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0][..], 3),
            (&[1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 1.0, 3.0, 3.0, 4.0], 4),
            (&[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0], 4),
            (&[5.0, 1.0, 4.0, 2.0, 9.0, 8.0, 7.0, 6.0, 3.0, 0.0, 2.5], 5),
            (&[-0.0, 0.0, 0.0, -0.0, 1.0], 2),
        ] {
            let test = kolmogorov_smirnov(&values[..n], &values[n..]).unwrap();
            let (value, p) = by_hand(values, n);
            assert!((test.value - value).abs() < 1e-12 && (test.p - p).abs() < 1e-12, "{test:?} {value} {p}");
        }
    }
}
