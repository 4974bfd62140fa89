//! The loss of packed examples and its gradients.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Result, Tensor};

use super::forward::{Dropout, Network, Trace};
use super::weights::{EMBEDDING, HEAD, NORM, attention_norm_name, feed_norm_name};
use super::{Model, Ropes, Target, Weights};
use crate::lora::{Lora, factor_name};
use crate::ops::{
    HeadGradient, TokenTarget, add_in_place, attention_backward, gather_rows, head_loss, linear, linear_input_gradient,
    linear_weight_gradient, rms_norm, rms_norm_backward, scatter_rows, swiglu_backward,
};

/// Bytes of traces above which blocks are computed again in the backward pass (Chen et al., arXiv 1604.06174).
const TRACE_LIMIT: usize = 2 << 30;

/// Gradients by the name of the tensor.
pub(crate) type Gradients = BTreeMap<String, Tensor>;

/// What is trained.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// The factors of an update; the model is frozen.
    Lora(&'a Lora, Option<Dropout>),
    /// Every tensor of the model.
    All,
}

/// Packed examples and what they should predict.
pub(crate) struct LossRequest<'a> {
    pub(crate) ids: &'a [u32],
    /// The examples: ranges that cover `ids`.
    pub(crate) segments: &'a [Range<usize>],
    pub(crate) targets: &'a [TokenTarget],
    /// Number of targets of the whole step, which may be more than those given here.
    pub(crate) total: usize,
}

/// The mean cross-entropy over the targets, and the gradients of what is trained.
///
/// `weights` are those to compute with: with the update merged in where it is trained without dropout.
pub(crate) fn loss_and_gradients(
    model: &Model,
    weights: &Weights,
    wanted: Wanted<'_>,
    request: &LossRequest<'_>,
) -> Result<(f64, Gradients)> {
    let (lora, dropout, all) = match wanted {
        Wanted::Lora(lora, dropout) => (Some(lora), dropout, false),
        Wanted::All => (None, None, true),
    };
    let pass = Backward { network: Network { model, weights, lora, dropout }, all, segments: request.segments };
    let keep = trace_bytes(model, request.ids.len()) <= TRACE_LIMIT;
    let network = &pass.network;

    let mut x = gather_rows(&weights.embedding, request.ids)?;
    let (mut residual, mut traces, mut inputs) = (None::<Tensor>, Vec::new(), Vec::new());
    for layer in 0..model.config.layers {
        let (trace, next) = network.block(layer, &x, residual.as_ref(), request.segments)?;
        x = trace.middle.clone();
        residual = Some(next);
        if keep { traces.push(trace) } else { inputs.push(trace.input) }
    }
    if let Some(residual) = residual {
        add_in_place(&residual, &x)?;
        x = residual;
    }

    let mut gradients = Gradients::new();
    let (loss, mut gradient) = pass.head(&x, request, &mut gradients)?;
    for layer in (0..model.config.layers).rev() {
        let trace = match traces.pop() {
            Some(trace) => trace,
            None => network.block(layer, &inputs[layer], None, request.segments)?.0,
        };
        match pass.block(layer, &trace, &gradient, &mut gradients)? {
            Some(next) => gradient = next,
            None => return Ok((loss, gradients)),
        }
    }
    if all {
        let table = scatter_rows(&gradient, request.ids, model.config.vocab_size)?;
        // A tied head has already put its part there.
        match gradients.get(EMBEDDING) {
            Some(sum) => add_in_place(sum, &table)?,
            None => drop(gradients.insert(EMBEDDING.into(), table)),
        }
    }
    Ok((loss, gradients))
}

/// Memory that the traces of all blocks take.
fn trace_bytes(model: &Model, tokens: usize) -> usize {
    let config = &model.config;
    let heads = (config.heads + config.key_heads) * 2 * config.head_width;
    (config.hidden_size * 4 + heads + config.intermediate_size * 3) * tokens * config.layers * size_of::<f32>()
}

struct Backward<'a> {
    network: Network<'a>,
    /// Whether the tensors of the model itself are trained.
    all: bool,
    segments: &'a [Range<usize>],
}

impl Backward<'_> {
    /// The loss, and the gradient of the stream that comes out of the last block.
    fn head(&self, x: &Tensor, request: &LossRequest<'_>, gradients: &mut Gradients) -> Result<(f64, Tensor)> {
        let (weights, config) = (self.network.weights, &self.network.model.config);
        let rows: Vec<u32> = request.targets.iter().map(|target| target.row).collect();
        let normed = rms_norm(&gather_rows(x, &rows)?, None, &weights.norm, config.norm_eps)?;
        let want = if self.all { HeadGradient::All } else { HeadGradient::Hidden };
        let head = head_loss(&normed.normed, weights.head(), request.targets, request.total as f64, want)?;
        let Some(hidden) = head.hidden else { return Ok((head.loss, x.zeros_like()?)) };
        if let Some(gradient) = head.weight {
            let name = if config.tied_head { EMBEDDING } else { HEAD };
            gradients.insert(name.into(), gradient);
        }
        let (rows_gradient, norm) =
            rms_norm_backward(&hidden, None, &normed.sum, &normed.inverse, &weights.norm, self.all)?;
        gradients.extend(norm.map(|gradient| (NORM.to_string(), gradient)));
        Ok((head.loss, scatter_rows(&rows_gradient, &rows, x.dims2()?.0)?))
    }

    /// The gradient of a block's input, if anything before the block is trained.
    fn block(
        &self,
        layer: usize,
        trace: &Trace,
        gradient: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Option<Tensor>> {
        let weights = &self.network.weights.layers[layer];
        let mut back = |gradient: &Tensor, x: &Tensor, target: Target, want_input: bool| {
            self.project(gradient, x, (layer, target), want_input, gradients)
        };
        let activated = required(back(gradient, &trace.activated, Target::Down, true)?)?;
        let (gate, up) = swiglu_backward(&activated, &trace.gate, &trace.up)?;
        let feed = required(back(&gate, &trace.feed_in, Target::Gate, true)?)?;
        add_in_place(&feed, &required(back(&up, &trace.feed_in, Target::Up, true)?)?)?;
        let (middle, feed_norm) = rms_norm_backward(
            &feed,
            Some(gradient),
            &trace.middle,
            &trace.middle_inverse,
            &weights.feed_norm,
            self.all,
        )?;

        let attended = required(back(&middle, &trace.attended, Target::Output, true)?)?;
        let [dq, dk, dv] = self.attention(trace, &attended)?;
        let before = self.all || layer > 0;
        let h = &trace.attention_in;
        let q = back(&dq, h, Target::Query, before)?;
        let k = back(&dk, h, Target::Key, before)?;
        let v = back(&dv, h, Target::Value, before)?;
        let (Some(sum), Some(k), Some(v)) = (q, k, v) else { return Ok(None) };
        add_in_place(&sum, &k)?;
        add_in_place(&sum, &v)?;
        let (input, attention_norm) = rms_norm_backward(
            &sum,
            Some(&middle),
            &trace.input,
            &trace.input_inverse,
            &weights.attention_norm,
            self.all,
        )?;
        gradients.extend(feed_norm.map(|gradient| (feed_norm_name(layer), gradient)));
        gradients.extend(attention_norm.map(|gradient| (attention_norm_name(layer), gradient)));
        Ok(Some(input))
    }

    fn attention(&self, trace: &Trace, gradient: &Tensor) -> Result<[Tensor; 3]> {
        let [q, k, v] = &trace.qkv;
        let (given, inputs) = ((&trace.attended, &trace.logs), (q, k, v));
        let shape = self.network.model.attention_shape();
        let (dq, dk, dv) = match &self.network.model.rope {
            Ropes::F32(rope) => attention_backward(gradient, given, inputs, self.segments, rope, shape)?,
            Ropes::F64(rope) => attention_backward(gradient, given, inputs, self.segments, rope, shape)?,
        };
        Ok([dq, dk, dv])
    }

    /// A linear layer: puts the gradients of its trained tensors into `gradients` and gives that of its input.
    fn project(
        &self,
        gradient: &Tensor,
        x: &Tensor,
        (layer, target): (usize, Target),
        want_input: bool,
        gradients: &mut Gradients,
    ) -> Result<Option<Tensor>> {
        let weight = &self.network.weights.layers[layer].linear[target as usize];
        let input = if want_input { Some(linear_input_gradient(gradient, weight)?) } else { None };
        if self.all {
            gradients.insert(format!("{}.weight", target.path(layer)), linear_weight_gradient(gradient, x)?);
        }
        if let (Some(lora), Some(pair)) = (self.network.lora, self.network.pair(layer, target)) {
            let x = self.network.dropped(x, layer, target)?;
            let inner = (linear(&x, &pair.a)? * lora.scale)?;
            let outer = (linear_input_gradient(gradient, &pair.b)? * lora.scale)?;
            gradients.insert(factor_name(target, layer, 'A'), linear_weight_gradient(&outer, &x)?);
            gradients.insert(factor_name(target, layer, 'B'), linear_weight_gradient(gradient, &inner)?);
            if let (Some(input), Some(_)) = (&input, self.network.dropout) {
                let through = linear_input_gradient(&outer, &pair.a)?;
                add_in_place(input, &self.network.dropped(&through, layer, target)?)?;
            }
        }
        Ok(input)
    }
}

/// A gradient that was asked for.
fn required(gradient: Option<Tensor>) -> Result<Tensor> {
    gradient.ok_or_else(|| candle_core::Error::msg("a gradient that was asked for is missing"))
}
