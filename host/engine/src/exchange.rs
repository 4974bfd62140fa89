//! Token ids and logits in safetensors files, the form in which implementations are compared.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::generate::Logits;

/// A file of ids or logits cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// It is no safetensors file.
    #[error("not a safetensors file: {0}")]
    Format(String),
    /// It has no tensor of ids in the form that is needed.
    #[error("needs a tensor `ids` of type I64 and shape [rows, tokens]; {0}")]
    Ids(String),
}

/// The rows of the tensor `ids`, i64 [rows, tokens].
///
/// # Errors
/// The file or the tensor is not of this form, or an id is negative or beyond 32 bits.
pub fn read_ids(bytes: &[u8]) -> Result<Vec<Vec<u32>>, ExchangeError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| ExchangeError::Format(error.to_string()))?;
    let ids = file.tensor("ids").map_err(|error| ExchangeError::Ids(error.to_string()))?;
    let &[rows, tokens] = ids.shape() else {
        return Err(ExchangeError::Ids(format!("its shape is {:?}", ids.shape())));
    };
    if ids.dtype() != Dtype::I64 || rows == 0 || tokens == 0 {
        return Err(ExchangeError::Ids(format!("it is {:?} {:?}", ids.dtype(), ids.shape())));
    }
    let id = |bytes: &[u8]| {
        let value = bytes.try_into().map(i64::from_le_bytes).unwrap_or(-1);
        u32::try_from(value).map_err(|_| ExchangeError::Ids(format!("{value} is no token id")))
    };
    let ids = ids.data().chunks_exact(8).map(id).collect::<Result<Vec<_>, _>>()?;
    Ok(ids.chunks_exact(tokens).map(<[u32]>::to_vec).collect())
}

/// A file with the tensor `logits`, f32 [rows, tokens, vocabulary].
///
/// # Errors
/// The shape does not fit the values.
pub fn write_logits(logits: &Logits) -> Result<Vec<u8>, ExchangeError> {
    let failed = |error: safetensors::SafeTensorError| ExchangeError::Format(error.to_string());
    let bytes: Vec<u8> = logits.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, logits.shape.to_vec(), &bytes).map_err(failed)?;
    safetensors::serialize(BTreeMap::from([("logits", view)]), None).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
        let view = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        safetensors::serialize(BTreeMap::from([("ids", view)]), None).unwrap()
    }

    #[test]
    fn ids_are_read_and_other_files_refused() {
        let bytes: Vec<u8> = [1i64, 2, 3, 4].iter().flat_map(|id| id.to_le_bytes()).collect();
        assert_eq!(read_ids(&file(Dtype::I64, &[2, 2], &bytes)).unwrap(), [[1, 2], [3, 4]]);
        assert!(read_ids(&file(Dtype::I64, &[4], &bytes)).is_err());
        assert!(read_ids(&file(Dtype::F64, &[2, 2], &bytes)).is_err());
        assert!(read_ids(&file(Dtype::I64, &[1, 1], &(-1i64).to_le_bytes())).is_err());
        assert!(read_ids(b"no file").is_err());
    }
}
