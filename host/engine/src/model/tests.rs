use std::collections::BTreeMap;

use candle_core::Result;

use super::*;
use crate::lora::Lora;
use crate::ops::check::{assert_scalar_gradient, random};
use crate::ops::{TokenTarget, check};
use crate::random::Random;

/// A model with random weights: 2 layers, 4 query and 2 key heads, 40 tokens.
pub(crate) fn tiny(dtype: DType) -> Model {
    let config = Config {
        hidden_size: 16,
        intermediate_size: 24,
        layers: 2,
        heads: 4,
        key_heads: 2,
        head_width: 4,
        vocab_size: 40,
        max_positions: 64,
        norm_eps: 1e-5,
        rope_theta: 100.0,
        tied_head: true,
        end_ids: vec![1],
    };
    with_random_weights(config, dtype)
}

pub(crate) fn with_random_weights(config: Config, dtype: DType) -> Model {
    let weights = Weights::build(&config, |name, shape| {
        let mut random = Random::new(9, name);
        let mean = if shape.len() == 1 { 1.0 } else { 0.0 };
        let deviation = if shape[0] == config.vocab_size { 1.0 } else { 0.3 };
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| mean + random.normal() * deviation).collect();
        Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)
    });
    let nothing = Digest::of(b"tiny");
    let origin = Origin { digest: nothing, tokenizer: nothing, template: None, tokenizer_files: Default::default() };
    Model { rope: Ropes::new(&config, dtype), config, weights: weights.unwrap(), origin }
}

const IDS: [u32; 9] = [3, 9, 20, 9, 30, 5, 5, 39, 0];

fn targets() -> Vec<TokenTarget> {
    [(1, 20), (2, 9), (5, 5), (6, 39), (8, 2)].map(|(row, id)| TokenTarget { row, id }).to_vec()
}

fn loss(model: &Model, weights: &Weights, wanted: Wanted<'_>) -> Result<(f64, Gradients)> {
    let segments = [0..4, 4..9];
    let request = LossRequest { ids: &IDS, segments: &segments, targets: &targets(), total: 5 };
    loss_and_gradients(model, weights, wanted, &request)
}

fn replaced(model: &Model, name: &str, value: &Tensor) -> Weights {
    let all: BTreeMap<String, Tensor> =
        model.weights.named().into_iter().map(|(name, tensor)| (name, tensor.clone())).collect();
    let take =
        |wanted: &str, _: &[usize]| Ok::<_, ()>(if wanted == name { value.clone() } else { all[wanted].clone() });
    Weights::build(&model.config, take).unwrap()
}

#[test]
fn every_gradient_of_a_whole_model_matches_finite_differences() -> Result<()> {
    let mut untied = tiny(DType::F64);
    untied.config.tied_head = false;
    for model in [tiny(DType::F64), with_random_weights(untied.config, DType::F64)] {
        let gradients = loss(&model, &model.weights, Wanted::All)?.1;
        assert_eq!(gradients.len(), model.weights.named().len());
        for (name, tensor) in model.weights.named() {
            let f = |value: &Tensor| loss(&model, &replaced(&model, &name, value), Wanted::All).unwrap().0;
            assert_scalar_gradient(tensor, f, &gradients[&name]);
        }
    }
    Ok(())
}

fn random_lora(model: &Model, targets: &[Target]) -> Lora {
    let mut stream = 50;
    Lora::build(&model.config, (2, 0.7), targets, |_, [rows, columns]| {
        stream += 1;
        Ok::<_, ()>(random(&[rows, columns], stream))
    })
    .unwrap()
}

fn replaced_lora(model: &Model, lora: &Lora, targets: &[Target], name: &str, value: &Tensor) -> Lora {
    let all: BTreeMap<String, Tensor> = lora.named().into_iter().map(|(name, tensor)| (name, tensor.clone())).collect();
    Lora::build(&model.config, (2, 0.7), targets, |wanted, _| {
        Ok::<_, ()>(if wanted == name { value.clone() } else { all[wanted].clone() })
    })
    .unwrap()
}

#[test]
fn every_gradient_of_an_update_matches_finite_differences() -> Result<()> {
    let model = tiny(DType::F64);
    for targets in [&Target::ALL[..], &[Target::Query, Target::Down]] {
        for dropout in [None, Some(Dropout { probability: 0.4, seed: 3, step: 5 })] {
            let lora = random_lora(&model, targets);
            let run = |lora: &Lora| {
                let merged = lora.merged(&model.weights).unwrap();
                let weights = if dropout.is_some() { &model.weights } else { &merged };
                loss(&model, weights, Wanted::Lora(lora, dropout)).unwrap()
            };
            let gradients = run(&lora).1;
            assert_eq!(gradients.len(), 4 * targets.len());
            for (name, tensor) in lora.named() {
                let f = |value: &Tensor| run(&replaced_lora(&model, &lora, targets, &name, value)).0;
                assert_scalar_gradient(tensor, f, &gradients[&name]);
            }
        }
    }
    Ok(())
}

#[test]
fn merged_and_separate_updates_agree() -> Result<()> {
    let model = tiny(DType::F64);
    let lora = random_lora(&model, &Target::ALL);
    let keep_all = Dropout { probability: 0.0, seed: 1, step: 1 };
    let merged = loss(&model, &lora.merged(&model.weights)?, Wanted::Lora(&lora, None))?;
    let separate = loss(&model, &model.weights, Wanted::Lora(&lora, Some(keep_all)))?;
    assert!((merged.0 - separate.0).abs() < 1e-12);
    for (name, gradient) in &merged.1 {
        let difference = (gradient - &separate.1[name])?;
        assert!(check::inner(&difference, &difference) < 1e-20, "{name}");
    }
    Ok(())
}

#[test]
fn packed_examples_are_as_if_alone() -> Result<()> {
    let model = tiny(DType::F64);
    let whole = loss(&model, &model.weights, Wanted::All)?;
    let part = |range: std::ops::Range<usize>| {
        let whole_part = 0..range.len();
        let targets: Vec<TokenTarget> = targets()
            .into_iter()
            .filter(|target| range.contains(&(target.row as usize)))
            .map(|target| TokenTarget { row: target.row - range.start as u32, id: target.id })
            .collect();
        let request = LossRequest {
            ids: &IDS[range.clone()],
            segments: std::slice::from_ref(&whole_part),
            targets: &targets,
            total: 5,
        };
        loss_and_gradients(&model, &model.weights, Wanted::All, &request).unwrap()
    };
    let (first, second) = (part(0..4), part(4..9));
    assert!((whole.0 - first.0 - second.0).abs() < 1e-12);
    for (name, gradient) in &whole.1 {
        let difference = ((gradient - &first.1[name])? - &second.1[name])?;
        assert!(check::inner(&difference, &difference) < 1e-20, "{name}");
    }
    Ok(())
}

#[test]
fn a_frozen_model_gets_no_gradients() -> Result<()> {
    let model = tiny(DType::F64);
    let lora = random_lora(&model, &[Target::Value]);
    let gradients = loss(&model, &model.weights, Wanted::Lora(&lora, None))?.1;
    let names: Vec<&String> = gradients.keys().collect();
    assert_eq!(names.len(), 4);
    assert!(names.iter().all(|name| name.contains("v_proj.lora_")), "{names:?}");
    Ok(())
}
