//! What texts are to a model: how much they surprise it, and where they lie among its hidden states.

use std::ops::Range;

use freehold_core::recipe::Precision;

use crate::adapter::Adapter;
use crate::generate::{GenerateError, network};
use crate::model::{Model, Network, hidden};
use crate::ops::{gather_tokens, loss_of};

/// Tokens that are passed at once, unless one text has more.
const TOKENS_AT_ONCE: usize = 2048;

/// What a text is to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Impression {
    /// The mean cross-entropy of every token but the first, in nats; the perplexity is its exponential. `None` for a single token.
    pub loss: Option<f64>,
    /// The mean over all tokens of the hidden state behind the last block and its norm.
    pub hidden: Vec<f32>,
}

/// Shows texts to a model, each as if there were no other. Of one that is longer than the model can attend to, its beginning is
/// looked at. `observe` gets the number of texts done.
///
/// # Errors
/// A text is empty or has unknown tokens; the adapter belongs to another model; what comes out is not finite.
pub fn impressions(
    model: &Model,
    adapter: Option<&Adapter>,
    texts: &[Vec<u32>],
    precision: Precision,
    observe: &mut dyn FnMut(usize),
) -> Result<Vec<Impression>, GenerateError> {
    for (index, text) in texts.iter().enumerate() {
        if text.is_empty() {
            return Err(GenerateError::Empty { index });
        }
        if let Some(&id) = text.iter().find(|&&id| id as usize >= model.config.vocab_size) {
            return Err(GenerateError::UnknownToken { index, id });
        }
    }
    let network = network(model, adapter, precision)?;
    let mut impressions = Vec::with_capacity(texts.len());
    let (mut ids, mut segments): (Vec<u32>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        let text = &text[..text.len().min(model.config.max_positions)];
        segments.push(ids.len()..ids.len() + text.len());
        ids.extend_from_slice(text);
        if ids.len() >= TOKENS_AT_ONCE || index + 1 == texts.len() {
            impressions.extend(of_segments(&network, &ids, &segments));
            ids.clear();
            segments.clear();
            observe(impressions.len());
        }
    }
    let is_finite = |of: &Impression| of.loss.is_none_or(f64::is_finite) && of.hidden.iter().all(|x| x.is_finite());
    match impressions.iter().position(|impression| !is_finite(impression)) {
        Some(index) => Err(GenerateError::NotFinite { index }),
        None => Ok(impressions),
    }
}

fn of_segments(network: &Network<'_, f32>, ids: &[u32], segments: &[Range<usize>]) -> Vec<Impression> {
    let states = hidden(network, ids, segments);
    let one = |segment: &Range<usize>| {
        let mut mean = vec![0.0_f64; states.features()];
        for token in segment.clone() {
            mean.iter_mut().zip(states.token(token)).for_each(|(sum, x)| *sum += f64::from(x));
        }
        let hidden = mean.iter().map(|sum| (sum / segment.len() as f64) as f32).collect();
        let targets = &ids[segment.start + 1..segment.end];
        let before: Vec<u32> = (segment.start as u32..segment.end as u32 - 1).collect();
        let loss = (!targets.is_empty()).then(|| {
            let (head, total) = (network.weights.head(), targets.len() as f64);
            loss_of(&gather_tokens(&states, &before), head, targets, total, network.precision)
        });
        Impression { loss, hidden }
    };
    segments.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::Example;
    use crate::generate::mean_loss;
    use crate::model::tests::{tiny, with_everything};

    fn of(model: &Model, texts: &[Vec<u32>]) -> Vec<Impression> {
        impressions(model, None, texts, Precision::F32, &mut |_| {}).unwrap()
    }

    #[test]
    fn the_loss_is_that_of_training_and_texts_do_not_depend_on_each_other() {
        let model = tiny::<f32>(with_everything());
        let texts: Vec<Vec<u32>> = vec![vec![2, 10, 11, 3, 20], vec![5], vec![2, 12, 3, 7, 9, 8, 4]];
        let together = of(&model, &texts);
        for (text, impression) in texts.iter().zip(&together) {
            let example = Example { ids: text.clone(), mask: vec![true; text.len()] };
            let loss = mean_loss(&model, None, &[example], Precision::F32).unwrap();
            match (loss, impression.loss) {
                (Some(expected), Some(found)) => assert!((expected - found).abs() < 1e-6, "{expected} {found}"),
                (expected, found) => assert_eq!((expected, found), (None, None)),
            }
            assert_eq!(of(&model, std::slice::from_ref(text)), std::slice::from_ref(impression));
        }
        assert!(together.iter().all(|impression| impression.hidden.len() == together[0].hidden.len()));
        assert_ne!(together[0].hidden, together[2].hidden);
        assert_eq!(of(&model, &[]), []);
    }

    #[test]
    fn texts_that_a_model_cannot_read_are_refused_and_long_ones_are_cut() {
        let model = tiny::<f32>(with_everything());
        let refused = |text: Vec<u32>| impressions(&model, None, &[text], Precision::F32, &mut |_| {}).unwrap_err();
        assert!(matches!(refused(vec![]), GenerateError::Empty { index: 0 }));
        assert!(matches!(refused(vec![1, 1 << 30]), GenerateError::UnknownToken { index: 0, .. }));
        let long = vec![3; model.config.max_positions + 40];
        let cut = vec![3; model.config.max_positions];
        assert_eq!(of(&model, &[long]), of(&model, &[cut]));
    }
}
