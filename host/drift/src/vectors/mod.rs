//! Statistics of vectors.

mod classifier;
mod discrepancy;
mod logistic;
mod projection;

use serde::{Deserialize, Serialize};

use crate::DriftError;
use crate::random::Random;

pub use classifier::{FOLDS_MIN, domain_classifier};
pub use discrepancy::{Permutations, mmd};
pub use projection::Projection;

/// Vectors of one width, row by row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vectors {
    width: usize,
    values: Vec<f64>,
}

impl Vectors {
    /// # Errors
    /// The values are not a multiple of a positive width.
    pub fn new(width: usize, values: Vec<f64>) -> Result<Self, DriftError> {
        let vectors = Self { width, values };
        vectors.check_width("vectors").map(|()| vectors)
    }

    fn check_width(&self, name: &str) -> Result<(), DriftError> {
        if self.width > 0 && self.values.len().is_multiple_of(self.width) {
            return Ok(());
        }
        Err(DriftError::Width { descriptor: name.into(), values: self.values.len(), width: self.width })
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), DriftError> {
        self.check_width(name)?;
        let at = self.values.iter().position(|value| !value.is_finite());
        let broken =
            |at: usize| DriftError::NotFinite { descriptor: name.into(), row: at / self.width, value: self.values[at] };
        at.map_or(Ok(()), |at| Err(broken(at)))
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// The rows.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.width.max(1))
    }

    pub(crate) fn append(&mut self, more: Self) {
        self.values.extend(more.values);
    }

    pub(crate) fn split_off(&mut self, row: usize) -> Self {
        let at = row.saturating_mul(self.width).min(self.values.len());
        Self { width: self.width, values: self.values.split_off(at) }
    }
}

/// The rows of both sides, each dimension with mean 0 and deviation 1 over both together, so that none counts for more than
/// another because of its unit. A constant dimension is 0. At most `rows_max` rows a side, drawn by `seed`.
struct Standardised {
    width: usize,
    rows: Vec<Vec<f64>>,
    /// How many of them are of the reference; they come first.
    reference: usize,
}

impl Standardised {
    fn of(reference: &Vectors, current: &Vectors, rows_max: usize, seed: u64) -> Self {
        let mut rows = drawn(reference, rows_max, seed, "reference");
        let of_reference = rows.len();
        rows.extend(drawn(current, rows_max, seed, "current"));
        let (width, count) = (reference.width(), rows.len().max(1) as f64);
        for dimension in 0..width {
            let mean = rows.iter().map(|row| row[dimension]).sum::<f64>() / count;
            let variance =
                rows.iter().map(|row| (row[dimension] - mean) * (row[dimension] - mean)).sum::<f64>() / count;
            let deviation = libm::sqrt(variance);
            // What rounding leaves of a constant is no deviation.
            let constant = deviation <= 1e-12 * mean.abs();
            let scaled = |value: f64| if constant { 0.0 } else { (value - mean) / deviation };
            rows.iter_mut().for_each(|row| row[dimension] = scaled(row[dimension]));
        }
        Self { width, rows, reference: of_reference }
    }
}

fn drawn(vectors: &Vectors, rows_max: usize, seed: u64, side: &str) -> Vec<Vec<f64>> {
    let mut chosen: Vec<usize> = (0..vectors.rows()).collect();
    if chosen.len() > rows_max {
        Random::new(seed, side).shuffle(&mut chosen);
        chosen.truncate(rows_max);
        chosen.sort_unstable();
    }
    let width = vectors.width;
    chosen.into_iter().map(|row| vectors.values[row * width..(row + 1) * width].to_vec()).collect()
}

/// That there are so many rows on each side, of one width.
fn check(what: &'static str, needed: usize, reference: &Vectors, current: &Vectors) -> Result<(), DriftError> {
    reference.check("reference")?;
    current.check("current")?;
    if reference.width != current.width {
        let described = |vectors: &Vectors| format!("vectors of width {}", vectors.width);
        let (found, expected) = (described(current), described(reference));
        return Err(DriftError::Kind { descriptor: what.into(), found, expected });
    }
    let (n, m) = (reference.rows(), current.rows());
    if n < needed || m < needed {
        return Err(DriftError::TooFew { what, needed, reference: n, current: m });
    }
    Ok(())
}
