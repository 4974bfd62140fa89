//! What an adapter adds to the weights: LoRA (Hu et al., arXiv 2106.09685), its scale of rank-stabilised LoRA (Kalajdzievski,
//! arXiv 2312.03732), and DoRA (Liu et al., arXiv 2402.09353).
//!
//! LoRA: `y = W x + s B A x`. DoRA: `y = m / ‖W + s B A‖ · (W x + s B A x)` with a norm for each output, which is taken as
//! a constant in the backward pass (section 4.3 of the paper; PEFT does so too).

use std::sync::Arc;

use freehold_kernels::{Job, Operand, Panels, Precision, Real, Side, multiply};

use crate::config::Config;
use crate::model::{Linear, Target, Weights};
use crate::random::Random;
use crate::tensor::Tensor;

/// What is added to one linear layer.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// [r, in]
    pub(crate) a: Tensor,
    /// [out, r]
    pub(crate) b: Tensor,
    /// DoRA: the length of each output's weights.
    pub(crate) magnitude: Option<Magnitude>,
}

/// The lengths that DoRA trains.
#[derive(Debug, Clone)]
pub(crate) struct Magnitude {
    /// [out]
    pub(crate) lengths: Tensor,
    /// The squared length of each row of the base's weight.
    pub(crate) base: Arc<Vec<f64>>,
}

/// What is added to all layers.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    /// `alpha / r`, or `alpha / sqrt(r)` if rank-stabilised.
    pub(crate) scale: f64,
    /// By layer and [`Target`].
    pub(crate) layers: Vec<[Option<Pair>; 7]>,
}

/// Shape of an update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpdateShape<'a> {
    pub(crate) rank: usize,
    pub(crate) scale: f64,
    pub(crate) targets: &'a [Target],
    pub(crate) dora: bool,
}

/// A part of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    A,
    B,
    Magnitude,
}

/// PEFT's name of a part, without `base_model.model.`.
pub(crate) fn part_name(target: Target, layer: usize, part: Part) -> String {
    let path = target.path(layer);
    match part {
        Part::A => format!("{path}.lora_A.weight"),
        Part::B => format!("{path}.lora_B.weight"),
        Part::Magnitude => format!("{path}.lora_magnitude_vector"),
    }
}

/// The squared length of each row.
fn squares(weight: &Tensor) -> Vec<f64> {
    let columns = weight.matrix().columns();
    let row = |row: usize| weight.range::<f64>(row * columns..(row + 1) * columns).iter().map(|x| x * x).sum();
    (0..weight.matrix().rows()).map(row).collect()
}

impl Update {
    /// Builds the update by asking for each part by name and shape.
    pub(crate) fn build<E>(
        (config, weights): (&Config, &Weights),
        shape: UpdateShape<'_>,
        mut take: impl FnMut(&str, &[usize], Part, &[f64]) -> Result<Tensor, E>,
    ) -> Result<Self, E> {
        let mut layers = Vec::with_capacity(config.layers);
        for (layer, base) in weights.layers.iter().enumerate() {
            let mut pairs = [const { None }; 7];
            for &target in shape.targets {
                let [outputs, inputs] = target.shape(config);
                let a = take(&part_name(target, layer, Part::A), &[shape.rank, inputs], Part::A, &[])?;
                let b = take(&part_name(target, layer, Part::B), &[outputs, shape.rank], Part::B, &[])?;
                let magnitude = if shape.dora {
                    let base = squares(&base.linear[target as usize].weight);
                    let name = part_name(target, layer, Part::Magnitude);
                    let lengths = take(&name, &[outputs], Part::Magnitude, &base)?;
                    Some(Magnitude { lengths, base: Arc::new(base) })
                } else {
                    None
                };
                pairs[target as usize] = Some(Pair { a, b, magnitude });
            }
            layers.push(pairs);
        }
        Ok(Self { scale: shape.scale, layers })
    }

    /// PEFT's initial values: A uniform in ±1/sqrt(in) (Kaiming with a = sqrt 5), B zero, lengths those of the base.
    pub(crate) fn initial(of: (&Config, &Weights), shape: UpdateShape<'_>, seed: u64) -> Self {
        let built = Self::build(of, shape, |name, dimensions, part, base| {
            let count = dimensions.iter().product::<usize>();
            let values: Vec<f32> = match part {
                Part::A => {
                    let mut random = Random::new(seed, name);
                    let bound = 1.0 / (dimensions[1] as f64).sqrt();
                    (0..count).map(|_| ((random.uniform() * 2.0 - 1.0) * bound) as f32).collect()
                }
                Part::B => vec![0.0; count],
                Part::Magnitude => base.iter().map(|square| square.sqrt() as f32).collect(),
            };
            Ok::<_, std::convert::Infallible>(Tensor::of(values, dimensions))
        });
        match built {
            Ok(update) => update,
            Err(never) => match never {},
        }
    }

    /// The pair of a layer, if it has one.
    pub(crate) fn pair(&self, layer: usize, target: Target) -> Option<&Pair> {
        self.layers.get(layer)?[target as usize].as_ref()
    }

    /// The pair of a layer, if it has one, to be changed.
    pub(crate) fn pair_mut(&mut self, layer: usize, target: Target) -> Option<&mut Pair> {
        self.layers.get_mut(layer)?[target as usize].as_mut()
    }

    /// Every trained tensor with its name.
    pub(crate) fn named(&self) -> Vec<(String, &Tensor)> {
        let mut all = Vec::new();
        for (layer, pairs) in self.layers.iter().enumerate() {
            for (target, pair) in Target::ALL.into_iter().zip(pairs) {
                let Some(pair) = pair else { continue };
                all.push((part_name(target, layer, Part::A), &pair.a));
                all.push((part_name(target, layer, Part::B), &pair.b));
                if let Some(magnitude) = &pair.magnitude {
                    all.push((part_name(target, layer, Part::Magnitude), &magnitude.lengths));
                }
            }
        }
        all
    }

    /// Every trained tensor with its name, to be changed.
    pub(crate) fn named_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        let mut all = Vec::new();
        for (layer, pairs) in self.layers.iter_mut().enumerate() {
            for (target, pair) in Target::ALL.into_iter().zip(pairs) {
                let Some(pair) = pair else { continue };
                all.push((part_name(target, layer, Part::A), &mut pair.a));
                all.push((part_name(target, layer, Part::B), &mut pair.b));
                if let Some(magnitude) = &mut pair.magnitude {
                    all.push((part_name(target, layer, Part::Magnitude), &mut magnitude.lengths));
                }
            }
        }
        all
    }

    /// DoRA's factor for each output of every layer, with the values that the parts have now.
    pub(crate) fn factors<T: Real>(&self, weights: &Weights) -> Factors<T> {
        let layer = |(pairs, layer): (&[Option<Pair>; 7], &crate::model::Layer)| {
            let mut factors = [const { None }; 7];
            for (target, pair) in pairs.iter().enumerate() {
                factors[target] = pair.as_ref().and_then(|pair| self.lengths(pair, &layer.linear[target]));
            }
            factors
        };
        Factors(self.layers.iter().zip(&weights.layers).map(layer).collect())
    }

    /// `‖W + s B A‖²` of a row is `‖W‖² + 2 s b (A wᵀ) + s² b (A Aᵀ) bᵀ`: W is multiplied with r columns only.
    fn lengths<T: Real>(&self, pair: &Pair, linear: &Linear) -> Option<Factor<T>> {
        let magnitude = pair.magnitude.as_ref()?;
        let (rank, inputs) = (pair.a.shape()[0], pair.a.shape()[1]);
        let outputs = pair.b.shape()[0];
        let a: Vec<T> = pair.a.range(0..pair.a.len());
        let mut columns = Panels::zeros(inputs, rank.max(2));
        (0..rank).for_each(|r| columns.set_token(r, a[r * inputs..][..inputs].iter().copied()));
        let mut crossed = Panels::any(outputs, rank.max(2));
        let operand = Operand::new(&columns, Precision::F32);
        multiply(Job::new(linear.weight.matrix(), Side::Plain, &operand, &mut crossed));
        let dot = |i: usize, j: usize| -> f64 {
            let rows = a[i * inputs..][..inputs].iter().zip(&a[j * inputs..][..inputs]);
            rows.map(|(x, y)| x.to_f64() * y.to_f64()).sum()
        };
        let gram: Vec<f64> = (0..rank * rank).map(|at| dot(at / rank, at % rank)).collect();
        let (b, lengths) = (pair.b.vector::<T>(), magnitude.lengths.vector::<T>());
        let (mut factor, mut norm) = (Vec::with_capacity(outputs), Vec::with_capacity(outputs));
        for (output, length) in lengths.iter().enumerate() {
            let row: Vec<f64> = b[output * rank..][..rank].iter().map(|x| x.to_f64() * self.scale).collect();
            let mut square = magnitude.base[output];
            for (i, x) in row.iter().enumerate() {
                square += 2.0 * x * crossed.values()[crossed.place(output, i)].to_f64();
                square += row.iter().enumerate().map(|(j, y)| x * y * gram[i * rank + j]).sum::<f64>();
            }
            // The square of a length is never negative but by rounding.
            let length_now = square.max(f64::MIN_POSITIVE).sqrt();
            norm.push(T::real(length_now));
            factor.push(T::real(length.to_f64() / length_now));
        }
        Some(Factor { factor, norm })
    }

    /// The weight of a layer with the update in it, as f32.
    pub(crate) fn merged(&self, pair: &Pair, linear: &Linear) -> Vec<f32> {
        let [outputs, rank, inputs] = [pair.b.shape()[0], pair.a.shape()[0], pair.a.shape()[1]];
        let factors = self.lengths::<f64>(pair, linear);
        let (a, b) = (pair.a.vector::<f64>(), pair.b.vector::<f64>());
        let mut merged = Vec::with_capacity(outputs * inputs);
        for output in 0..outputs {
            let mut row = linear.weight.range::<f64>(output * inputs..(output + 1) * inputs);
            for r in 0..rank {
                let b = b[output * rank + r] * self.scale;
                row.iter_mut().zip(&a[r * inputs..][..inputs]).for_each(|(sum, a)| *sum += b * a);
            }
            let factor = factors.as_ref().map_or(1.0, |factors| factors.factor[output]);
            merged.extend(row.iter().map(|x| (x * factor) as f32));
        }
        merged
    }
}

/// DoRA's factors of one layer.
#[derive(Debug, Clone)]
pub(crate) struct Factor<T> {
    /// `m / ‖W + s B A‖` of each output.
    pub(crate) factor: Vec<T>,
    /// `‖W + s B A‖` of each output.
    pub(crate) norm: Vec<T>,
}

/// DoRA's factors of all layers; none where there is none.
#[derive(Debug, Clone)]
pub(crate) struct Factors<T>(Vec<[Option<Factor<T>>; 7]>);

impl<T> Factors<T> {
    pub(crate) fn get(&self, layer: usize, target: Target) -> Option<&Factor<T>> {
        self.0.get(layer)?[target as usize].as_ref()
    }
}
