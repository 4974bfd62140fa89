use super::*;
use crate::config::Biases;
use crate::family::Family;
use crate::ops::check::{assert_gradient, random};
use crate::random::Random;
use crate::rotary::{Rotary, Scaling};
use crate::tensor::Tensor;
use crate::update::{Part, Update, UpdateShape};
use freehold_kernels::{Precision, Real};

/// 2 layers, 4 query and 2 key heads, 40 tokens.
pub(crate) fn config() -> Config {
    Config {
        family: Family::Llama,
        hidden_size: 16,
        intermediate_size: 24,
        layers: 2,
        heads: 4,
        key_heads: 2,
        head_width: 4,
        vocab_size: 40,
        max_positions: 64,
        norm_eps: 1e-5,
        rotary: Rotary { theta: 100.0, scaling: Scaling::None },
        tied_head: true,
        biases: Biases::default(),
        head_norm: false,
        windows: vec![None; 2],
        end_ids: vec![1],
    }
}

/// Biases, norms of heads, a window and a head of its own.
pub(crate) fn with_everything() -> Config {
    Config {
        tied_head: false,
        biases: Biases { qkv: true, output: true, feed: true },
        head_norm: true,
        windows: vec![Some(3), None],
        ..config()
    }
}

/// A model with random weights.
pub(crate) fn tiny<T: Real>(config: Config) -> Model {
    let built = Weights::build(&config, |name, shape| {
        let mut random = Random::new(9, name);
        let mean = if shape.len() == 1 { 1.0 } else { 0.0 };
        let deviation = if shape[0] == config.vocab_size { 1.0 } else { 0.3 };
        let count = shape.iter().product();
        let values: Vec<T> = (0..count).map(|_| T::real(mean + random.normal() * deviation)).collect();
        Ok::<_, ()>(Tensor::of(values, shape))
    });
    let nothing = Digest::of(b"tiny");
    let origin = Origin { digest: nothing, tokenizer: nothing, template: None, files: Default::default() };
    Model::of(config, built.unwrap(), origin)
}

const IDS: [u32; 9] = [3, 9, 20, 9, 30, 5, 5, 39, 0];
const TARGETS: [(u32, u32); 5] = [(1, 20), (2, 9), (5, 5), (6, 39), (8, 2)];

fn rope(model: &Model) -> Rope<f64> {
    Rope::new(&model.config.rotary, model.config.head_width)
}

fn loss_of(model: &Model, weights: &Weights, trained: Trained<'_>, recompute: bool) -> (f64, Gradients<f64>) {
    let request = LossRequest {
        ids: &IDS,
        segments: &[0..4, 4..9],
        targets: &TARGETS,
        total: 5,
        precision: Precision::F32,
        recompute,
    };
    loss_and_gradients((model, weights, &rope(model)), trained, &request)
}

fn loss(model: &Model, weights: &Weights, trained: Trained<'_>) -> (f64, Gradients<f64>) {
    loss_of(model, weights, trained, false)
}

#[test]
fn every_gradient_of_a_whole_model_matches_finite_differences() {
    for config in [config(), with_everything()] {
        let model = tiny::<f64>(config);
        let gradients = loss(&model, &model.weights, Trained::Model).1;
        assert_eq!(gradients.len(), model.weights.named().len());
        for (name, tensor) in model.weights.named() {
            let with = |values: &[f64]| {
                let mut weights = model.weights.clone();
                let mut named = weights.named_mut();
                let (_, found) = named.iter_mut().find(|(other, _)| *other == name).unwrap();
                **found = Tensor::of(values.to_vec(), tensor.shape());
                loss(&model, &weights, Trained::Model).0
            };
            assert_gradient(&tensor.vector::<f64>(), with, &gradients[&name]);
        }
    }
}

fn random_update(model: &Model, targets: &[Target], dora: bool) -> Update {
    let mut stream = 50;
    let shape = UpdateShape { rank: 2, scale: 0.7, targets, dora };
    let built = Update::build((&model.config, &model.weights), shape, |_, dimensions, part, _| {
        stream += 1;
        let mut values = random(dimensions.iter().product(), stream);
        if part == Part::Magnitude {
            values.iter_mut().for_each(|length| *length += 2.0);
        }
        Ok::<_, ()>(Tensor::of(values, dimensions))
    });
    built.unwrap()
}

/// DoRA's norms are constants in the backward pass, so finite differences have to hold them, too.
fn gradients_match(model: &Model, update: &Update, dropout: Option<Dropout>) {
    let gradients = loss(model, &model.weights, Trained::Update(update, dropout)).1;
    assert_eq!(gradients.len(), update.named().len());
    for (name, tensor) in update.named() {
        let with = |values: &[f64]| {
            let mut update = update.clone();
            let mut named = update.named_mut();
            let (_, found) = named.iter_mut().find(|(other, _)| *other == name).unwrap();
            **found = Tensor::of(values.to_vec(), tensor.shape());
            loss(model, &model.weights, Trained::Update(&update, dropout)).0
        };
        assert_gradient(&tensor.vector::<f64>(), with, &gradients[&name]);
    }
}

#[test]
fn every_gradient_of_an_update_matches_finite_differences() {
    for config in [config(), with_everything()] {
        let model = tiny::<f64>(config);
        for targets in [&Target::ALL[..], &[Target::Query, Target::Down]] {
            let update = random_update(&model, targets, false);
            for dropout in [None, Some(Dropout { probability: 0.4, seed: 3, step: 5 })] {
                gradients_match(&model, &update, dropout);
            }
        }
    }
}

#[test]
fn computing_blocks_again_changes_nothing() {
    let model = tiny::<f64>(with_everything());
    for dora in [false, true] {
        let update = random_update(&model, &Target::ALL, dora);
        let trained = Trained::Update(&update, Some(Dropout { probability: 0.4, seed: 3, step: 5 }));
        assert_eq!(loss_of(&model, &model.weights, trained, false), loss_of(&model, &model.weights, trained, true));
    }
}

#[test]
fn an_update_is_as_if_it_were_merged() {
    let model = tiny::<f64>(with_everything());
    for dora in [false, true] {
        let update = random_update(&model, &Target::ALL, dora);
        let mut merged = model.weights.clone();
        for (layer, (weights, pairs)) in merged.layers.iter_mut().zip(&update.layers).enumerate() {
            for (linear, pair) in weights.linear.iter_mut().zip(pairs) {
                let pair = pair.as_ref().unwrap_or_else(|| panic!("layer {layer} has every pair"));
                linear.weight = Tensor::of(update.merged(pair, linear), linear.weight.shape());
            }
        }
        let separate = loss(&model, &model.weights, Trained::Update(&update, None)).0;
        // Merged weights are f32.
        assert!((loss(&model, &merged, Trained::Model).0 - separate).abs() < 1e-6);
    }
}

#[test]
fn the_gradient_of_a_length_matches_finite_differences() {
    let model = tiny::<f64>(config());
    let update = random_update(&model, &Target::ALL, true);
    let gradients = loss(&model, &model.weights, Trained::Update(&update, None)).1;
    for (name, tensor) in update.named().into_iter().filter(|(name, _)| name.ends_with("magnitude_vector")) {
        let with = |values: &[f64]| {
            let mut update = update.clone();
            let mut named = update.named_mut();
            let (_, found) = named.iter_mut().find(|(other, _)| *other == name).unwrap();
            **found = Tensor::of(values.to_vec(), tensor.shape());
            loss(&model, &model.weights, Trained::Update(&update, None)).0
        };
        assert_gradient(&tensor.vector::<f64>(), with, &gradients[&name]);
    }
}

#[test]
fn packed_examples_are_as_if_alone() {
    let model = tiny::<f64>(with_everything());
    let whole = loss(&model, &model.weights, Trained::Model);
    #[allow(clippy::single_range_in_vec_init, reason = "a list of one segment")]
    let part = |range: std::ops::Range<usize>| {
        let here = TARGETS.iter().filter(|target| range.contains(&(target.0 as usize)));
        let targets: Vec<(u32, u32)> = here.map(|(token, id)| (token - range.start as u32, *id)).collect();
        let request = LossRequest {
            ids: &IDS[range.clone()],
            segments: &[0..range.len()],
            targets: &targets,
            total: 5,
            precision: Precision::F32,
            recompute: false,
        };
        loss_and_gradients((&model, &model.weights, &rope(&model)), Trained::Model, &request)
    };
    let (first, second): ((f64, Gradients<f64>), (f64, Gradients<f64>)) = (part(0..4), part(4..9));
    assert!((whole.0 - first.0 - second.0).abs() < 1e-12);
    for (name, gradient) in &whole.1 {
        let parts = first.1[name].iter().zip(&second.1[name]);
        assert!(gradient.iter().zip(parts).all(|(sum, (a, b))| (sum - a - b).abs() < 1e-10), "{name}");
    }
}

#[test]
fn a_frozen_model_gets_no_gradients() {
    let model = tiny::<f64>(config());
    let update = random_update(&model, &[Target::Value], false);
    let gradients = loss(&model, &model.weights, Trained::Update(&update, None)).1;
    assert_eq!(gradients.len(), 4);
    assert!(gradients.keys().all(|name| name.contains("v_proj.lora_")), "{:?}", gradients.keys());
}
