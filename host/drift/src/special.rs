//! Tails of distributions.

/// The regularised upper incomplete gamma function `Q(a, x)`: by its series where that converges fast, else by its continued
/// fraction (Lentz), so that small tails keep their digits (Numerical Recipes, section 6.2). `a` has to be positive.
pub(crate) fn gamma_upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let scale = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 { 1.0 - scale * series(a, x) } else { scale * fraction(a, x) }
}

/// Terms after which both have long converged for any `a` that a table of counts gives.
const TERMS_MAX: u32 = 100_000;

fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0 / a, 1.0 / a);
    for n in 1..TERMS_MAX {
        term *= x / (a + f64::from(n));
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut value = d;
    for n in 1..TERMS_MAX {
        let n = f64::from(n);
        let factor = n * (a - n);
        b += 2.0;
        let away = |value: f64| if value.abs() < TINY { TINY } else { value };
        d = 1.0 / away(factor * d + b);
        c = away(b + factor / c);
        let step = c * d;
        value *= step;
        if (step - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value
}

/// The chance that a chi-squared variable of so many degrees of freedom is at least `x`.
pub(crate) fn chi_squared_tail(x: f64, degrees: usize) -> f64 {
    if degrees == 0 { 1.0 } else { gamma_upper(degrees as f64 / 2.0, x / 2.0).clamp(0.0, 1.0) }
}

/// The chance that a standard normal variable is at least `z`.
pub(crate) fn normal_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
}

/// The chance that the limit of `sqrt(nm/(n+m)) D` is at least `x` (Kolmogorov 1933): by the series that converges fast there.
pub(crate) fn kolmogorov_tail(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.18 {
        let below = |k: i32| libm::exp(-f64::from((2 * k - 1) * (2 * k - 1)) * PI * PI / (8.0 * x * x));
        return (1.0 - libm::sqrt(2.0 * PI) / x * (1..=5).map(below).sum::<f64>()).clamp(0.0, 1.0);
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        sign * libm::exp(-2.0 * f64::from(k * k) * x * x)
    };
    (2.0 * (1..=5).map(term).sum::<f64>()).clamp(0.0, 1.0)
}
