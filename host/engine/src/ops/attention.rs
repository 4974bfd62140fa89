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

/// Gradients of q, k and v, from that of the output `y` [N, heads · width] and what [`attention`] gave.
pub(crate) fn attention_backward<T: Real>(
    gradient: &Tensor,
    (y, logs): (&Tensor, &Tensor),
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    segments: &[Range<usize>],
    rope: &Rope<T>,
    shape: AttentionShape,
) -> Result<(Tensor, Tensor, Tensor)> {
    let tokens = q.dims2()?.0;
    covered(segments, tokens)?;
    let (width, key_width) = (shape.heads * shape.width, shape.key_heads * shape.width);
    let mut dq = vec![T::real(0.0); tokens * width];
    let mut dk = vec![T::real(0.0); tokens * key_width];
    let mut dv = dk.clone();
    with_inputs((q, k, v), rope, shape, |input| {
        with_values(gradient, |g| {
            with_values(y, |y| {
                with_values(logs, |logs| {
                    let keys = cut(&mut dk, segments, key_width).into_par_iter().zip(cut(&mut dv, segments, key_width));
                    let tasks = cut(&mut dq, segments, width).into_par_iter().zip(keys).zip(segments);
                    tasks.try_for_each(|((dq, (dk, dv)), segment)| {
                        let given = Given { g, y, logs };
                        (0..shape.key_heads).try_for_each(|head| attend_back(input, &given, segment, head, (dq, dk, dv)))
                    })
                })
            })
        })
    })?;
    Ok((
        tensor_of(dq, (tokens, width), q)?,
        tensor_of(dk, (tokens, key_width), q)?,
        tensor_of(dv, (tokens, key_width), q)?,
    ))
}

/// What the forward pass gave, and the gradient of it.
struct Given<'a, T> {
    g: &'a [T],
    y: &'a [T],
    logs: &'a [T],
}

/// The backward pass of one segment and one key head.
fn attend_back<T: Real>(
    input: &Input<'_, T>,
    given: &Given<'_, T>,
    segment: &Range<usize>,
    head: usize,
    (dq, dk, dv): (&mut [T], &mut [T], &mut [T]),
) -> Result<()> {
    let (shape, width, length) = (input.shape, input.shape.width, segment.len());
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    input.append(segment, head, &mut keys, &mut values, 0);
    let keys = tensor_of(keys, (length, width), input.like)?;
    let values = tensor_of(values, (length, width), input.like)?;
    let (mut key_sum, mut value_sum) = (vec![T::real(0.0); length * width], vec![T::real(0.0); length * width]);
    for block in blocks(length) {
        let rows = shape.group() * block.len();
        let (keys, values) = (keys.narrow(0, 0, block.end)?, values.narrow(0, 0, block.end)?);
        let queries = tensor_of(input.queries(segment, &block, head, 0), (rows, width), input.like)?;
        let g = gather(given.g, shape, segment, &block, head);
        let y = gather(given.y, shape, segment, &block, head);
        let delta: Vec<T> = g.chunks_exact(width).zip(y.chunks_exact(width)).map(|(g, y)| real::dot(g, y)).collect();
        let g = tensor_of(g, (rows, width), input.like)?;

        let weights = queries.matmul(&keys.t()?)?;
        probabilities(&weights, given.logs, shape, segment, &block, head)?;
        add_into(&mut value_sum, &weights.t()?.matmul(&g)?)?;
        let scores = g.matmul(&values.t()?)?;
        score_gradient(&scores, &weights, &delta)?;
        add_into(&mut key_sum, &scores.t()?.matmul(&queries)?)?;

        let scale = T::real(shape.scale());
        let result = scores.matmul(&keys)?;
        change_values::<T>(&result, |rows| {
            for (index, row) in rows.chunks_exact_mut(width).enumerate() {
                row.iter_mut().for_each(|x| *x *= scale);
                input.rope.rotate_back(row, block.start + index % block.len());
            }
            scatter(rows, dq, shape, &block, head);
        })?;
    }
    let stride = shape.key_heads * width;
    for (i, row) in key_sum.chunks_exact_mut(width).enumerate() {
        input.rope.rotate_back(row, i);
        dk[i * stride + head * width..][..width].copy_from_slice(row);
    }
    for (i, row) in value_sum.chunks_exact(width).enumerate() {
        dv[i * stride + head * width..][..width].copy_from_slice(row);
    }
    Ok(())
}

/// Scores to probabilities, in place, with the normalisers of the forward pass.
fn probabilities<T: Real>(
    scores: &Tensor,
    logs: &[T],
    shape: AttentionShape,
    segment: &Range<usize>,
    block: &Range<usize>,
    head: usize,
) -> Result<()> {
    let keys = scores.dims2()?.1;
    change_values::<T>(scores, |scores| {
        vectorised(|| {
            for (index, row) in scores.chunks_exact_mut(keys).enumerate() {
                let (member, i) = (head * shape.group() + index / block.len(), block.start + index % block.len());
                let log = logs[(segment.start + i) * shape.heads + member];
                let (row, rest) = row.split_at_mut(i + 1);
                row.iter_mut().for_each(|x| *x = (*x - log).exponential());
                rest.fill(T::real(0.0));
            }
        });
    })
}

/// `P (g vᵀ - Σ g y)` in place of `g vᵀ`.
fn score_gradient<T: Real>(scores: &Tensor, weights: &Tensor, delta: &[T]) -> Result<()> {
    let keys = scores.dims2()?.1;
    with_values::<T, _>(weights, |weights| {
        change_values::<T>(scores, |scores| {
            vectorised(|| {
                let rows = scores.chunks_exact_mut(keys).zip(weights.chunks_exact(keys)).zip(delta);
                for ((row, weights), &delta) in rows {
                    row.iter_mut().zip(weights).for_each(|(x, &p)| *x = p * (*x - delta));
                }
            });
        })
    })
}

fn add_into<T: Real>(sum: &mut [T], part: &Tensor) -> Result<()> {
    with_values::<T, _>(part, |part| {
        sum.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradient, random};
    use super::*;

    const SHAPE: AttentionShape = AttentionShape { heads: 4, key_heads: 2, width: 4 };

    /// Attention written out, for one segment.
    fn plain(q: &Tensor, k: &Tensor, v: &Tensor, rope: &Rope<f64>) -> Vec<Vec<f64>> {
        let (q, k, v) = (rows(q), rows(k), rows(v));
        let head = |row: &[f64], head: usize, position: Option<usize>| {
            let mut values = row[head * 4..][..4].to_vec();
            if let Some(position) = position {
                rope.rotate(&mut values, position);
            }
            values
        };
        let mut out = vec![vec![0.0; 16]; q.len()];
        for h in 0..4 {
            for i in 0..q.len() {
                let query = head(&q[i], h, Some(i));
                let score = |j: usize| real::dot(&query, &head(&k[j], h / 2, Some(j))) / 2.0;
                let weights: Vec<f64> = (0..=i).map(|j| score(j).exp()).collect();
                for (j, weight) in weights.iter().enumerate() {
                    for (c, x) in head(&v[j], h / 2, None).into_iter().enumerate() {
                        out[i][h * 4 + c] += weight / weights.iter().sum::<f64>() * x;
                    }
                }
            }
        }
        out
    }

    fn rows(t: &Tensor) -> Vec<Vec<f64>> {
        t.to_vec2().unwrap()
    }

    fn assert_close(a: &[Vec<f64>], b: &[Vec<f64>]) {
        assert_eq!(a.len(), b.len());
        let pairs = a.iter().flatten().zip(b.iter().flatten());
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-10, "{a} {b}"));
    }

    #[test]
    fn segments_are_as_if_alone() -> Result<()> {
        let rope = Rope::<f64>::new(4, 100.0, 200);
        let (q, k, v) = (random(&[140, 16], 1), random(&[140, 8], 2), random(&[140, 8], 3));
        let got = rows(&attention((&q, &k, &v), &[0..5, 5..140], &rope, SHAPE)?.0);
        for (start, length) in [(0, 5), (5, 135)] {
            let part = |t: &Tensor| t.narrow(0, start, length);
            assert_close(&got[start..start + length], &plain(&part(&q)?, &part(&k)?, &part(&v)?, &rope));
        }
        Ok(())
    }

    #[test]
    fn a_cache_gives_the_same() -> Result<()> {
        let rope = Rope::<f64>::new(4, 100.0, 200);
        let (q, k, v) = (random(&[140, 16], 1), random(&[140, 8], 2), random(&[140, 8], 3));
        let want = rows(&attention((&q, &k, &v), &[0..140], &rope, SHAPE)?.0);
        let mut past = KeyValues::new(SHAPE);
        let mut got = Vec::new();
        for (start, length) in [(0, 3), (3, 1), (4, 130), (134, 1), (135, 5)] {
            let part = |t: &Tensor| t.narrow(0, start, length)?.contiguous();
            let step = (&part(&q)?, &part(&k)?, &part(&v)?);
            got.extend(rows(&attention_cached(step, &[0..length], &mut [&mut past], &rope, SHAPE)?));
        }
        assert_close(&got, &want);
        assert_eq!(past.length, 140);
        Ok(())
    }

    #[test]
    fn gradients_match_finite_differences() -> Result<()> {
        let rope = Rope::<f64>::new(4, 100.0, 200);
        // The second segment has two blocks.
        let segments = [0..3, 3..3 + BLOCK + 2];
        let n = segments[1].end;
        let (q, k, v, g) = (random(&[n, 16], 1), random(&[n, 8], 2), random(&[n, 8], 3), random(&[n, 16], 4));
        let f = |q: &Tensor, k: &Tensor, v: &Tensor| Ok(attention((q, k, v), &segments, &rope, SHAPE)?.0);
        let (y, logs) = attention((&q, &k, &v), &segments, &rope, SHAPE)?;
        let (dq, dk, dv) = attention_backward(&g, (&y, &logs), (&q, &k, &v), &segments, &rope, SHAPE)?;
        assert_gradient(&q, &g, |q| f(q, &k, &v), &dq);
        assert_gradient(&k, &g, |k| f(&q, k, &v), &dk);
        assert_gradient(&v, &g, |v| f(&q, &k, v), &dv);
        Ok(())
    }

    #[test]
    fn segments_must_cover_the_tokens() {
        for bad in [vec![0..3], vec![0..3, 4..5], vec![1..5]] {
            assert!(covered(&bad, 5).is_err(), "{bad:?}");
        }
    }
}
