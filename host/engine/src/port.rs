//! Brings what was learned on one base model to another.
//!
//! Where both have the same shapes, the same update is added to the new weights (PortLLM, Khan et al., arXiv 2410.10870). Where
//! they have other shapes, the update is moved from the subspaces that the old model's activations lie in to those of the new
//! one, as LoRASuite (arXiv 2505.13515) and Cross-LoRA (arXiv 2508.05232) do with maps that they take from weights; the maps
//! here are taken from what both models make of the same texts.

use std::collections::BTreeMap;

use crate::adapter::{Adapter, AdapterError};
use crate::chat::ChatTokenizer;
use crate::model::{Model, Target};
use crate::tensor::Tensor;
use crate::update::{Part, part_name};

mod activations;
mod ridge;

use activations::{Activations, Pass};
use ridge::Ridge;

/// Tokens that maps are taken from, at most. A map has as many unknowns as both sides have features, but only those directions
/// count in which texts differ.
const TOKENS: usize = 1024;

/// What was learned cannot be brought to another base model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// The adapter does not fit.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A model that was trained as a whole is added to one of other shapes.
    #[error("a model that was trained as a whole can only be brought to a base of the same shapes; train it anew")]
    Whole,
    /// Both models share no places in the texts.
    #[error("the texts have {found} places that both tokenizers know; at least {needed} are needed")]
    Texts {
        /// Places found.
        found: usize,
        /// Places that are needed.
        needed: usize,
    },
    /// The texts cannot be tokenised.
    #[error(transparent)]
    Chat(#[from] crate::chat::ChatError),
}

/// A text as the tokens of two models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedText {
    /// The old model's tokens.
    old: Vec<u32>,
    /// The new model's.
    new: Vec<u32>,
    /// Tokens that end at the same place of the text, by index.
    places: Vec<(usize, usize)>,
}

impl SharedText {
    /// The text of a dialogue as both models read it.
    ///
    /// # Errors
    /// A template refuses the dialogue, or a tokenizer fails.
    pub fn new(
        old: &ChatTokenizer,
        new: &ChatTokenizer,
        messages: &[crate::chat::Message],
    ) -> Result<Self, crate::chat::ChatError> {
        let [(old, old_ends), (new, new_ends)] = ChatTokenizer::shared(old, new, messages)?;
        let mut places = Vec::new();
        let mut after = 0;
        for (index, end) in old_ends.iter().enumerate() {
            // Several tokens can end at one place: those that stand for parts of a character, or for nothing.
            let Some(found) = new_ends.iter().skip(after).position(|other| other == end) else { continue };
            places.push((index, after + found));
            after += found + 1;
        }
        Ok(Self { old, new, places })
    }
}

impl Model {
    /// Whether every tensor of the blocks has the same shape in both, so that an update fits both.
    pub fn has_shapes_of(&self, other: &Self) -> bool {
        let same = |target: Target| target.shape(&self.config) == target.shape(&other.config);
        self.config.layers == other.config.layers && Target::ALL.into_iter().all(same)
    }

    /// What training made of `old`, added to this model: `W + (tuned - old)`.
    ///
    /// # Errors
    /// The models have other tensors.
    pub fn with_difference(&self, old: &Self, tuned: &Self) -> Result<Self, PortError> {
        let mut sum = self.clone();
        let (old, tuned) = (old.weights.named(), tuned.weights.named());
        let names = |tensors: &[(String, &Tensor)]| {
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape().to_vec())).collect::<Vec<_>>()
        };
        let mine = names(&self.weights.named());
        if mine != names(&old) || mine != names(&tuned) {
            return Err(PortError::Whole);
        }
        for ((_, tensor), ((_, old), (_, tuned))) in sum.weights.named_mut().into_iter().zip(old.iter().zip(&tuned)) {
            let (old, tuned) = (old.vector::<f32>(), tuned.vector::<f32>());
            let differences = tuned.iter().zip(old.iter()).map(|(tuned, old)| tuned - old);
            tensor.change().iter_mut().zip(differences).for_each(|(value, difference)| *value += difference);
        }
        Ok(sum)
    }
}

/// An adapter of `old` for `new`, which may have any shapes: for every layer of `new` the update of the layer of `old` at the
/// same depth, between the inputs and outputs that both have on the same texts.
///
/// Let `X` and `Y` be what goes into and comes out of a linear layer, a token a row. Ridge regression gives `M` with `X_old ≈ X_new
/// Mᵀ` and `N` with `Y_new ≈ Y_old Nᵀ`; then `N B A M` is the update of the new layer, of the same rank: `B' = N B`, `A' = A M`.
/// `Y` are those of the base models. `X` are those with the updates of all layers before: what an update makes of its input is
/// wanted where the input was changed already. Lengths of DoRA are those of the new weights.
///
/// # Errors
/// The texts share too few places.
pub fn transfer(old: (&Model, &Adapter), new: &Model, texts: &[SharedText]) -> Result<Adapter, PortError> {
    let ((old, adapter), texts) = (old, chosen(texts));
    let found = texts.iter().map(|text| text.places.len()).sum();
    let needed = 2 * adapter.rank();
    if found < needed {
        return Err(PortError::Texts { found, needed });
    }
    let of_old = || Pass::new(old, texts.iter().map(|text| (&text.old, text.places.iter().map(|place| place.0))));
    let of_new = || Pass::new(new, texts.iter().map(|text| (&text.new, text.places.iter().map(|place| place.1))));
    let (mut plain, mut tuned) = ((of_old(), of_new()), (of_old(), of_new()));
    let depths: Vec<usize> = (0..new.config.layers).map(|layer| depth(layer, new, old)).collect();
    let mut moved = adapter.of_parts(new, nothing(adapter, new))?;
    let mut from: Option<(usize, Activations, Activations)> = None;
    for (layer, &source) in depths.iter().enumerate() {
        while from.as_ref().is_none_or(|(at, ..)| *at < source) {
            let at = from.map_or(0, |(at, ..)| at + 1);
            from = Some((at, plain.0.block(at, None), tuned.0.block(at, Some(&adapter.update))));
        }
        let Some((_, plain_old, tuned_old)) = &from else { continue };
        let plain_new = plain.1.block(layer, None);
        // What one layer did is shared by those that take its place.
        let share = 1.0 / depths.iter().filter(|depth| **depth == source).count() as f64;
        for together in TOGETHER {
            let tuned_new = tuned.1.peek(layer, Some(&moved.update));
            for &target in together {
                let Some(pair) = adapter.update.pair(source, target) else { continue };
                let input = activations::input_of(target);
                let (x_old, x_new) = (&tuned_old.inputs[input], &tuned_new.inputs[input]);
                let (y_old, y_new) = (&plain_old.outputs[target as usize], &plain_new.outputs[target as usize]);
                let a = Ridge::new(x_new).through(x_old, &pair.a, x_new);
                let b = Ridge::new(y_old).onto(y_old, &pair.b, y_new, share);
                if let Some(pair) = moved.update.pair_mut(layer, target) {
                    pair.a.change().copy_from_slice(&a);
                    pair.b.change().copy_from_slice(&b);
                }
            }
        }
        tuned.1.block(layer, Some(&moved.update));
    }
    let tensors = moved.update.named();
    let broken = tensors.iter().find(|(_, tensor)| !tensor.vector::<f32>().iter().all(|x| x.is_finite()));
    broken.map_or(Ok(()), |(name, _)| Err(AdapterError::Values(name.clone())))?;
    Ok(moved)
}

/// The layers of a block in their order; those side by side have the same input.
const TOGETHER: [&[Target]; 4] =
    [&[Target::Query, Target::Key, Target::Value], &[Target::Output], &[Target::Gate, Target::Up], &[Target::Down]];

/// Factors that change nothing.
fn nothing(adapter: &Adapter, new: &Model) -> BTreeMap<String, Vec<f32>> {
    let (mut parts, rank) = (BTreeMap::new(), adapter.rank());
    for layer in 0..new.config.layers {
        for target in Target::ALL.into_iter().filter(|target| adapter.update.pair(0, *target).is_some()) {
            let [outputs, inputs] = target.shape(&new.config);
            parts.insert(part_name(target, layer, Part::A), vec![0.0; inputs * rank]);
            parts.insert(part_name(target, layer, Part::B), vec![0.0; outputs * rank]);
        }
    }
    parts
}

/// The layer of `old` at the depth of a layer of `new`.
fn depth(layer: usize, new: &Model, old: &Model) -> usize {
    let (layers, of_old) = (new.config.layers, old.config.layers);
    // In halves, so that it is rounded without floating point.
    let (above, below) = (2 * layer * of_old.saturating_sub(1), 2 * layers.saturating_sub(1).max(1));
    (above + below / 2) / below
}

/// Texts that have enough places together.
fn chosen(texts: &[SharedText]) -> Vec<SharedText> {
    let (mut left, mut chosen) = (TOKENS, Vec::new());
    for text in texts {
        if left == 0 {
            break;
        }
        let mut text = text.clone();
        text.places.truncate(left);
        // Nothing depends on what comes after the last place.
        if let Some(&(old, new)) = text.places.last() {
            text.old.truncate(old + 1);
            text.new.truncate(new + 1);
            left -= text.places.len();
            chosen.push(text);
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
