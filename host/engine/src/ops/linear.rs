//! Linear layers: `y = x Wᵀ` with `x` [N, in], `W` [out, in].
//!
//! Backward: `dx = g W`, `dW = gᵀ x`. A frozen layer never computes `dW`.

use candle_core::{Result, Tensor};

/// `x Wᵀ`: [N, in] and [out, in] give [N, out].
pub(crate) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.t()?)
}

/// `g W`: gradient of the input, from that of the output.
pub(crate) fn linear_input_gradient(gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
    gradient.matmul(weight)
}

/// `gᵀ x`: gradient of the weight.
pub(crate) fn linear_weight_gradient(gradient: &Tensor, x: &Tensor) -> Result<Tensor> {
    gradient.t()?.matmul(x)
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradient, random};
    use super::*;

    #[test]
    fn gradients_match_finite_differences() -> Result<()> {
        let (x, w, g) = (random(&[5, 4], 1), random(&[3, 4], 2), random(&[5, 3], 3));
        assert_gradient(&x, &g, |x| linear(x, &w), &linear_input_gradient(&g, &w)?);
        assert_gradient(&w, &g, |w| linear(&x, w), &linear_weight_gradient(&g, &x)?);
        Ok(())
    }
}
