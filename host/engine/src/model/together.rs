//! One pass for rows that differ in what is added to the model and in how far they are.

use std::ops::Range;

use freehold_kernels::{Panels, Precision};

use super::groups::Added;
use super::session::Row;
use super::{Model, Network};
use crate::ops::{attention_cached, attention_to_past, embed, gather_tokens};

/// What a pass has to do with a row.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Grows by the tokens.
    pub(crate) past: &'a mut Row,
    /// Tokens that the model has not seen: one of an answer, or a piece of a prompt.
    pub(crate) ids: &'a [u32],
    /// What is added to the model. Parts with the same belong side by side.
    pub(crate) added: Option<Added<'a, f32>>,
    /// Whether it is a token of an answer.
    pub(crate) answers: bool,
    /// Whether logits are wanted behind the last token.
    pub(crate) wanted: bool,
}

/// Logits [V, rows] behind the last tokens of the parts that want them, in order; none if none does.
///
/// What follows the last attention is done for these tokens alone. What a part gets does not depend on the others: so in bf16
/// a token is never treated by itself, where its sums would have another order than in a panel.
pub(crate) fn advance(model: &Model, precision: Precision, parts: &mut [Part<'_>]) -> Option<Panels<f32>> {
    let counts: Vec<_> = parts.iter().map(|part| (part.ids.len(), part.added)).collect();
    let network = Network::of_groups(model, precision, counts);
    let (ids, tokens) = laid_out(parts);
    let last = parts.iter().zip(&tokens).filter(|(part, _)| part.wanted).map(|(_, tokens)| tokens.end as u32 - 1);
    let last: Vec<u32> = last.collect();
    let counts: Vec<_> = parts.iter().filter(|part| part.wanted).map(|part| (1, part.added)).collect();
    let ends = Network::of_groups(model, precision, counts);
    let mut stream = embed(&model.weights.embedding, &ids);
    let by_itself = precision == Precision::F32;
    let angles = if let ([_], [part], true) = (&ids[..], &*parts, by_itself) {
        stream = stream.take(0);
        model.rope.angles_of(part.past.tokens())
    } else {
        let positions = parts.iter().flat_map(|part| (part.past.tokens() as u32..).take(part.ids.len()));
        model.rope.angles(&positions.collect::<Vec<_>>())
    };
    let of_last = |panels: Panels<f32>| match last[..] {
        _ if last.len() == ids.len() => panels,
        [token] if by_itself => panels.take(token as usize),
        _ => gather_tokens(&panels, &last),
    };
    let layers = model.config.layers;
    for layer in 0..layers {
        let attended = network.attended(layer, &stream, &angles, |qkv| attend(&network, layer, qkv, parts, &tokens));
        if layer + 1 < layers {
            network.feed(layer, &mut stream, &attended);
            continue;
        }
        if last.is_empty() {
            return None;
        }
        stream = of_last(stream);
        ends.feed(layer, &mut stream, &of_last(attended));
    }
    Some(ends.head(&stream))
}

/// The tokens of all parts behind one another, and where those of each lie.
fn laid_out(parts: &[Part<'_>]) -> (Vec<u32>, Vec<Range<usize>>) {
    let (mut ids, mut tokens) = (Vec::new(), Vec::with_capacity(parts.len()));
    for part in parts {
        let start = ids.len();
        ids.extend(part.ids);
        tokens.push(start..ids.len());
    }
    (ids, tokens)
}

/// Lets the pasts grow, and gives what attention gives for all tokens.
fn attend(
    network: &Network<'_, f32>,
    layer: usize,
    [q, k, v]: &[Panels<f32>; 3],
    parts: &mut [Part<'_>],
    tokens: &[Range<usize>],
) -> Panels<f32> {
    let (window, shape) = (network.model.config.windows[layer], network.model.attention_shape());
    for (part, tokens) in parts.iter_mut().zip(tokens) {
        part.past.layers[layer].extend(k, v, tokens.clone());
    }
    let rows = |answers| parts.iter().zip(tokens).filter(move |(part, _)| part.answers == answers);
    let answering: Vec<_> = rows(true).map(|(part, tokens)| (tokens.start, &part.past.layers[layer])).collect();
    let mut out = attention_cached(q, &answering, window, shape);
    for (part, tokens) in rows(false) {
        let past = &part.past.layers[layer];
        attention_to_past((q, tokens.clone(), &mut out), past, window, shape, network.precision);
    }
    out
}
