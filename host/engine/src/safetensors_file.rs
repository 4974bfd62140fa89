//! Writing safetensors files whose bytes are a function of their content alone.
//!
//! The `safetensors` crate writes metadata in the order of a hash map, which changes from run to run.

use std::collections::BTreeMap;

use freehold_kernels::Values;
use serde::Serialize;

use crate::tensor::Tensor;

/// Type in which values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    F32,
    /// Rounded to nearest, ties to even.
    Bf16,
    /// As a tensor is stored; what is computed with in f64 is written as f32.
    Stored,
}

#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'a str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// The file of these tensors, sorted by name.
///
/// # Errors
/// A name cannot be written as JSON.
pub(crate) fn write(
    tensors: &BTreeMap<String, &Tensor>,
    metadata: &BTreeMap<&str, String>,
    precision: Precision,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut data = Vec::new();
    let mut text = format!("{{\"__metadata__\":{}", serde_json::to_string(metadata)?);
    for (name, tensor) in tensors {
        let start = data.len();
        let dtype = match (precision, tensor.values()) {
            (Precision::Stored, Values::F16(values)) => {
                data.extend(values.iter().flat_map(|x| x.to_le_bytes()));
                "F16"
            }
            (Precision::Stored, Values::Bf16(values)) => {
                data.extend(values.iter().flat_map(|x| x.to_le_bytes()));
                "BF16"
            }
            (Precision::Bf16, _) => {
                data.extend(tensor.vector::<f32>().iter().flat_map(|&x| half::bf16::from_f32(x).to_le_bytes()));
                "BF16"
            }
            (Precision::F32 | Precision::Stored, _) => {
                data.extend(tensor.vector::<f32>().iter().flat_map(|x| x.to_le_bytes()));
                "F32"
            }
        };
        let entry = Entry { dtype, shape: tensor.shape(), data_offsets: [start, data.len()] };
        text.push_str(&format!(",{}:{}", serde_json::to_string(name)?, serde_json::to_string(&entry)?));
    }
    text.push('}');
    // Data begin at a multiple of eight bytes, as the format asks.
    while text.len() % 8 != 0 {
        text.push(' ');
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.into_bytes());
    bytes.extend(data);
    Ok(bytes)
}
