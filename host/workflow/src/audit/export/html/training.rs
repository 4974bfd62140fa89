//! What was trained, how, and how the loss went.

use maud::{Markup, html};

use super::Facts;
use super::chart::line::{self, Series};
use super::elements::{duration, facts, note, number, text, whole};
use crate::run::StepLine;

pub(super) fn section(page: &Facts) -> Markup {
    let (Some(training), Some(detail)) = (&page.run.reports.training, &page.run.trained) else {
        return note("Nothing was trained.");
    };
    let (adapter, train) = (&page.run.recipe.adapter, &page.run.recipe.train);
    let method = match adapter.rank {
        0 => training.method.to_owned(),
        rank => format!("{}, rank {rank}, alpha {}", training.method, adapter.alpha),
    };
    let steps = match (training.planned_steps, training.best_step) {
        (None, None) => whole(training.steps as u64),
        (planned, best) => {
            let planned = planned.map(|planned| format!(" of {} planned", whole(planned as u64))).unwrap_or_default();
            let best = best.map(|best| format!("; the state after step {} was taken", whole(best as u64)));
            format!("{}{planned}{}", whole(training.steps as u64), best.unwrap_or_default())
        }
    };
    let promised = detail.determinism.iter().map(|(key, value)| format!("{key}: {value}"));
    let loss = format!("{} → {}", number(training.first_loss.into()), number(training.last_loss.into()));
    let rows = [
        ("Method", text(method)),
        ("Trained parameters", text(whole(training.parameters as u64))),
        ("Epochs", text(train.epochs.to_string())),
        ("Learning rate", text(train.learning_rate.to_string())),
        ("Precision", text(train.precision.as_str())),
        ("Seed", text(page.run.recipe.run.seed.to_string())),
        ("Steps", text(steps)),
        ("Tokens", text(whole(training.tokens))),
        ("Loss, first and last step", text(loss)),
        ("Time", text(duration(training.seconds))),
        ("The same bits", text(promised.collect::<Vec<_>>().join("; "))),
    ];
    html! {
        (facts(&rows))
        (curves(page, (training.first_loss, training.last_loss, training.steps)))
    }
}

/// The loss after each step, if the home has it and it is what the record says of the first and the last step.
fn curves(page: &Facts, recorded: (f32, f32, usize)) -> Markup {
    let Some(steps) = &page.steps else {
        return note("The home has no losses of the steps: they are no evidence, and may be deleted.");
    };
    let ends = steps.first().zip(steps.last()).map(|(first, last)| (first.loss, last.loss, steps.len()));
    if ends != Some(recorded) {
        return note("What the home has of the steps does not fit the record, and is not shown.");
    }
    let losses: Vec<_> = steps.iter().map(|step| (step.step as f64, f64::from(step.loss))).collect();
    let measured = measured(steps);
    let metric = steps.iter().find_map(|step| step.measured.as_ref()).map(|measured| measured.metric.as_str());
    let trained = Series { name: "training", points: &losses, dots: false };
    html! {
        div.charts {
            @match metric {
                Some("loss") => {
                    (line::chart("loss", "Loss by step", "step", &[trained, Series { name: "held out", points: &measured, dots: true }]))
                }
                Some(metric) => {
                    (line::chart("loss", "Loss by step", "step", &[trained]))
                    (line::chart("measured", &format!("{metric} by step"), "step", &[Series { name: "held out", points: &measured, dots: true }]))
                }
                None => { (line::chart("loss", "Loss by step", "step", &[trained])) }
            }
        }
        (note(
            "The curve is from the metrics that the home keeps beside the records. No digest covers it; its first and last loss \
             and the number of its steps are those of the signed record.",
        ))
    }
}

fn measured(steps: &[StepLine]) -> Vec<(f64, f64)> {
    steps.iter().filter_map(|step| Some((step.step as f64, step.measured.as_ref()?.value))).collect()
}
