//! Linear layers: `y = x Wᵀ` with `x` [N, in], `W` [out, in].
//!
//! Backward: `dx = g W`, `dW = gᵀ x`. A frozen layer never computes `dW`.

use candle_core::{Result, Tensor};

/// Results of up to this many elements are summed by another routine of candle's `gemm`, in another order.
const SMALL: usize = 256;

/// `x Wᵀ`: [N, in] and [out, in] give [N, out]. A row's result depends on that row alone, to the bit: few rows are
/// padded so that they take the same routine as many.
pub(crate) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let least = (SMALL / weight.dims2()?.0.max(1) + 1).max(2);
    if rows == 0 || rows >= least {
        return x.matmul(&weight.t()?);
    }
    let padding = Tensor::zeros((least - rows, width), x.dtype(), x.device())?;
    Tensor::cat(&[x, &padding], 0)?.matmul(&weight.t()?)?.narrow(0, 0, rows)
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
    use candle_core::DType;

    #[test]
    fn a_row_does_not_depend_on_the_others() -> Result<()> {
        let (x, w) = (random(&[200, 40], 1).to_dtype(DType::F32)?, random(&[24, 40], 2).to_dtype(DType::F32)?);
        let all = linear(&x, &w)?.to_vec2::<f32>()?;
        for count in [1, 2, 3, 5, 10, 11, 17, 64] {
            assert_eq!(linear(&x.narrow(0, 7, count)?, &w)?.to_vec2::<f32>()?, all[7..7 + count]);
        }
        Ok(())
    }

    #[test]
    fn gradients_match_finite_differences() -> Result<()> {
        let (x, w, g) = (random(&[5, 4], 1), random(&[3, 4], 2), random(&[5, 3], 3));
        assert_gradient(&x, &g, |x| linear(x, &w), &linear_input_gradient(&g, &w)?);
        assert_gradient(&w, &g, |w| linear(&x, w), &linear_weight_gradient(&g, &x)?);
        Ok(())
    }
}
