//! Tokenised examples, and their form as one blob.

use freehold_core::digest::Digest;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// Tokens of a dialogue or document, and which of them are to be learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// The tokens.
    pub ids: Vec<u32>,
    /// Whether the token at this place is to be predicted; as long as `ids`.
    pub mask: Vec<bool>,
}

/// A list of examples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples(Vec<Example>);

/// Bytes are not a list of examples.
#[derive(Debug, thiserror::Error)]
#[error("these bytes are not tokenised examples: {0}")]
pub struct ExamplesError(String);

impl Examples {
    /// The list of these examples.
    pub fn new(examples: Vec<Example>) -> Self {
        Self(examples)
    }

    /// The examples.
    pub fn as_slice(&self) -> &[Example] {
        &self.0
    }

    /// A safetensors file with `ids` (U32) and `mask` (U8) of all examples behind one another, and `offsets` (U64), where
    /// each begins and the last ends.
    ///
    /// # Errors
    /// The mask of an example is not as long as its tokens.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ExamplesError> {
        let (mut ids, mut mask, mut offsets, mut end) = (Vec::new(), Vec::new(), 0_u64.to_le_bytes().to_vec(), 0_u64);
        for (index, example) in self.0.iter().enumerate() {
            if example.ids.len() != example.mask.len() {
                return Err(ExamplesError(format!("example {index} has a mask of another length")));
            }
            ids.extend(example.ids.iter().flat_map(|id| id.to_le_bytes()));
            mask.extend(example.mask.iter().map(|&marked| u8::from(marked)));
            end += example.ids.len() as u64;
            offsets.extend(end.to_le_bytes());
        }
        let error = |error: safetensors::SafeTensorError| ExamplesError(error.to_string());
        let tokens = mask.len();
        let views = [
            ("ids", TensorView::new(Dtype::U32, vec![tokens], &ids).map_err(error)?),
            ("mask", TensorView::new(Dtype::U8, vec![tokens], &mask).map_err(error)?),
            ("offsets", TensorView::new(Dtype::U64, vec![self.0.len() + 1], &offsets).map_err(error)?),
        ];
        safetensors::serialize(views, None).map_err(error)
    }

    /// Reads what [`Examples::to_bytes`] writes.
    ///
    /// # Errors
    /// The bytes are something else, or cut off.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ExamplesError> {
        let error = |error: safetensors::SafeTensorError| ExamplesError(error.to_string());
        let file = SafeTensors::deserialize(bytes).map_err(error)?;
        let tensor = |name: &str, dtype: Dtype| {
            let view = file.tensor(name).map_err(error)?;
            if view.dtype() != dtype || view.shape().len() != 1 {
                return Err(ExamplesError(format!("`{name}` has another type or shape")));
            }
            Ok(view.data())
        };
        let ids: Vec<u32> = tensor("ids", Dtype::U32)?.chunks_exact(4).map(|b| le(b) as u32).collect();
        let mask = tensor("mask", Dtype::U8)?;
        let offsets: Vec<u64> = tensor("offsets", Dtype::U64)?.chunks_exact(8).map(le).collect();
        if mask.len() != ids.len() || offsets.first() != Some(&0) || offsets.last() != Some(&(ids.len() as u64)) {
            return Err(ExamplesError("`ids`, `mask` and `offsets` do not fit together".into()));
        }
        let examples = offsets.windows(2).map(|pair| {
            let range = pair[0] as usize..pair[1] as usize;
            match (ids.get(range.clone()), mask.get(range)) {
                (Some(ids), Some(mask)) => {
                    Ok(Example { ids: ids.to_vec(), mask: mask.iter().map(|&marked| marked != 0).collect() })
                }
                _ => Err(ExamplesError("`offsets` does not rise".into())),
            }
        });
        Ok(Self(examples.collect::<Result<_, _>>()?))
    }

    /// Digest of the bytes.
    ///
    /// # Errors
    /// As [`Examples::to_bytes`].
    pub fn digest(&self) -> Result<Digest, ExamplesError> {
        Ok(Digest::of(&self.to_bytes()?))
    }
}

/// A little-endian number of up to eight bytes.
fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Examples {
        let example = |ids: &[u32]| Example { ids: ids.to_vec(), mask: ids.iter().map(|id| id % 2 == 0).collect() };
        Examples::new(vec![example(&[1, 2, 70_000]), example(&[]), example(&[4])])
    }

    #[test]
    fn bytes_round_trip() {
        let bytes = examples().to_bytes().unwrap();
        assert_eq!(Examples::from_bytes(&bytes).unwrap(), examples());
        assert_eq!(examples().digest().unwrap(), Digest::of(&bytes));
        assert_eq!(Examples::from_bytes(&Examples::default().to_bytes().unwrap()).unwrap(), Examples::default());
    }

    #[test]
    fn damaged_bytes_are_errors() {
        let bytes = examples().to_bytes().unwrap();
        for end in [0, 7, 40, bytes.len() - 1] {
            assert!(Examples::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        let other = Examples(vec![Example { ids: vec![1], mask: vec![] }]);
        assert!(other.to_bytes().is_err());
    }
}
