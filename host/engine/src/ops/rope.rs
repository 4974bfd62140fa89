//! Rotary position embedding (Su et al., arXiv 2104.09864), in the layout of Hugging Face's `rotate_half`.
//!
//! With `h` half the width of a head and angle `t` of position and pair: `y[i] = x[i] cos t - x[i+h] sin t`,
//! `y[i+h] = x[i+h] cos t + x[i] sin t`. A rotation is orthogonal: the backward pass is the same with `sin` negated.

use std::sync::{Arc, RwLock};

use freehold_kernels::{LANES, Panels, Real, for_each, map, vectorised};

use crate::rotary::Rotary;

/// Cosines and sines of positions, as many as were asked for so far.
#[derive(Debug)]
pub(crate) struct Rope<T> {
    frequencies: Vec<f32>,
    /// What cosines and sines are multiplied with.
    factor: f64,
    table: RwLock<Arc<Table<T>>>,
}

/// Cosine and sine of each position's angles, [positions, head / 2].
#[derive(Debug, Default)]
struct Table<T>(Vec<(T, T)>);

/// Cosines and sines for the tokens of a pass, [head / 2, tokens].
#[derive(Debug)]
pub(crate) struct Angles<T: Real> {
    cos: Panels<T>,
    sin: Panels<T>,
}

impl<T: Real> Rope<T> {
    /// The embedding of heads of this width.
    pub(crate) fn new(rotary: &Rotary, head: usize) -> Self {
        let (frequencies, factor) = rotary.frequencies(head);
        Self { frequencies, factor, table: RwLock::default() }
    }

    /// The table with at least so many positions. Angles are computed in f32, as transformers does.
    fn table(&self, positions: usize) -> Arc<Table<T>> {
        let half = self.frequencies.len();
        let present = self.table.read().map(|table| Arc::clone(&table)).unwrap_or_default();
        if present.0.len() >= positions * half {
            return present;
        }
        let angle = |place: usize| {
            let angle = f64::from((place / half) as f32 * self.frequencies[place % half]);
            (T::real(libm::cos(angle) * self.factor), T::real(libm::sin(angle) * self.factor))
        };
        let larger = Arc::new(Table(map(0..positions.next_power_of_two() * half, angle)));
        if let Ok(mut table) = self.table.write() {
            *table = Arc::clone(&larger);
        }
        larger
    }

    /// The angles of tokens at these positions.
    pub(crate) fn angles(&self, positions: &[u32]) -> Angles<T> {
        let half = self.frequencies.len();
        let table = self.table(positions.iter().max().map_or(0, |last| *last as usize + 1));
        let mut angles = Angles { cos: Panels::any(half, positions.len()), sin: Panels::any(half, positions.len()) };
        let outputs = angles.cos.panels_mut().zip(angles.sin.panels_mut());
        for_each(outputs.enumerate(), |(panel, (cos, sin))| {
            for lane in 0..LANES {
                let position = positions.get(panel * LANES + lane).map_or(0, |position| *position as usize);
                for (pair, (c, s)) in table.0[position * half..][..half].iter().enumerate() {
                    (cos[pair * LANES + lane], sin[pair * LANES + lane]) = (*c, *s);
                }
            }
        });
        angles
    }

    /// The angles of a token that lies by itself.
    pub(crate) fn angles_of(&self, position: usize) -> Angles<T> {
        let half = self.frequencies.len();
        let table = self.table(position + 1);
        let mut angles = Angles { cos: Panels::vector(half), sin: Panels::vector(half) };
        let (cos, sin) = table.0[position * half..][..half].iter().copied().unzip::<_, _, Vec<T>, Vec<T>>();
        angles.cos.set_token(0, cos);
        angles.sin.set_token(0, sin);
        angles
    }
}

impl<T: Real> Angles<T> {
    /// Rotates every head of x [heads · width, tokens] in place.
    pub(crate) fn rotate(&self, x: &mut Panels<T>) {
        self.turn(x, T::ONE);
    }

    /// Rotates gradients back: the backward pass of [`Angles::rotate`].
    pub(crate) fn rotate_back(&self, x: &mut Panels<T>) {
        self.turn(x, -T::ONE);
    }

    fn turn(&self, x: &mut Panels<T>, sign: T) {
        let half = self.cos.panel(0).len().max(1);
        for_each(x.panels_mut().zip(self.cos.panels().zip(self.sin.panels())), |(x, (cos, sin))| {
            for head in x.chunks_exact_mut(2 * half) {
                let (first, second) = head.split_at_mut(half);
                turn(first, second, cos, sin, sign);
            }
        });
    }
}

vectorised! {
fn turn<T: Real>(first: &mut [T], second: &mut [T], cos: &[T], sin: &[T], sign: T) {
    for ((a, b), (&c, &s)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
        let (x, y, s) = (*a, *b, sign * s);
        *a = x * c - y * s;
        *b = y * c + x * s;
    }
}
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_panels_gradient, random_panels};
    use super::*;
    use crate::rotary::Scaling;

    fn rope() -> Rope<f64> {
        Rope::new(&Rotary { theta: 10_000.0, scaling: Scaling::None }, 8)
    }

    #[test]
    fn gradient_matches_finite_differences() {
        let positions: Vec<u32> = (0..35).map(|i| i * 7 % 20).collect();
        let angles = rope().angles(&positions);
        let (x, g) = (random_panels(16, 35, 1), random_panels(16, 35, 2));
        let mut back = g.clone();
        angles.rotate_back(&mut back);
        let turned = |x: &Panels<f64>| {
            let mut x = x.clone();
            angles.rotate(&mut x);
            x
        };
        assert_panels_gradient(&x, &g, turned, &back);
    }

    #[test]
    fn position_one_turns_the_first_pair_by_one_radian() {
        let mut x = Panels::zeros(8, 2);
        x.set_token(1, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        rope().angles(&[0, 1]).rotate(&mut x);
        let turned: Vec<f64> = x.token(1).collect();
        assert!((turned[0] - 1.0_f64.cos()).abs() < 1e-12 && (turned[4] - 1.0_f64.sin()).abs() < 1e-12);
    }
}
