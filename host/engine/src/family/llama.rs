//! Llama (Touvron et al., arXiv 2302.13971): biases only where the configuration asks for them.

use super::Traits;
use crate::config::{Biases, Raw};

pub(super) fn traits(raw: &Raw) -> Traits {
    let (attention, feed) = (raw.attention_bias.unwrap_or(false), raw.mlp_bias.unwrap_or(false));
    Traits {
        biases: Biases { qkv: attention, output: attention, feed },
        head_norm: false,
        windows: vec![None; raw.num_hidden_layers],
        head_width: raw.even_share(),
    }
}
