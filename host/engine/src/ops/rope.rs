//! Rotary position embedding (Su et al., arXiv 2104.09864), in the layout of Hugging Face's `rotate_half`.
//!
//! With `h` half the size of a head and angle `t = p · θ^(-i/h)`: `y[i] = x[i] cos t - x[i+h] sin t`,
//! `y[i+h] = x[i+h] cos t + x[i] sin t`. A rotation is orthogonal: the backward pass is the same with `sin` negated.

use super::Real;

/// Cosines and sines of all positions, [positions, head / 2] each.
#[derive(Debug, Clone)]
pub(crate) struct Rope<T> {
    half: usize,
    cos: Vec<T>,
    sin: Vec<T>,
}

impl<T: Real> Rope<T> {
    /// The table of `positions` positions, for heads of size `head`. Angles are computed in f32 as transformers does.
    pub(crate) fn new(head: usize, theta: f64, positions: usize) -> Self {
        let half = head / 2;
        let frequencies: Vec<f32> =
            (0..half).map(|i| 1.0 / (theta as f32).powf((2 * i) as f32 / head as f32)).collect();
        let angles = (0..positions).flat_map(|p| frequencies.iter().map(move |f| f64::from(p as f32 * f)));
        let (sin, cos) = angles.map(|angle| (T::real(angle.sin()), T::real(angle.cos()))).unzip();
        Self { half, cos, sin }
    }

    /// Rotates one head in place as at `position`.
    #[inline(always)]
    pub(crate) fn rotate(&self, head: &mut [T], position: usize) {
        let (first, second) = head.split_at_mut(self.half);
        let range = position * self.half..(position + 1) * self.half;
        for (((a, b), &c), &s) in first.iter_mut().zip(second).zip(&self.cos[range.clone()]).zip(&self.sin[range]) {
            (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
        }
    }

    /// Rotates a gradient back: the backward pass of [`Rope::rotate`].
    #[inline(always)]
    pub(crate) fn rotate_back(&self, head: &mut [T], position: usize) {
        let (first, second) = head.split_at_mut(self.half);
        let range = position * self.half..(position + 1) * self.half;
        for (((a, b), &c), &s) in first.iter_mut().zip(second).zip(&self.cos[range.clone()]).zip(&self.sin[range]) {
            (*a, *b) = (*a * c + *b * s, *b * c - *a * s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradient, random};
    use super::*;
    use candle_core::Tensor;

    #[test]
    fn gradient_matches_finite_differences() {
        let rope = Rope::<f64>::new(8, 10_000.0, 16);
        let apply = |x: &Tensor, back: bool| {
            let mut head = x.to_vec1::<f64>()?;
            if back {
                rope.rotate_back(&mut head, 11)
            } else {
                rope.rotate(&mut head, 11)
            }
            Tensor::from_vec(head, 8, x.device())
        };
        let (x, g) = (random(&[8], 1), random(&[8], 2));
        assert_gradient(&x, &g, |x| apply(x, false), &apply(&g, true).unwrap());
    }

    #[test]
    fn position_one_turns_the_first_pair_by_one_radian() {
        let rope = Rope::<f64>::new(4, 10_000.0, 2);
        let mut head = [1.0, 0.0, 0.0, 0.0];
        rope.rotate(&mut head, 1);
        assert!((head[0] - 1.0_f64.cos()).abs() < 1e-12 && (head[2] - 1.0_f64.sin()).abs() < 1e-12);
    }
}
