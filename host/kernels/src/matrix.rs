//! Weights as they lie in their file.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

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

    /// Some of the rows.
    ///
    /// # Panics
    /// There are fewer.
    #[must_use]
    pub fn rows_of(&self, rows: std::ops::Range<usize>) -> Self {
        let range = rows.start * self.columns..rows.end * self.columns;
        let values = match self.values {
            Values::F32(values) => Values::F32(&values[range]),
            Values::Bf16(values) => Values::Bf16(&values[range]),
            Values::F16(values) => Values::F16(&values[range]),
            Values::F64(values) => Values::F64(&values[range]),
        };
        Self { values, rows: rows.len(), columns: self.columns }
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
    /// Sixteen values as f32.
    ///
    /// # Safety
    /// There are sixteen values, and the processor has the instructions.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code, reason = "vector instructions")]
    #[doc(hidden)]
    unsafe fn singles_16(from: *const Self) -> __m512;
    /// Sixteen values as bf16.
    ///
    /// # Safety
    /// There are sixteen values, and the processor has the instructions.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code, reason = "vector instructions")]
    #[doc(hidden)]
    unsafe fn brains_16(from: *const Self) -> __m256i;
}

/// Loads of sixteen values at once.
#[cfg(target_arch = "x86_64")]
mod sixteen {
    #![allow(unsafe_code, reason = "vector instructions")]

    use super::*;

    macro_rules! loads {
        ($type:ty, |$from:ident| $singles:expr, |$source:ident| $brains:expr) => {
            impl Sixteen for $type {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
                #[inline]
                unsafe fn singles($from: *const Self) -> __m512 {
                    // SAFETY: as the caller says.
                    unsafe { $singles }
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
                #[inline]
                unsafe fn brains($source: *const Self) -> __m256i {
                    // SAFETY: as the caller says.
                    unsafe { $brains }
                }
            }
        };
    }

    pub(super) trait Sixteen {
        unsafe fn singles(from: *const Self) -> __m512;
        unsafe fn brains(from: *const Self) -> __m256i;
    }

    /// To nearest, ties to even; what is not a number stays so, as in [`round_to_bf16`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    #[inline]
    fn rounded(x: __m512) -> __m256i {
        let bits = _mm512_castps_si512(x);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let nearest = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
        let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
        let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
        _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(_mm512_mask_mov_epi32(nearest, nan, quiet)))
    }

    loads!(f32, |from| _mm512_loadu_ps(from), |from| rounded(_mm512_loadu_ps(from)));
    loads!(
        bf16,
        |from| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())))),
        |from| _mm256_loadu_si256(from.cast())
    );
    loads!(f16, |from| _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())), |from| rounded(_mm512_cvtph_ps(
        _mm256_loadu_si256(from.cast())
    )));
    loads!(f64, |from| halves(from), |from| rounded(halves(from)));

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    #[inline]
    unsafe fn halves(from: *const f64) -> __m512 {
        // SAFETY: as the caller says.
        let (low, high) = unsafe { (_mm512_loadu_pd(from), _mm512_loadu_pd(from.add(8))) };
        let low = _mm512_castps256_ps512(_mm512_cvtpd_ps(low));
        let high = _mm256_castps_pd(_mm512_cvtpd_ps(high));
        _mm512_castpd_ps(_mm512_insertf64x4::<1>(_mm512_castps_pd(low), high))
    }
}

/// The loads of a type, as methods of [`Stored`].
macro_rules! sixteen {
    () => {
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "vector instructions")]
        #[inline(always)]
        unsafe fn singles_16(from: *const Self) -> __m512 {
            // SAFETY: as the caller says.
            unsafe { <Self as sixteen::Sixteen>::singles(from) }
        }
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "vector instructions")]
        #[inline(always)]
        unsafe fn brains_16(from: *const Self) -> __m256i {
            // SAFETY: as the caller says.
            unsafe { <Self as sixteen::Sixteen>::brains(from) }
        }
    };
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
    sixteen!();
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
    sixteen!();
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
    sixteen!();
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
    sixteen!();
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

    #[cfg(target_arch = "x86_64")]
    #[test]
    #[allow(unsafe_code, reason = "vector instructions")]
    fn sixteen_at_once_are_as_one_by_one() {
        fn check<S: Stored>(values: [S; 16]) {
            // SAFETY: there are sixteen values, and the instructions were found; arrays and vectors have the same size.
            let (singles, brains): ([f32; 16], [u16; 16]) = unsafe {
                (
                    std::mem::transmute::<__m512, [f32; 16]>(S::singles_16(values.as_ptr())),
                    std::mem::transmute::<__m256i, [u16; 16]>(S::brains_16(values.as_ptr())),
                )
            };
            for (i, value) in values.into_iter().enumerate() {
                assert_eq!(singles[i].to_bits(), value.single().to_bits());
                assert_eq!(brains[i], value.brain().to_bits());
            }
        }
        if !crate::instructions::f32_paths().contains(&crate::F32Path::Avx512) {
            return;
        }
        for start in (0..=u16::MAX - 15).step_by(16) {
            let bits: [u16; 16] = std::array::from_fn(|i| start + i as u16);
            check(bits.map(bf16::from_bits));
            if !bits.iter().any(|bits| f16::from_bits(*bits).is_nan()) {
                check(bits.map(f16::from_bits));
                check(bits.map(|bits| f64::from(f16::from_bits(bits)) * 1.000_1));
            }
            check(bits.map(|bits| f32::from_bits(u32::from(bits) << 16 | 0x8000)));
        }
    }

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
