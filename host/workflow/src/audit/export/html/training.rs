//! What was trained, how, and how the loss went.

use freehold_core::record::Phase;
use freehold_core::spent::{Cost, RunSpent, Spent};
use maud::{Markup, html};

use super::Facts;
use crate::page::chart::line::{self, Series};
use crate::page::elements::{duration, facts, note, number, or_dash, text, whole};
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
        ("Used up by the run", spent(page)),
        ("Labels that follow the data", labels(page)),
        ("The same bits", text(promised.collect::<Vec<_>>().join("; "))),
    ];
    html! {
        (facts(&rows))
        (curves(page))
    }
}

/// What the whole run used up until it was decided, and its training of that.
fn spent(page: &Facts) -> Markup {
    let Some(RunSpent { spent, cost, .. }) = &page.run.explanation.spent else { return or_dash(None) };
    let energy = |spent: &Spent| match spent.joules {
        Some(joules) => format!("{} J ({})", number(joules), spent.source.as_str()),
        None => "unknown energy".to_owned(),
    };
    let mut told = vec![format!("{}, {}", duration(spent.seconds), energy(spent))];
    told.extend(page.run.reports.spent.get(&Phase::Train).map(|spent| format!("the training {} of it", energy(spent))));
    told.extend(cost.as_ref().map(|Cost { amount, currency }| format!("{amount:.4} {currency}")));
    told.extend(spent.incomplete.then(|| "it was interrupted, and a part may be missing".to_owned()));
    html! { bdi { (told.join("; ")) } }
}

fn labels(page: &Facts) -> Markup {
    let labels = page.run.explanation.labels.as_ref();
    let shown =
        labels.map(|labels| format!("residency {}; license {}", labels.residency.shown(), labels.license.shown()));
    or_dash(shown.as_deref())
}

/// The loss after each step, as it was recorded, and what was measured on the way, which the home has beside the records.
fn curves(page: &Facts) -> Markup {
    let Some(recorded) = page.run.losses.as_deref().filter(|losses| !losses.is_empty()) else {
        return note("The losses of the steps are not in the store.");
    };
    let losses: Vec<_> = (1u32..).zip(recorded).map(|(step, loss)| (f64::from(step), f64::from(*loss))).collect();
    let trained = Series { name: "training", points: &losses, dots: false };
    let measured = page.steps.as_deref().filter(|steps| is_of(steps, recorded)).and_then(measured);
    html! {
        div.charts {
            @match &measured {
                Some((metric, points)) if metric == "loss" => {
                    (chart("loss", "Loss by step", &[trained, Series { name: "held out", points, dots: true }]))
                }
                Some((metric, points)) => {
                    (chart("loss", "Loss by step", &[trained]))
                    (chart("measured", &format!("{metric} by step"), &[Series { name: metric, points, dots: true }]))
                }
                None => { (chart("loss", "Loss by step", &[trained])) }
            }
        }
        @if measured.is_some() {
            (note(
                "What was measured on the held-out data during the training is from the metrics that the home keeps beside the \
                 records. No digest covers it; the losses that stand beside it there are those of the record.",
            ))
        }
    }
}

fn chart(id: &str, title: &str, series: &[Series<'_>]) -> Markup {
    line::chart(id, title, "step", series)
}

/// Whether the steps that the home has are those of the record.
fn is_of(steps: &[StepLine], recorded: &[f32]) -> bool {
    steps.len() == recorded.len()
        && steps
            .iter()
            .zip(recorded)
            .enumerate()
            .all(|(index, (step, loss))| step.step == index + 1 && step.loss == *loss)
}

/// The metric that was measured during the training, and its values by step.
fn measured(steps: &[StepLine]) -> Option<(String, Vec<(f64, f64)>)> {
    let measured = || steps.iter().filter_map(|step| Some((step.step, step.measured.as_ref()?)));
    let (_, first) = measured().next()?;
    Some((first.metric.clone(), measured().map(|(step, measured)| (step as f64, measured.value)).collect()))
}
