use freehold_core::recipe::{AdapterSettings, Method};

use super::*;
use crate::adapter::Adapter;
use crate::config::{Biases, Config};
use crate::generate::{Answer, GenerateSettings, generate};
use crate::model::tests::{config, tiny, with_everything};
use crate::random::Random;
use crate::tensor::Tensor;

/// An adapter with random values, so that it changes what is said.
fn adapter(model: &Model, method: Method, rank: usize, targets: &[&str]) -> Arc<Adapter> {
    let targets = targets.iter().map(|&name| name.to_owned()).collect();
    let settings = AdapterSettings { method, rank, alpha: 8.0, dropout: 0.0, targets };
    let mut adapter = Adapter::initial(model, &settings, 3).unwrap();
    for (name, tensor) in adapter.update.named_mut() {
        let mut random = Random::new(rank as u64, &name);
        let mean = if name.ends_with("magnitude_vector") { 1.5 } else { 0.0 };
        let values: Vec<f32> = (0..tensor.len()).map(|_| (mean + random.normal() * 0.4) as f32).collect();
        *tensor = Tensor::of(values, tensor.shape());
    }
    Arc::new(adapter)
}

const ALL: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

fn adapters(model: &Model) -> Vec<Option<Arc<Adapter>>> {
    vec![
        None,
        Some(adapter(model, Method::Lora, 4, &ALL)),
        Some(adapter(model, Method::Rslora, 3, &["q_proj", "v_proj"])),
        Some(adapter(model, Method::Dora, 2, &ALL)),
        Some(adapter(model, Method::Dora, 1, &["o_proj", "up_proj"])),
    ]
}

/// The shapes that the families of base models have.
fn families() -> [Config; 4] {
    let qkv = Biases { qkv: true, ..Biases::default() };
    [
        config(),
        Config { biases: qkv, tied_head: false, ..config() },
        Config { head_norm: true, ..config() },
        with_everything(),
    ]
}

fn request(index: u32, adapters: &[Option<Arc<Adapter>>]) -> Request {
    Request {
        adapter: adapters[index as usize * 7 % adapters.len()].clone(),
        prompt: (0..1 + index * 5 % 45).map(|k| 2 + (index * 7 + k * 5) % 38).collect(),
        settings: GenerateSettings {
            max_new_tokens: 1 + index as usize * 3 % 12,
            temperature: if index.is_multiple_of(3) { 0.0 } else { 1.0 },
            seed: u64::from(index),
            ..GenerateSettings::default()
        },
    }
}

fn alone(model: &Model, request: &Request) -> Answer {
    let prompts = std::slice::from_ref(&request.prompt);
    let answers = generate(model, request.adapter.as_deref(), prompts, &request.settings, None, &mut |_| ()).unwrap();
    answers.into_iter().next().unwrap()
}

/// Rows come as others go; each has the answer that it has alone.
fn assert_as_if_alone(config: Config) {
    let model = Arc::new(tiny::<f32>(config));
    let adapters = adapters(&model);
    let requests: Vec<Request> = (0..60).map(|index| request(index, &adapters)).collect();
    let mut batcher = Batcher::new(Arc::clone(&model), Precision::F32, 40);
    let (mut rows, mut answers, mut added) = (Vec::new(), Vec::new(), 0);
    for step in 0.. {
        for _ in 0..(step % 4).min(batcher.free()) {
            if let Some(request) = requests.get(added) {
                rows.push(batcher.add(request.clone()).unwrap());
                answers.push((Vec::new(), None));
                added += 1;
            }
        }
        if batcher.is_empty() && added == requests.len() {
            break;
        }
        for Event { row, token, ending } in batcher.step() {
            let index = rows.iter().position(|other| *other == row).unwrap();
            assert_eq!(answers[index].1, None);
            answers[index].0.extend(token);
            answers[index].1 = ending.map(Result::unwrap);
        }
    }
    let mut changed = 0;
    for (index, (request, (ids, ending))) in requests.iter().zip(&answers).enumerate() {
        let alone = alone(&model, request);
        assert_eq!((&alone.ids, Some(alone.ending)), (ids, *ending), "{index}");
        changed += usize::from(alone != self::alone(&model, &Request { adapter: None, ..request.clone() }));
    }
    assert!(changed > 20, "the adapters change {changed} answers only");
}

#[test]
fn a_row_has_the_answer_that_it_has_alone() {
    families().into_iter().for_each(assert_as_if_alone);
}

#[test]
fn rows_that_are_removed_leave_room_and_nothing_else() {
    let model = Arc::new(tiny::<f32>(config()));
    let adapters = adapters(&model);
    let mut batcher = Batcher::new(Arc::clone(&model), Precision::F32, 2);
    let long = |index| {
        let request = request(index, &adapters);
        Request { settings: GenerateSettings { max_new_tokens: 9, ..request.settings }, ..request }
    };
    let kept = batcher.add(long(4)).unwrap();
    let gone = batcher.add(long(5)).unwrap();
    let error = batcher.add(request(6, &adapters)).unwrap_err();
    assert!(matches!(error, GenerateError::Full { rows: 2 }));
    batcher.step();
    assert!(batcher.remove(gone) && !batcher.remove(gone));
    assert_eq!((batcher.free(), batcher.len()), (1, 1));
    while !batcher.is_empty() {
        assert!(batcher.step().iter().all(|event| event.row == kept));
    }
    assert!(batcher.step().is_empty());
}
