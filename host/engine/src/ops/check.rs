//! Finite differences, for the tests of the operations.

use freehold_kernels::Panels;

/// Fixed random values in ±1, f64.
pub(crate) fn random(count: usize, stream: u64) -> Vec<f64> {
    let mut random = crate::random::Random::new(7, &format!("check {stream}"));
    (0..count).map(|_| random.uniform() * 2.0 - 1.0).collect()
}

/// Panels of fixed random values; those of tokens that do not exist are zero.
pub(crate) fn random_panels(features: usize, tokens: usize, stream: u64) -> Panels<f64> {
    let mut panels = Panels::any(features, tokens);
    let count = panels.values().len();
    panels.values_mut().copy_from_slice(&random(count, stream));
    panels.clear_padding();
    panels
}

/// The sum of all products of two lists.
pub(crate) fn inner(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Asserts that `gradient` is that of `f` at `x`.
pub(crate) fn assert_gradient(x: &[f64], f: impl Fn(&[f64]) -> f64, gradient: &[f64]) {
    const STEP: f64 = 1e-4;
    const SAMPLES: usize = 16;
    assert_eq!(x.len(), gradient.len());
    // Of many values, some spread over the whole are looked at.
    let stride = (gradient.len() / SAMPLES).max(1) | 1;
    for (index, got) in gradient.iter().enumerate().step_by(stride) {
        let at = |delta: f64| {
            let mut values = x.to_vec();
            values[index] += delta;
            f(&values)
        };
        let difference = |step: f64| at(step) - at(-step);
        let want = (8.0 * difference(STEP) - difference(2.0 * STEP)) / (12.0 * STEP);
        assert!((got - want).abs() < 1e-8 * (1.0 + want.abs()), "element {index}: {got}, not {want}");
    }
}

/// Asserts that `gradient` is that of `Σ g · f(x)` over the tokens that exist.
pub(crate) fn assert_panels_gradient(
    x: &Panels<f64>,
    g: &Panels<f64>,
    f: impl Fn(&Panels<f64>) -> Panels<f64>,
    gradient: &Panels<f64>,
) {
    let with = |values: &[f64]| {
        let mut x = x.clone();
        x.values_mut().copy_from_slice(values);
        inner(f(&x).values(), g.values())
    };
    assert_gradient(x.values(), with, gradient.values());
}
