//! Root mean square normalisation (Zhang and Sennrich, arXiv 1910.07467), over all features or head by head.
//!
//! With `i = 1 / sqrt(mean(x²) + ε)`: `y = x i w`. Backward: `dx = i (g w - x i² mean(g w x))`, `dw = Σ g x i`.

use freehold_kernels::{LANES, Panels, Real, for_each, map, vectorised};

use super::{feature_by_feature, lanes, lanes_mut};

/// What [`rms_norm`] gives.
#[derive(Debug)]
pub(crate) struct Normed<T: Real> {
    /// The normalised features [D, tokens].
    pub(crate) normed: Panels<T>,
    /// The inverse root mean square [D / group, tokens].
    pub(crate) inverse: Panels<T>,
}

/// Sums that go on at once, so that none waits for its own last addition.
const CHAINS: usize = 4;

/// The sum of the chains.
#[inline(always)]
fn joined<T: Real>(sums: &[[T; LANES]; CHAINS]) -> [T; LANES] {
    let [a, b, c, d] = sums;
    let mut sum = [T::ZERO; LANES];
    for lane in 0..LANES {
        sum[lane] = (a[lane] + b[lane]) + (c[lane] + d[lane]);
    }
    sum
}

/// Normalises each group of as many features as `weight` has, and scales them by `weight`.
pub(crate) fn rms_norm<T: Real>(x: &Panels<T>, weight: &[T], eps: f64) -> Normed<T> {
    let (features, group) = (x.features(), weight.len());
    let mut normed = x.beside(features);
    let mut inverse = x.beside(features / group);
    let outputs = normed.panels_mut().zip(inverse.panels_mut());
    let eps = T::real(eps);
    let forward = if x.is_vector() { vector } else { forward };
    for_each(outputs.zip(x.panels()), |((normed, inverse), x)| forward(normed, inverse, x, weight, eps));
    Normed { normed, inverse }
}

vectorised! {
fn forward<T: Real>(normed: &mut [T], inverse: &mut [T], x: &[T], weight: &[T], eps: T) {
    let group = weight.len();
    let scale = T::real(1.0 / group as f64);
    let groups = normed.chunks_exact_mut(group * LANES).zip(x.chunks_exact(group * LANES));
    for ((normed, x), inverse) in groups.zip(inverse.chunks_exact_mut(LANES)) {
        let mut sums = [[T::ZERO; LANES]; CHAINS];
        for (feature, x) in x.chunks_exact(LANES).enumerate() {
            let (x, sum) = (lanes(x), &mut sums[feature % CHAINS]);
            for lane in 0..LANES {
                sum[lane] += x[lane] * x[lane];
            }
        }
        let (squares, inverse) = (joined(&sums), lanes_mut(inverse));
        for lane in 0..LANES {
            inverse[lane] = T::ONE / (squares[lane] * scale + eps).root();
        }
        for ((normed, x), &w) in normed.chunks_exact_mut(LANES).zip(x.chunks_exact(LANES)).zip(weight) {
            feature_by_feature();
            let (normed, x) = (lanes_mut(normed), lanes(x));
            for lane in 0..LANES {
                normed[lane] = x[lane] * inverse[lane] * w;
            }
        }
    }
}
}

vectorised! {
/// As [`forward`] of a token that lies by itself, with the same order of sums.
fn vector<T: Real>(normed: &mut [T], inverse: &mut [T], x: &[T], weight: &[T], eps: T) {
    let group = weight.len();
    let scale = T::real(1.0 / group as f64);
    let groups = normed.chunks_exact_mut(group).zip(x.chunks_exact(group));
    for ((normed, x), inverse) in groups.zip(inverse) {
        let mut sums = [T::ZERO; CHAINS];
        let (whole, rest) = x.as_chunks::<CHAINS>();
        for x in whole {
            for chain in 0..CHAINS {
                sums[chain] += x[chain] * x[chain];
            }
        }
        sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += *x * *x);
        let [a, b, c, d] = sums;
        *inverse = T::ONE / (((a + b) + (c + d)) * scale + eps).root();
        for ((normed, x), w) in normed.iter_mut().zip(x).zip(weight) {
            *normed = *x * *inverse * *w;
        }
    }
}
}

/// The gradient of `x`: written to `out`, or added to what is there.
pub(crate) fn rms_norm_backward<T: Real>(
    gradient: &Panels<T>,
    x: &Panels<T>,
    inverse: &Panels<T>,
    weight: &[T],
    out: &mut Panels<T>,
    accumulate: bool,
) {
    let inputs = gradient.panels().zip(x.panels()).zip(inverse.panels());
    for_each(out.panels_mut().zip(inputs), |(out, ((gradient, x), inverse))| {
        if !accumulate {
            out.fill(T::ZERO);
        }
        backward(out, gradient, x, inverse, weight);
    });
}

vectorised! {
/// Adds the gradient of a panel.
fn backward<T: Real>(out: &mut [T], gradient: &[T], x: &[T], inverse: &[T], weight: &[T]) {
    let group = weight.len();
    let scale = T::real(1.0 / group as f64);
    let inputs = gradient.chunks_exact(group * LANES).zip(x.chunks_exact(group * LANES));
    let groups = out.chunks_exact_mut(group * LANES).zip(inputs).zip(inverse.chunks_exact(LANES));
    for ((out, (g, x)), inverse) in groups {
        let inverse = lanes(inverse);
        let mut sums = [[T::ZERO; LANES]; CHAINS];
        let rows = g.chunks_exact(LANES).zip(x.chunks_exact(LANES));
        for (feature, ((g, x), &w)) in rows.zip(weight).enumerate() {
            let (g, x, sum) = (lanes(g), lanes(x), &mut sums[feature % CHAINS]);
            for lane in 0..LANES {
                sum[lane] += g[lane] * w * x[lane];
            }
        }
        let mut mean = joined(&sums);
        for lane in 0..LANES {
            mean[lane] = mean[lane] * scale * inverse[lane] * inverse[lane];
        }
        let rows = out.chunks_exact_mut(LANES).zip(g.chunks_exact(LANES)).zip(x.chunks_exact(LANES));
        for (((out, g), x), &w) in rows.zip(weight) {
            let (out, g, x) = (lanes_mut(out), lanes(g), lanes(x));
            for lane in 0..LANES {
                out[lane] += inverse[lane] * (g[lane] * w - x[lane] * mean[lane]);
            }
        }
    }
}
}

/// The gradient of the weight, over all groups and tokens.
pub(crate) fn rms_norm_weight_gradient<T: Real>(
    gradient: &Panels<T>,
    x: &Panels<T>,
    inverse: &Panels<T>,
    group: usize,
) -> Vec<T> {
    map(0..group, |feature| weight_sum(gradient, x, inverse, group, feature))
}

vectorised! {
fn weight_sum<T: Real>(gradient: &Panels<T>, x: &Panels<T>, inverse: &Panels<T>, group: usize, feature: usize) -> T {
    let mut sum = [T::ZERO; LANES];
    for panel in 0..x.count() {
        let (g, x, inverse) = (gradient.panel(panel), x.panel(panel), inverse.panel(panel));
        for (index, inverse) in inverse.chunks_exact(LANES).enumerate() {
            let at = (index * group + feature) * LANES;
            let (g, x, inverse) = (lanes(&g[at..]), lanes(&x[at..]), lanes(inverse));
            for lane in 0..LANES {
                sum[lane] += g[lane] * x[lane] * inverse[lane];
            }
        }
    }
    fold(sum)
}
}

/// The sum of the lanes, pairwise.
#[inline(always)]
fn fold<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let other = lanes[lane + half];
            lanes[lane] += other;
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradient, assert_panels_gradient, inner, random, random_panels};
    use super::*;

    #[test]
    fn gradients_match_finite_differences() {
        // Over all features, and in four groups.
        for group in [20, 5] {
            let (x, w, g) = (random_panels(20, 35, 1), random(group, 2), random_panels(20, 35, 3));
            let forward = |x: &Panels<f64>, w: &[f64]| rms_norm(x, w, 1e-5).normed;
            let inverse = rms_norm(&x, &w, 1e-5).inverse;
            let mut dx = Panels::any(20, 35);
            rms_norm_backward(&g, &x, &inverse, &w, &mut dx, false);
            assert_panels_gradient(&x, &g, |x| forward(x, &w), &dx);
            let dw = rms_norm_weight_gradient(&g, &x, &inverse, group);
            assert_gradient(&w, |w| inner(forward(&x, w).values(), g.values()), &dw);
            let mut sum = g.clone();
            rms_norm_backward(&g, &x, &inverse, &w, &mut sum, true);
            let both = sum.values().iter().zip(dx.values()).zip(g.values());
            assert!(both.into_iter().all(|((sum, dx), g)| *sum == dx + g));
        }
    }
}
