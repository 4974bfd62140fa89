//! Passes without a backward pass: logits of whole sequences, and generation that goes on from a past.

use std::ops::Range;

use freehold_kernels::{Job, Operand, Panels, Real, Side, multiply};

use super::forward::{Network, Packing};
use crate::ops::{KeyValues, attention, attention_cached, embed, gather_tokens, loss_of, rms_norm};

/// The past of one row in generation.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(super) layers: Vec<KeyValues<f32>>,
}

impl Row {
    /// No past.
    pub(crate) fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| KeyValues::new()).collect() }
    }

    /// Number of tokens of the past.
    pub(crate) fn tokens(&self) -> usize {
        self.layers.first().map_or(0, KeyValues::tokens)
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.layers.iter().map(KeyValues::bytes).sum()
    }
}

impl<T: Real> Network<'_, T> {
    /// Logits [V, tokens] of the stream that comes out of the last block.
    pub(super) fn head(&self, stream: &Panels<T>) -> Panels<T> {
        let normed = rms_norm(stream, &self.weights.norm.vector(), self.model.config.norm_eps).normed;
        let head = self.weights.head().matrix();
        let mut logits = stream.beside(head.rows());
        multiply(Job::new(head, Side::Plain, &Operand::new(&normed, self.precision), &mut logits));
        logits
    }
}

/// The mean loss of targets, which are tokens and what should follow them, in segments that cover `ids` in order.
pub(crate) fn loss<T: Real>(
    network: &Network<'_, T>,
    ids: &[u32],
    segments: &[Range<usize>],
    targets: &[(u32, u32)],
    total: usize,
) -> f64 {
    let stream = stream(network, ids, segments);
    let (tokens, next): (Vec<u32>, Vec<u32>) = targets.iter().copied().unzip();
    let norm = network.weights.norm.vector();
    let normed = rms_norm(&gather_tokens(&stream, &tokens), &norm, network.model.config.norm_eps).normed;
    loss_of(&normed, network.weights.head(), &next, total as f64, network.precision)
}

/// The normed hidden states [D, tokens] behind the last block, of segments that cover `ids` in order.
pub(crate) fn hidden<T: Real>(network: &Network<'_, T>, ids: &[u32], segments: &[Range<usize>]) -> Panels<T> {
    let stream = stream(network, ids, segments);
    rms_norm(&stream, &network.weights.norm.vector(), network.model.config.norm_eps).normed
}

/// Logits [V, tokens] at all positions of segments that cover `ids` in order.
pub(crate) fn logits<T: Real>(network: &Network<'_, T>, ids: &[u32], segments: &[Range<usize>]) -> Panels<T> {
    network.head(&stream(network, ids, segments))
}

/// The stream that comes out of the last block.
fn stream<T: Real>(network: &Network<'_, T>, ids: &[u32], segments: &[Range<usize>]) -> Panels<T> {
    let packing = Packing::new(network, segments);
    let mut stream = embed(&network.weights.embedding, ids);
    for layer in 0..network.model.config.layers {
        let (spans, shape) = (packing.spans(layer), network.model.attention_shape());
        network.block_with(layer, &mut stream, &packing.angles, |[q, k, v]| {
            attention((q, k, v), &spans, shape, network.precision).values
        });
    }
    stream
}

/// Logits [V, rows] behind the last token of each row, whose new tokens are `next`; the past of each row grows by them.
///
/// Rows either have no past, or one new token.
pub(crate) fn last_logits(network: &Network<'_, f32>, rows: &mut [&mut Row], next: &[&[u32]]) -> Panels<f32> {
    let ids: Vec<u32> = next.concat();
    let mut segments: Vec<Range<usize>> = Vec::with_capacity(next.len());
    for ids in next {
        let start = segments.last().map_or(0, |last| last.end);
        segments.push(start..start + ids.len());
    }
    let mut stream = embed(&network.weights.embedding, &ids);
    let (config, shape) = (&network.model.config, network.model.attention_shape());
    if rows.iter().all(|row| row.tokens() > 0) {
        let angles = if let [row] = rows {
            stream = stream.take(0);
            network.rope.angles_of(row.tokens())
        } else {
            network.rope.angles(&rows.iter().map(|row| row.tokens() as u32).collect::<Vec<_>>())
        };
        for layer in 0..config.layers {
            network.block_with(layer, &mut stream, &angles, |[q, k, v]| {
                rows.iter_mut().enumerate().for_each(|(token, row)| row.layers[layer].push(k, v, token));
                let past: Vec<_> = rows.iter().map(|row| &row.layers[layer]).enumerate().collect();
                attention_cached(q, &past, config.windows[layer], shape)
            });
        }
        return network.head(&stream);
    }
    prefill(network, rows, &segments, &mut stream);
    network.head(&stream)
}

/// Passes segments through all layers and leaves the stream of the last token of each, of which alone logits are wanted: what
/// follows the last attention is done for no other.
fn prefill(network: &Network<'_, f32>, rows: &mut [&mut Row], segments: &[Range<usize>], stream: &mut Panels<f32>) {
    let (layers, packing) = (network.model.config.layers, Packing::new(network, segments));
    let last: Vec<u32> = segments.iter().map(|segment| segment.end as u32 - 1).collect();
    let of_last = |panels: &Panels<f32>| match last[..] {
        [token] => panels.take(token as usize),
        _ => gather_tokens(panels, &last),
    };
    for layer in 0..layers {
        let attended = network.attended(layer, stream, &packing.angles, |[q, k, v]| {
            for (row, segment) in rows.iter_mut().zip(segments) {
                row.layers[layer].extend(k, v, segment.clone());
            }
            attention((q, k, v), &packing.spans(layer), network.model.attention_shape(), network.precision).values
        });
        if layer + 1 == layers {
            *stream = of_last(stream);
            network.feed(layer, stream, &of_last(&attended));
        } else {
            network.feed(layer, stream, &attended);
        }
    }
}
