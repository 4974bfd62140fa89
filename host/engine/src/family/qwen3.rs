//! Qwen3 (Yang et al., arXiv 2505.09388): queries and keys are normalised head by head, heads are as wide as
//! `head_dim` says, and there are no biases unless the configuration asks for them.

use super::{Traits, qwen2};
use crate::config::{Biases, Raw};
use crate::folder::ModelError;

pub(super) fn traits(raw: &Raw) -> Result<Traits, ModelError> {
    let attention = raw.attention_bias.unwrap_or(false);
    Ok(Traits {
        biases: Biases { qkv: attention, output: attention, feed: false },
        head_norm: true,
        windows: qwen2::windows(raw)?,
        head_width: 128,
    })
}
