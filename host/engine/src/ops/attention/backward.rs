//! The backward pass of attention.

use freehold_kernels::{Buffer, LANES, Left, Panels, Precision, Real, Right, for_each, transpose_panel, vectorised};

use super::{Attended, AttentionShape, BLOCK, Spans, hide};
use crate::ops::{add_values, feature_by_feature, lanes, lanes_mut};

/// Gradients of rotated q and k and of v, from that of the result.
pub(crate) fn attention_backward<T: Real>(
    gradient: &Panels<T>,
    attended: &Attended<T>,
    (q, k, v): (&Panels<T>, &Panels<T>, &Panels<T>),
    spans: &Spans,
    (shape, precision): (AttentionShape, Precision),
) -> [Panels<T>; 3] {
    let (features, tokens) = (q.features(), q.tokens());
    // Keys and values of a group of heads get a sum; each head has its own until the end, so that no two tasks share one.
    let mut dq = Panels::any(features, tokens);
    let mut dk = Panels::any(features, tokens);
    let mut dv = Panels::any(features, tokens);
    let size = shape.width * LANES;
    let groups = spans.groups();
    let mut parts: Vec<Vec<[&mut [T]; 3]>> = (0..groups.len() * shape.heads).map(|_| Vec::new()).collect();
    let both = dk.values_mut().chunks_exact_mut(size).zip(dv.values_mut().chunks_exact_mut(size));
    let mut all = dq.values_mut().chunks_exact_mut(size).zip(both);
    for (index, group) in groups.iter().enumerate() {
        for _ in group.clone() {
            for (head, (dq, (dk, dv))) in all.by_ref().take(shape.heads).enumerate() {
                parts[index * shape.heads + head].push([dq, dk, dv]);
            }
        }
    }
    for_each(parts.into_iter().enumerate(), |(task, panels)| {
        let (group, head) = (&groups[task / shape.heads], task % shape.heads);
        let head = Head { gradient, attended, q, k, v, spans, shape, precision, head };
        head.run(group.start, panels);
    });
    [dq, over_heads(dk, shape), over_heads(dv, shape)]
}

/// The sum over the query heads of each key head.
fn over_heads<T: Real>(of_heads: Panels<T>, shape: AttentionShape) -> Panels<T> {
    if shape.heads == shape.key_heads {
        return of_heads;
    }
    let size = shape.width * LANES;
    let mut sums = Panels::any(shape.key_heads * shape.width, of_heads.tokens());
    let groups = of_heads.values().chunks_exact(shape.group() * size);
    for_each(sums.values_mut().chunks_exact_mut(size).zip(groups), |(sum, group)| {
        sum.copy_from_slice(&group[..size]);
        group[size..].chunks_exact(size).for_each(|head| add_values(sum, head));
    });
    sums
}

/// One head in one group of panels.
struct Head<'a, T: Real> {
    gradient: &'a Panels<T>,
    attended: &'a Attended<T>,
    q: &'a Panels<T>,
    k: &'a Panels<T>,
    v: &'a Panels<T>,
    spans: &'a Spans,
    shape: AttentionShape,
    precision: Precision,
    head: usize,
}

/// Keys and values of a panel as factors.
struct Keys<'a, T: Real> {
    k: Left<'a, T>,
    k_transposed: Left<'a, T>,
    v_transposed: Left<'a, T>,
}

impl<T: Real> Head<'_, T> {
    fn run(&self, first: usize, mut panels: Vec<[&mut [T]; 3]>) {
        let (own, precision) = (self.shape.part(self.head), self.precision);
        let (mut p, mut ds, mut turned) = (Buffer::any(BLOCK), Buffer::any(BLOCK), Buffer::any(BLOCK));
        for [_, dk, dv] in &mut panels {
            dk.fill(T::ZERO);
            dv.fill(T::ZERO);
        }
        let keys: Vec<Keys<'_, T>> = (first..first + panels.len()).map(|panel| self.keys(panel)).collect();
        for index in 0..panels.len() {
            let queries = first + index;
            let (q, g) = (&self.q.panel(queries)[own.clone()], &self.gradient.panel(queries)[own.clone()]);
            let means = products(g, &self.attended.values.panel(queries)[own.clone()]);
            let right = [q, g].map(|block| Right::new(block, precision));
            let left = [q, g].map(|block| Left::block(block, precision));
            for panel in self.spans.keys(queries) {
                let Keys { k, k_transposed, v_transposed } = &keys[panel - first];
                k_transposed.times(&right[0], &mut p, false);
                v_transposed.times(&right[1], &mut ds, false);
                self.differentiate(&mut p, &mut ds, &means, queries, panel);
                k.times_square(&ds, panels[index][0], panel > self.spans.keys(queries).start);
                let [_, dk, dv] = &mut panels[panel - first];
                transpose_panel(&p, &mut turned);
                left[1].times_square(&turned, dv, true);
                transpose_panel(&ds, &mut turned);
                left[0].times_square(&turned, dk, true);
            }
        }
    }

    /// The factors that a panel of keys gives.
    fn keys(&self, panel: usize) -> Keys<'_, T> {
        let part = self.shape.part(self.head / self.shape.group());
        let (k, v) = (&self.k.panel(panel)[part.clone()], &self.v.panel(panel)[part]);
        let precision = self.precision;
        Keys {
            k: Left::block(k, precision),
            k_transposed: Left::transposed(k, precision),
            v_transposed: Left::transposed(v, precision),
        }
    }

    /// Scores become probabilities; `ds`, the gradient of the probabilities, becomes that of the scores, scaled.
    fn differentiate(&self, p: &mut [T], ds: &mut [T], means: &[T; LANES], queries: usize, keys: usize) {
        let scale = T::real(self.shape.scale());
        let logs = lanes(&self.attended.logs.panel(queries)[self.head * LANES..]);
        probabilities(p, scale, logs);
        if !self.spans.is_open(queries, keys) {
            hide(p, self.spans.panel(queries), queries, keys, T::ZERO);
        }
        score_gradients(p, ds, means, scale);
    }
}

vectorised! {
fn probabilities<T: Real>(scores: &mut [T], scale: T, logs: &[T; LANES]) {
    for row in scores.chunks_exact_mut(LANES) {
        let row = lanes_mut(row);
        for lane in 0..LANES {
            row[lane] = (row[lane] * scale - logs[lane]).exponential();
        }
    }
}
}

vectorised! {
fn score_gradients<T: Real>(p: &[T], ds: &mut [T], means: &[T; LANES], scale: T) {
    for (p, ds) in p.chunks_exact(LANES).zip(ds.chunks_exact_mut(LANES)) {
        feature_by_feature();
        let (p, ds) = (lanes(p), lanes_mut(ds));
        for lane in 0..LANES {
            ds[lane] = p[lane] * (ds[lane] - means[lane]) * scale;
        }
    }
}
}

vectorised! {
/// The sum of products over the features, for each lane.
fn products<T: Real>(a: &[T], b: &[T]) -> [T; LANES] {
    let mut sums = [T::ZERO; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        let (a, b) = (lanes(a), lanes(b));
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums
}
}
