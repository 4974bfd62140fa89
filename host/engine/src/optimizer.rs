//! AdamW (Loshchilov and Hutter, arXiv 1711.05101) with clipping by the global norm.
//!
//! `m = β1 m + (1-β1) g`, `v = β2 v + (1-β2) g²`, `θ = θ (1 - η λ) - η (m / (1-β1^t)) / (sqrt(v / (1-β2^t)) + ε)`,
//! as in PyTorch. Everything is f32, and variables are treated in the order of their names.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::model::Gradients;
use crate::ops::{tensor_of, vectorised, with_values};

const BETA1: f32 = 0.9;
const EPSILON: f32 = 1e-8;
/// Elements that one task treats.
const CHUNK: usize = 1 << 14;

/// A trained tensor and its moments.
struct Variable {
    shape: Vec<usize>,
    value: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    decays: bool,
}

/// The optimizer and what it optimizes.
pub(crate) struct AdamW {
    variables: BTreeMap<String, Variable>,
    step: u32,
    beta2: f32,
}

/// How large one step is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepSize {
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    /// Largest global norm of the gradient; zero or less is no limit.
    pub(crate) clip_norm: f64,
}

impl AdamW {
    /// Starts with these tensors. Vectors (norms) are not decayed.
    pub(crate) fn new(variables: &[(String, &Tensor)], beta2: f32) -> Result<Self> {
        let variables = variables.iter().map(|(name, tensor)| {
            let value = with_values::<f32, _>(tensor, |values| Ok(values.to_vec()))?;
            let zeros = vec![0.0; value.len()];
            let shape = tensor.dims().to_vec();
            let decays = shape.len() > 1;
            Ok((name.clone(), Variable { shape, first: zeros.clone(), second: zeros, value, decays }))
        });
        Ok(Self { variables: variables.collect::<Result<_>>()?, step: 0, beta2 })
    }

    /// Makes one step and gives the global norm of the gradient before clipping.
    pub(crate) fn step(&mut self, gradients: &Gradients, size: StepSize) -> Result<f64> {
        let norm = global_norm(gradients)?;
        // As PyTorch's clip_grad_norm_: the small constant avoids a division by zero.
        let clip = if size.clip_norm > 0.0 { (size.clip_norm / (norm + 1e-6)).min(1.0) as f32 } else { 1.0 };
        self.step += 1;
        let correction1 = 1.0 - f64::from(BETA1).powi(self.step as i32);
        let correction2 = 1.0 - f64::from(self.beta2).powi(self.step as i32);
        let rate = (size.learning_rate / correction1) as f32;
        let root = correction2.sqrt() as f32;
        let beta2 = self.beta2;
        for (name, variable) in &mut self.variables {
            let Some(gradient) = gradients.get(name) else { continue };
            let decay = if variable.decays { (1.0 - size.learning_rate * size.weight_decay) as f32 } else { 1.0 };
            with_values::<f32, _>(gradient, |gradient| {
                let state = variable.first.par_chunks_mut(CHUNK).zip(variable.second.par_chunks_mut(CHUNK));
                let tasks = variable.value.par_chunks_mut(CHUNK).zip(state).zip(gradient.par_chunks(CHUNK));
                tasks.for_each(|((value, (first, second)), gradient)| {
                    vectorised(|| {
                        for (((x, m), v), &g) in value.iter_mut().zip(first).zip(second).zip(gradient) {
                            let g = g * clip;
                            *m = BETA1 * *m + (1.0 - BETA1) * g;
                            *v = beta2 * *v + (1.0 - beta2) * g * g;
                            *x = *x * decay - rate * *m / (v.sqrt() / root + EPSILON);
                        }
                    });
                });
                Ok(())
            })?;
        }
        Ok(norm)
    }

    /// The present value of a variable.
    pub(crate) fn tensor(&self, name: &str, like: &Tensor) -> Result<Tensor> {
        match self.variables.get(name) {
            Some(variable) => tensor_of(variable.value.clone(), variable.shape.as_slice(), like),
            None => Ok(like.clone()),
        }
    }

    /// Names of the variables, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Number of trained values.
    pub(crate) fn parameters(&self) -> usize {
        self.variables.values().map(|variable| variable.value.len()).sum()
    }
}

/// The norm of all gradients as one vector, summed in f64 in the order of names.
fn global_norm(gradients: &Gradients) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients.values() {
        sum += with_values::<f32, _>(gradient, |values| {
            let parts: Vec<f64> = values
                .par_chunks(CHUNK)
                .map(|chunk| chunk.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>())
                .collect();
            Ok(parts.into_iter().sum::<f64>())
        })?;
    }
    Ok(sum.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::from_vec(values.to_vec(), (1, values.len()), &Device::Cpu).unwrap()
    }

    #[test]
    fn steps_are_those_of_the_formula() {
        let start = tensor(&[1.0, -2.0]);
        let mut optimizer = AdamW::new(&[("w".into(), &start)], 0.999).unwrap();
        let size = StepSize { learning_rate: 0.1, weight_decay: 0.5, clip_norm: 0.0 };
        let (mut x, mut m, mut v) = ([1.0_f64, -2.0], [0.0; 2], [0.0; 2]);
        for (t, g) in [(1, [0.5_f64, -0.1]), (2, [-0.25, 3.0]), (3, [0.0, 1.0])] {
            let gradients = Gradients::from([("w".into(), tensor(&[g[0] as f32, g[1] as f32]))]);
            let norm = optimizer.step(&gradients, size).unwrap();
            assert!((norm - (g[0] * g[0] + g[1] * g[1]).sqrt()).abs() < 1e-6);
            for i in 0..2 {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let (mh, vh): (f64, f64) = (m[i] / (1.0 - 0.9_f64.powi(t)), v[i] / (1.0 - 0.999_f64.powi(t)));
                x[i] = x[i] * (1.0 - 0.1 * 0.5) - 0.1 * mh / (vh.sqrt() + 1e-8);
            }
        }
        let got = optimizer.tensor("w", &start).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        got.iter().zip(x).for_each(|(got, want)| assert!((f64::from(*got) - want).abs() < 1e-5, "{got} {want}"));
    }

    #[test]
    fn large_gradients_are_clipped_to_the_norm() {
        let start = tensor(&[0.0, 0.0]);
        let size = StepSize { learning_rate: 0.1, weight_decay: 0.0, clip_norm: 1.0 };
        let run = |gradient: &[f32]| {
            let mut optimizer = AdamW::new(&[("w".into(), &start)], 0.999).unwrap();
            optimizer.step(&Gradients::from([("w".into(), tensor(gradient))]), size).unwrap();
            optimizer.variables["w"].first.clone()
        };
        let clipped = run(&[30.0, 40.0]);
        assert!((clipped[0] - 0.06).abs() < 1e-6 && (clipped[1] - 0.08).abs() < 1e-6, "{clipped:?}");
        assert!((run(&[0.3, 0.4])[0] - 0.03).abs() < 1e-6);
    }
}
