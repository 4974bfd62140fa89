//! Causal attention over packed examples, with grouped queries (Vaswani et al., arXiv 1706.03762; Ainslie et al.,
//! arXiv 2305.13245).
//!
//! Tokens of several examples lie behind one another; an example is a *segment*, and tokens attend within their
//! segment only. No mask is ever made and no key is repeated: for each segment and key head, the rows of all its
//! query heads form one matrix, and scores are computed block by block up to the diagonal.
//!
//! `S = (R q)(R k)ᵀ / sqrt(d)` with R the rotary embedding, `P = softmax(S)` over keys up to the query, `y = P v`.
//! Backward: `dv = Pᵀ g`, `dS = P (g vᵀ - Σ g y)`, `dq = R⁻¹ dS (R k) / sqrt(d)`, `dk = R⁻¹ dSᵀ (R q) / sqrt(d)`.
//! P is recomputed from the logarithm of the normaliser that the forward pass keeps (Dao et al., arXiv 2205.14135).

use std::ops::Range;

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::real;
use super::{Real, Rope, change_values, tensor_of, vectorised, with_values};

mod backward;

pub(crate) use backward::attention_backward;

/// Queries that are treated at once: bounds memory and skips most of what lies above the diagonal.
const BLOCK: usize = 128;

/// The shape of the heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionShape {
    /// Query heads, a multiple of `key_heads`.
    pub(crate) heads: usize,
    /// Key and value heads.
    pub(crate) key_heads: usize,
    /// Width of a head.
    pub(crate) width: usize,
}

impl AttentionShape {
    fn group(self) -> usize {
        self.heads / self.key_heads
    }

    fn scale(self) -> f64 {
        1.0 / (self.width as f64).sqrt()
    }
}

/// Rotated keys and values of the past of one row, for one layer.
#[derive(Debug, Clone)]
pub(crate) struct KeyValues<T> {
    keys: Vec<Vec<T>>,
    values: Vec<Vec<T>>,
    length: usize,
}

impl<T> KeyValues<T> {
    /// No past.
    pub(crate) fn new(shape: AttentionShape) -> Self {
        let empty = || (0..shape.key_heads).map(|_| Vec::new()).collect();
        Self { keys: empty(), values: empty(), length: 0 }
    }
}

/// Everything the tasks read.
struct Input<'a, T> {
    q: &'a [T],
    k: &'a [T],
    v: &'a [T],
    rope: &'a Rope<T>,
    shape: AttentionShape,
    like: &'a Tensor,
}

impl<T: Real> Input<'_, T> {
    /// Rotated keys and plain values of one head, [tokens, width], behind those that are there.
    fn append(&self, segment: &Range<usize>, head: usize, keys: &mut Vec<T>, values: &mut Vec<T>, past: usize) {
        let (width, stride) = (self.shape.width, self.shape.width * self.shape.key_heads);
        for (i, token) in segment.clone().enumerate() {
            let at = token * stride + head * width;
            let start = keys.len();
            keys.extend_from_slice(&self.k[at..][..width]);
            self.rope.rotate(&mut keys[start..], past + i);
            values.extend_from_slice(&self.v[at..][..width]);
        }
    }

    /// Rotated and scaled queries of one key head's group: [group · block, width].
    fn queries(&self, segment: &Range<usize>, block: &Range<usize>, head: usize, past: usize) -> Vec<T> {
        let scale = T::real(self.shape.scale());
        let mut rows = gather(self.q, self.shape, segment, block, head);
        for (index, row) in rows.chunks_exact_mut(self.shape.width).enumerate() {
            self.rope.rotate(row, past + block.start + index % block.len());
            row.iter_mut().for_each(|x| *x *= scale);
        }
        rows
    }
}

/// The rows of one key head's group of query heads: [group · block, width] out of [tokens, heads · width].
fn gather<T: Real>(
    values: &[T],
    shape: AttentionShape,
    segment: &Range<usize>,
    block: &Range<usize>,
    head: usize,
) -> Vec<T> {
    let (width, group) = (shape.width, shape.group());
    let mut rows = Vec::with_capacity(group * block.len() * width);
    for member in head * group..(head + 1) * group {
        for i in block.clone() {
            let at = ((segment.start + i) * shape.heads + member) * width;
            rows.extend_from_slice(&values[at..][..width]);
        }
    }
    rows
}

/// Writes rows [group · block, width] to where [`gather`] reads them, in the part that is the segment's own.
fn scatter<T: Real>(rows: &[T], out: &mut [T], shape: AttentionShape, block: &Range<usize>, head: usize) {
    let (width, group) = (shape.width, shape.group());
    for (index, row) in rows.chunks_exact(width).enumerate() {
        let (member, i) = (head * group + index / block.len(), block.start + index % block.len());
        out[(i * shape.heads + member) * width..][..width].copy_from_slice(row);
    }
}

fn blocks(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(BLOCK).map(move |start| start..length.min(start + BLOCK))
}

/// Cuts the values of all tokens into those of each segment.
fn cut<'a, T>(mut values: &'a mut [T], segments: &[Range<usize>], width: usize) -> Vec<&'a mut [T]> {
    segments
        .iter()
        .map(|segment| {
            let (part, rest) = std::mem::take(&mut values).split_at_mut(segment.len() * width);
            values = rest;
            part
        })
        .collect()
}

/// Segments have to cover all tokens in order.
fn covered(segments: &[Range<usize>], tokens: usize) -> Result<()> {
    let end = segments.iter().try_fold(0, |end, s| (s.start == end && s.end >= end).then_some(s.end));
    if end == Some(tokens) { Ok(()) } else { Err(Error::msg("segments do not cover the tokens")) }
}

/// Softmax of each row over its first `past + i + 1` keys, in place; the rest becomes zero. Gives the logarithms of
/// the normalisers.
fn softmax<T: Real>(scores: &Tensor, block: &Range<usize>, past: usize) -> Result<Vec<T>> {
    let (rows, keys) = scores.dims2()?;
    let mut logs = Vec::with_capacity(rows);
    change_values::<T>(scores, |scores| {
        vectorised(|| {
            for (index, row) in scores.chunks_exact_mut(keys).enumerate() {
                let (row, rest) = row.split_at_mut(past + block.start + index % block.len() + 1);
                rest.fill(T::real(0.0));
                let max = maximum(row);
                row.iter_mut().for_each(|x| *x = (*x - max).exponential());
                let sum = total(row);
                let scale = T::real(1.0) / sum;
                row.iter_mut().for_each(|x| *x *= scale);
                logs.push(max + T::real(sum.to_f64().ln()));
            }
        });
    })?;
    Ok(logs)
}

#[inline(always)]
pub(crate) fn maximum<T: Real>(row: &[T]) -> T {
    let mut lanes = [T::real(f64::NEG_INFINITY); 16];
    let chunks = row.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(T::real(f64::NEG_INFINITY), |max, &x| if x > max { x } else { max })
}

#[inline(always)]
pub(crate) fn total<T: Real>(row: &[T]) -> T {
    let mut lanes = [T::real(0.0); 16];
    let chunks = row.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += x);
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += x);
    real::fold(lanes)
}

/// Attention: q [N, heads · width], k and v [N, key_heads · width] give [N, heads · width], and the logarithms of
/// the normalisers [N, heads] that the backward pass needs. Positions count from zero in each segment.
pub(crate) fn attention<T: Real>(
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    segments: &[Range<usize>],
    rope: &Rope<T>,
    shape: AttentionShape,
) -> Result<(Tensor, Tensor)> {
    let tokens = q.dims2()?.0;
    covered(segments, tokens)?;
    let width = shape.heads * shape.width;
    let mut out = vec![T::real(0.0); tokens * width];
    let mut logs = vec![T::real(0.0); tokens * shape.heads];
    with_inputs((q, k, v), rope, shape, |input| {
        let tasks = cut(&mut out, segments, width).into_par_iter().zip(cut(&mut logs, segments, shape.heads));
        tasks.zip(segments).try_for_each(|((out, logs), segment)| {
            for head in 0..shape.key_heads {
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                input.append(segment, head, &mut keys, &mut values, 0);
                attend(input, segment, head, (keys, values), 0, out, logs)?;
            }
            Ok(())
        })
    })?;
    Ok((tensor_of(out, (tokens, width), q)?, tensor_of(logs, (tokens, shape.heads), q)?))
}

fn with_inputs<T: Real, R>(
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    rope: &Rope<T>,
    shape: AttentionShape,
    f: impl FnOnce(&Input<'_, T>) -> Result<R>,
) -> Result<R> {
    with_values(q, |qs| {
        with_values(k, |ks| with_values(v, |vs| f(&Input { q: qs, k: ks, v: vs, rope, shape, like: q })))
    })
}

/// Attention of one segment and one key head; `keys` and `values` reach from the start of the past.
fn attend<T: Real>(
    input: &Input<'_, T>,
    segment: &Range<usize>,
    head: usize,
    (keys, values): (Vec<T>, Vec<T>),
    past: usize,
    out: &mut [T],
    logs: &mut [T],
) -> Result<()> {
    let (shape, group) = (input.shape, input.shape.group());
    let length = past + segment.len();
    let keys = tensor_of(keys, (length, shape.width), input.like)?;
    let values = tensor_of(values, (length, shape.width), input.like)?;
    for block in blocks(segment.len()) {
        let visible = past + block.end;
        let queries = input.queries(segment, &block, head, past);
        let queries = tensor_of(queries, (group * block.len(), shape.width), input.like)?;
        let scores = queries.matmul(&keys.narrow(0, 0, visible)?.t()?)?;
        let block_logs = softmax::<T>(&scores, &block, past)?;
        for (index, log) in block_logs.into_iter().enumerate() {
            let (member, i) = (head * group + index / block.len(), block.start + index % block.len());
            logs[i * shape.heads + member] = log;
        }
        let result = scores.matmul(&values.narrow(0, 0, visible)?)?;
        with_values(&result, |rows| {
            scatter(rows, out, shape, &block, head);
            Ok(())
        })?;
    }
    Ok(())
}

/// Attention with a past, for generation: as [`attention`], where segment i continues `past[i]` and is added to it.
pub(crate) fn attention_cached<T: Real>(
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    segments: &[Range<usize>],
    past: &mut [&mut KeyValues<T>],
    rope: &Rope<T>,
    shape: AttentionShape,
) -> Result<Tensor> {
    let tokens = q.dims2()?.0;
    covered(segments, tokens)?;
    let width = shape.heads * shape.width;
    let mut out = vec![T::real(0.0); tokens * width];
    with_inputs((q, k, v), rope, shape, |input| {
        let tasks = cut(&mut out, segments, width).into_par_iter().zip(segments).zip(past.par_iter_mut());
        tasks.try_for_each(|((out, segment), past)| {
            let before = past.length;
            past.length += segment.len();
            for head in 0..shape.key_heads {
                let (keys, values) = (&mut past.keys[head], &mut past.values[head]);
                input.append(segment, head, keys, values, before);
                if segment.len() == 1 {
                    attend_one(input, segment, head, (keys, values), out);
                } else {
                    let mut logs = vec![T::real(0.0); segment.len() * shape.heads];
                    attend(input, segment, head, (keys.clone(), values.clone()), before, out, &mut logs)?;
                }
            }
            Ok(())
        })
    })?;
    tensor_of(out, (tokens, width), q)
}

/// Attention of a single token: bound by reading the past once, which needs no matrix product.
fn attend_one<T: Real>(
    input: &Input<'_, T>,
    segment: &Range<usize>,
    head: usize,
    (keys, values): (&[T], &[T]),
    out: &mut [T],
) {
    let (width, group) = (input.shape.width, input.shape.group());
    let queries = input.queries(segment, &(0..1), head, keys.len() / width - 1);
    vectorised(|| {
        for (member, query) in queries.chunks_exact(width).enumerate() {
            let mut scores: Vec<T> = keys.chunks_exact(width).map(|key| real::dot(query, key)).collect();
            let max = maximum(&scores);
            scores.iter_mut().for_each(|x| *x = (*x - max).exponential());
            let scale = T::real(1.0) / total(&scores);
            let out = &mut out[(head * group + member) * width..][..width];
            for (value, &score) in values.chunks_exact(width).zip(&scores) {
                let weight = score * scale;
                out.iter_mut().zip(value).for_each(|(out, &x)| *out += weight * x);
            }
        }
    });
}

#[cfg(test)]
mod tests;
