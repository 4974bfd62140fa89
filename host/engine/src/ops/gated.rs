//! The gated activation SwiGLU (Shazeer, arXiv 2002.05202): `y = silu(a) · b` with `silu(a) = a σ(a)`.
//!
//! Backward: `da = g · b · σ(a) (1 + a (1 - σ(a)))`, `db = g · silu(a)`.

use freehold_kernels::{LANES, Panels, Real, for_each, vectorised};

use super::{lanes, lanes_mut};

#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exponential())
}

/// `silu(gate) · up`, all [F, tokens].
pub(crate) fn gated<T: Real>(gate: &Panels<T>, up: &Panels<T>) -> Panels<T> {
    let mut out = gate.beside(gate.features());
    let inputs = gate.panels().zip(up.panels());
    for_each(out.panels_mut().zip(inputs), |(out, (gate, up))| forward(out, gate, up));
    out
}

vectorised! {
fn forward<T: Real>(out: &mut [T], gate: &[T], up: &[T]) {
    for (out, (gate, up)) in out.iter_mut().zip(gate.iter().zip(up)) {
        *out = *gate * sigmoid(*gate) * *up;
    }
}
}

/// Replaces `gradient` by that of the gate; gives that of `up`.
pub(crate) fn gated_backward<T: Real>(gradient: &mut Panels<T>, gate: &Panels<T>, up: &Panels<T>) -> Panels<T> {
    let mut up_gradient = Panels::any(gate.features(), gate.tokens());
    let outputs = gradient.panels_mut().zip(up_gradient.panels_mut());
    let inputs = gate.panels().zip(up.panels());
    for_each(outputs.zip(inputs), |((gradient, up_gradient), (gate, up))| backward(gradient, up_gradient, gate, up));
    up_gradient
}

vectorised! {
fn backward<T: Real>(gradient: &mut [T], up_gradient: &mut [T], gate: &[T], up: &[T]) {
    let outputs = gradient.chunks_exact_mut(LANES).zip(up_gradient.chunks_exact_mut(LANES));
    let inputs = gate.chunks_exact(LANES).zip(up.chunks_exact(LANES));
    for ((gradient, up_gradient), (gate, up)) in outputs.zip(inputs) {
        let (gradient, up_gradient) = (lanes_mut(gradient), lanes_mut(up_gradient));
        let (gate, up) = (lanes(gate), lanes(up));
        for lane in 0..LANES {
            let (g, a) = (gradient[lane], gate[lane]);
            let s = sigmoid(a);
            gradient[lane] = g * up[lane] * s * (T::ONE + a * (T::ONE - s));
            up_gradient[lane] = g * a * s;
        }
    }
}
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_panels_gradient, random_panels};
    use super::*;

    #[test]
    fn gradients_match_finite_differences() {
        let (a, b, g) = (random_panels(3, 35, 1), random_panels(3, 35, 2), random_panels(3, 35, 3));
        let mut da = g.clone();
        let db = gated_backward(&mut da, &a, &b);
        assert_panels_gradient(&a, &g, |a| gated(a, &b), &da);
        assert_panels_gradient(&b, &g, |b| gated(&a, b), &db);
    }
}
