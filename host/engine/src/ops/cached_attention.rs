//! Attention of one new token of each row to the keys and values of its past, as generation needs it.
//!
//! The order of every sum is that of [`super::attention()`]: what is generated has the bits of a pass over the whole.

use std::ops::Range;

use freehold_kernels::{LANES, Panels, Precision, Real, for_each, map, transpose_panel, vectorised};

use super::attention::attention_from;
use super::{AttentionShape, Spans, lanes, lanes_mut};

/// Rotated keys and values of the past of one row, for one layer.
#[derive(Debug, Clone)]
pub(crate) struct KeyValues<T> {
    /// Panels of 32 tokens: [key_heads · width, 32] each.
    keys: Vec<T>,
    /// Token after token: [key_heads · width] each.
    values: Vec<T>,
    tokens: usize,
}

impl<T: Real> KeyValues<T> {
    /// No past.
    pub(crate) fn new() -> Self {
        Self { keys: Vec::new(), values: Vec::new(), tokens: 0 }
    }

    /// Number of tokens of the past.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Appends one token of rotated keys and of values.
    pub(crate) fn push(&mut self, k: &Panels<T>, v: &Panels<T>, token: usize) {
        let (lane, size) = (self.tokens % LANES, k.features() * LANES);
        if lane == 0 {
            make_room(&mut self.keys, size);
            self.keys.resize(self.keys.len() + size, T::ZERO);
        }
        let start = self.keys.len() - size;
        let keys = self.keys[start..].iter_mut().skip(lane).step_by(LANES);
        keys.zip(k.token(token)).for_each(|(to, from)| *to = from);
        make_room(&mut self.values, v.features());
        self.values.extend(v.token(token));
        self.tokens += 1;
    }

    /// Appends some tokens of rotated keys and of values, panel by panel where both begin with one.
    pub(crate) fn extend(&mut self, k: &Panels<T>, v: &Panels<T>, tokens: Range<usize>) {
        if k.is_vector() || !self.tokens.is_multiple_of(LANES) || !tokens.start.is_multiple_of(LANES) {
            return tokens.for_each(|token| self.push(k, v, token));
        }
        make_room(&mut self.keys, tokens.len().next_multiple_of(LANES) * k.features());
        make_room(&mut self.values, tokens.len() * v.features());
        for first in tokens.clone().step_by(LANES) {
            let count = LANES.min(tokens.end - first);
            self.keys.extend_from_slice(k.panel(first / LANES));
            if count < LANES {
                // What lies behind the last token belongs to other rows.
                let start = self.keys.len() - k.features() * LANES;
                self.keys[start..].chunks_exact_mut(LANES).for_each(|lanes| lanes[count..].fill(T::ZERO));
            }
            let start = self.values.len();
            self.values.resize(start + count * v.features(), T::ZERO);
            turn(v.panel(first / LANES), &mut self.values[start..], v.features());
            self.tokens += count;
        }
    }

    /// Bytes that are taken.
    pub(crate) fn bytes(&self) -> usize {
        (self.keys.capacity() + self.values.capacity()) * size_of::<T>()
    }

    /// Keys and values in panels.
    fn panels(&self) -> [Panels<T>; 2] {
        let features = self.values.len() / self.tokens.max(1);
        let (mut keys, mut values) = (Panels::any(features, self.tokens), Panels::any(features, self.tokens));
        keys.values_mut().copy_from_slice(&self.keys);
        let rows = values.panels_mut().zip(self.values.chunks(features * LANES));
        for_each(rows, |(panel, tokens)| {
            for lane in 0..LANES {
                let to = panel.iter_mut().skip(lane).step_by(LANES);
                match tokens.chunks_exact(features).nth(lane) {
                    Some(token) => to.zip(token).for_each(|(to, from)| *to = *from),
                    None => to.for_each(|to| *to = T::ZERO),
                }
            }
        });
        [keys, values]
    }

    /// The result of one head for query `q` [width], written to `out` [width].
    fn attend(&self, q: &[T], out: &mut [T], head: usize, window: Option<usize>, shape: AttentionShape) {
        let (width, features) = (shape.width, shape.key_heads * shape.width);
        let key_head = head / shape.group();
        let first = window.map_or(0, |window| self.tokens.saturating_sub(window));
        let scale = T::real(shape.scale());
        let mut scores = vec![T::ZERO; self.tokens.next_multiple_of(LANES)];
        let panels = scores.chunks_exact_mut(LANES).zip(self.keys.chunks_exact(features * LANES));
        for (scores, keys) in panels.skip(first / LANES) {
            score(scores, &keys[key_head * width * LANES..][..width * LANES], q);
        }
        let scores = &mut scores[first..self.tokens];
        let inverse = T::ONE / exponentials(scores, scale);
        out.fill(T::ZERO);
        weighted(out, &self.values[first * features + key_head * width..], features, scores);
        out.iter_mut().for_each(|out| *out *= inverse);
    }
}

/// Takes more memory where there is not enough, an eighth in advance: a past that is long is not copied often, and takes
/// little that it does not need.
fn make_room<T>(values: &mut Vec<T>, more: usize) {
    if values.capacity() - values.len() < more {
        values.reserve_exact(more.max(values.len() / 8));
    }
}

/// Writes the first tokens of a panel one after another, as many as there is room for.
fn turn<T: Real>(panel: &[T], out: &mut [T], features: usize) {
    let mut square = [T::ZERO; LANES * LANES];
    for (index, block) in panel.chunks(LANES * LANES).enumerate() {
        let width = block.len() / LANES;
        if width == LANES {
            transpose_panel(block, &mut square);
        } else {
            for (feature, tokens) in block.chunks_exact(LANES).enumerate() {
                tokens.iter().enumerate().for_each(|(token, x)| square[token * LANES + feature] = *x);
            }
        }
        for (out, from) in out.chunks_exact_mut(features).zip(square.chunks_exact(LANES)) {
            out[index * LANES..][..width].copy_from_slice(&from[..width]);
        }
    }
}

vectorised! {
/// Scores of 32 keys [width, 32].
fn score<T: Real>(scores: &mut [T], keys: &[T], q: &[T]) {
    let scores = lanes_mut(scores);
    let mut sums = *scores;
    for (keys, &q) in keys.chunks_exact(LANES).zip(q) {
        let keys = lanes(keys);
        for lane in 0..LANES {
            sums[lane] = keys[lane].fused(q, sums[lane]);
        }
    }
    *scores = sums;
}
}

vectorised! {
/// Replaces scores by exponentials; gives their sum.
fn exponentials<T: Real>(scores: &mut [T], scale: T) -> T {
    let mut max = T::real(f64::NEG_INFINITY);
    for score in scores.iter_mut() {
        *score *= scale;
        max = if *score > max { *score } else { max };
    }
    scores.iter_mut().for_each(|score| *score = (*score - max).exponential());
    let mut sum = T::ZERO;
    scores.iter().for_each(|e| sum += *e);
    sum
}
}

vectorised! {
/// The sum of values, each `stride` behind the one before, with their weights.
fn weighted<T: Real>(out: &mut [T], values: &[T], stride: usize, weights: &[T]) {
    for (values, &weight) in values.chunks(stride).zip(weights) {
        for (out, &value) in out.iter_mut().zip(values) {
            *out = value.fused(weight, *out);
        }
    }
}
}

/// Attention of some tokens of q [heads · width, tokens], each to the past of its row, its own key and value included; zero
/// for all others.
pub(crate) fn attention_cached<T: Real>(
    q: &Panels<T>,
    past: &[(usize, &KeyValues<T>)],
    window: Option<usize>,
    shape: AttentionShape,
) -> Panels<T> {
    /// Values that a thread reads in less time than it takes to share them out.
    const FEW: usize = 1 << 14;
    let mut out = q.beside(q.features());
    if let ([(_, past)], true) = (past, q.is_vector()) {
        let heads = out.values_mut().chunks_exact_mut(shape.width).zip(q.values().chunks_exact(shape.width));
        let attend = |(head, (out, q)): (usize, (&mut [T], &[T]))| past.attend(q, out, head, window, shape);
        if past.tokens * q.features() < FEW {
            heads.enumerate().for_each(attend);
        } else {
            for_each(heads.enumerate(), attend);
        }
        return out;
    }
    out.values_mut().fill(T::ZERO);
    let results: Vec<Vec<T>> = map(0..past.len() * shape.heads, |task| {
        let ((token, past), head) = (past[task / shape.heads], task % shape.heads);
        let q: Vec<T> = q.token(token).skip(head * shape.width).take(shape.width).collect();
        let mut out = vec![T::ZERO; shape.width];
        past.attend(&q, &mut out, head, window, shape);
        out
    });
    for ((token, _), heads) in past.iter().zip(results.chunks_exact(shape.heads)) {
        out.set_token(*token, heads.iter().flatten().copied());
    }
    out
}

/// Attention of some tokens of q, the last ones of a past, to all of it, written to these tokens of `out`.
///
/// Queries are treated 32 at a time as in [`super::attention()`], in the panels that they have in their own row: their bits
/// depend neither on what else is in q nor on how many tokens of the row came before.
pub(crate) fn attention_to_past<T: Real>(
    (q, tokens, out): (&Panels<T>, Range<usize>, &mut Panels<T>),
    past: &KeyValues<T>,
    window: Option<usize>,
    shape: AttentionShape,
    precision: Precision,
) {
    let before = past.tokens - tokens.len();
    let lead = before % LANES;
    let mut queries = Panels::zeros(q.features(), lead + tokens.len());
    tokens.clone().enumerate().for_each(|(lane, token)| queries.set_token(lead + lane, q.token(token)));
    let [keys, values] = past.panels();
    let spans = Spans::new(std::slice::from_ref(&(0..past.tokens)), window);
    let attended = attention_from(before / LANES, (&queries, &keys, &values), &spans, shape, precision).values;
    tokens.enumerate().for_each(|(lane, token)| out.set_token(token, attended.token(lead + lane)));
}

#[cfg(test)]
mod tests {
    use super::super::attention;
    use super::super::check::random_panels;
    use super::*;

    #[test]
    fn tokens_come_at_once_as_one_by_one() {
        for features in [12, 48] {
            let (k, v) = (random_panels(features, 70, 1), random_panels(features, 70, 2));
            for tokens in [0..70, 32..69, 5..40, 64..64] {
                let (mut single, mut whole) = (KeyValues::new(), KeyValues::new());
                for tokens in [tokens.clone(), 3..5, tokens] {
                    tokens.clone().for_each(|token| single.push(&k, &v, token));
                    whole.extend(&k, &v, tokens);
                    assert_eq!((single.tokens, &single.values), (whole.tokens, &whole.values));
                    assert_eq!(single.keys.len(), whole.keys.len());
                    let place = |token: usize, feature| (token / LANES * features + feature) * LANES + token % LANES;
                    let mut places = (0..single.tokens).flat_map(|token| (0..features).map(move |f| place(token, f)));
                    assert!(places.all(|place| single.keys[place] == whole.keys[place]));
                }
            }
        }
    }

    #[test]
    fn tokens_one_by_one_have_the_bits_of_a_pass_over_all() {
        let shape = AttentionShape { heads: 4, key_heads: 2, width: 6 };
        let single = |features, stream| {
            let double = random_panels(features, 70, stream);
            let mut single = Panels::<f32>::zeros(features, 70);
            (0..70).for_each(|token| single.set_token(token, double.token(token).map(|x| x as f32)));
            single
        };
        let (q, k, v) = (single(24, 1), single(12, 2), single(12, 3));
        for window in [None, Some(5), Some(40)] {
            let all =
                attention((&q, &k, &v), &Spans::new(std::slice::from_ref(&(0..70)), window), shape, Precision::F32)
                    .values;
            let mut past = KeyValues::new();
            for token in 0..70 {
                past.push(&k, &v, token);
                let got = attention_cached(&q.take(token), &[(0, &past)], window, shape);
                assert!(got.token(0).eq(all.token(token)), "{token}");
                let mut one = Panels::zeros(24, 2);
                (0..2).for_each(|place| one.set_token(place, q.token(token)));
                let got = attention_cached(&one, &[(0, &past), (1, &past)], window, shape);
                assert!((0..2).all(|place| got.token(place).eq(all.token(token))), "{token}");
            }
            let mut past = KeyValues::new();
            for piece in [0..32, 32..33, 33..60, 60..70] {
                piece.clone().for_each(|token| past.push(&k, &v, token));
                let mut got = Panels::zeros(24, 70);
                attention_to_past((&q, piece.clone(), &mut got), &past, window, shape, Precision::F32);
                assert!(piece.clone().all(|token| got.token(token).eq(all.token(token))), "{piece:?}");
            }
        }
    }
}
