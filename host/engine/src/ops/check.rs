//! Finite differences, for the tests of the operations.

use candle_core::{Device, Result, Tensor};

/// Fixed random values in ±1, f64.
pub(crate) fn random(shape: &[usize], stream: u64) -> Tensor {
    let mut random = crate::random::Random::new(7, &format!("check {stream}"));
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| random.uniform() * 2.0 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The sum of all products of two tensors.
pub(crate) fn inner(a: &Tensor, b: &Tensor) -> f64 {
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    flat(a).iter().zip(flat(b)).map(|(a, b)| a * b).sum()
}

/// `x` with `delta` added to element `index`.
pub(crate) fn nudged(x: &Tensor, index: usize, delta: f64) -> Tensor {
    let mut values = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    values[index] += delta;
    Tensor::from_vec(values, x.shape(), x.device()).unwrap()
}

/// Asserts that `gradient` is that of `Σ g · f(x)` at `x`.
pub(crate) fn assert_gradient(x: &Tensor, g: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>, gradient: &Tensor) {
    assert_scalar_gradient(x, |x| inner(&f(x).unwrap(), g), gradient);
}

/// Asserts that `gradient` is that of `f` at `x`.
pub(crate) fn assert_scalar_gradient(x: &Tensor, f: impl Fn(&Tensor) -> f64, gradient: &Tensor) {
    const STEP: f64 = 1e-4;
    const SAMPLES: usize = 16;
    assert_eq!(x.dims(), gradient.dims());
    let gradient = gradient.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    // Of large tensors, elements spread over the whole are looked at.
    let stride = (gradient.len() / SAMPLES).max(1) | 1;
    for (index, got) in gradient.into_iter().enumerate().step_by(stride) {
        let difference = |step: f64| f(&nudged(x, index, step)) - f(&nudged(x, index, -step));
        let want = (8.0 * difference(STEP) - difference(2.0 * STEP)) / (12.0 * STEP);
        assert!((got - want).abs() < 1e-8 * (1.0 + want.abs()), "element {index}: {got}, not {want}");
    }
}
