//! Linear layers with what an adapter adds to them.

use freehold_kernels::{Job, Matrix, Operand, Panels, Precision, Real, Side, Start, multiply, multiply_all};

use super::backward::Gradients;
use super::forward::Network;
use super::weights::Target;
use crate::ops::{add, scale, scale_features, token_sums, token_sums_of_few};
use crate::random::Random;
use crate::update::{Factor, Pair, Part, part_name};

/// Dropout on the inputs of the update; what is dropped is a function of the seed and the step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    pub(crate) probability: f64,
    pub(crate) seed: u64,
    pub(crate) step: usize,
}

/// What a linear layer keeps for its backward pass.
#[derive(Debug, Default)]
pub(crate) struct Kept<T: Real> {
    /// `s A x` [r, tokens]
    low: Option<Panels<T>>,
    /// DoRA: `W x + s B A x` [out, tokens]
    unscaled: Option<Panels<T>>,
}

/// The gradient of an output, and the layer it belongs to.
pub(crate) type Output<'a, T> = (Target, &'a mut Panels<T>);

impl<T: Real> Network<'_, T> {
    fn pair(&self, layer: usize, target: Target) -> Option<&Pair> {
        self.update?.pair(layer, target)
    }

    /// DoRA's factors of a layer, if it has some.
    fn factor(&self, layer: usize, target: Target) -> Option<&Factor<T>> {
        self.factors.as_ref()?.get(layer, target)
    }

    /// `x` with dropout, as the update of this layer sees it; also turns gradients of that into those of `x`.
    fn dropped(&self, x: &Panels<T>, layer: usize, target: Target) -> Option<Panels<T>> {
        let dropout = self.dropout?;
        let mut random = Random::new(dropout.seed, &format!("dropout {} {}", dropout.step, target.path(layer)));
        let keep = 1.0 - dropout.probability;
        let mut dropped = x.clone();
        for value in dropped.values_mut() {
            *value = if random.uniform() < keep { *value * T::real(1.0 / keep) } else { T::ZERO };
        }
        Some(dropped)
    }

    /// `s A x` of each of these layers that has an update.
    fn lows(&self, layer: usize, targets: &[Target], x: &Panels<T>) -> Vec<Option<Panels<T>>> {
        let Some(update) = self.update else { return targets.iter().map(|_| None).collect() };
        let of = |target: &Target| self.pair(layer, *target).map(|pair| x.beside(pair.a.matrix().rows()));
        let mut lows: Vec<_> = targets.iter().map(of).collect();
        let dropped: Vec<_> = targets.iter().map(|target| self.dropped(x, layer, *target)).collect();
        let inputs: Vec<_> =
            dropped.iter().map(|dropped| Operand::new(dropped.as_ref().unwrap_or(x), Precision::F32)).collect();
        let mut jobs = Vec::new();
        for ((target, low), x) in targets.iter().zip(&mut lows).zip(&inputs) {
            if let (Some(pair), Some(low)) = (self.pair(layer, *target), low) {
                jobs.push(Job::new(pair.a.matrix(), Side::Plain, x, low));
            }
        }
        multiply_all(jobs);
        lows.iter_mut().flatten().for_each(|low| scale(low, T::real(update.scale)));
        lows
    }

    /// The outputs of layers that have the same input.
    pub(crate) fn linear<const N: usize>(
        &self,
        layer: usize,
        targets: [Target; N],
        x: &Panels<T>,
    ) -> ([Panels<T>; N], [Kept<T>; N]) {
        if !self.groups.is_empty() {
            return (self.linear_of_groups(layer, targets, x, None), targets.map(|_| Kept::default()));
        }
        let weights = &self.weights.layers[layer].linear;
        let lows = self.lows(layer, &targets, x);
        let mut outs = targets.map(|target| x.beside(weights[target as usize].weight.matrix().rows()));
        let biases = targets.map(|target| weights[target as usize].bias.as_ref().map(|bias| bias.vector::<T>()));
        let factors = targets.map(|target| self.factor(layer, target));
        {
            let operand = Operand::new(x, self.precision);
            let low_operands: Vec<_> =
                lows.iter().map(|low| low.as_ref().map(|low| Operand::new(low, Precision::F32))).collect();
            let mut jobs = Vec::with_capacity(N);
            for (index, out) in outs.iter_mut().enumerate() {
                let mut job = Job::new(weights[targets[index] as usize].weight.matrix(), Side::Plain, &operand, out);
                if let (Some(bias), None) = (&biases[index], factors[index]) {
                    job = job.from(Start::Bias(bias));
                }
                if let (Some(pair), Some(low)) = (self.pair(layer, targets[index]), &low_operands[index]) {
                    job = job.with(pair.b.matrix(), low);
                }
                jobs.push(job);
            }
            multiply_all(jobs);
        }
        let mut lows = lows.into_iter();
        let mut kept = targets.map(|_| Kept { low: lows.next().flatten(), unscaled: None });
        for (index, out) in outs.iter_mut().enumerate() {
            let Some(factor) = factors[index] else { continue };
            kept[index].unscaled = self.training.then(|| out.clone());
            scale_features(out, &factor.factor);
            if let Some(bias) = &biases[index] {
                add_bias(out, bias);
            }
        }
        (outs, kept)
    }

    /// The stream with the output of a layer added.
    pub(crate) fn linear_added(
        &self,
        layer: usize,
        target: Target,
        x: &Panels<T>,
        stream: &Panels<T>,
    ) -> (Panels<T>, Kept<T>) {
        if !self.groups.is_empty() {
            let [out] = self.linear_of_groups(layer, [target], x, Some(stream));
            return (out, Kept::default());
        }
        let linear = &self.weights.layers[layer].linear[target as usize];
        let has_factor = self.factor(layer, target).is_some();
        if linear.bias.is_some() || has_factor {
            let ([mut out], [kept]) = self.linear(layer, [target], x);
            add(&mut out, stream);
            return (out, kept);
        }
        let mut out = stream.beside(stream.features());
        let low = self.lows(layer, &[target], x).pop().flatten();
        let operand = Operand::new(x, self.precision);
        let low_operand = low.as_ref().map(|low| Operand::new(low, Precision::F32));
        let mut job = Job::new(linear.weight.matrix(), Side::Plain, &operand, &mut out).from(Start::Panels(stream));
        if let (Some(pair), Some(low)) = (self.pair(layer, target), &low_operand) {
            job = job.with(pair.b.matrix(), low);
        }
        multiply(job);
        (out, Kept { low, unscaled: None })
    }

    /// The gradient of the common input of some layers, if wanted; puts the gradients of what is trained in them into
    /// `gradients`. Uses up the gradients of the outputs.
    pub(crate) fn linear_backward<const N: usize>(
        &self,
        layer: usize,
        mut outputs: [Output<'_, T>; N],
        (x, kept): (&Panels<T>, &[&Kept<T>; N]),
        want_input: bool,
        gradients: &mut Gradients<T>,
    ) -> Option<Panels<T>> {
        let weights = &self.weights.layers[layer].linear;
        let mut lows = Vec::with_capacity(N);
        for ((target, gradient), kept) in outputs.iter_mut().zip(kept) {
            if self.all {
                let name = target.path(layer);
                gradients.insert(format!("{name}.weight"), token_sums(gradient, x));
                if weights[*target as usize].bias.is_some() {
                    gradients.insert(format!("{name}.bias"), sums(gradient));
                }
            }
            lows.push(self.update_backward(layer, *target, gradient, (x, kept), gradients));
        }
        if !want_input {
            return None;
        }
        let mut input = Panels::any(x.features(), x.tokens());
        {
            let operands: Vec<_> = outputs.iter().map(|(_, gradient)| Operand::new(gradient, self.precision)).collect();
            let low_operands: Vec<_> =
                lows.iter().map(|low| low.as_ref().map(|low| Operand::new(low, Precision::F32))).collect();
            let mut terms: Vec<(Matrix<'_>, &Operand<'_, T>)> = Vec::new();
            for (index, (target, _)) in outputs.iter().enumerate() {
                terms.push((weights[*target as usize].weight.matrix(), &operands[index]));
                if let (Some(pair), Some(low), None) = (self.pair(layer, *target), &low_operands[index], self.dropout) {
                    terms.push((pair.a.matrix(), low));
                }
            }
            multiply(Job { side: Side::Transposed, terms, out: &mut input, start: Start::Zero });
        }
        if self.dropout.is_some() {
            self.dropped_inputs(layer, &outputs.map(|(target, _)| target), &lows, &mut input);
        }
        Some(input)
    }

    /// The same for a layer whose output was added to the stream: the stream's own gradient goes on as it is.
    pub(crate) fn output_backward(
        &self,
        layer: usize,
        target: Target,
        gradient: &mut Panels<T>,
        (x, kept): (&Panels<T>, &Kept<T>),
        gradients: &mut Gradients<T>,
    ) -> Option<Panels<T>> {
        // DoRA scales what goes into a layer; nothing else changes it.
        let scales = self.factor(layer, target).is_some();
        let mut copy = scales.then(|| gradient.clone());
        let gradient = copy.as_mut().unwrap_or(gradient);
        self.linear_backward(layer, [(target, gradient)], (x, &[kept]), true, gradients)
    }

    /// Gradients of the parts of an update; gives `s Bᵀ g`, through which the input's gradient goes on.
    fn update_backward(
        &self,
        layer: usize,
        target: Target,
        gradient: &mut Panels<T>,
        (x, kept): (&Panels<T>, &Kept<T>),
        gradients: &mut Gradients<T>,
    ) -> Option<Panels<T>> {
        let (update, pair, low) = (self.update?, self.pair(layer, target)?, kept.low.as_ref()?);
        let factor = self.factor(layer, target);
        if let (Some(factor), Some(unscaled)) = (factor, &kept.unscaled) {
            let mut lengths = product_sums(gradient, unscaled);
            lengths.iter_mut().zip(&factor.norm).for_each(|(sum, norm)| *sum = *sum / *norm);
            gradients.insert(part_name(target, layer, Part::Magnitude), lengths);
            scale_features(gradient, &factor.factor);
        }
        gradients.insert(part_name(target, layer, Part::B), token_sums_of_few(gradient, low));
        let mut back = Panels::any(low.features(), low.tokens());
        let operand = Operand::new(&*gradient, Precision::F32);
        multiply(Job::new(pair.b.matrix(), Side::Transposed, &operand, &mut back));
        scale(&mut back, T::real(update.scale));
        let dropped = self.dropped(x, layer, target);
        gradients.insert(part_name(target, layer, Part::A), token_sums(&back, dropped.as_ref().unwrap_or(x)));
        Some(back)
    }

    /// With dropout, what goes back through an update passes its mask.
    fn dropped_inputs<const N: usize>(
        &self,
        layer: usize,
        targets: &[Target; N],
        lows: &[Option<Panels<T>>],
        input: &mut Panels<T>,
    ) {
        for (target, low) in targets.iter().zip(lows) {
            let (Some(pair), Some(low)) = (self.pair(layer, *target), low) else { continue };
            let mut through = Panels::any(input.features(), input.tokens());
            let operand = Operand::new(low, Precision::F32);
            multiply(Job::new(pair.a.matrix(), Side::Transposed, &operand, &mut through));
            if let Some(through) = self.dropped(&through, layer, *target) {
                add(input, &through);
            }
        }
    }
}

fn add_bias<T: Real>(out: &mut Panels<T>, bias: &[T]) {
    for panel in out.panels_mut() {
        let lanes = panel.len() / bias.len().max(1);
        for (row, bias) in panel.chunks_exact_mut(lanes.max(1)).zip(bias) {
            row.iter_mut().for_each(|value| *value += *bias);
        }
    }
}

/// The sum of each feature over all tokens.
pub(crate) fn sums<T: Real>(x: &Panels<T>) -> Vec<T> {
    let mut ones = Panels::any(1, x.tokens());
    ones.values_mut().fill(T::ONE);
    token_sums_of_few(x, &ones)
}

/// The sum of the products of each feature over all tokens.
fn product_sums<T: Real>(a: &Panels<T>, b: &Panels<T>) -> Vec<T> {
    let mut products = a.clone();
    products.values_mut().iter_mut().zip(b.values()).for_each(|(a, b)| *a *= *b);
    sums(&products)
}
