//! How descriptors are distributed, for people: counts in bins that both sides share.

use std::collections::BTreeMap;

use freehold_drift::{Sample, Values, Vectors};
use schemars::JsonSchema;
use serde::Serialize;

/// Bins at most.
const BINS: usize = 16;

/// How a descriptor is distributed on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Distribution {
    /// The descriptor.
    pub descriptor: String,
    /// What is counted, where it is not the value itself.
    pub of: Option<String>,
    /// The bins, in order.
    pub bins: Vec<DistributionBin>,
}

/// Rows of about one value.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DistributionBin {
    /// The value, or from where to where.
    pub label: String,
    /// Rows of the reference.
    pub reference: u64,
    /// Rows of now.
    pub current: u64,
}

/// The distributions of all descriptors.
pub(super) fn of(reference: &Sample, current: &Sample) -> Vec<Distribution> {
    let one = |(name, values): (&str, &Values)| {
        let (bins, of) = match (values, current.column(name)?) {
            (Values::Numbers(before), Values::Numbers(now)) => (numbers(before, now), None),
            (Values::Categories(before), Values::Categories(now)) => (categories(before, now), None),
            (Values::Vectors(before), Values::Vectors(now)) => {
                let (before, now) = distances(before, now);
                (numbers(&before, &now), Some("distance from the mean of the reference, in deviations".into()))
            }
            _ => return None,
        };
        Some(Distribution { descriptor: name.into(), of, bins })
    };
    reference.columns().filter_map(one).collect()
}

fn categories(before: &[String], now: &[String]) -> Vec<DistributionBin> {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    before.iter().for_each(|category| counts.entry(category).or_default().0 += 1);
    now.iter().for_each(|category| counts.entry(category).or_default().1 += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, (before, now))| std::cmp::Reverse(before + now));
    let rest = counts.split_off(counts.len().min(BINS));
    let bin = |label: &str, (reference, current)| DistributionBin { label: label.into(), reference, current };
    let mut bins: Vec<_> = counts.into_iter().map(|(label, counts)| bin(label, counts)).collect();
    if !rest.is_empty() {
        bins.push(bin("others", rest.iter().fold((0, 0), |(a, b), (_, (c, d))| (a + c, b + d))));
    }
    bins
}

/// Bins of equal width; the first and the last take in what lies far out.
fn numbers(before: &[f64], now: &[f64]) -> Vec<DistributionBin> {
    let mut all: Vec<f64> = before.iter().chain(now).copied().collect();
    all.sort_by(f64::total_cmp);
    let at = |part: f64| all.get((part * (all.len().saturating_sub(1)) as f64) as usize).copied();
    let (Some(low), Some(high)) = (at(0.005), at(0.995)) else { return Vec::new() };
    let step = nice(high - low);
    let first = (low / step).floor();
    let count = ((high / step).floor() - first + 1.0).clamp(1.0, 2.0 * BINS as f64) as usize;
    let of = |value: &f64| (((value / step).floor() - first).max(0.0) as usize).min(count - 1);
    let mut bins: Vec<DistributionBin> = (0..count)
        .map(|bin| DistributionBin { label: short((first + bin as f64) * step), reference: 0, current: 0 })
        .collect();
    before.iter().for_each(|value| bins[of(value)].reference += 1);
    now.iter().for_each(|value| bins[of(value)].current += 1);
    bins
}

/// A width of bins that people can read: 1, 2 or 5 times a power of ten.
fn nice(span: f64) -> f64 {
    if span <= 0.0 {
        return 1.0;
    }
    let rough = span / BINS as f64;
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// A number without digits that say nothing.
fn short(value: f64) -> String {
    let rounded = format!("{value:.6}");
    let short = rounded.trim_end_matches('0').trim_end_matches('.');
    if short.is_empty() || short == "-0" { "0".into() } else { short.into() }
}

/// Distances from the mean of the reference, each dimension in deviations of the reference.
fn distances(before: &Vectors, now: &Vectors) -> (Vec<f64>, Vec<f64>) {
    let rows = before.rows().max(1) as f64;
    let mut center = vec![(0.0, 0.0); before.width()];
    for row in before.iter() {
        center.iter_mut().zip(row).for_each(|((sum, squares), x)| (*sum, *squares) = (*sum + x, *squares + x * x));
    }
    let center: Vec<(f64, f64)> = center
        .into_iter()
        .map(|(sum, squares)| (sum / rows, (squares / rows - (sum / rows) * (sum / rows)).max(0.0).sqrt()))
        .collect();
    let distance = |row: &[f64]| {
        let squared = |((mean, deviation), x): (&(f64, f64), &f64)| match deviation {
            0.0 => 0.0,
            _ => ((x - mean) / deviation).powi(2),
        };
        center.iter().zip(row).map(squared).sum::<f64>().sqrt()
    };
    (before.iter().map(distance).collect(), now.iter().map(distance).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_bin() {
        for (before, now) in [
            (vec![1.0, 2.0, 3.0], vec![2.0]),
            (vec![5.0; 9], vec![5.0; 4]),
            ((0..1000).map(|x| f64::from(x) / 7.0).collect(), vec![-1e9, 1e9, 3.0]),
            (vec![0.0, -0.001, 1e-7], vec![]),
            (vec![1e300, -1e300], vec![0.0]),
        ] {
            let bins = numbers(&before, &now);
            assert!((1..=2 * BINS).contains(&bins.len()), "{bins:?}");
            assert_eq!(bins.iter().map(|bin| bin.reference).sum::<u64>(), before.len() as u64);
            assert_eq!(bins.iter().map(|bin| bin.current).sum::<u64>(), now.len() as u64);
        }
        assert_eq!(numbers(&[], &[]), []);
        let names: Vec<String> = (0..40).map(|x| format!("c{x}")).collect();
        let bins = categories(&names, &names[..3]);
        assert_eq!((bins.len(), bins[16].label.as_str(), bins[16].reference), (17, "others", 24));
    }

    #[test]
    fn bins_begin_at_round_numbers() {
        let bins = numbers(&(0..100).map(f64::from).collect::<Vec<_>>(), &[]);
        assert_eq!(bins.iter().map(|bin| bin.label.as_str()).take(3).collect::<Vec<_>>(), ["0", "10", "20"]);
        assert_eq!((short(0.1 + 0.2), short(-0.0), short(1500.0)), ("0.3".into(), "0".into(), "1500".into()));
    }
}
