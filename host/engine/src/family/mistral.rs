//! Mistral (Jiang et al., arXiv 2310.06825): Llama with a sliding window, the same in every layer.

use super::Traits;
use crate::config::{Biases, Raw};

pub(super) fn traits(raw: &Raw) -> Traits {
    Traits {
        biases: Biases::default(),
        head_norm: false,
        windows: vec![raw.sliding_window; raw.num_hidden_layers],
        head_width: raw.even_share(),
    }
}
