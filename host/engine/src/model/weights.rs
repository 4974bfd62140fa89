//! The tensors of a model, by their names in Hugging Face folders.

use crate::config::Config;
use crate::tensor::Tensor;

/// A linear layer of a block, which an adapter may target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Query,
    Key,
    Value,
    Output,
    Gate,
    Up,
    Down,
}

impl Target {
    /// All linear layers of a block.
    pub(crate) const ALL: [Self; 7] =
        [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];

    /// The name in a recipe and in PEFT's `target_modules`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Query => "q_proj",
            Self::Key => "k_proj",
            Self::Value => "v_proj",
            Self::Output => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The layer of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// The full name in layer `layer`, without `.weight`.
    pub(crate) fn path(self, layer: usize) -> String {
        let part = if self < Self::Gate { "self_attn" } else { "mlp" };
        format!("model.layers.{layer}.{part}.{}", self.name())
    }

    /// Outputs and inputs.
    pub(crate) fn shape(self, config: &Config) -> [usize; 2] {
        let (heads, key_heads) = (config.heads * config.head_width, config.key_heads * config.head_width);
        match self {
            Self::Query => [heads, config.hidden_size],
            Self::Key | Self::Value => [key_heads, config.hidden_size],
            Self::Output => [config.hidden_size, heads],
            Self::Gate | Self::Up => [config.intermediate_size, config.hidden_size],
            Self::Down => [config.hidden_size, config.intermediate_size],
        }
    }

    /// Whether the layer has a bias.
    pub(crate) fn has_bias(self, config: &Config) -> bool {
        match self {
            Self::Query | Self::Key | Self::Value => config.biases.qkv,
            Self::Output => config.biases.output,
            Self::Gate | Self::Up | Self::Down => config.biases.feed,
        }
    }
}

/// A linear layer: `y = W x + b`.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// [out, in]
    pub(crate) weight: Tensor,
    /// [out]
    pub(crate) bias: Option<Tensor>,
}

/// One block.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// RMS norm before attention [D].
    pub(crate) attention_norm: Tensor,
    /// RMS norm before the feed-forward part [D].
    pub(crate) feed_norm: Tensor,
    /// RMS norms of the queries and keys of each head [head width].
    pub(crate) head_norms: Option<[Tensor; 2]>,
    /// By [`Target`].
    pub(crate) linear: [Linear; 7],
}

/// All tensors.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    /// [V, D]
    pub(crate) embedding: Tensor,
    pub(crate) layers: Vec<Layer>,
    /// RMS norm before the head [D].
    pub(crate) norm: Tensor,
    /// [V, D]; none if the embedding serves as head.
    pub(crate) head: Option<Tensor>,
}

pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(crate) const NORM: &str = "model.norm.weight";
pub(crate) const HEAD: &str = "lm_head.weight";

pub(crate) fn attention_norm_name(layer: usize) -> String {
    format!("model.layers.{layer}.input_layernorm.weight")
}

pub(crate) fn feed_norm_name(layer: usize) -> String {
    format!("model.layers.{layer}.post_attention_layernorm.weight")
}

/// The norms of queries and keys.
pub(crate) fn head_norm_names(layer: usize) -> [String; 2] {
    ["q", "k"].map(|kind| format!("model.layers.{layer}.self_attn.{kind}_norm.weight"))
}

impl Weights {
    /// Builds the weights by asking for each tensor by name and shape.
    pub(crate) fn build<E>(
        config: &Config,
        mut take: impl FnMut(&str, &[usize]) -> Result<Tensor, E>,
    ) -> Result<Self, E> {
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let embedding = take(EMBEDDING, &[vocabulary, width])?;
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut linear = |target: Target| {
                let [outputs, inputs] = target.shape(config);
                let weight = take(&format!("{}.weight", target.path(layer)), &[outputs, inputs])?;
                let bias = match target.has_bias(config) {
                    true => Some(take(&format!("{}.bias", target.path(layer)), &[outputs])?),
                    false => None,
                };
                Ok(Linear { weight, bias })
            };
            let [q, k, v, o, gate, up, down] = Target::ALL;
            let linear = [linear(q)?, linear(k)?, linear(v)?, linear(o)?, linear(gate)?, linear(up)?, linear(down)?];
            let head_norms = if config.head_norm {
                let [q, k] = head_norm_names(layer);
                Some([take(&q, &[config.head_width])?, take(&k, &[config.head_width])?])
            } else {
                None
            };
            layers.push(Layer {
                attention_norm: take(&attention_norm_name(layer), &[width])?,
                feed_norm: take(&feed_norm_name(layer), &[width])?,
                head_norms,
                linear,
            });
        }
        let norm = take(NORM, &[width])?;
        let head = if config.tied_head { None } else { Some(take(HEAD, &[vocabulary, width])?) };
        Ok(Self { embedding, layers, norm, head })
    }

    /// Every tensor with its name.
    pub(crate) fn named(&self) -> Vec<(String, &Tensor)> {
        let mut all = vec![(EMBEDDING.to_string(), &self.embedding), (NORM.to_string(), &self.norm)];
        all.extend(self.head.iter().map(|head| (HEAD.to_string(), head)));
        for (index, layer) in self.layers.iter().enumerate() {
            all.push((attention_norm_name(index), &layer.attention_norm));
            all.push((feed_norm_name(index), &layer.feed_norm));
            all.extend(head_norm_names(index).into_iter().zip(layer.head_norms.iter().flatten()));
            for (target, linear) in Target::ALL.into_iter().zip(&layer.linear) {
                all.push((format!("{}.weight", target.path(index)), &linear.weight));
                all.extend(linear.bias.iter().map(|bias| (format!("{}.bias", target.path(index)), bias)));
            }
        }
        all
    }

    /// Every tensor with its name, to be changed.
    pub(crate) fn named_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        let mut all = vec![(EMBEDDING.to_string(), &mut self.embedding), (NORM.to_string(), &mut self.norm)];
        all.extend(self.head.iter_mut().map(|head| (HEAD.to_string(), head)));
        for (index, layer) in self.layers.iter_mut().enumerate() {
            all.push((attention_norm_name(index), &mut layer.attention_norm));
            all.push((feed_norm_name(index), &mut layer.feed_norm));
            all.extend(head_norm_names(index).into_iter().zip(layer.head_norms.iter_mut().flatten()));
            for (target, linear) in Target::ALL.into_iter().zip(&mut layer.linear) {
                all.push((format!("{}.weight", target.path(index)), &mut linear.weight));
                all.extend(linear.bias.iter_mut().map(|bias| (format!("{}.bias", target.path(index)), bias)));
            }
        }
        all
    }

    /// The head that makes logits of hidden states [V, D].
    pub(crate) fn head(&self) -> &Tensor {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}
