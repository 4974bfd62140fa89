use freehold_core::recipe::{AdapterSettings, Method};

use super::*;
use crate::adapter::Adapter;
use crate::config::{Biases, Config};
use crate::generate::{Answer, Ending, GenerateSettings, generate};
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

/// All events of rows that come at once, as tokens and ending of each.
fn together(model: &Arc<Model>, precision: Precision, requests: &[Request]) -> Vec<(Vec<u32>, Option<Ending>)> {
    let mut batcher = Batcher::new(Arc::clone(model), precision, requests.len());
    let rows: Vec<RowId> = requests.iter().map(|request| batcher.add(request.clone()).unwrap()).collect();
    let mut answers = vec![(Vec::new(), None); rows.len()];
    while !batcher.is_empty() {
        for Event { row, token, ending } in batcher.step() {
            let index = rows.iter().position(|other| *other == row).unwrap();
            answers[index].0.extend(token);
            answers[index].1 = ending.and_then(Result::ok);
        }
    }
    answers
}

#[test]
fn a_row_whose_logits_are_not_finite_ends_alone() {
    let model = Arc::new(tiny::<f32>(with_everything()));
    let mut damaged = Adapter::clone(&adapter(&model, Method::Dora, 2, &ALL));
    for (_, tensor) in damaged.update.named_mut() {
        *tensor = Tensor::of(vec![3e38_f32; tensor.len()], tensor.shape());
    }
    let adapters = adapters(&model);
    let mut requests: Vec<Request> = (1..9).map(|index| request(index, &adapters)).collect();
    let whole = together(&model, Precision::F32, &requests);
    requests.insert(3, Request { adapter: Some(Arc::new(damaged)), ..requests[3].clone() });
    let mut batcher = Batcher::new(Arc::clone(&model), Precision::F32, 9);
    let rows: Vec<RowId> = requests.iter().map(|request| batcher.add(request.clone()).unwrap()).collect();
    let mut failed = Vec::new();
    while !batcher.is_empty() {
        failed.extend(batcher.step().into_iter().filter(|event| matches!(event.ending, Some(Err(_)))));
    }
    let [Event { row, token: None, ending: Some(Err(GenerateError::NotFinite { .. })) }] = &failed[..] else {
        panic!("{failed:?}");
    };
    assert_eq!(*row, rows[3]);
    let mut others = together(&model, Precision::F32, &requests);
    assert_eq!(others.remove(3), (Vec::new(), None));
    assert_eq!(others, whole);
}

/// In bf16 a token by itself is added up in another order than tokens in panels; who else is in the panels does not matter.
#[test]
fn in_bf16_a_row_does_not_depend_on_the_others() {
    for config in families() {
        let model = Arc::new(tiny::<f32>(config));
        let adapters = adapters(&model);
        let request = |index| {
            let Request { adapter, prompt, settings } = request(index, &adapters);
            Request {
                adapter,
                prompt,
                settings: GenerateSettings { precision: Precision::Bf16, max_new_tokens: 9, ..settings },
            }
        };
        let requests: Vec<Request> = (0..36).map(request).collect();
        let all = together(&model, Precision::Bf16, &requests);
        for index in [0, 7, 20, 35] {
            let of_one = together(&model, Precision::Bf16, &requests[index..=index]);
            assert_eq!(of_one[0], all[index], "{index}");
        }
    }
}

#[test]
fn what_a_row_takes_is_said_and_given_back() {
    let model = Arc::new(tiny::<f32>(with_everything()));
    let mut batcher = Batcher::new(Arc::clone(&model), Precision::F32, 2);
    assert_eq!(batcher.past_bytes(), 0);
    let settings = GenerateSettings { max_new_tokens: 3, ..GenerateSettings::default() };
    let row = batcher.add(Request { adapter: None, prompt: vec![3; 60], settings: settings.clone() }).unwrap();
    batcher.step();
    // The tokens, up to a panel of them, and an eighth in advance.
    let least = 60 * model.past_bytes_per_token();
    assert!((least..=(64 + 8) * model.past_bytes_per_token()).contains(&batcher.past_bytes()), "{least}");
    batcher.remove(row);
    assert_eq!(batcher.past_bytes(), 0);
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let model = Arc::new(tiny::<f32>(config()));
    let mut other = Model::clone(&model);
    other.origin.digest = freehold_core::digest::Digest::of(b"other");
    let foreign = adapter(&other, Method::Lora, 2, &ALL);
    let mut batcher = Batcher::new(Arc::clone(&model), Precision::F32, 1);
    let settings = || GenerateSettings { max_new_tokens: 5, ..GenerateSettings::default() };
    let mut add = |adapter, prompt: &[u32], settings| {
        batcher.add(Request { adapter, prompt: prompt.to_vec(), settings }).unwrap_err()
    };
    assert!(matches!(add(None, &[], settings()), GenerateError::Empty { .. }));
    assert!(matches!(add(None, &[40], settings()), GenerateError::UnknownToken { id: 40, .. }));
    assert!(matches!(add(None, &[1; 60], settings()), GenerateError::TooLong { length: 60, .. }));
    let few = GenerateSettings { max_new_tokens: 2, ..settings() };
    assert!(matches!(add(Some(foreign), &[1], few.clone()), GenerateError::OtherBase { .. }));
    for (key, settings) in [
        ("stop", GenerateSettings { stop: vec!["x".into()], ..few.clone() }),
        ("precision", GenerateSettings { precision: Precision::Bf16, ..few.clone() }),
        ("temperature", GenerateSettings { temperature: -1.0, ..few.clone() }),
        ("top_p", GenerateSettings { top_p: 0.0, ..few.clone() }),
    ] {
        assert!(
            matches!(add(None, &[1], settings), GenerateError::Setting { key: found, .. } if found == key),
            "{key}"
        );
    }
    let nothing = GenerateSettings { max_new_tokens: 0, ..few };
    let row = batcher.add(Request { adapter: None, prompt: vec![1], settings: nothing }).unwrap();
    let events = batcher.step();
    assert!(matches!(&events[..], [Event { row: of, token: None, ending: Some(Ok(Ending::Length)) }] if *of == row));
    assert!(batcher.is_empty());
}
