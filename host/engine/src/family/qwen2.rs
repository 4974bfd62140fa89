//! Qwen2 (Yang et al., arXiv 2407.10671): biases of queries, keys and values; a sliding window in some layers.

use super::Traits;
use crate::config::{Biases, Raw, unsupported};
use crate::folder::ModelError;

pub(super) fn traits(raw: &Raw) -> Result<Traits, ModelError> {
    Ok(Traits {
        biases: Biases { qkv: true, output: false, feed: false },
        head_norm: false,
        windows: windows(raw)?,
        head_width: raw.even_share(),
    })
}

/// The layers that `layer_types` calls sliding; where it is missing, those from `max_window_layers` on.
pub(super) fn windows(raw: &Raw) -> Result<Vec<Option<usize>>, ModelError> {
    let window = if raw.use_sliding_window { raw.sliding_window } else { None };
    let Some(types) = &raw.layer_types else {
        let first = raw.max_window_layers.unwrap_or(28);
        return Ok((0..raw.num_hidden_layers).map(|layer| window.filter(|_| layer >= first)).collect());
    };
    let expected = "a list of `full_attention` and `sliding_attention`, one for each layer";
    if types.len() != raw.num_hidden_layers {
        return Err(unsupported("layer_types", format!("a list of {}", types.len()), expected));
    }
    let of = |kind: &String| match kind.as_str() {
        "full_attention" => Ok(None),
        "sliding_attention" => Ok(window),
        other => Err(unsupported("layer_types", format!("\"{other}\""), expected)),
    };
    types.iter().map(of).collect()
}
