//! Causal attention over packed examples, with grouped queries (Vaswani et al., arXiv 1706.03762; Ainslie et al.,
//! arXiv 2305.13245) and sliding windows (Beltagy et al., arXiv 2004.05150).
//!
//! Tokens of several examples lie behind one another; an example is a *segment*, and tokens attend within their segment
//! only, and within their window. No mask over all pairs is ever made and no key is repeated: scores are computed for 32
//! queries and 32 keys at a time, where at least one pair of them may attend.
//!
//! With rotated `q` and `k`: `S = q k / sqrt(d)`, `P = softmax(S)`, `y = P v`. Backward: `dv = Pᵀ g`,
//! `dS = P (g vᵀ - Σ g y)`, `dq = dS k / sqrt(d)`, `dk = dSᵀ q / sqrt(d)`. P is computed anew from the logarithm of the
//! normaliser that the forward pass keeps (Dao et al., arXiv 2205.14135).
//!
//! What a query may not attend to counts as exactly zero, and sums run over ascending keys: in f32 the result of a segment
//! does not depend on what it is packed with. In bf16, where instructions add in groups, the rounding of sums depends on
//! where in a panel it begins.

use std::ops::Range;

use freehold_kernels::{Buffer, LANES, Left, Panels, Precision, Real, Right, for_each, map, vectorised};

use super::{lanes, lanes_mut, scale_lanes};

mod backward;

pub(crate) use backward::attention_backward;

/// Values of a block of 32 keys and 32 queries.
const BLOCK: usize = LANES * LANES;

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
    pub(crate) fn group(self) -> usize {
        self.heads / self.key_heads
    }

    pub(crate) fn scale(self) -> f64 {
        1.0 / (self.width as f64).sqrt()
    }

    /// Where a head's part of a panel lies.
    fn part(self, head: usize) -> Range<usize> {
        head * self.width * LANES..(head + 1) * self.width * LANES
    }
}

/// Which keys each token attends to: from its start to itself.
#[derive(Debug, Clone)]
pub(crate) struct Spans {
    /// By token, filled up to whole panels; a token that does not exist attends to itself.
    starts: Vec<u32>,
}

impl Spans {
    /// The spans of segments that cover all tokens in order, with a window of so many tokens.
    pub(crate) fn new(segments: &[Range<usize>], window: Option<usize>) -> Self {
        let mut starts = Vec::new();
        for segment in segments {
            let reach = window.unwrap_or(usize::MAX) - 1;
            starts.extend(segment.clone().map(|token| segment.start.max(token.saturating_sub(reach)) as u32));
        }
        let tokens = starts.len();
        starts.extend(tokens as u32..tokens.next_multiple_of(LANES) as u32);
        Self { starts }
    }

    fn panel(&self, panel: usize) -> &[u32; LANES] {
        lanes(&self.starts[panel * LANES..])
    }

    /// The panels of keys that a panel of queries looks at.
    fn keys(&self, panel: usize) -> Range<usize> {
        let first = self.panel(panel).iter().min().map_or(0, |start| *start as usize);
        first / LANES..panel + 1
    }

    /// Whether every query of a panel may attend to every key of another.
    fn is_open(&self, queries: usize, keys: usize) -> bool {
        keys < queries && self.panel(queries).iter().all(|start| *start as usize <= keys * LANES)
    }

    /// The panels in groups that have nothing to do with each other.
    fn groups(&self) -> Vec<Range<usize>> {
        let mut groups: Vec<Range<usize>> = Vec::new();
        for panel in 0..self.starts.len() / LANES {
            let keys = self.keys(panel);
            match groups.last_mut() {
                Some(last) if keys.start < last.end => last.end = panel + 1,
                _ => groups.push(panel..panel + 1),
            }
        }
        groups
    }
}

/// What the forward pass gives.
#[derive(Debug)]
pub(crate) struct Attended<T: Real> {
    /// [heads · width, tokens]
    pub(crate) values: Panels<T>,
    /// Logarithms of the normalisers [heads, tokens].
    pub(crate) logs: Panels<T>,
}

/// Attention of rotated q [heads · width, tokens] to rotated k and to v [key_heads · width, tokens].
pub(crate) fn attention<T: Real>(
    (q, k, v): (&Panels<T>, &Panels<T>, &Panels<T>),
    spans: &Spans,
    shape: AttentionShape,
    precision: Precision,
) -> Attended<T> {
    attention_from(0, (q, k, v), spans, shape, precision)
}

/// The same for queries that begin with panel `first` of the keys and values.
pub(crate) fn attention_from<T: Real>(
    first: usize,
    (q, k, v): (&Panels<T>, &Panels<T>, &Panels<T>),
    spans: &Spans,
    shape: AttentionShape,
    precision: Precision,
) -> Attended<T> {
    let mut values = Panels::any(q.features(), q.tokens());
    let mut logs = Panels::any(shape.heads, q.tokens());
    let size = shape.width * LANES;
    let by_key_head = k.values().chunks_exact(size).zip(v.values().chunks_exact(size));
    let factors = map(by_key_head, |(k, v)| (Left::transposed(k, precision), Left::block(v, precision)));
    let tasks = values.values_mut().chunks_exact_mut(size).zip(logs.values_mut().chunks_exact_mut(LANES));
    for_each(tasks.enumerate(), |(task, (out, log))| {
        let (panel, head) = (first + task / shape.heads, task % shape.heads);
        let query = Right::new(&q.panel(panel - first)[shape.part(head)], precision);
        let keys = spans.keys(panel);
        let factors = |panel: usize| &factors[panel * shape.key_heads + head / shape.group()];
        let mut p = Buffer::any(keys.len() * BLOCK);
        for (block, panel) in p.chunks_exact_mut(BLOCK).zip(keys.clone()) {
            factors(panel).0.times(&query, block, false);
        }
        let (max, sum) = softmax(&mut p, spans, panel, shape.scale());
        for (block, panel) in p.chunks_exact(BLOCK).zip(keys.clone()) {
            factors(panel).1.times_square(block, out, panel > keys.start);
        }
        normalise(out, lanes_mut(log), max, sum);
    });
    Attended { values, logs }
}

/// Divides by the normalisers and notes their logarithms.
fn normalise<T: Real>(out: &mut [T], log: &mut [T; LANES], max: [T; LANES], sum: [T; LANES]) {
    scale_lanes(out, &sum.map(|sum| T::ONE / sum));
    for lane in 0..LANES {
        log[lane] = max[lane] + T::real(libm::log(sum[lane].to_f64()));
    }
}

/// Scores of some panels of keys, not yet scaled, become exponentials; gives the largest score and the sum of the
/// exponentials of each query.
fn softmax<T: Real>(p: &mut [T], spans: &Spans, queries: usize, scale: f64) -> ([T; LANES], [T; LANES]) {
    let (scale, lowest) = (T::real(scale), T::real(f64::NEG_INFINITY));
    let (keys, starts) = (spans.keys(queries), spans.panel(queries));
    let (mut max, mut sum) = ([lowest; LANES], [T::ZERO; LANES]);
    for (block, panel) in p.chunks_exact_mut(BLOCK).zip(keys.clone()) {
        if !spans.is_open(queries, panel) {
            hide(block, starts, queries, panel, lowest);
        }
        largest(block, scale, &mut max);
    }
    for (block, panel) in p.chunks_exact_mut(BLOCK).zip(keys) {
        exponentials(block, &max);
        if !spans.is_open(queries, panel) {
            hide(block, starts, queries, panel, T::ZERO);
        }
        add_rows(block, &mut sum);
    }
    (max, sum)
}

vectorised! {
/// Replaces what a query may not attend to.
fn hide<T: Real>(block: &mut [T], starts: &[u32; LANES], queries: usize, keys: usize, by: T) {
    let first = (queries * LANES) as u32;
    for (row, key) in block.chunks_exact_mut(LANES).zip((keys * LANES) as u32..) {
        let row = lanes_mut(row);
        for lane in 0..LANES {
            let seen = (starts[lane] <= key) & (key <= first + lane as u32);
            row[lane] = if seen { row[lane] } else { by };
        }
    }
}
}

vectorised! {
/// Scales scores, and notes the largest of each query.
fn largest<T: Real>(block: &mut [T], scale: T, max: &mut [T; LANES]) {
    for row in block.chunks_exact_mut(LANES) {
        let row = lanes_mut(row);
        for lane in 0..LANES {
            row[lane] *= scale;
            max[lane] = if row[lane] > max[lane] { row[lane] } else { max[lane] };
        }
    }
}
}

vectorised! {
fn exponentials<T: Real>(block: &mut [T], max: &[T; LANES]) {
    for row in block.chunks_exact_mut(LANES) {
        let row = lanes_mut(row);
        for lane in 0..LANES {
            row[lane] = (row[lane] - max[lane]).exponential();
        }
    }
}
}

vectorised! {
fn add_rows<T: Real>(block: &[T], sum: &mut [T; LANES]) {
    for row in block.chunks_exact(LANES) {
        let row = lanes(row);
        for lane in 0..LANES {
            sum[lane] += row[lane];
        }
    }
}
}

#[cfg(test)]
mod tests;
