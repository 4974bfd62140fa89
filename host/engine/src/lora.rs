//! Low-rank adaptation (Hu et al., arXiv 2106.09685): `W + (alpha / r) B A`.

use candle_core::{DType, Device, Result, Tensor};

use crate::config::Config;
use crate::model::{Target, Weights};
use crate::ops::add_in_place;
use crate::random::Random;

/// The two factors of one layer's update.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// [r, in]
    pub(crate) a: Tensor,
    /// [out, r]
    pub(crate) b: Tensor,
}

/// The update of all layers.
#[derive(Debug, Clone)]
pub(crate) struct Lora {
    /// `alpha / r`
    pub(crate) scale: f64,
    /// By layer and [`Target`].
    pub(crate) layers: Vec<[Option<Pair>; 7]>,
}

/// PEFT's name of a factor, without `base_model.model.`.
pub(crate) fn factor_name(target: Target, layer: usize, factor: char) -> String {
    format!("{}.lora_{factor}.weight", target.path(layer))
}

impl Lora {
    /// Builds the update by asking for each factor by name and shape.
    pub(crate) fn build<E>(
        config: &Config,
        (rank, scale): (usize, f64),
        targets: &[Target],
        mut take: impl FnMut(&str, [usize; 2]) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Self, E> {
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut pairs = [const { None }; 7];
            for &target in targets {
                let [outputs, inputs] = target.shape(config);
                let a = take(&factor_name(target, layer, 'A'), [rank, inputs])?;
                let b = take(&factor_name(target, layer, 'B'), [outputs, rank])?;
                pairs[target as usize] = Some(Pair { a, b });
            }
            layers.push(pairs);
        }
        Ok(Self { scale, layers })
    }

    /// PEFT's initial values: A uniform in ±1/sqrt(in) (Kaiming with a = sqrt 5), B zero.
    pub(crate) fn initial(config: &Config, shape: (usize, f64), targets: &[Target], seed: u64) -> Result<Self> {
        Self::build(config, shape, targets, |name, [rows, columns]| {
            if name.ends_with("lora_B.weight") {
                return Tensor::zeros((rows, columns), DType::F32, &Device::Cpu);
            }
            let mut random = Random::new(seed, name);
            let bound = 1.0 / (columns as f64).sqrt();
            let values: Vec<f32> =
                (0..rows * columns).map(|_| ((random.uniform() * 2.0 - 1.0) * bound) as f32).collect();
            Tensor::from_vec(values, (rows, columns), &Device::Cpu)
        })
    }

    /// Every factor with its name.
    pub(crate) fn named(&self) -> Vec<(String, &Tensor)> {
        let mut all = Vec::new();
        for (layer, pairs) in self.layers.iter().enumerate() {
            for (target, pair) in Target::ALL.into_iter().zip(pairs) {
                if let Some(pair) = pair {
                    all.push((factor_name(target, layer, 'A'), &pair.a));
                    all.push((factor_name(target, layer, 'B'), &pair.b));
                }
            }
        }
        all
    }

    /// The weights with the update added: costs nothing per token.
    pub(crate) fn merged(&self, base: &Weights) -> Result<Weights> {
        let mut merged = base.clone();
        for (layer, pairs) in merged.layers.iter_mut().zip(&self.layers) {
            for (weight, pair) in layer.linear.iter_mut().zip(pairs) {
                if let Some(pair) = pair {
                    let update = (&pair.b * self.scale)?.matmul(&pair.a)?;
                    add_in_place(&update, weight)?;
                    *weight = update;
                }
            }
        }
        Ok(merged)
    }
}
