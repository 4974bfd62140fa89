//! What goes into and comes out of the linear layers of a model on some texts, a layer at a time.

use std::ops::Range;

use freehold_kernels::{Panels, Precision};

use crate::model::{Model, Network, Packing, Target};
use crate::ops::{embed, gated, gather_tokens, rms_norm};
use crate::tensor::Tensor;
use crate::update::Update;

/// Which of [`Activations::inputs`] goes into a layer.
pub(super) fn input_of(target: Target) -> usize {
    match target {
        Target::Query | Target::Key | Target::Value => 0,
        Target::Output => 1,
        Target::Gate | Target::Up => 2,
        Target::Down => 3,
    }
}

/// Activations of a block, a row for each place: [places, features].
pub(super) struct Activations {
    /// Of attention's projections, of its output, of the feed-forward part, of its last layer.
    pub(super) inputs: [Tensor; 4],
    /// By [`Target`]; without biases and rotation where these come later. Gate and up share the feed-forward part's features: what
    /// comes out of a layer that widens the stream lies in a subspace that an update may leave, so that a third of the rows
    /// each are gates, ups and what is made of both.
    pub(super) outputs: [Tensor; 7],
}

/// A pass through a model that stops after each block.
pub(super) struct Pass<'m> {
    model: &'m Model,
    packing: Packing<f32>,
    stream: Panels<f32>,
    /// The tokens that are looked at.
    places: Vec<u32>,
}

impl<'m> Pass<'m> {
    /// `texts` are tokens and the indices among them that are looked at.
    pub(super) fn new<'t>(
        model: &'m Model,
        texts: impl Iterator<Item = (&'t Vec<u32>, impl Iterator<Item = usize>)>,
    ) -> Self {
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        let mut segments: Vec<Range<usize>> = Vec::new();
        for (text, looked_at) in texts {
            let start = ids.len();
            places.extend(looked_at.map(|index| (start + index) as u32));
            ids.extend_from_slice(text);
            segments.push(start..ids.len());
        }
        let packing = Packing::new(&Network::computing(model, None, Precision::F32), &segments);
        let stream = embed(&model.weights.embedding, &ids);
        Self { model, packing, stream, places }
    }

    /// What the next block makes with an update, without passing through it.
    pub(super) fn peek(&mut self, layer: usize, update: Option<&Update>) -> Activations {
        let stream = self.stream.clone();
        let activations = self.block(layer, update);
        self.stream = stream;
        activations
    }

    /// Passes through the next block with an update.
    pub(super) fn block(&mut self, layer: usize, update: Option<&Update>) -> Activations {
        let network = &Network::computing(self.model, update, Precision::F32);
        let (weights, eps) = (&network.weights.layers[layer], network.model.config.norm_eps);
        let trace = network.block(layer, &mut self.stream, &self.packing);
        let at_places = |panels: &Panels<f32>| rows(&gather_tokens(panels, &self.places));
        let attention_input = rms_norm(&trace.input, &weights.attention_norm.vector(), eps).normed;
        let ([q, k, v], _) = network.linear(layer, [Target::Query, Target::Key, Target::Value], &attention_input);
        let feed_input = rms_norm(&trace.middle, &weights.feed_norm.vector(), eps).normed;
        let down_input = gated(&trace.gate, &trace.up);
        let added = |after: &Panels<f32>, before: &Panels<f32>| {
            let mut added = after.clone();
            added.values_mut().iter_mut().zip(before.values()).for_each(|(after, before)| *after -= before);
            at_places(&added)
        };
        let wide = mixed([&trace.gate, &trace.up, &down_input].map(at_places));
        Activations {
            inputs: [&attention_input, &trace.attended.values, &feed_input, &down_input].map(at_places),
            outputs: [
                at_places(&q),
                at_places(&k),
                at_places(&v),
                added(&trace.middle, &trace.input),
                wide.clone(),
                wide,
                added(&self.stream, &trace.middle),
            ],
        }
    }
}

/// Every third row of each.
fn mixed(parts: [Tensor; 3]) -> Tensor {
    let (shape, parts) = (parts[0].shape().to_vec(), parts.each_ref().map(Tensor::vector::<f32>));
    let rows = (0..shape[0]).flat_map(|row| parts[row % 3][row * shape[1]..][..shape[1]].to_vec());
    Tensor::of(rows.collect::<Vec<f32>>(), &shape)
}

/// Tokens as rows.
fn rows(panels: &Panels<f32>) -> Tensor {
    let (tokens, features) = (panels.tokens(), panels.features());
    let mut values = Vec::with_capacity(tokens * features);
    (0..tokens).for_each(|token| values.extend(panels.token(token)));
    Tensor::of(values, &[tokens, features])
}
