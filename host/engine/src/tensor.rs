//! Tensors: mapped from a file in the type they have there, or in memory.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use freehold_kernels::{Matrix, Real, Values};
use half::{bf16, f16};
use safetensors::Dtype;

use crate::mapped::Mapped;

/// A tensor that is not changed, or one that is trained. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    Mapped { file: Arc<Mapped>, range: Range<usize>, kind: Kind },
    F32(Arc<Vec<f32>>),
    Bf16(Arc<Vec<bf16>>),
    F16(Arc<Vec<f16>>),
    F64(Arc<Vec<f64>>),
}

/// The types of weights in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F32,
    Bf16,
    F16,
}

impl Tensor {
    /// A part of a mapped file; none if its type is not a floating-point one that the engine has.
    pub(crate) fn mapped(file: &Arc<Mapped>, range: Range<usize>, dtype: Dtype, shape: &[usize]) -> Option<Self> {
        let kind = match dtype {
            Dtype::F32 => Kind::F32,
            Dtype::BF16 => Kind::Bf16,
            Dtype::F16 => Kind::F16,
            _ => return None,
        };
        let bytes = file.bytes().get(range.clone())?;
        // A tensor that does not lie on a multiple of its type's size has to be copied.
        let data = match kind {
            Kind::F32 if bytemuck::try_cast_slice::<u8, f32>(bytes).is_err() => Data::F32(Arc::new(copied(bytes))),
            Kind::Bf16 if bytemuck::try_cast_slice::<u8, bf16>(bytes).is_err() => Data::Bf16(Arc::new(copied(bytes))),
            Kind::F16 if bytemuck::try_cast_slice::<u8, f16>(bytes).is_err() => Data::F16(Arc::new(copied(bytes))),
            kind => Data::Mapped { file: Arc::clone(file), range, kind },
        };
        Some(Self { shape: shape.to_vec(), data })
    }

    /// Values in memory, of f32 or f64.
    pub(crate) fn of<T: Real>(values: Vec<T>, shape: &[usize]) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        let data = match T::into_singles(values) {
            Ok(singles) => Data::F32(Arc::new(singles)),
            Err(doubles) => Data::F64(Arc::new(doubles)),
        };
        Self { shape: shape.to_vec(), data }
    }

    /// Values rounded to the type that `like` is stored in.
    pub(crate) fn stored_as(values: &[f32], like: &Self) -> Self {
        let data = match like.values() {
            Values::F32(_) | Values::F64(_) => Data::F32(Arc::new(values.to_vec())),
            Values::Bf16(_) => Data::Bf16(Arc::new(values.iter().map(|&x| bf16::from_f32(x)).collect())),
            Values::F16(_) => Data::F16(Arc::new(values.iter().map(|&x| f16::from_f32(x)).collect())),
        };
        Self { shape: like.shape.clone(), data }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes that the values take.
    pub(crate) fn bytes(&self) -> usize {
        self.len()
            * match self.values() {
                Values::F64(_) => 8,
                Values::F32(_) => 4,
                Values::Bf16(_) | Values::F16(_) => 2,
            }
    }

    pub(crate) fn values(&self) -> Values<'_> {
        match &self.data {
            Data::F32(values) => Values::F32(values),
            Data::Bf16(values) => Values::Bf16(values),
            Data::F16(values) => Values::F16(values),
            Data::F64(values) => Values::F64(values),
            Data::Mapped { file, range, kind } => {
                let bytes = file.bytes().get(range.clone()).unwrap_or_default();
                match kind {
                    Kind::F32 => Values::F32(bytemuck::try_cast_slice(bytes).unwrap_or_default()),
                    Kind::Bf16 => Values::Bf16(bytemuck::try_cast_slice(bytes).unwrap_or_default()),
                    Kind::F16 => Values::F16(bytemuck::try_cast_slice(bytes).unwrap_or_default()),
                }
            }
        }
    }

    /// As a matrix: the first dimension is the rows.
    pub(crate) fn matrix(&self) -> Matrix<'_> {
        let rows = self.shape.first().copied().unwrap_or(1);
        Matrix::new(self.values(), rows, self.len().checked_div(rows).unwrap_or(0))
    }

    /// All values in the type that is computed with.
    pub(crate) fn vector<T: Real>(&self) -> Cow<'_, [T]> {
        match T::in_place(self.values()) {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(self.range(0..self.len())),
        }
    }

    /// Some values in the type that is computed with.
    pub(crate) fn range<T: Real>(&self, range: Range<usize>) -> Vec<T> {
        fn convert<S: freehold_kernels::Stored, T: Real>(values: &[S]) -> Vec<T> {
            values.iter().map(|value| T::stored(*value)).collect()
        }
        match self.values() {
            Values::F32(values) => convert(&values[range]),
            Values::Bf16(values) => convert(&values[range]),
            Values::F16(values) => convert(&values[range]),
            Values::F64(values) => convert(&values[range]),
        }
    }

    /// Whether every value is finite.
    pub(crate) fn is_finite(&self) -> bool {
        // The exponent of a number that is not finite is all ones.
        fn all<B: Copy>(bits: &[B], finite: impl Fn(B) -> bool) -> bool {
            bits.chunks(4096).all(|chunk| chunk.iter().fold(true, |all, bits| all & finite(*bits)))
        }
        match self.values() {
            Values::F32(values) => all(values, f32::is_finite),
            Values::F64(values) => all(values, f64::is_finite),
            Values::Bf16(values) => all(values, |x| x.to_bits() & 0x7f80 != 0x7f80),
            Values::F16(values) => all(values, |x| x.to_bits() & 0x7c00 != 0x7c00),
        }
    }

    /// The values, to be changed: those of a mapped tensor are copied first, as f32.
    pub(crate) fn change(&mut self) -> &mut [f32] {
        if !matches!(self.data, Data::F32(_)) {
            self.data = Data::F32(Arc::new(self.range(0..self.len())));
        }
        match &mut self.data {
            Data::F32(values) => Arc::make_mut(values).as_mut_slice(),
            _ => &mut [],
        }
    }
}

fn copied<V: bytemuck::Pod>(bytes: &[u8]) -> Vec<V> {
    bytes.chunks_exact(size_of::<V>()).map(bytemuck::pod_read_unaligned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trained_tensor_does_not_change_its_clones() {
        let mut tensor = Tensor::of(vec![1.0_f32, 2.0], &[1, 2]);
        let before = tensor.clone();
        tensor.change()[0] = 5.0;
        assert_eq!((before.vector::<f32>()[0], tensor.vector::<f64>()[0]), (1.0, 5.0));
        assert!(tensor.is_finite());
        tensor.change()[1] = f32::INFINITY;
        assert!(!tensor.is_finite());
    }
}
