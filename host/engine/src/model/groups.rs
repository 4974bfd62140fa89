//! Linear layers of tokens with several updates in one pass: the base is multiplied once for all of them, each update for the
//! tokens that it belongs to.
//!
//! An update is one more term of the sum, with a factor that is zero for all other tokens: what is added to these is exactly
//! zero, so that each token has the sum that it has alone, term for term.

use std::borrow::Cow;
use std::ops::Range;

use freehold_kernels::{Job, LANES, Operand, Panels, Precision, Real, Side, Start, multiply_all};

use super::forward::Network;
use super::{Linear, Model, Target};
use crate::ops::add;
use crate::update::{Factor, Factors, Pair, Update};

/// What is added to the model, with DoRA's factors for it.
#[derive(Debug)]
pub(crate) struct Added<'a, T> {
    pub(crate) update: &'a Update,
    pub(crate) factors: &'a Factors<T>,
}

impl<T> Clone for Added<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Added<'_, T> {}

/// Tokens behind one another with the same update, or none.
#[derive(Debug)]
pub(crate) struct Group<'a, T> {
    tokens: Range<usize>,
    added: Option<Added<'a, T>>,
}

impl<'a> Network<'a, f32> {
    /// The network of a pass over so many tokens with this added, then so many with that.
    pub(crate) fn of_groups(
        model: &'a Model,
        precision: Precision,
        counts: impl IntoIterator<Item = (usize, Option<Added<'a, f32>>)>,
    ) -> Self {
        let mut groups: Vec<Group<'a, f32>> = Vec::new();
        for (count, added) in counts {
            let address = |added: &Option<Added<'_, f32>>| added.map(|added| std::ptr::from_ref(added.update));
            match groups.last_mut() {
                Some(last) if address(&last.added) == address(&added) => last.tokens.end += count,
                last => {
                    let start = last.map_or(0, |last| last.tokens.end);
                    groups.push(Group { tokens: start..start + count, added });
                }
            }
        }
        let only = if let [group] = &groups[..] { group.added } else { None };
        if groups.len() == 1 {
            groups.clear();
        }
        Self {
            model,
            weights: &model.weights,
            rope: &model.rope,
            update: only.map(|added| added.update),
            factors: only.map(|added| Cow::Borrowed(added.factors)),
            groups,
            dropout: None,
            precision,
            training: false,
            all: false,
        }
    }
}

impl<T: Real> Group<'_, T> {
    fn pair(&self, layer: usize, target: Target) -> Option<&Pair> {
        self.added?.update.pair(layer, target)
    }

    fn factor(&self, layer: usize, target: Target) -> Option<&Factor<T>> {
        self.added?.factors.get(layer, target)
    }

    /// DoRA scales the sum before a bias or the stream is added.
    fn scale(&self, out: &mut Panels<T>, factor: &Factor<T>, begin: &Begin<'_, T>) {
        for (panel, lanes) in lanes_of(&self.tokens) {
            let stream = begin.stream.map(|stream| stream.panel(panel));
            for (feature, row) in out.panel_mut(panel).chunks_exact_mut(LANES).enumerate() {
                let row = &mut row[lanes.clone()];
                row.iter_mut().for_each(|value| *value *= factor.factor[feature]);
                if let Some(bias) = &begin.bias {
                    row.iter_mut().for_each(|value| *value += bias[feature]);
                } else if let Some(stream) = stream {
                    let stream = &stream[feature * LANES..][lanes.clone()];
                    row.iter_mut().zip(stream).for_each(|(value, stream)| *value += *stream);
                }
            }
        }
    }
}

/// The panels that tokens lie in, and their lanes there.
fn lanes_of(tokens: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
    let Range { start, end } = *tokens;
    (start / LANES..end.div_ceil(LANES)).map(move |panel| {
        let first = panel * LANES;
        (panel, start.saturating_sub(first)..(end - first).min(LANES))
    })
}

/// Multiplies tokens by a number, and sets all others to zero.
fn keep<T: Real>(x: &mut Panels<T>, tokens: &Range<usize>, by: T) {
    let mut kept = vec![0..0; x.count()];
    lanes_of(tokens).for_each(|(panel, lanes)| kept[panel] = lanes);
    for (values, lanes) in x.panels_mut().zip(kept) {
        for row in values.chunks_exact_mut(LANES) {
            row[..lanes.start].fill(T::ZERO);
            row[lanes.clone()].iter_mut().for_each(|value| *value *= by);
            row[lanes.end..].fill(T::ZERO);
        }
    }
}

/// What the sums of a layer begin with.
struct Begin<'a, T: Real> {
    bias: Option<Cow<'a, [T]>>,
    /// What is added to the stream begins with it, unless there is a bias.
    stream: Option<&'a Panels<T>>,
    /// Groups with a factor begin with nothing.
    factors: Factored<T>,
}

/// How many of the groups have a factor.
enum Factored<T: Real> {
    None,
    /// With what the sums of all groups begin.
    Some(Panels<T>),
    All,
}

impl<T: Real> Begin<'_, T> {
    fn start(&self) -> Start<'_, T> {
        match (&self.factors, &self.bias, self.stream) {
            (Factored::All, ..) | (Factored::None, None, None) => Start::Zero,
            (Factored::Some(panels), ..) => Start::Panels(panels),
            (Factored::None, Some(bias), _) => Start::Bias(bias),
            (Factored::None, None, Some(stream)) => Start::Panels(stream),
        }
    }
}

impl<T: Real> Network<'_, T> {
    /// The outputs of layers that have the same input, with the stream added if there is one.
    pub(super) fn linear_of_groups<const N: usize>(
        &self,
        layer: usize,
        targets: [Target; N],
        x: &Panels<T>,
        stream: Option<&Panels<T>>,
    ) -> [Panels<T>; N] {
        let lows = self.lows_of_groups(layer, &targets, x);
        let begins = targets.map(|target| self.begin(layer, target, x, stream));
        let mut outs = targets.map(|target| x.beside(self.linear_layer(layer, target).weight.matrix().rows()));
        {
            let lows: Vec<_> = lows.iter().map(|lows| operands(lows)).collect();
            let x = Operand::new(x, self.precision);
            let mut jobs = Vec::with_capacity(N);
            for (index, out) in outs.iter_mut().enumerate() {
                let weight = self.linear_layer(layer, targets[index]).weight.matrix();
                let mut job = Job::new(weight, Side::Plain, &x, out).from(begins[index].start());
                for (group, lows) in self.groups.iter().zip(&lows) {
                    if let (Some(pair), Some(low)) = (group.pair(layer, targets[index]), &lows[index]) {
                        job = job.with(pair.b.matrix(), low);
                    }
                }
                jobs.push(job);
            }
            multiply_all(jobs);
        }
        for ((target, begin), out) in targets.into_iter().zip(&begins).zip(&mut outs) {
            for group in &self.groups {
                if let Some(factor) = group.factor(layer, target) {
                    group.scale(out, factor, begin);
                }
            }
            if let (Some(_), Some(stream)) = (&begin.bias, stream) {
                add(out, stream);
            }
        }
        outs
    }

    /// By group, `s A x` for its tokens, zero for all others, of each layer that has an update.
    fn lows_of_groups(&self, layer: usize, targets: &[Target], x: &Panels<T>) -> Vec<Vec<Option<Panels<T>>>> {
        let low = |pair: &Pair| x.beside(pair.a.matrix().rows());
        let lows_of =
            |group: &Group<'_, T>| targets.iter().map(|target| group.pair(layer, *target).map(low)).collect::<Vec<_>>();
        let mut lows: Vec<_> = self.groups.iter().map(lows_of).collect();
        let operand = Operand::new(x, Precision::F32);
        let mut jobs = Vec::new();
        for (group, lows) in self.groups.iter().zip(&mut lows) {
            for (target, low) in targets.iter().zip(lows) {
                if let (Some(pair), Some(low)) = (group.pair(layer, *target), low) {
                    jobs.push(Job::new(pair.a.matrix(), Side::Plain, &operand, low));
                }
            }
        }
        multiply_all(jobs);
        for (group, lows) in self.groups.iter().zip(&mut lows) {
            let by = group.added.map_or(T::ZERO, |added| T::real(added.update.scale));
            lows.iter_mut().flatten().for_each(|low| keep(low, &group.tokens, by));
        }
        lows
    }

    fn linear_layer(&self, layer: usize, target: Target) -> &Linear {
        &self.weights.layers[layer].linear[target as usize]
    }

    /// What the sums of a layer begin with; the input `x` says how many tokens there are.
    fn begin<'a>(&'a self, layer: usize, target: Target, x: &Panels<T>, stream: Option<&'a Panels<T>>) -> Begin<'a, T> {
        let linear = self.linear_layer(layer, target);
        let bias = linear.bias.as_ref().map(|bias| bias.vector::<T>());
        let stream = stream.filter(|_| bias.is_none());
        let scaled: Vec<_> = self.groups.iter().filter(|group| group.factor(layer, target).is_some()).collect();
        let factors = match (&bias, stream) {
            _ if scaled.is_empty() => Factored::None,
            _ if scaled.len() == self.groups.len() => Factored::All,
            (None, None) => Factored::None,
            (Some(bias), _) => Factored::Some(filled(bias, x)),
            (None, Some(stream)) => Factored::Some(stream.clone()),
        };
        let mut begin = Begin { bias, stream, factors };
        if let Factored::Some(panels) = &mut begin.factors {
            scaled.iter().for_each(|group| clear(panels, &group.tokens));
        }
        begin
    }
}

/// What the second factors of updates are multiplied with.
fn operands<T: Real>(lows: &[Option<Panels<T>>]) -> Vec<Option<Operand<'_, T>>> {
    lows.iter().map(|low| low.as_ref().map(|low| Operand::new(low, Precision::F32))).collect()
}

/// The same features for every token of `x`.
fn filled<T: Real>(features: &[T], x: &Panels<T>) -> Panels<T> {
    let mut panels = x.beside(features.len());
    for panel in panels.panels_mut() {
        panel.chunks_exact_mut(LANES).zip(features).for_each(|(row, value)| row.fill(*value));
    }
    panels
}

/// Sets tokens to zero.
fn clear<T: Real>(x: &mut Panels<T>, tokens: &Range<usize>) {
    for (panel, lanes) in lanes_of(tokens) {
        x.panel_mut(panel).chunks_exact_mut(LANES).for_each(|row| row[lanes.clone()].fill(T::ZERO));
    }
}
