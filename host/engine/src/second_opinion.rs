//! The forward pass a second time, in candle: tensor operations one by one, with nothing of the kernels, no packing and no
//! cache. It is slow and plain, and there so that what the engine computes on a machine can be compared with something.

use candle_core::{D, DType, Device, Result, Tensor};

use crate::adapter::Adapter;
use crate::generate::{GenerateError, Logits};
use crate::model::{Linear, Model, Target};
use crate::tensor;

/// Logits at all positions of rows of equal length, as [`crate::logits()`] gives them.
///
/// # Errors
/// A row has an unknown token or another length than the first, or candle fails.
pub fn second_opinion(
    model: &Model,
    adapter: Option<&Adapter>,
    ids: &[Vec<u32>],
) -> std::result::Result<Logits, GenerateError> {
    let length = ids.first().map_or(0, Vec::len);
    for (index, row) in ids.iter().enumerate() {
        if row.len() != length {
            return Err(GenerateError::Ragged(index));
        }
        if let Some(&id) = row.iter().find(|&&id| id as usize >= model.config.vocab_size) {
            return Err(GenerateError::UnknownToken { index, id });
        }
    }
    let shape = [ids.len(), length, model.config.vocab_size];
    let plain = Plain { model, adapter };
    let mut values = Vec::with_capacity(shape.iter().product());
    for row in ids {
        let logits = plain.row(row).and_then(|logits| logits.flatten_all()?.to_vec1::<f32>());
        values.extend(logits.map_err(|error| GenerateError::SecondOpinion(error.to_string()))?);
    }
    Ok(Logits { shape, values })
}

/// A tensor of the engine in candle.
fn of(tensor: &tensor::Tensor) -> Result<Tensor> {
    Tensor::from_vec(tensor.vector::<f32>().into_owned(), tensor.shape(), &Device::Cpu)
}

struct Plain<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
}

impl Plain<'_> {
    /// [tokens, vocabulary]
    fn row(&self, ids: &[u32]) -> Result<Tensor> {
        let (weights, config) = (&self.model.weights, &self.model.config);
        let mut x = of(&weights.embedding)?.index_select(&Tensor::new(ids, &Device::Cpu)?, 0)?;
        let angles = self.angles(ids.len())?;
        for (index, layer) in weights.layers.iter().enumerate() {
            let h = self.norm(&x, &layer.attention_norm)?;
            let project = |x: &Tensor, target: Target| self.linear(x, index, target, &layer.linear[target as usize]);
            let heads = |x: Tensor, count: usize| x.reshape((ids.len(), count, config.head_width))?.transpose(0, 1);
            let mut q = heads(project(&h, Target::Query)?, config.heads)?;
            let mut k = heads(project(&h, Target::Key)?, config.key_heads)?;
            let v = heads(project(&h, Target::Value)?, config.key_heads)?;
            if let Some([query_norm, key_norm]) = &layer.head_norms {
                (q, k) = (self.norm(&q, query_norm)?, self.norm(&k, key_norm)?);
            }
            let (q, k) = (self.rotated(&q, &angles)?, self.rotated(&k, &angles)?);
            let attended = self.attention((&q, &k, &v), config.windows[index])?;
            let attended = attended.transpose(0, 1)?.reshape((ids.len(), config.heads * config.head_width))?;
            x = (x + project(&attended, Target::Output)?)?;
            let h = self.norm(&x, &layer.feed_norm)?;
            let gate = project(&h, Target::Gate)?;
            let active = (&gate / ((gate.neg()?.exp()? + 1.0)?))?;
            x = (x + project(&(active * project(&h, Target::Up)?)?, Target::Down)?)?;
        }
        self.norm(&x, &weights.norm)?.matmul(&of(weights.head())?.t()?)
    }

    fn norm(&self, x: &Tensor, weight: &tensor::Tensor) -> Result<Tensor> {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_div(&(mean + self.model.config.norm_eps)?.sqrt()?)?.broadcast_mul(&of(weight)?)
    }

    /// The layer with its update merged into the weight.
    fn linear(&self, x: &Tensor, layer: usize, target: Target, linear: &Linear) -> Result<Tensor> {
        let pair = self.adapter.and_then(|adapter| Some((adapter, adapter.update.pair(layer, target)?)));
        let weight = match pair {
            None => of(&linear.weight)?,
            Some((adapter, pair)) => {
                let update = (of(&pair.b)?.matmul(&of(&pair.a)?)? * adapter.update.scale)?;
                let sum = (of(&linear.weight)? + update)?;
                match &pair.magnitude {
                    None => sum,
                    Some(magnitude) => {
                        let norm = sum.sqr()?.sum(1)?.sqrt()?;
                        sum.broadcast_mul(&(of(&magnitude.lengths)? / norm)?.unsqueeze(1)?)?
                    }
                }
            }
        };
        let y = x.matmul(&weight.t()?)?;
        linear.bias.as_ref().map_or(Ok(y.clone()), |bias| y.broadcast_add(&of(bias)?))
    }

    /// Cosines and sines [tokens, head width].
    fn angles(&self, tokens: usize) -> Result<[Tensor; 2]> {
        let (frequencies, factor) = self.model.config.rotary.frequencies(self.model.config.head_width);
        let half = frequencies.len();
        let frequencies = Tensor::from_vec(frequencies, (1, half), &Device::Cpu)?;
        let positions = Tensor::arange(0, tokens as u32, &Device::Cpu)?.to_dtype(DType::F32)?.unsqueeze(1)?;
        let angles = positions.matmul(&frequencies)?;
        let angles = Tensor::cat(&[&angles, &angles], 1)?;
        Ok([(angles.cos()? * factor)?, (angles.sin()? * factor)?])
    }

    /// `x cos + rotate_half(x) sin`, for x [heads, tokens, width].
    fn rotated(&self, x: &Tensor, [cos, sin]: &[Tensor; 2]) -> Result<Tensor> {
        let half = self.model.config.head_width / 2;
        let turned = Tensor::cat(&[x.narrow(2, half, half)?.neg()?, x.narrow(2, 0, half)?], 2)?;
        x.broadcast_mul(cos)? + turned.broadcast_mul(sin)?
    }

    /// With a mask over all pairs: [heads, tokens, width].
    fn attention(&self, (q, k, v): (&Tensor, &Tensor, &Tensor), window: Option<usize>) -> Result<Tensor> {
        let config = &self.model.config;
        let (tokens, group) = (q.dim(1)?, config.heads / config.key_heads);
        let repeated = |x: &Tensor| {
            let shape = (config.key_heads, group, tokens, config.head_width);
            x.unsqueeze(1)?.broadcast_as(shape)?.reshape((config.heads, tokens, config.head_width))
        };
        let hidden = |at: usize| {
            let (query, key) = (at / tokens, at % tokens);
            let seen = key <= query && window.is_none_or(|window| query - key < window);
            if seen { 0.0 } else { f32::NEG_INFINITY }
        };
        let mask = Tensor::from_vec((0..tokens * tokens).map(hidden).collect(), (tokens, tokens), &Device::Cpu)?;
        let scores = (q.contiguous()?.matmul(&repeated(k)?.transpose(1, 2)?)? / (config.head_width as f64).sqrt())?;
        let scores = scores.broadcast_add(&mask)?;
        let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let shares = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
        shares.matmul(&repeated(v)?)
    }
}
