use std::sync::Arc;

use freehold_core::recipe::{AdapterSettings, Method, Schedule, TrainSettings};
use freehold_kernels::Workers;

use super::*;
use crate::AdapterError;
use crate::example::Example;
use crate::model::tests::{config, tiny, with_everything};
use crate::train::{Learned, TrainError, TrainReport, Training, train as run_training};

fn settings() -> (AdapterSettings, TrainSettings) {
    let targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let adapter = AdapterSettings {
        method: Method::Lora,
        rank: 8,
        alpha: 16.0,
        dropout: 0.0,
        targets: targets.map(String::from).to_vec(),
    };
    let train = TrainSettings {
        epochs: 60.0,
        tokens_per_step: 24,
        learning_rate: 2e-2,
        schedule: Schedule::Cosine,
        warmup_steps: 2,
        weight_decay: 0.0,
        clip_norm: 1.0,
        max_length: 32,
        ..TrainSettings::default()
    };
    (adapter, train)
}

/// Three prompts and what is to be answered; token 1 ends.
fn dialogues() -> Vec<(Vec<u32>, Vec<u32>)> {
    vec![
        (vec![2, 10, 11, 3], vec![20, 21, 22, 1]),
        (vec![2, 12, 3], vec![23, 1]),
        (vec![2, 13, 14, 15, 16, 3], vec![24, 25, 26, 27, 28, 1]),
    ]
}

fn examples() -> Vec<Example> {
    let example = |(prompt, answer): (Vec<u32>, Vec<u32>)| Example {
        mask: prompt.iter().map(|_| false).chain(answer.iter().map(|_| true)).collect(),
        ids: [prompt, answer].concat(),
    };
    dialogues().into_iter().map(example).collect()
}

/// The likeliest tokens.
fn answers(
    model: &Model,
    adapter: Option<&Adapter>,
    prompts: &[Vec<u32>],
    max_new_tokens: usize,
    observe: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<u32>>, GenerateError> {
    let settings = GenerateSettings { max_new_tokens, ..GenerateSettings::default() };
    let all = generate(model, adapter, prompts, &settings, None, observe)?;
    Ok(all.into_iter().map(|answer| answer.ids).collect())
}

fn logits(model: &Model, adapter: Option<&Adapter>, ids: &[Vec<u32>]) -> Result<Logits, GenerateError> {
    super::logits(model, adapter, ids, Precision::F32)
}

struct TrainedAdapter {
    adapter: Adapter,
    report: TrainReport,
}

fn train_adapter(
    model: &Model,
    examples: &[Example],
    adapter: &AdapterSettings,
    train: &TrainSettings,
) -> Result<TrainedAdapter, TrainError> {
    let training = Training { model, examples, adapter, train, seed: 5, start: None };
    let trained = run_training(training, None, &mut |_: &crate::StepReport| ())?;
    let Learned::Adapter(adapter) = trained.learned else { panic!("an adapter was asked for") };
    Ok(TrainedAdapter { adapter, report: trained.report })
}

fn train() -> TrainedAdapter {
    let (adapter, train) = settings();
    train_adapter(&tiny::<f32>(config()), &examples(), &adapter, &train).unwrap()
}

#[test]
fn an_adapter_learns_by_heart_and_stops() {
    let (model, trained) = (tiny::<f32>(config()), train());
    assert!(trained.report.last_loss < 0.05, "{:?}", trained.report);
    assert_eq!((trained.report.tensors, trained.report.parameters), (28, trained.adapter.parameters()));
    let (prompts, wanted): (Vec<_>, Vec<_>) = dialogues().into_iter().unzip();
    let mut done = Vec::new();
    let got = answers(&model, Some(&trained.adapter), &prompts, 10, &mut |rows| done.push(rows)).unwrap();
    for (got, want) in got.iter().zip(&wanted) {
        assert_eq!(got[..], want[..want.len() - 1]);
    }
    assert_eq!(done.last(), Some(&3));
}

#[test]
fn the_same_bytes_whatever_the_threads() {
    let run = |threads| Arc::new(Workers::new(threads)).install(|| train().adapter.to_files().unwrap());
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}

/// Each answer, together and alone, is what passes over the whole give token by token.
fn assert_argmax(model: &Model, adapter: Option<&Adapter>, prompts: &[Vec<u32>]) {
    let together = answers(model, adapter, prompts, 9, &mut |_| ()).unwrap();
    for (index, (prompt, answer)) in prompts.iter().zip(&together).enumerate() {
        if index % 7 == 0 {
            assert_eq!(&answers(model, adapter, std::slice::from_ref(prompt), 9, &mut |_| ()).unwrap()[0], answer);
        }
        let mut ids = prompt.clone();
        for step in 0..9 {
            let all = logits(model, adapter, std::slice::from_ref(&ids)).unwrap();
            let best = super::sample::likeliest(all.values[all.values.len() - 40..].iter().copied()).unwrap();
            if best == 1 {
                assert_eq!(answer.len(), step);
                break;
            }
            assert_eq!(answer[step], best);
            ids.push(best);
        }
    }
}

#[test]
fn generation_is_the_argmax_of_the_whole_forward_pass() {
    let prompts: Vec<Vec<u32>> =
        (0..100_u32).map(|i| (0..1 + i % 13).map(|k| (i * 7 + k * 5) % 40).collect()).collect();
    assert_argmax(&tiny::<f32>(config()), None, &prompts);
}

#[test]
fn biases_head_norms_windows_and_updates_are_in_generation_as_in_the_whole_forward_pass() {
    let model = tiny::<f32>(with_everything());
    let prompts: Vec<Vec<u32>> = (0..14_u32).map(|i| (0..1 + i).map(|k| (i * 7 + k * 5) % 40).collect()).collect();
    for method in [Method::Lora, Method::Dora] {
        let adapter = AdapterSettings { method, ..settings().0 };
        let trained = train_adapter(&model, &examples(), &adapter, &settings().1).unwrap();
        assert_argmax(&model, Some(&trained.adapter), &prompts);
    }
}

#[test]
fn exported_adapters_load_as_they_were() {
    let (model, trained) = (tiny::<f32>(config()), train());
    let files = trained.adapter.to_files().unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["adapter_config.json", "adapter_model.safetensors"]);
    let loaded = Adapter::from_files(&files[0].1, &files[1].1, &model).unwrap();
    let ids = [vec![2, 10, 11, 3, 20], vec![5, 6, 7, 8, 9]];
    let with = |adapter: Option<&Adapter>| logits(&model, adapter, &ids).unwrap();
    assert_eq!(with(Some(&loaded)), with(Some(&trained.adapter)));
    assert_ne!(with(Some(&loaded)), with(None));
    assert_eq!(with(None).shape, [2, 5, 40]);
    assert!(loaded.to_files().unwrap() == files);
    let tensors = safetensors::SafeTensors::deserialize(&files[1].1).unwrap();
    let name = "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight";
    assert_eq!(tensors.tensor(name).unwrap().shape(), [8, 24]);
    assert_eq!(tensors.len(), 28);
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    let (model, trained) = (tiny::<f32>(config()), train());
    let files = trained.adapter.to_files().unwrap();
    let (config, tensors) = (String::from_utf8(files[0].1.clone()).unwrap(), &files[1].1);
    let load = |config: &str, tensors: &[u8]| Adapter::from_files(config.as_bytes(), tensors, &model).unwrap_err();
    let mut other = model.clone();
    other.origin.digest = freehold_core::digest::Digest::of(b"other");
    let error = Adapter::from_files(config.as_bytes(), tensors, &other).unwrap_err();
    assert!(matches!(error, AdapterError::OtherBase { what: "base model", .. }), "{error}");
    let error = answers(&other, Some(&trained.adapter), &[vec![1]], 1, &mut |_| ()).unwrap_err();
    assert!(matches!(error, GenerateError::OtherBase { .. }), "{error}");

    assert!(matches!(load(&config, &tensors[..tensors.len() - 4]), AdapterError::File(_)));
    assert!(matches!(load("{", tensors), AdapterError::Config(_)));
    let less = config.replace("\"down_proj\",", "");
    assert!(matches!(load(&less, tensors), AdapterError::UnknownTensor(name) if name.contains("down_proj")));
    let rank = config.replace("\"r\": 8", "\"r\": 4");
    assert!(matches!(load(&rank, tensors), AdapterError::Shape { .. }));
    for (from, to) in [("fan_in_fan_out\": false", "fan_in_fan_out\": true"), ("down_proj", "lm_head"), ("LORA", "IA3")]
    {
        assert!(matches!(load(&config.replace(from, to), tensors), AdapterError::Unsupported { .. }), "{to}");
    }
}

#[test]
fn a_train_that_cannot_be_is_told() {
    let (adapter, settings) = settings();
    let model = tiny::<f32>(config());
    let run = |examples: &[Example], adapter: &AdapterSettings, settings: &TrainSettings| {
        train_adapter(&model, examples, adapter, settings).map(|_| ()).unwrap_err()
    };
    let mut masked = examples();
    masked.iter_mut().for_each(|example| example.mask.fill(false));
    assert!(matches!(run(&masked, &adapter, &settings), TrainError::NothingToLearn { examples: 3 }));
    let mut short = settings.clone();
    short.max_length = 10;
    assert!(matches!(run(&examples(), &adapter, &short), TrainError::TooLong { index: 2, length: 12, max_length: 10 }));
    short.max_length = 65;
    assert!(matches!(run(&examples(), &adapter, &short), TrainError::TooManyPositions { .. }));
    let mut unknown = examples();
    unknown[1].ids[0] = 40;
    assert!(matches!(run(&unknown, &adapter, &settings), TrainError::Example { index: 1, .. }));
    let mut other = adapter.clone();
    other.targets = vec!["lm_head".into()];
    assert!(run(&examples(), &other, &settings).to_string().contains("lm_head"));
    other = adapter.clone();
    other.rank = 0;
    assert!(run(&examples(), &other, &settings).to_string().contains("rank"));
    let mut wild = settings;
    wild.learning_rate = 1e30;
    assert!(matches!(run(&examples(), &adapter, &wild), TrainError::NotFinite { .. } | TrainError::Gradient { .. }));
}

#[test]
fn prompts_that_cannot_be_continued_are_told() {
    let model = tiny::<f32>(config());
    let run = |prompt: Vec<u32>, new| answers(&model, None, &[prompt], new, &mut |_| ()).unwrap_err();
    assert!(matches!(run(vec![], 1), GenerateError::Empty { index: 0 }));
    assert!(matches!(run(vec![2; 60], 5), GenerateError::TooLong { length: 60, new: 5, positions: 64, .. }));
    assert!(matches!(run(vec![40], 1), GenerateError::UnknownToken { id: 40, .. }));
    assert!(matches!(logits(&model, None, &[vec![1], vec![1, 2]]), Err(GenerateError::Ragged(1))));
}
