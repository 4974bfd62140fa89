//! Maximum mean discrepancy (Gretton et al., JMLR 13, 2012).

use crate::DriftError;
use crate::random::Random;
use crate::test::Test;

use super::{Standardised, Vectors, check};

/// How chances are found: by dealing the rows to both sides anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permutations {
    /// How often. No p-value is smaller than one in so many and one.
    pub count: usize,
    /// Rows of a side that are looked at, at most; drawn where there are more.
    pub rows_max: usize,
    /// Seed of what is dealt and drawn.
    pub seed: u64,
}

/// The squared maximum mean discrepancy, without bias, under the kernel `exp(-|x - y|² / median)`, where the median is that of
/// the squared distances of all pairs of rows, after each dimension was brought to one deviation. Its p-value is the part of
/// the permutations, this one among them, that give as much.
///
/// # Errors
/// There are fewer than two rows on a side, widths differ, or a value is not finite.
pub fn mmd(reference: &Vectors, current: &Vectors, permutations: Permutations) -> Result<Test, DriftError> {
    check("MMD", 2, reference, current)?;
    let Permutations { count, rows_max, seed } = permutations;
    let rows = Standardised::of(reference, current, rows_max.max(2), seed);
    let kernel = Kernel::of(&rows.rows);
    // Both sides are as good; the smaller has fewer pairs.
    let smaller = rows.reference.min(rows.rows.len() - rows.reference);
    let mut order: Vec<usize> = (0..rows.rows.len()).collect();
    if smaller < rows.reference {
        order.rotate_left(rows.reference);
    }
    let found = kernel.discrepancy(&order[..smaller]);
    let mut random = Random::new(seed, "permutations");
    // Sums in another order differ by rounding.
    let enough = found - 1e-12;
    let mut as_large = 1;
    for _ in 0..count {
        random.shuffle(&mut order);
        as_large += usize::from(kernel.discrepancy(&order[..smaller]) >= enough);
    }
    Ok(Test { value: found, p: as_large as f64 / (count + 1) as f64 })
}

/// The kernel of all pairs, its diagonal left out.
struct Kernel {
    rows: usize,
    values: Vec<f32>,
    /// Sums of the rows of the matrix.
    sums: Vec<f64>,
    total: f64,
}

impl Kernel {
    fn of(rows: &[Vec<f64>]) -> Self {
        let count = rows.len();
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        let mut distances = Vec::with_capacity(count * count.saturating_sub(1) / 2);
        for (index, row) in rows.iter().enumerate() {
            distances.extend(rows[index + 1..].iter().map(|other| distance(row, other)));
        }
        let median = median(&distances);
        // Where most rows are equal, others are as far away as can be.
        let scale = if median > 0.0 { median } else { f64::MIN_POSITIVE };
        let mut values = vec![0.0; count * count];
        let mut pairs = distances.iter();
        for i in 0..count {
            for j in i + 1..count {
                let value = pairs.next().map_or(0.0, |distance| libm::exp(-distance / scale)) as f32;
                values[i * count + j] = value;
                values[j * count + i] = value;
            }
        }
        let sums: Vec<f64> =
            values.chunks_exact(count.max(1)).map(|row| row.iter().map(|v| f64::from(*v)).sum()).collect();
        let total = sums.iter().sum();
        Self { rows: count, values, sums, total }
    }

    /// The discrepancy of these rows and all others.
    fn discrepancy(&self, side: &[usize]) -> f64 {
        let (n, m) = (side.len() as f64, (self.rows - side.len()) as f64);
        // Only pairs within one side have to be looked up: the others follow from the sums of rows.
        let mut member = vec![0.0f32; self.rows];
        side.iter().for_each(|row| member[*row] = 1.0);
        let within = |row: &usize| {
            let row = &self.values[row * self.rows..(row + 1) * self.rows];
            let mut lanes = [0.0f32; 16];
            let (values, members) = (row.chunks_exact(16), member.chunks_exact(16));
            let rest: f32 = values.remainder().iter().zip(members.remainder()).map(|(v, is)| v * is).sum();
            for (values, members) in values.zip(members) {
                for ((lane, value), is) in lanes.iter_mut().zip(values).zip(members) {
                    *lane += value * is;
                }
            }
            f64::from(rest) + lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>()
        };
        let inside: f64 = side.iter().map(within).sum();
        let across = side.iter().map(|row| self.sums[*row]).sum::<f64>() - inside;
        let outside = self.total - inside - 2.0 * across;
        inside / (n * (n - 1.0)) + outside / (m * (m - 1.0)) - 2.0 * across / (n * m)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}
