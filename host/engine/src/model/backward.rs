//! The loss of packed examples and its gradients.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use freehold_kernels::{Panels, Precision, Real};

use super::forward::{Network, Packing, Trace};
use super::linear::Dropout;
use super::weights::{EMBEDDING, HEAD, NORM, attention_norm_name, feed_norm_name, head_norm_names};
use super::{Model, Target, Weights};
use crate::ops::{
    Rope, attention_backward, embed, embedding_gradient, gated, gated_backward, gather_tokens, head_loss, rms_norm,
    rms_norm_backward, rms_norm_weight_gradient, scatter_tokens,
};
use crate::update::Update;

/// Gradients by the name of the tensor.
pub(crate) type Gradients<T> = BTreeMap<String, Vec<T>>;

/// What is trained.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trained<'a> {
    /// The parts of an update; the model is frozen.
    Update(&'a Update, Option<Dropout>),
    /// Every tensor of the model.
    Model,
}

/// Packed examples and what they should predict.
pub(crate) struct LossRequest<'a> {
    pub(crate) ids: &'a [u32],
    /// The examples: ranges that cover `ids`.
    pub(crate) segments: &'a [Range<usize>],
    /// Tokens whose successor is to be predicted, ascending, and that successor.
    pub(crate) targets: &'a [(u32, u32)],
    /// Number of targets of the whole step, which may be more than those given here.
    pub(crate) total: usize,
    pub(crate) precision: Precision,
    /// Whether blocks are computed again in the backward pass (Chen et al., arXiv 1604.06174) instead of kept.
    pub(crate) recompute: bool,
}

/// The mean cross-entropy over the targets, and the gradients of what is trained.
pub(crate) fn loss_and_gradients<T: Real>(
    (model, weights, rope): (&Model, &Weights, &Rope<T>),
    trained: Trained<'_>,
    request: &LossRequest<'_>,
) -> (f64, Gradients<T>) {
    let (update, dropout) = match trained {
        Trained::Update(update, dropout) => (Some(update), dropout),
        Trained::Model => (None, None),
    };
    let network = Network {
        model,
        weights,
        rope,
        update,
        factors: update.map(|update| Cow::Owned(update.factors(weights))),
        groups: Vec::new(),
        dropout,
        precision: request.precision,
        training: true,
        all: update.is_none(),
    };
    let packing = Packing::new(&network, request.segments);
    let mut stream = embed(&weights.embedding, request.ids);
    let (mut traces, mut inputs) = (Vec::new(), Vec::new());
    for layer in 0..model.config.layers {
        let trace = network.block(layer, &mut stream, &packing);
        if request.recompute { inputs.push(trace.input) } else { traces.push(trace) }
    }
    let mut gradients = Gradients::new();
    let (loss, mut gradient) = network.head_backward(&stream, request, &mut gradients);
    drop(stream);
    for layer in (0..model.config.layers).rev() {
        let trace = match (traces.pop(), inputs.pop()) {
            (Some(trace), _) => trace,
            (None, Some(mut input)) => network.block(layer, &mut input, &packing),
            (None, None) => break,
        };
        if !network.block_backward(layer, trace, &mut gradient, &packing, &mut gradients) {
            return (loss, gradients);
        }
    }
    if network.all {
        // A tied head has already put its part there.
        let size = weights.embedding.len();
        let table = gradients.entry(EMBEDDING.into()).or_insert_with(|| vec![T::ZERO; size]);
        embedding_gradient(&gradient, request.ids, table);
    }
    (loss, gradients)
}

impl<T: Real> Network<'_, T> {
    /// The loss, and the gradient of the stream that comes out of the last block.
    fn head_backward(
        &self,
        stream: &Panels<T>,
        request: &LossRequest<'_>,
        gradients: &mut Gradients<T>,
    ) -> (f64, Panels<T>) {
        let (weights, config) = (self.weights, &self.model.config);
        let (tokens, ids): (Vec<u32>, Vec<u32>) = request.targets.iter().copied().unzip();
        let chosen = gather_tokens(stream, &tokens);
        let norm = weights.norm.vector();
        let normed = rms_norm(&chosen, &norm, config.norm_eps);
        let head = head_loss(&normed.normed, weights.head(), &ids, request.total as f64, request.precision, self.all);
        if let Some(gradient) = head.weight {
            gradients.insert(if config.tied_head { EMBEDDING } else { HEAD }.into(), gradient);
        }
        if self.all {
            let gradient = rms_norm_weight_gradient(&head.hidden, &chosen, &normed.inverse, norm.len());
            gradients.insert(NORM.into(), gradient);
        }
        let mut back = Panels::any(chosen.features(), chosen.tokens());
        rms_norm_backward(&head.hidden, &chosen, &normed.inverse, &norm, &mut back, false);
        (head.loss, scatter_tokens(&back, &tokens, stream.tokens()))
    }

    /// Turns the gradient of a block's output into that of its input; false if nothing before the block is trained, and
    /// the gradient of the input was left out.
    fn block_backward(
        &self,
        layer: usize,
        trace: Trace<T>,
        gradient: &mut Panels<T>,
        packing: &Packing<T>,
        gradients: &mut Gradients<T>,
    ) -> bool {
        self.feed_backward(layer, &trace, gradient, gradients);
        self.attention_backward(layer, trace, gradient, packing, gradients)
    }

    fn feed_backward(&self, layer: usize, trace: &Trace<T>, gradient: &mut Panels<T>, gradients: &mut Gradients<T>) {
        let (weights, eps) = (&self.weights.layers[layer], self.model.config.norm_eps);
        let [.., kept_gate, kept_up, kept_down] = &trace.kept;
        let active = gated(&trace.gate, &trace.up);
        let back = self.output_backward(layer, Target::Down, gradient, (&active, kept_down), gradients);
        drop(active);
        let Some(mut gate) = back else { return };
        let mut up = gated_backward(&mut gate, &trace.gate, &trace.up);
        let norm = weights.feed_norm.vector();
        let normed = rms_norm(&trace.middle, &norm, eps);
        let outputs = [(Target::Gate, &mut gate), (Target::Up, &mut up)];
        let kept = (&normed.normed, &[kept_gate, kept_up]);
        let Some(back) = self.linear_backward(layer, outputs, kept, true, gradients) else { return };
        if self.all {
            let sum = rms_norm_weight_gradient(&back, &trace.middle, &normed.inverse, norm.len());
            gradients.insert(feed_norm_name(layer), sum);
        }
        rms_norm_backward(&back, &trace.middle, &normed.inverse, &norm, gradient, true);
    }

    fn attention_backward(
        &self,
        layer: usize,
        trace: Trace<T>,
        gradient: &mut Panels<T>,
        packing: &Packing<T>,
        gradients: &mut Gradients<T>,
    ) -> bool {
        let (weights, eps) = (&self.weights.layers[layer], self.model.config.norm_eps);
        let [kept_q, kept_k, kept_v, kept_o, ..] = &trace.kept;
        let kept = (&trace.attended.values, kept_o);
        let Some(back) = self.output_backward(layer, Target::Output, gradient, kept, gradients) else {
            return false;
        };
        let [q, k, v] = &trace.qkv;
        let (spans, shape) = (packing.spans(layer), self.model.attention_shape());
        let [mut dq, mut dk, mut dv] =
            attention_backward(&back, &trace.attended, (q, k, v), &spans, (shape, self.precision));
        packing.angles.rotate_back(&mut dq);
        packing.angles.rotate_back(&mut dk);
        if let (Some(norms), Some(plain)) = (&weights.head_norms, &trace.plain) {
            let names = head_norm_names(layer);
            for (((x, norm), name), gradient) in plain.iter().zip(norms).zip(names).zip([&mut dq, &mut dk]) {
                let norm = norm.vector();
                let inverse = rms_norm(x, &norm, eps).inverse;
                if self.all {
                    gradients.insert(name, rms_norm_weight_gradient(gradient, x, &inverse, norm.len()));
                }
                let mut back = Panels::any(x.features(), x.tokens());
                rms_norm_backward(gradient, x, &inverse, &norm, &mut back, false);
                *gradient = back;
            }
        }
        let norm = weights.attention_norm.vector();
        let normed = rms_norm(&trace.input, &norm, eps);
        let outputs = [(Target::Query, &mut dq), (Target::Key, &mut dk), (Target::Value, &mut dv)];
        let kept = (&normed.normed, &[kept_q, kept_k, kept_v]);
        let want_input = self.all || layer > 0;
        let Some(back) = self.linear_backward(layer, outputs, kept, want_input, gradients) else { return false };
        if self.all {
            let sum = rms_norm_weight_gradient(&back, &trace.input, &normed.inverse, norm.len());
            gradients.insert(attention_norm_name(layer), sum);
        }
        rms_norm_backward(&back, &trace.input, &normed.inverse, &norm, gradient, true);
        true
    }
}
