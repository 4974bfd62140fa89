//! The forward pass over packed examples.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use freehold_kernels::{Panels, Precision, Real};

use super::groups::Group;
use super::linear::{Dropout, Kept};
use super::{Model, Target, Weights};
use crate::ops::{Angles, Attended, Rope, Spans, attention, gated, rms_norm};
use crate::update::{Factors, Update};

/// What a pass computes with.
pub(crate) struct Network<'a, T: Real> {
    pub(crate) model: &'a Model,
    pub(crate) weights: &'a Weights,
    pub(crate) rope: &'a Rope<T>,
    /// What an adapter adds.
    pub(crate) update: Option<&'a Update>,
    /// DoRA's factors for the update.
    pub(crate) factors: Option<Cow<'a, Factors<T>>>,
    /// Tokens with updates of their own, instead of `update`; none in training.
    pub(crate) groups: Vec<Group<'a, T>>,
    pub(crate) dropout: Option<Dropout>,
    pub(crate) precision: Precision,
    /// Whether a backward pass follows.
    pub(crate) training: bool,
    /// Whether the tensors of the model itself are trained.
    pub(crate) all: bool,
}

impl<'a> Network<'a, f32> {
    /// One that computes with an update or none, and is not trained.
    pub(crate) fn computing(model: &'a Model, update: Option<&'a Update>, precision: Precision) -> Self {
        Self {
            model,
            weights: &model.weights,
            rope: &model.rope,
            update,
            factors: update.map(|update| Cow::Owned(update.factors(&model.weights))),
            groups: Vec::new(),
            dropout: None,
            precision,
            training: false,
            all: false,
        }
    }
}

/// How the tokens of a pass belong together.
pub(crate) struct Packing<T: Real> {
    /// The rotation of each token: positions count from zero in each segment.
    pub(crate) angles: Angles<T>,
    /// By window.
    spans: BTreeMap<Option<usize>, Arc<Spans>>,
    windows: Vec<Option<usize>>,
}

impl<T: Real> Packing<T> {
    /// Segments have to cover the tokens in order.
    pub(crate) fn new(network: &Network<'_, T>, segments: &[Range<usize>]) -> Self {
        let windows = network.model.config.windows.clone();
        let positions: Vec<u32> = segments.iter().flat_map(|segment| 0..segment.len() as u32).collect();
        let spans = |window: &Option<usize>| (*window, Arc::new(Spans::new(segments, *window)));
        Self { angles: network.rope.angles(&positions), spans: windows.iter().map(spans).collect(), windows }
    }

    pub(crate) fn spans(&self, layer: usize) -> Arc<Spans> {
        let window = self.windows.get(layer).copied().flatten();
        self.spans.get(&window).cloned().unwrap_or_else(|| Arc::new(Spans::new(&[], window)))
    }
}

/// What the backward pass of a block needs.
pub(crate) struct Trace<T: Real> {
    /// The stream that came in.
    pub(crate) input: Panels<T>,
    /// Queries and keys before they were normalised head by head.
    pub(crate) plain: Option<[Panels<T>; 2]>,
    /// Rotated queries and keys, and values.
    pub(crate) qkv: [Panels<T>; 3],
    pub(crate) attended: Attended<T>,
    /// The stream between attention and feed-forward part.
    pub(crate) middle: Panels<T>,
    pub(crate) gate: Panels<T>,
    pub(crate) up: Panels<T>,
    pub(crate) kept: [Kept<T>; 7],
}

/// What attention reads: rotated queries and keys, and values; the first two before their norms, where they have some; and
/// what the layers keep.
type Queries<T> = ([Panels<T>; 3], Option<[Panels<T>; 2]>, [Kept<T>; 3]);

impl<T: Real> Network<'_, T> {
    /// Normalises the stream and projects it.
    fn queries(&self, layer: usize, stream: &Panels<T>, angles: &Angles<T>) -> Queries<T> {
        let (weights, eps) = (&self.weights.layers[layer], self.model.config.norm_eps);
        let h = rms_norm(stream, &weights.attention_norm.vector(), eps).normed;
        let ([mut q, mut k, v], kept) = self.linear(layer, [Target::Query, Target::Key, Target::Value], &h);
        let mut plain = None;
        if let Some([query_norm, key_norm]) = &weights.head_norms {
            let normed = [(&q, query_norm), (&k, key_norm)].map(|(x, norm)| rms_norm(x, &norm.vector(), eps).normed);
            let [normed_q, normed_k] = normed;
            plain = Some([std::mem::replace(&mut q, normed_q), std::mem::replace(&mut k, normed_k)]);
        }
        angles.rotate(&mut q);
        angles.rotate(&mut k);
        ([q, k, v], plain, kept)
    }

    /// One block: changes the stream, and gives what its backward pass needs.
    pub(crate) fn block(&self, layer: usize, stream: &mut Panels<T>, packing: &Packing<T>) -> Trace<T> {
        let (weights, eps) = (&self.weights.layers[layer], self.model.config.norm_eps);
        let (qkv, plain, [kept_q, kept_k, kept_v]) = self.queries(layer, stream, &packing.angles);
        let [q, k, v] = &qkv;
        let attended = attention((q, k, v), &packing.spans(layer), self.model.attention_shape(), self.precision);
        let (middle, kept_o) = self.linear_added(layer, Target::Output, &attended.values, stream);
        let h = rms_norm(&middle, &weights.feed_norm.vector(), eps).normed;
        let ([gate, up], [kept_gate, kept_up]) = self.linear(layer, [Target::Gate, Target::Up], &h);
        drop(h);
        let (out, kept_down) = self.linear_added(layer, Target::Down, &gated(&gate, &up), &middle);
        let input = std::mem::replace(stream, out);
        let kept = [kept_q, kept_k, kept_v, kept_o, kept_gate, kept_up, kept_down];
        Trace { input, plain, qkv, attended, middle, gate, up, kept }
    }

    /// One block without a trace; `attend` makes of rotated queries and keys and of values what attention gives.
    pub(crate) fn block_with(
        &self,
        layer: usize,
        stream: &mut Panels<T>,
        angles: &Angles<T>,
        attend: impl FnOnce(&[Panels<T>; 3]) -> Panels<T>,
    ) {
        let attended = self.attended(layer, stream, angles, attend);
        self.feed(layer, stream, &attended);
    }

    /// The first half of a block: what attention gives.
    pub(crate) fn attended(
        &self,
        layer: usize,
        stream: &Panels<T>,
        angles: &Angles<T>,
        attend: impl FnOnce(&[Panels<T>; 3]) -> Panels<T>,
    ) -> Panels<T> {
        attend(&self.queries(layer, stream, angles).0)
    }

    /// The second half, in which tokens have nothing to do with each other: changes the stream of the same tokens.
    pub(crate) fn feed(&self, layer: usize, stream: &mut Panels<T>, attended: &Panels<T>) {
        let (weights, eps) = (&self.weights.layers[layer], self.model.config.norm_eps);
        let (middle, _) = self.linear_added(layer, Target::Output, attended, stream);
        let h = rms_norm(&middle, &weights.feed_norm.vector(), eps).normed;
        let ([gate, up], _) = self.linear(layer, [Target::Gate, Target::Up], &h);
        *stream = self.linear_added(layer, Target::Down, &gated(&gate, &up), &middle).0;
    }
}
