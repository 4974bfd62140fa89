//! AdamW (Loshchilov and Hutter, arXiv 1711.05101) with clipping by the global norm.
//!
//! `m = β1 m + (1-β1) g`, `v = β2 v + (1-β2) g²`, `θ = θ (1 - η λ) - η (m / (1-β1^t)) / (sqrt(v / (1-β2^t)) + ε)`,
//! as in PyTorch. Everything is f32, and variables are treated in the order of their names.

use std::collections::BTreeMap;

use freehold_kernels::{for_each, map, vectorised};

use crate::model::Gradients;
use crate::tensor::Tensor;

const BETA1: f32 = 0.9;
const EPSILON: f32 = 1e-8;
/// Elements that one task treats.
const CHUNK: usize = 1 << 14;

/// The moments of a trained tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moments {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

/// The optimizer: its state is everything that a step depends on besides the values and their gradients.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AdamW {
    /// By the name of the tensor.
    pub(crate) moments: BTreeMap<String, Moments>,
    /// Steps made.
    pub(crate) step: u32,
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
    /// Starts with moments of zero.
    pub(crate) fn new(variables: &[(String, &Tensor)], beta2: f32) -> Self {
        let moments = |(name, tensor): &(String, &Tensor)| {
            let zeros = vec![0.0; tensor.len()];
            (name.clone(), Moments { first: zeros.clone(), second: zeros })
        };
        Self { moments: variables.iter().map(moments).collect(), step: 0, beta2 }
    }

    /// Makes one step with gradients of this global norm. Vectors (norms, biases) are not decayed.
    pub(crate) fn step(
        &mut self,
        variables: Vec<(String, &mut Tensor)>,
        gradients: &Gradients<f32>,
        norm: f64,
        size: StepSize,
    ) {
        // As PyTorch's clip_grad_norm_: the small constant avoids a division by zero.
        let clip = if size.clip_norm > 0.0 { (size.clip_norm / (norm + 1e-6)).min(1.0) as f32 } else { 1.0 };
        self.step += 1;
        let correction1 = 1.0 - f64::from(BETA1).powi(self.step as i32);
        let correction2 = 1.0 - f64::from(self.beta2).powi(self.step as i32);
        let rate = (size.learning_rate / correction1) as f32;
        let root = correction2.sqrt() as f32;
        let beta2 = self.beta2;
        for (name, tensor) in variables {
            let (Some(gradient), Some(moments)) = (gradients.get(&name), self.moments.get_mut(&name)) else { continue };
            let decays = tensor.shape().len() > 1;
            let decay = if decays { (1.0 - size.learning_rate * size.weight_decay) as f32 } else { 1.0 };
            let state = moments.first.chunks_mut(CHUNK).zip(moments.second.chunks_mut(CHUNK));
            let tasks = tensor.change().chunks_mut(CHUNK).zip(state).zip(gradient.chunks(CHUNK));
            let constants = [clip, beta2, decay, rate, root];
            for_each(tasks, |((value, (first, second)), gradient)| step(value, first, second, gradient, constants));
        }
    }

    /// Names of the variables, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.moments.keys().map(String::as_str)
    }

    /// Number of trained values.
    pub(crate) fn parameters(&self) -> usize {
        self.moments.values().map(|moments| moments.first.len()).sum()
    }
}

vectorised! {
fn step(value: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32], constants: [f32; 5]) {
    let [clip, beta2, decay, rate, root] = constants;
    for (((x, m), v), &g) in value.iter_mut().zip(first).zip(second).zip(gradient) {
        let g = g * clip;
        *m = BETA1 * *m + (1.0 - BETA1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *x = *x * decay - rate * *m / (v.sqrt() / root + EPSILON);
    }
}
}

/// The norm of all gradients as one vector, summed in f64 in the order of names.
pub(crate) fn global_norm(gradients: &Gradients<f32>) -> f64 {
    let mut sum = 0.0;
    for gradient in gradients.values() {
        let square = |chunk: &[f32]| chunk.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        let parts: Vec<f64> = map(gradient.chunks(CHUNK), square);
        sum += parts.into_iter().sum::<f64>();
    }
    sum.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_formula() {
        let mut w = Tensor::of(vec![1.0_f32, -2.0], &[1, 2]);
        let mut optimizer = AdamW::new(&[("w".into(), &w)], 0.999);
        let size = StepSize { learning_rate: 0.1, weight_decay: 0.5, clip_norm: 0.0 };
        let (mut x, mut m, mut v) = ([1.0_f64, -2.0], [0.0; 2], [0.0; 2]);
        for (t, g) in [(1, [0.5_f64, -0.1]), (2, [-0.25, 3.0]), (3, [0.0, 1.0])] {
            let gradients = Gradients::from([("w".into(), vec![g[0] as f32, g[1] as f32])]);
            let norm = global_norm(&gradients);
            assert!((norm - (g[0] * g[0] + g[1] * g[1]).sqrt()).abs() < 1e-6);
            optimizer.step(vec![("w".into(), &mut w)], &gradients, norm, size);
            for i in 0..2 {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let (mh, vh): (f64, f64) = (m[i] / (1.0 - 0.9_f64.powi(t)), v[i] / (1.0 - 0.999_f64.powi(t)));
                x[i] = x[i] * (1.0 - 0.1 * 0.5) - 0.1 * mh / (vh.sqrt() + 1e-8);
            }
        }
        w.vector::<f64>().iter().zip(x).for_each(|(got, want)| assert!((got - want).abs() < 1e-5, "{got} {want}"));
    }

    #[test]
    fn large_gradients_are_clipped_to_the_norm() {
        let size = StepSize { learning_rate: 0.1, weight_decay: 0.0, clip_norm: 1.0 };
        let run = |gradient: &[f32]| {
            let mut w = Tensor::of(vec![0.0_f32, 0.0], &[1, 2]);
            let mut optimizer = AdamW::new(&[("w".into(), &w)], 0.999);
            let gradients = Gradients::from([("w".into(), gradient.to_vec())]);
            optimizer.step(vec![("w".into(), &mut w)], &gradients, global_norm(&gradients), size);
            optimizer.moments["w"].first.clone()
        };
        let clipped = run(&[30.0, 40.0]);
        assert!((clipped[0] - 0.06).abs() < 1e-6 && (clipped[1] - 0.08).abs() < 1e-6, "{clipped:?}");
        assert!((run(&[0.3, 0.4])[0] - 0.03).abs() < 1e-6);
    }
}
