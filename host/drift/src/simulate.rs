//! Generated rows with known change points, to see how soon a watch finds them and how often it cries wolf.

use crate::DriftError;
use crate::descriptor::{Sample, Values};
use crate::random::Random;
use crate::vectors::Vectors;
use crate::watch::{Signal, Watch, WatchSettings};

/// Rows of the reference of every stream.
pub const REFERENCE_ROWS: usize = 1000;
/// Width of the vectors.
const WIDTH: usize = 16;

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Normal numbers that stay as they are.
    None,
    /// Log-normal numbers that stay as they are.
    NoneSkewed,
    /// Whole numbers, few of them different, that stay as they are.
    NoneTied,
    /// Five categories that stay as they are.
    NoneCategories,
    /// Vectors that stay as they are.
    NoneVectors,
    /// Normal numbers whose mean moves by half a deviation.
    Mean,
    /// Normal numbers whose deviation becomes one and a half times as large.
    Variance,
    /// Normal numbers whose mean moves by one deviation, evenly over 4000 rows.
    Slow,
    /// Categories, of which two change places.
    Mix,
    /// Vectors of which a quarter of the dimensions moves by half a deviation.
    Vectors,
    /// Vectors whose first two dimensions, alike before, become opposites: no dimension changes.
    Correlation,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::NoneSkewed,
        Self::NoneTied,
        Self::NoneCategories,
        Self::NoneVectors,
        Self::Mean,
        Self::Variance,
        Self::Slow,
        Self::Mix,
        Self::Vectors,
        Self::Correlation,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NoneSkewed => "none-skewed",
            Self::NoneTied => "none-tied",
            Self::NoneCategories => "none-categories",
            Self::NoneVectors => "none-vectors",
            Self::Mean => "mean",
            Self::Variance => "variance",
            Self::Slow => "slow",
            Self::Mix => "mix",
            Self::Vectors => "vectors",
            Self::Correlation => "correlation",
        }
    }

    /// Whether anything changes.
    pub fn changes(self) -> bool {
        !self.as_str().starts_with("none")
    }

    /// `rows` rows, of which those from `change` on are other than those before. Their one descriptor is called `x`.
    ///
    /// # Errors
    /// Never: what is generated is finite.
    pub fn rows(self, seed: u64, rows: usize, change: usize) -> Result<Sample, DriftError> {
        let mut random = Random::new(seed, self.as_str());
        // How far the change has come: 0 before it, 1 when it is over.
        let after = |row: usize| if row < change { 0.0 } else { 1.0 };
        let slowly = |row: usize| (row.saturating_sub(change) as f64 / 4000.0).min(1.0);
        let values = match self {
            Self::None => numbers(rows, |_| random.normal()),
            Self::NoneSkewed => numbers(rows, |_| libm::exp(random.normal())),
            Self::NoneTied => numbers(rows, |_| libm::floor(libm::exp(0.5 * random.normal()) * 3.0)),
            Self::Mean => numbers(rows, |row| random.normal() + 0.5 * after(row)),
            Self::Variance => numbers(rows, |row| random.normal() * (1.0 + 0.5 * after(row))),
            Self::Slow => numbers(rows, |row| random.normal() + slowly(row)),
            Self::NoneCategories | Self::Mix => {
                let changed = |row: usize| self == Self::Mix && row >= change;
                Values::Categories((0..rows).map(|row| category(random.uniform(), changed(row)).into()).collect())
            }
            Self::NoneVectors | Self::Vectors | Self::Correlation => {
                let moved = if self == Self::Vectors { 0.5 } else { 0.0 };
                let turned = self == Self::Correlation;
                let mut values = Vec::with_capacity(rows * WIDTH);
                for row in 0..rows {
                    let mut vector: Vec<f64> = (0..WIDTH).map(|_| random.normal()).collect();
                    vector.iter_mut().take(WIDTH / 4).for_each(|value| *value += moved * after(row));
                    if turned && let [first, second, ..] = &mut vector[..] {
                        let sign = 1.0 - 2.0 * after(row);
                        *second = 0.95 * sign * *first + 0.3122 * *second;
                    }
                    values.extend(vector);
                }
                Values::Vectors(Vectors::new(WIDTH, values)?)
            }
        };
        Sample::new([("x".to_owned(), values)])
    }
}

fn numbers(rows: usize, value: impl FnMut(usize) -> f64) -> Values {
    Values::Numbers((0..rows).map(value).collect())
}

fn category(uniform: f64, changed: bool) -> &'static str {
    match uniform {
        ..0.4 => "billing",
        ..0.65 if changed => "returns",
        ..0.65 => "shipping",
        ..0.85 => "account",
        ..0.95 if changed => "shipping",
        ..0.95 => "returns",
        _ => "other",
    }
}

/// What a watch made of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Windows that ended before the change, and those among them that said that something had changed.
    pub windows: u64,
    /// Of those.
    pub false_windows: u64,
    /// Changes of streams (ADWIN) before the change.
    pub false_changes: u64,
    /// Rows from the change to the end of the first window that says so; `None` if none did.
    pub window_delay: Option<u64>,
    /// Rows from the change to the first change of a stream; `None` if there was none.
    pub change_delay: Option<u64>,
}

/// Shows a watch a stream of which the rows from `change` on are other than those before.
///
/// # Errors
/// A setting is not possible.
pub fn score(
    scenario: Scenario,
    seed: u64,
    (rows, change): (usize, usize),
    settings: &WatchSettings,
) -> Result<Score, DriftError> {
    let mut stream = scenario.rows(seed, REFERENCE_ROWS + rows, REFERENCE_ROWS + change)?;
    let current = stream.split_off(REFERENCE_ROWS);
    let mut watch = Watch::new(stream, settings.clone())?;
    let change = if scenario.changes() { change as u64 } else { rows as u64 };
    let mut score = Score { windows: 0, false_windows: 0, false_changes: 0, window_delay: None, change_delay: None };
    for signal in watch.push(current)? {
        let (drift, window) = (signal.is_drift(), settings.window as u64);
        match signal {
            Signal::Window { first_row, .. } if first_row + window <= change => {
                score.windows += 1;
                score.false_windows += u64::from(drift);
            }
            Signal::Window { first_row, .. } if drift => {
                score.window_delay.get_or_insert(first_row + window - change);
            }
            Signal::Change { row, .. } if row < change => score.false_changes += 1,
            Signal::Change { row, .. } => {
                score.change_delay.get_or_insert(row - change);
            }
            Signal::Window { .. } => {}
        }
    }
    Ok(score)
}
