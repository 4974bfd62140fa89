//! How fast this machine trains: a few passes over a part of the first step are made and timed.

use std::time::Instant;

use super::super::{Course, Learned, Run};
use super::TimeForecast;
use super::operations::Counter;
use crate::batch::{self, Size};
use crate::example::Example;
use crate::optimizer::{StepSize, global_norm};
use crate::train::packing::Packing;

/// Tokens of the pass that reads the weights and makes the buffers.
const FIRST_TOKENS: usize = 64;
/// Seconds that the timed passes should take together.
const SECONDS: f64 = 1.0;
/// Passes at most.
const PASSES: usize = 9;

/// Times some passes, and says what the whole takes.
pub(super) fn of(course: Course<'_>, learned: Learned, packing: &Packing) -> TimeForecast {
    let training = course.training;
    let counter = Counter::new(training);
    let operations = operations(&course, &counter);
    let Some(step) = course.plan.first().cloned() else { return TimeForecast::default() };
    let mut run = Run::new(course, learned, 0.999);
    let first = part(training.examples, &step, FIRST_TOKENS);
    let seconds = pass(&run, &first);
    // A pass that took longer than all should is not repeated with more.
    let affordable = (FIRST_TOKENS as f64 * SECONDS / seconds.max(1e-6)).min(1e9) as usize;
    let timed = part(training.examples, &step, affordable.clamp(FIRST_TOKENS, training.train.tokens_at_once));
    let timed_rows: usize = timed.iter().map(|example| Size::of(example).rows).sum();
    let (mut seconds, mut spent) = (Vec::new(), 0.0);
    while seconds.len() < PASSES && spent < SECONDS {
        let took = pass(&run, &timed);
        spent += took;
        seconds.push(took);
    }
    // The first of several makes the buffers of this size; the median passes over what else the machine did meanwhile.
    if seconds.len() > 1 {
        seconds.remove(0);
    }
    let passes = seconds.len();
    let timed_seconds = seconds.iter().sum();
    let operations_per_s = counter.sequence(timed.iter().map(Size::of)) / median(&mut seconds).max(1e-9);
    let update = update(&mut run, &timed);
    freehold_kernels::release_buffers();
    let seconds = operations / operations_per_s.max(1.0) + packing.steps as f64 * update;
    TimeForecast {
        seconds,
        tokens_per_s: packing.tokens as f64 / seconds.max(1e-9),
        operations,
        operations_per_s,
        timed_tokens: passes * timed_rows,
        timed_seconds,
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Operations of all steps.
fn operations(course: &Course<'_>, counter: &Counter<'_>) -> f64 {
    let sizes: Vec<Size> = course.training.examples.iter().map(Size::of).collect();
    let mut operations = 0.0;
    for step in &course.plan {
        for group in batch::group(step, course.training.train.tokens_at_once, |index| sizes[index]) {
            operations += counter.sequence(step[group].iter().map(|&index| sizes[index]));
        }
    }
    operations
}

/// The first examples of a step, cut to so many tokens that are computed.
fn part(examples: &[Example], step: &[usize], tokens: usize) -> Vec<Example> {
    let (mut some, mut rows) = (Vec::new(), 0);
    for &index in step {
        let mut example = examples[index].clone();
        let size = Size::of(&example);
        if rows + size.rows > tokens {
            let end = (tokens - rows).max(1) + 1;
            example.ids.truncate(end);
            example.mask.truncate(end);
            // Something has to be learned of it.
            if let Some(last) = example.mask.last_mut() {
                *last = true;
            }
        }
        rows += Size::of(&example).rows;
        some.push(example);
        if rows >= tokens {
            break;
        }
    }
    some
}

/// Seconds of a pass, forward and backward.
fn pass(run: &Run<'_>, examples: &[Example]) -> f64 {
    let all: Vec<usize> = (0..examples.len()).collect();
    let parts = batch::pack(examples, &all, usize::MAX);
    let total = parts.iter().map(|part| part.targets.len()).sum();
    let started = Instant::now();
    let passed = run.accumulate(&parts, (1, total));
    let seconds = started.elapsed().as_secs_f64();
    drop(passed);
    seconds
}

/// Seconds of a step of the optimizer. What it changes belongs to the forecast alone.
fn update(run: &mut Run<'_>, examples: &[Example]) -> f64 {
    let all: Vec<usize> = (0..examples.len()).collect();
    let parts = batch::pack(examples, &all, usize::MAX);
    let total = parts.iter().map(|part| part.targets.len()).sum();
    let (_, gradients) = run.accumulate(&parts, (1, total));
    let size = StepSize { learning_rate: 0.0, weight_decay: 0.0, clip_norm: 1.0 };
    let mut seconds = 0.0;
    // The first touches memory that no step has touched.
    for _ in 0..2 {
        let started = Instant::now();
        let norm = global_norm(&gradients);
        run.optimizer.step(run.learned.variables_mut(), &gradients, norm, size);
        seconds = started.elapsed().as_secs_f64();
    }
    seconds
}
