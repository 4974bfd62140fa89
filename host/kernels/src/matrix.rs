//! Weights as they lie in their file.

use half::{bf16, f16};

/// The values of a matrix, in the type of their file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// IEEE 754 binary32.
    F32(&'a [f32]),
    /// The upper half of binary32.
    Bf16(&'a [bf16]),
    /// IEEE 754 binary16.
    F16(&'a [f16]),
    /// IEEE 754 binary64, in which gradients are checked.
    F64(&'a [f64]),
}

impl Values<'_> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A range of the values, as f64.
    pub fn to_f64(&self, range: std::ops::Range<usize>) -> Vec<f64> {
        match self {
            Self::F32(values) => values[range].iter().map(|&x| f64::from(x)).collect(),
            Self::Bf16(values) => values[range].iter().map(|&x| f64::from(x)).collect(),
            Self::F16(values) => values[range].iter().map(|&x| f64::from(x)).collect(),
            Self::F64(values) => values[range].to_vec(),
        }
    }
}

/// A matrix [rows, columns], row by row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matrix<'a> {
    values: Values<'a>,
    rows: usize,
    columns: usize,
}

impl<'a> Matrix<'a> {
    /// # Panics
    /// The number of values is not the product of rows and columns.
    pub fn new(values: Values<'a>, rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix of {rows} x {columns}");
        Self { values, rows, columns }
    }

    /// The values.
    pub fn values(&self) -> Values<'a> {
        self.values
    }

    /// Number of rows: outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns: inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// A type of values in files.
pub trait Stored: Copy + Send + Sync + 'static {
    /// As f32, rounded to nearest.
    fn single(self) -> f32;
    /// As f64.
    fn double(self) -> f64;
    /// As bf16, rounded to nearest.
    fn brain(self) -> bf16;
}

impl Stored for f32 {
    #[inline(always)]
    fn single(self) -> f32 {
        self
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn brain(self) -> bf16 {
        round_to_bf16(self)
    }
}

impl Stored for bf16 {
    #[inline(always)]
    fn single(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self.single())
    }
    #[inline(always)]
    fn brain(self) -> bf16 {
        self
    }
}

impl Stored for f16 {
    #[inline(always)]
    fn single(self) -> f32 {
        // Written out, for vectors: the exponent moves by 112, subnormals are scaled, infinity and NaN kept.
        let bits = u32::from(self.to_bits());
        let (sign, rest) = ((bits & 0x8000) << 16, bits & 0x7fff);
        let normal = f32::from_bits((rest << 13) + 0x3800_0000);
        let subnormal = rest as f32 * f32::from_bits(0x3380_0000); // 2^-24
        let special = f32::from_bits((rest << 13) | 0x7f80_0000);
        let value = if rest >= 0x7c00 {
            special
        } else if rest >= 0x0400 {
            normal
        } else {
            subnormal
        };
        f32::from_bits(value.to_bits() | sign)
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self.single())
    }
    #[inline(always)]
    fn brain(self) -> bf16 {
        round_to_bf16(self.single())
    }
}

impl Stored for f64 {
    #[inline(always)]
    fn single(self) -> f32 {
        self as f32
    }
    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
    #[inline(always)]
    fn brain(self) -> bf16 {
        round_to_bf16(self as f32)
    }
}

/// To nearest, ties to even; what is not a number stays so.
#[inline(always)]
pub(crate) fn round_to_bf16(value: f32) -> bf16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    bf16::from_bits(if value.is_nan() { quiet } else { rounded } as u16)
}

/// Calls a generic function with the slice of a matrix, whatever its type.
macro_rules! with_stored {
    ($values:expr, $slice:ident => $body:expr) => {
        match $values {
            $crate::matrix::Values::F32($slice) => $body,
            $crate::matrix::Values::Bf16($slice) => $body,
            $crate::matrix::Values::F16($slice) => $body,
            $crate::matrix::Values::F64($slice) => $body,
        }
    };
}
pub(crate) use with_stored;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_those_of_the_library() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert_eq!(half.single().is_nan(), half.is_nan());
            if !half.is_nan() {
                assert_eq!(half.single().to_bits(), half.to_f32().to_bits(), "{bits:x}");
            }
            assert!(brain.single().to_bits() == brain.to_f32().to_bits() || brain.is_nan());
            for extra in [0_u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(u32::from(bits) << 16 | extra);
                assert_eq!(round_to_bf16(x).to_bits(), bf16::from_f32(x).to_bits(), "{x}");
            }
        }
    }
}
