//! The forward pass over packed examples.

use std::ops::Range;

use candle_core::{Error, Result, Tensor};

use super::{Model, Ropes, Target, Weights};
use crate::lora::{Lora, Pair};
use crate::ops::{KeyValues, add_in_place, attention, attention_cached, gather_rows, linear, rms_norm, swiglu};
use crate::random::Random;

/// Dropout on the inputs of the update; what is dropped is a function of the seed and the step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    pub(crate) probability: f64,
    pub(crate) seed: u64,
    pub(crate) step: usize,
}

/// What a pass computes with.
pub(crate) struct Network<'a> {
    pub(crate) model: &'a Model,
    /// With the update merged in, unless there is dropout.
    pub(crate) weights: &'a Weights,
    /// The update whose gradient is wanted, or that is computed beside the weights.
    pub(crate) lora: Option<&'a Lora>,
    pub(crate) dropout: Option<Dropout>,
}

/// What the backward pass of a block needs.
pub(crate) struct Trace {
    /// What came in, and its normalisation.
    pub(crate) input: Tensor,
    pub(crate) input_inverse: Tensor,
    pub(crate) attention_in: Tensor,
    pub(crate) qkv: [Tensor; 3],
    pub(crate) logs: Tensor,
    pub(crate) attended: Tensor,
    /// The stream between attention and feed-forward part, and its normalisation.
    pub(crate) middle: Tensor,
    pub(crate) middle_inverse: Tensor,
    pub(crate) feed_in: Tensor,
    pub(crate) gate: Tensor,
    pub(crate) up: Tensor,
    pub(crate) activated: Tensor,
}

impl Network<'_> {
    /// The factors of a layer's update, if it has one.
    pub(crate) fn pair(&self, layer: usize, target: Target) -> Option<&Pair> {
        self.lora?.layers.get(layer)?[target as usize].as_ref()
    }

    /// `x` with dropout, as the update of this layer sees it; also turns gradients of that into those of `x`.
    pub(crate) fn dropped(&self, x: &Tensor, layer: usize, target: Target) -> Result<Tensor> {
        let Some(dropout) = self.dropout else { return Ok(x.clone()) };
        let mut random = Random::new(dropout.seed, &format!("dropout {} {}", dropout.step, target.path(layer)));
        let keep = 1.0 - dropout.probability;
        let mask: Vec<f64> =
            (0..x.elem_count()).map(|_| if random.uniform() < keep { 1.0 / keep } else { 0.0 }).collect();
        x * Tensor::from_vec(mask, x.shape(), x.device())?.to_dtype(x.dtype())?
    }

    /// A linear layer with its update.
    fn project(&self, x: &Tensor, layer: usize, target: Target) -> Result<Tensor> {
        let y = linear(x, &self.weights.layers[layer].linear[target as usize])?;
        if let (Some(_), Some(lora), Some(pair)) = (self.dropout, self.lora, self.pair(layer, target)) {
            let inner = (linear(&self.dropped(x, layer, target)?, &pair.a)? * lora.scale)?;
            add_in_place(&y, &linear(&inner, &pair.b)?)?;
        }
        Ok(y)
    }

    /// One block: the stream is `x + residual`, where `residual` is used up; gives the trace and the next residual.
    pub(crate) fn block(
        &self,
        layer: usize,
        x: &Tensor,
        residual: Option<&Tensor>,
        segments: &[Range<usize>],
    ) -> Result<(Trace, Tensor)> {
        let (weights, eps) = (&self.weights.layers[layer], self.model.config.norm_eps);
        let first = rms_norm(x, residual, &weights.attention_norm, eps)?;
        let project = |x: &Tensor, target| self.project(x, layer, target);
        let h = &first.normed;
        let (q, k, v) = (project(h, Target::Query)?, project(h, Target::Key)?, project(h, Target::Value)?);
        let shape = self.model.attention_shape();
        let (attended, logs) = match &self.model.rope {
            Ropes::F32(rope) => attention((&q, &k, &v), segments, rope, shape)?,
            Ropes::F64(rope) => attention((&q, &k, &v), segments, rope, shape)?,
        };
        let out = project(&attended, Target::Output)?;
        let second = rms_norm(&first.sum, Some(&out), &weights.feed_norm, eps)?;
        let (gate, up) = (project(&second.normed, Target::Gate)?, project(&second.normed, Target::Up)?);
        let activated = swiglu(&gate, &up)?;
        let next = project(&activated, Target::Down)?;
        let trace = Trace {
            input: first.sum,
            input_inverse: first.inverse,
            attention_in: first.normed,
            qkv: [q, k, v],
            logs,
            attended,
            middle: second.sum,
            middle_inverse: second.inverse,
            feed_in: second.normed,
            gate,
            up,
            activated,
        };
        Ok((trace, next))
    }

    /// One block in generation: every segment continues its own past.
    fn block_cached(
        &self,
        layer: usize,
        x: &Tensor,
        residual: Option<&Tensor>,
        segments: &[Range<usize>],
        past: &mut [RowCache],
    ) -> Result<(Tensor, Tensor)> {
        let (weights, eps) = (&self.weights.layers[layer], self.model.config.norm_eps);
        let first = rms_norm(x, residual, &weights.attention_norm, eps)?;
        let project = |x: &Tensor, target| self.project(x, layer, target);
        let h = &first.normed;
        let (q, k, v) = (project(h, Target::Query)?, project(h, Target::Key)?, project(h, Target::Value)?);
        let Ropes::F32(rope) = &self.model.rope else {
            return Err(Error::msg("generation computes in f32"));
        };
        let mut past: Vec<_> = past.iter_mut().map(|row| &mut row.layers[layer]).collect();
        let attended = attention_cached((&q, &k, &v), segments, &mut past, rope, self.model.attention_shape())?;
        let out = project(&attended, Target::Output)?;
        let second = rms_norm(&first.sum, Some(&out), &weights.feed_norm, eps)?;
        let (gate, up) = (project(&second.normed, Target::Gate)?, project(&second.normed, Target::Up)?);
        let next = project(&swiglu(&gate, &up)?, Target::Down)?;
        Ok((second.sum, next))
    }
}

/// The past of one row in generation.
#[derive(Debug, Clone)]
pub(crate) struct RowCache {
    layers: Vec<KeyValues<f32>>,
}

impl RowCache {
    /// No past.
    pub(crate) fn new(model: &Model) -> Self {
        Self { layers: (0..model.config.layers).map(|_| KeyValues::new(model.attention_shape())).collect() }
    }

    /// A placeholder that holds nothing.
    pub(crate) fn empty() -> Self {
        Self { layers: Vec::new() }
    }
}

/// Logits [rows, V] after the last token of each segment; segment i continues `past[i]`.
pub(crate) fn forward_cached(
    model: &Model,
    weights: &Weights,
    ids: &[u32],
    segments: &[Range<usize>],
    past: &mut [RowCache],
) -> Result<Tensor> {
    let network = Network { model, weights, lora: None, dropout: None };
    let mut x = gather_rows(&weights.embedding, ids)?;
    let mut residual: Option<Tensor> = None;
    for layer in 0..model.config.layers {
        let (stream, next) = network.block_cached(layer, &x, residual.as_ref(), segments, past)?;
        (x, residual) = (stream, Some(next));
    }
    let last: Vec<u32> = segments.iter().map(|segment| segment.end.saturating_sub(1) as u32).collect();
    head_logits(model, weights, &x, residual.as_ref(), &last)
}

/// Logits [tokens, V] at all positions of packed segments.
pub(crate) fn logits(model: &Model, weights: &Weights, ids: &[u32], segments: &[Range<usize>]) -> Result<Tensor> {
    let network = Network { model, weights, lora: None, dropout: None };
    let mut x = gather_rows(&weights.embedding, ids)?;
    let mut residual: Option<Tensor> = None;
    for layer in 0..model.config.layers {
        let (trace, next) = network.block(layer, &x, residual.as_ref(), segments)?;
        (x, residual) = (trace.middle, Some(next));
    }
    let all: Vec<u32> = (0..ids.len() as u32).collect();
    head_logits(model, weights, &x, residual.as_ref(), &all)
}

fn head_logits(
    model: &Model,
    weights: &Weights,
    x: &Tensor,
    residual: Option<&Tensor>,
    rows: &[u32],
) -> Result<Tensor> {
    if let Some(residual) = residual {
        add_in_place(residual, x)?;
    }
    let rows = gather_rows(residual.unwrap_or(x), rows)?;
    let normed = rms_norm(&rows, None, &weights.norm, model.config.norm_eps)?.normed;
    linear(&normed, weights.head())
}
