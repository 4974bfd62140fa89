use std::ops::ControlFlow;
use std::sync::Arc;

use freehold_core::recipe::{AdapterSettings, EarlyStopping, Method, Precision, Schedule, TrainSettings};
use freehold_kernels::Workers;

use super::*;
use crate::config::Config;
use crate::model::tests::{config, tiny};
use crate::tensor::Tensor;

fn settings(method: Method) -> (AdapterSettings, TrainSettings) {
    let full = method == Method::Full;
    let adapter = AdapterSettings {
        method,
        rank: if full { 0 } else { 4 },
        alpha: if full { 0.0 } else { 8.0 },
        dropout: if full { 0.0 } else { 0.2 },
        targets: ["q_proj", "v_proj", "up_proj", "down_proj"].map(String::from).to_vec(),
    };
    let train = TrainSettings {
        epochs: 3.0,
        tokens_per_step: 40,
        tokens_at_once: 16,
        learning_rate: 5e-3,
        schedule: Schedule::Cosine,
        warmup_steps: 3,
        weight_decay: 0.1,
        max_length: 16,
        checkpoint_every: 4,
        ..TrainSettings::default()
    };
    (adapter, train)
}

fn examples() -> Vec<Example> {
    let example = |i: u32| {
        let ids: Vec<u32> = (0..5 + i % 9).map(|k| (i * 7 + k * 5 + k * k) % 40).collect();
        Example { mask: ids.iter().enumerate().map(|(k, _)| k > 2).collect(), ids }
    };
    (0..24).map(example).collect()
}

/// Keeps every checkpoint; ends after a step.
#[derive(Default)]
struct Keeper {
    checkpoints: Vec<(usize, Vec<u8>)>,
    losses: Vec<f32>,
    end: Option<usize>,
    /// What to say when it is asked how good the state is.
    values: Vec<f64>,
}

impl TrainObserver for Keeper {
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        self.losses.push(report.loss);
        if self.end == Some(report.step) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn checkpoint(&mut self, step: usize, bytes: &[u8], _: bool) -> ControlFlow<()> {
        self.checkpoints.push((step, bytes.to_vec()));
        ControlFlow::Continue(())
    }

    fn measure(&mut self, step: usize, _: &Learned) -> ControlFlow<(), f64> {
        ControlFlow::Continue(self.values.get(step / 2 - 1).copied().unwrap_or(0.0))
    }
}

fn bits(learned: &Learned) -> Vec<(String, Vec<u32>)> {
    let of = |(name, tensor): (String, &Tensor)| (name, tensor.vector::<f32>().iter().map(|x| x.to_bits()).collect());
    learned.variables().into_iter().map(of).collect()
}

#[test]
fn a_training_that_was_interrupted_ends_with_the_same_bits() {
    let (model, examples) = (tiny::<f32>(config()), examples());
    for method in [Method::Lora, Method::Dora, Method::Full] {
        for precision in [Precision::F32, Precision::Bf16] {
            let (adapter, mut settings) = settings(method);
            settings.precision = precision;
            let training = Training {
                model: &model,
                examples: &examples,
                adapter: &adapter,
                train: &settings,
                seed: 3,
                start: None,
            };
            let mut whole = Keeper::default();
            let expected = train(training, None, &mut whole).unwrap();
            assert!(expected.report.steps > 9, "{}", expected.report.steps);
            // It is killed after its sixth step, and goes on from the checkpoint after its fourth.
            let mut first = Keeper { end: Some(6), ..Keeper::default() };
            assert!(matches!(train(training, None, &mut first), Err(TrainError::Ended)));
            let (step, bytes) = first.checkpoints.last().unwrap();
            assert_eq!(*step, 4);
            let mut second = Keeper::default();
            let resumed = train(training, Some(bytes), &mut second).unwrap();
            assert_eq!(bits(&resumed.learned), bits(&expected.learned), "{method:?} {precision:?}");
            assert_eq!(resumed.report, expected.report);
            assert_eq!(second.losses, whole.losses[4..]);
            assert_eq!(second.checkpoints, whole.checkpoints[1..]);
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (model, examples) = (tiny::<f32>(config()), examples());
    let (adapter, settings) = settings(Method::Lora);
    let run = |threads| {
        Arc::new(Workers::new(threads)).install(|| {
            let training = Training {
                model: &model,
                examples: &examples,
                adapter: &adapter,
                train: &settings,
                seed: 3,
                start: None,
            };
            bits(&train(training, None, &mut ()).unwrap().learned)
        })
    };
    assert!(run(1) == run(2) && run(1) == run(3));
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let (model, examples) = (tiny::<f32>(config()), examples());
    let (adapter, settings) = settings(Method::Lora);
    let training =
        Training { model: &model, examples: &examples, adapter: &adapter, train: &settings, seed: 3, start: None };
    let mut keeper = Keeper::default();
    train(training, None, &mut keeper).unwrap();
    let bytes = &keeper.checkpoints[0].1;
    let problem = |training: Training<'_>, bytes: &[u8]| match train(training, Some(bytes), &mut ()).unwrap_err() {
        TrainError::Checkpoint(problem) => problem,
        other => panic!("{other}"),
    };
    let other = TrainSettings { learning_rate: 1e-3, ..settings.clone() };
    for other in [
        Training { seed: 4, ..training },
        Training { examples: &examples[1..], ..training },
        Training { train: &other, ..training },
    ] {
        assert!(problem(other, bytes).contains("another") || problem(other, bytes).contains("other data"));
    }
    for end in [0, 7, 100, bytes.len() - 4] {
        problem(training, &bytes[..end]);
    }
    // How often checkpoints are kept may change.
    let other = TrainSettings { checkpoint_every: 3, keep_checkpoints: 9, ..settings.clone() };
    train(Training { train: &other, ..training }, Some(bytes), &mut ()).unwrap();
}

#[test]
fn it_stops_when_nothing_gets_better_and_the_best_is_taken() {
    let (model, examples) = (tiny::<f32>(config()), examples());
    let (adapter, mut settings) = settings(Method::Lora);
    settings.checkpoint_every = 0;
    settings.early_stopping = Some(EarlyStopping { metric: "loss".into(), every: 2, patience: 2, min_delta: 0.05 });
    let training =
        Training { model: &model, examples: &examples, adapter: &adapter, train: &settings, seed: 3, start: None };
    // Better by less than the least does not count.
    let values = vec![0.1, 0.5, 0.52, 0.4, 9.0];
    let mut keeper = Keeper { values: values.clone(), ..Keeper::default() };
    let stopped = train(training, None, &mut keeper).unwrap();
    assert_eq!((stopped.report.steps, stopped.report.best_step), (8, Some(4)));
    assert!(stopped.report.planned_steps > 8);
    // It is the state after the fourth step.
    let mut until = Keeper { values: values.clone(), end: Some(4), ..Keeper::default() };
    assert!(matches!(train(training, None, &mut until), Err(TrainError::Ended)));
    assert_eq!(keeper.checkpoints.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [2, 4]);
    let resumed = train(training, Some(&keeper.checkpoints[0].1), &mut Keeper { values, ..Keeper::default() }).unwrap();
    assert_eq!(bits(&resumed.learned), bits(&stopped.learned));
}

#[test]
fn parts_of_a_step_are_weighed_by_their_tokens() {
    let (model, examples) = (tiny::<f32>(config()), examples());
    let (mut adapter, mut settings) = settings(Method::Lora);
    (adapter.dropout, settings.checkpoint_every) = (0.0, 0);
    let run = |at_once| {
        let settings = TrainSettings { tokens_at_once: at_once, ..settings.clone() };
        let training =
            Training { model: &model, examples: &examples, adapter: &adapter, train: &settings, seed: 3, start: None };
        train(training, None, &mut ()).unwrap().report.losses
    };
    let (whole, parts) = (run(4096), run(16));
    assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-4), "{whole:?} {parts:?}");
}

#[test]
fn a_loss_that_is_not_a_number_names_its_batch_and_changes_nothing() {
    let examples = examples();
    let mut model = tiny::<f32>(Config { tied_head: false, ..config() });
    // The embedding of one token is no number: only a batch with that token has none either.
    let weights = model.weights.embedding.change();
    weights[39 * 16..40 * 16].fill(f32::NAN);
    let with: Vec<usize> = (0..examples.len()).filter(|&index| examples[index].ids.contains(&39)).collect();
    let (adapter, settings) = settings(Method::Lora);
    let training =
        Training { model: &model, examples: &examples, adapter: &adapter, train: &settings, seed: 3, start: None };
    match train(training, None, &mut ()).unwrap_err() {
        TrainError::NotFinite { examples, .. } => {
            let named: Vec<usize> = examples.split([',', ' ']).filter_map(|index| index.parse().ok()).collect();
            assert!(named.iter().any(|index| with.contains(index)), "{examples}: {with:?}");
        }
        other => panic!("{other}"),
    }
}
