//! The tensors of a model folder, mapped from its files.

use std::collections::BTreeMap;
use std::sync::Arc;

use safetensors::SafeTensors;

use super::{ModelError, ModelFolder};
use crate::config::Config;
use crate::mapped::Mapped;
use crate::model::{HEAD, Weights};
use crate::tensor::Tensor;

/// A tensor and the file that it is in.
struct Found {
    file: String,
    tensor: Tensor,
}

/// The weights that the configuration implies, each tensor there once, with its shape, and finite.
pub(crate) fn weights(folder: &ModelFolder, config: &Config) -> Result<Weights, ModelError> {
    let mapped = folder.weight_files().iter().map(|file| Ok((file.clone(), folder.map(file)?)));
    weights_of(config, &mapped.collect::<Result<Vec<_>, ModelError>>()?)
}

/// The same of mapped files with their names.
pub(crate) fn weights_of(config: &Config, files: &[(String, Arc<Mapped>)]) -> Result<Weights, ModelError> {
    let mut found = BTreeMap::new();
    for (name, file) in files {
        tensors(name, file, &mut found)?;
    }
    let weights = Weights::build(config, |name, shape| {
        let tensor = name.to_string();
        let Some(found) = found.remove(name) else { return Err(ModelError::MissingTensor { tensor }) };
        if found.tensor.shape() != shape {
            let (expected, got) = (shape.to_vec(), found.tensor.shape().to_vec());
            return Err(ModelError::Shape { file: found.file, tensor, expected, found: got });
        }
        if !found.tensor.is_finite() {
            return Err(ModelError::NotFinite { file: found.file, tensor });
        }
        Ok(found.tensor)
    })?;
    match found.into_iter().find(|(name, _)| !is_spare(name, config)) {
        Some((tensor, found)) => Err(ModelError::ExtraTensor { file: found.file, tensor }),
        None => Ok(weights),
    }
}

/// Tensors that files have beside the weights: the head that is the embedding, and frequencies that old versions of
/// transformers stored.
fn is_spare(name: &str, config: &Config) -> bool {
    (name == HEAD && config.tied_head) || name.ends_with(".rotary_emb.inv_freq")
}

fn tensors(file: &str, mapped: &Arc<Mapped>, found: &mut BTreeMap<String, Found>) -> Result<(), ModelError> {
    let damaged = |reason: String| ModelError::Weights { file: file.into(), reason };
    let bytes = mapped.bytes();
    let parsed = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    for (name, view) in parsed.iter() {
        let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        let range = start..start + view.data().len();
        let Some(tensor) = Tensor::mapped(mapped, range, view.dtype(), view.shape()) else {
            let found = format!("{:?}", view.dtype());
            return Err(ModelError::TensorType { file: file.into(), tensor: name.into(), found });
        };
        if found.insert(name.into(), Found { file: file.into(), tensor }).is_some() {
            return Err(ModelError::Twice { file: file.into(), tensor: name.into() });
        }
    }
    Ok(())
}
