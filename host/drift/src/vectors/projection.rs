//! Fewer dimensions that keep distances.

use crate::random::Random;

/// A random projection (Johnson and Lindenstrauss 1984), the same for the same seed and widths.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    from: usize,
    /// Row by row.
    weights: Vec<f64>,
}

impl Projection {
    /// From vectors of one width to those of another.
    pub fn new(seed: u64, from: usize, to: usize) -> Self {
        let mut random = Random::new(seed, "projection");
        let scale = 1.0 / libm::sqrt(to.max(1) as f64);
        Self { from, weights: (0..from * to).map(|_| scale * random.normal()).collect() }
    }

    /// Projects a vector; what it has beyond the width is left out.
    pub fn apply<'a>(&'a self, vector: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        let product = move |row: &[f64]| row.iter().zip(vector).map(|(weight, x)| weight * f64::from(*x)).sum();
        self.weights.chunks_exact(self.from.max(1)).map(product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_stay_about_the_same() {
        let projection = Projection::new(1, 200, 32);
        let vector: Vec<f32> = (0..200).map(|x| (x as f32).sin()).collect();
        let length = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let before = length(&vector.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        let after: Vec<f64> = projection.apply(&vector).collect();
        assert_eq!(after.len(), 32);
        assert!((length(&after) / before - 1.0).abs() < 0.3, "{} {before}", length(&after));
        assert_eq!(Projection::new(1, 200, 32), projection);
        assert_ne!(Projection::new(2, 200, 32), projection);
    }
}
