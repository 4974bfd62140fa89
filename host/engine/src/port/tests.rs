use super::*;
use crate::config::Config;
use crate::generate::logits;
use crate::model::tests::{config, tiny, with_everything};
use crate::model::{Layer, Weights};
use crate::random::Random;
use freehold_core::recipe::{AdapterSettings, Method, Precision};

fn texts() -> Vec<SharedText> {
    let text = |index: usize| {
        let mut random = Random::new(3, &format!("text {index}"));
        let ids: Vec<u32> = (0..24).map(|_| (random.uniform() * 39.0) as u32).collect();
        SharedText { old: ids.clone(), new: ids, places: (0..24).map(|place| (place, place)).collect() }
    };
    (0..24).map(text).collect()
}

fn adapter(model: &Model, method: Method) -> Adapter {
    let targets = Target::ALL.map(|target| target.name().to_owned()).to_vec();
    let settings = AdapterSettings { method, rank: 2, alpha: 4.0, dropout: 0.0, targets };
    let mut adapter = Adapter::initial(model, &settings, 5).unwrap();
    for (name, tensor) in adapter.update.named_mut() {
        let mut random = Random::new(6, &name);
        if name.contains("lora_B") {
            tensor.change().iter_mut().for_each(|value| *value = (random.normal() * 0.1) as f32);
        }
    }
    adapter
}

/// By how much the logits of `adapter` differ from those of its base, and from the `expected` ones.
fn effect(model: &Model, adapter: &Adapter, expected: &[f32]) -> (f64, f64) {
    let ids: Vec<Vec<u32>> = texts().iter().map(|text| text.new.clone()).collect();
    let of = |adapter| logits(model, adapter, &ids, Precision::F32).unwrap().values;
    let (base, now) = (of(None), of(Some(adapter)));
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    (distance(&now, &base), distance(&now, expected))
}

fn expected(model: &Model, adapter: &Adapter) -> Vec<f32> {
    let ids: Vec<Vec<u32>> = texts().iter().map(|text| text.new.clone()).collect();
    logits(model, Some(adapter), &ids, Precision::F32).unwrap().values
}

/// The same model with the features of the feed-forward part in another order, and so with other weights.
fn reordered(model: &Model) -> Model {
    let mut other = model.clone();
    let order: Vec<usize> = (0..model.config.intermediate_size).rev().collect();
    let rows = |tensor: &Tensor| {
        let (columns, values) = (tensor.shape()[1], tensor.vector::<f32>().into_owned());
        let values = order.iter().flat_map(|&row| values[row * columns..][..columns].to_vec()).collect();
        Tensor::of::<f32>(values, tensor.shape())
    };
    let columns = |tensor: &Tensor| {
        let (columns, values) = (tensor.shape()[1], tensor.vector::<f32>().into_owned());
        let values = values.chunks(columns).flat_map(|row| order.iter().map(|&column| row[column]).collect::<Vec<_>>());
        Tensor::of::<f32>(values.collect(), tensor.shape())
    };
    let layer = |layer: &Layer| {
        let mut layer = layer.clone();
        for target in [Target::Gate, Target::Up] {
            layer.linear[target as usize].weight = rows(&layer.linear[target as usize].weight);
        }
        layer.linear[Target::Down as usize].weight = columns(&layer.linear[Target::Down as usize].weight);
        layer
    };
    other.weights = Weights { layers: model.weights.layers.iter().map(layer).collect(), ..model.weights.clone() };
    other
}

#[test]
fn what_an_adapter_does_is_moved_to_other_weights() {
    for method in [Method::Lora, Method::Rslora] {
        let old = tiny::<f32>(config());
        let adapter = adapter(&old, method);
        let wanted = expected(&old, &adapter);
        for new in [old.clone(), reordered(&old)] {
            let moved = transfer((&old, &adapter), &new, &texts()).unwrap();
            let (effect, error) = effect(&new, &moved, &wanted);
            assert!(effect > 1.0 && error < 0.3 * effect, "{error} of {effect}");
        }
        // The update itself means nothing where features have another order.
        let (effect, error) = effect(&reordered(&old), &adapter, &wanted);
        assert!(error > 0.4 * effect, "{error} of {effect}");
    }
}

#[test]
fn an_adapter_gets_the_shape_of_another_model() {
    let old = tiny::<f32>(with_everything());
    for method in [Method::Lora, Method::Dora] {
        let adapter = adapter(&old, method);
        let other =
            Config { hidden_size: 24, intermediate_size: 40, layers: 3, heads: 3, windows: vec![None; 3], ..config() };
        let new = tiny::<f32>(Config { key_heads: 3, head_width: 8, ..other });
        assert!(!new.has_shapes_of(&old) && old.has_shapes_of(&old));
        let moved = transfer((&old, &adapter), &new, &texts()).unwrap();
        let files = moved.to_files().unwrap();
        let again = Adapter::from_files(&files[0].1, &files[1].1, &new).unwrap();
        let (effect, error) = effect(&new, &moved, &expected(&new, &again));
        assert!(effect > 0.0 && error == 0.0, "{effect}, {error}");
        assert!(Adapter::reapplied(&files[0].1, &files[1].1, &old).is_err());
    }
}

#[test]
fn layers_share_those_of_the_same_depth() {
    let layers = |layers| tiny::<f32>(Config { layers, windows: vec![None; layers], ..config() });
    let depths = |new: usize, old: usize| {
        let (new, old) = (layers(new), layers(old));
        (0..new.config.layers).map(|layer| depth(layer, &new, &old)).collect::<Vec<_>>()
    };
    assert_eq!(depths(3, 3), [0, 1, 2]);
    assert_eq!(depths(5, 3), [0, 1, 1, 2, 2]);
    assert_eq!(depths(2, 4), [0, 3]);
    assert_eq!(depths(1, 2), [0]);
}

#[test]
fn what_a_whole_model_learned_is_added_to_another() {
    let (old, mut tuned) = (tiny::<f32>(config()), tiny::<f32>(config()));
    let new = reordered(&old);
    tuned.weights.norm.change()[3] += 2.0;
    let sum = new.with_difference(&old, &tuned).unwrap();
    let (before, after) = (new.weights.norm.vector::<f32>()[3], sum.weights.norm.vector::<f32>()[3]);
    assert!((after - before - 2.0).abs() < 1e-6);
    assert_eq!(sum.weights.embedding.vector::<f32>(), new.weights.embedding.vector::<f32>());
    let other = tiny::<f32>(Config { layers: 1, windows: vec![None], ..config() });
    assert!(matches!(other.with_difference(&old, &tuned), Err(PortError::Whole)));
}

#[test]
fn too_few_shared_places_are_refused() {
    let old = tiny::<f32>(config());
    let text = SharedText { old: vec![1, 2], new: vec![1, 2], places: vec![(0, 0), (1, 1)] };
    for texts in [vec![], vec![text]] {
        let refused = transfer((&old, &adapter(&old, Method::Lora)), &old, &texts);
        assert!(matches!(refused, Err(PortError::Texts { needed: 4, .. })));
    }
}
