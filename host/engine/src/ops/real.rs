//! Floating-point types of the operations: f32 to work with, f64 to check gradients with.

use candle_core::{CpuStorage, WithDType};

/// A type that the operations can compute with.
pub(crate) trait Real: WithDType {
    /// The value nearest to `value`.
    fn real(value: f64) -> Self;
    /// e to the power of this.
    fn exponential(self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// The values of a storage of this type.
    fn slice_mut(storage: &mut CpuStorage) -> Option<&mut [Self]>;
}

impl Real for f32 {
    #[inline(always)]
    fn real(value: f64) -> Self {
        value as f32
    }

    /// Cody-Waite reduction and a polynomial of degree 6 (as in Cephes' `expf`): at most 2 ulp off, the same on every
    /// platform, and made of operations that the compiler turns into vector instructions.
    #[inline(always)]
    fn exponential(self) -> Self {
        const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer in the low bits
        let x = self.clamp(-87.0, 88.0);
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
        let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
        let mut p = 1.987_569_1e-4_f32;
        for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = p * r + c;
        }
        (p * r * r + r + 1.0) * f32::from_bits(exponent)
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    fn slice_mut(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        match storage {
            CpuStorage::F32(values) => Some(values),
            _ => None,
        }
    }
}

impl Real for f64 {
    #[inline(always)]
    fn real(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    fn slice_mut(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        match storage {
            CpuStorage::F64(values) => Some(values),
            _ => None,
        }
    }
}

/// Sums products in sixteen interleaved lanes: vector instructions apply, and the order is fixed.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::real(0.0); LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(rest) {
        *lane += a * b;
    }
    fold(lanes)
}

/// Sums sixteen lanes pairwise.
#[inline(always)]
pub(crate) fn fold<T: Real>(mut lanes: [T; 16]) -> T {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            let other = lanes[lane + half];
            lanes[lane] += other;
        }
    }
    lanes[0]
}

/// Runs an expression with `T` being the type of a tensor.
macro_rules! dispatch {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => Err(candle_core::Error::msg(format!("no operation for tensors of type {other:?}"))),
        }
    };
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_within_two_units_of_the_last_place() {
        for i in -86_000..88_000 {
            let x = i as f32 / 1000.0;
            let (got, want) = (f64::from(x.exponential()), f64::from(x).exp());
            assert!(((got - want) / want).abs() < 2.5e-7, "exp({x}) = {got}, not {want}");
        }
        assert_eq!(0.0_f32.exponential(), 1.0);
        assert!(f32::NEG_INFINITY.exponential() < 1e-37);
    }
}
