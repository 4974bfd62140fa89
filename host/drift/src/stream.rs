//! What of a descriptor is followed row by row: numbers from 0 to 1, made so that they keep their mean while nothing changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DriftError;
use crate::adwin::Adwin;
use crate::descriptor::{Sample, Values, counted};
use crate::vectors::Vectors;

/// What of a descriptor is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StreamKind {
    /// Where a number lies among those of the reference: its rank, from 0 to 1.
    Level,
    /// How far from their middle it lies: what becomes wider or narrower moves it.
    Spread,
    /// Whether a row is of this category.
    Category(String),
    /// How far a vector lies from the mean of the reference, as a rank among the distances of the reference.
    Distance,
}

/// Categories that are followed, at most: the most frequent.
const CATEGORIES_MAX: usize = 8;

/// A stream of numbers from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stream {
    pub(crate) descriptor: String,
    pub(crate) kind: StreamKind,
    pub(crate) adwin: Adwin,
    /// What ranks are taken among, ascending.
    ranks: Vec<f64>,
    /// Mean and deviation of each dimension of the reference.
    center: Vec<(f64, f64)>,
}

/// The streams of a reference, which share the chance of a false alarm.
pub(crate) fn streams(reference: &Sample, delta: f64) -> Result<Vec<Stream>, DriftError> {
    let mut streams = Vec::new();
    // That it is possible at all.
    Adwin::new(delta)?;
    for (descriptor, values) in reference.columns() {
        let kinds = match values {
            Values::Numbers(_) => vec![StreamKind::Level, StreamKind::Spread],
            Values::Categories(categories) => frequent(counted(categories)),
            Values::Vectors(_) => vec![StreamKind::Distance],
        };
        streams.extend(kinds.into_iter().map(|kind| (descriptor, values, kind)));
    }
    let each = delta / streams.len().max(1) as f64;
    streams.into_iter().map(|(descriptor, values, kind)| Stream::new(descriptor, values, kind, each)).collect()
}

fn frequent(counts: BTreeMap<&str, u64>) -> Vec<StreamKind> {
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(CATEGORIES_MAX);
    counts.into_iter().map(|(category, _)| StreamKind::Category(category.to_owned())).collect()
}

impl Stream {
    fn new(descriptor: &str, values: &Values, kind: StreamKind, delta: f64) -> Result<Self, DriftError> {
        let (mut ranks, mut center) = (Vec::new(), Vec::new());
        match values {
            Values::Numbers(values) => ranks = values.clone(),
            Values::Categories(_) => {}
            Values::Vectors(vectors) => {
                center = center_of(vectors);
                ranks = vectors.iter().map(|row| distance(&center, row)).collect();
            }
        }
        ranks.sort_by(f64::total_cmp);
        Ok(Self { descriptor: descriptor.into(), kind, adwin: Adwin::new(delta)?, ranks, center })
    }

    /// The value of a row; `None` if it is of another kind.
    pub(crate) fn value(&self, values: &Values, row: usize) -> Option<f64> {
        Some(match (&self.kind, values) {
            (StreamKind::Level, Values::Numbers(values)) => self.rank(*values.get(row)?),
            (StreamKind::Spread, Values::Numbers(values)) => (2.0 * self.rank(*values.get(row)?) - 1.0).abs(),
            (StreamKind::Category(category), Values::Categories(values)) => {
                f64::from(u8::from(values.get(row)? == category))
            }
            (StreamKind::Distance, Values::Vectors(vectors)) => {
                self.rank(distance(&self.center, vectors.iter().nth(row)?))
            }
            _ => return None,
        })
    }

    /// The part of the reference that is smaller; of what is equal, half counts.
    fn rank(&self, value: f64) -> f64 {
        let below = self.ranks.partition_point(|other| *other < value);
        let not_above = self.ranks.partition_point(|other| *other <= value);
        (below + not_above) as f64 / (2 * self.ranks.len()).max(1) as f64
    }
}

fn center_of(vectors: &Vectors) -> Vec<(f64, f64)> {
    let rows = vectors.rows().max(1) as f64;
    let of = |dimension: usize| {
        let values = || vectors.iter().map(|row| row[dimension]);
        let mean = values().sum::<f64>() / rows;
        (mean, libm::sqrt(values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / rows))
    };
    (0..vectors.width()).map(of).collect()
}

/// The squared distance from the center, in deviations. What was constant counts as it is.
fn distance(center: &[(f64, f64)], row: &[f64]) -> f64 {
    let term = |((mean, deviation), value): (&(f64, f64), &f64)| {
        let apart = (value - mean) / if *deviation > 1e-12 * mean.abs() { *deviation } else { 1.0 };
        apart * apart
    };
    center.iter().zip(row).map(term).sum()
}
