//! The model card: how the adapter was trained and what was measured.

use freehold_core::evidence::Estimate;
use freehold_core::recipe::{Method, Split};
use serde_json::{Value, json};

use super::super::run::FinishedRun;
use super::property;
use crate::run::MetricReport;

pub(super) fn of(run: &FinishedRun) -> Value {
    let recipe = &run.recipe;
    let datasets = recipe.data.iter().map(|data| json!({ "ref": format!("data/{}", data.name) }));
    let text = json!([{ "format": "text" }]);
    json!({
        "modelParameters": {
            "approach": { "type": "supervised" },
            "task": "text-generation",
            "architectureFamily": "transformer",
            "datasets": datasets.collect::<Vec<_>>(),
            "inputs": text,
            "outputs": text,
        },
        "quantitativeAnalysis": { "performanceMetrics": run.report.metrics.iter().flat_map(measured).collect::<Vec<_>>() },
        "properties": properties(run),
    })
}

/// A metric of each model that was measured. The adapted one is what the card is about; the others are what it is compared with.
fn measured(metric: &MetricReport) -> Vec<Value> {
    let models = [
        ("adapted model", Some(metric.adapted)),
        ("base model", Some(metric.base)),
        ("model in production", metric.production),
        ("adapted model minus model in production", metric.over_production),
    ];
    let value = |(model, estimate): (&str, Option<Estimate>)| {
        let Estimate { value, low, high } = estimate?;
        let percent = metric.confidence * 100.0;
        Some(json!({
            "type": metric.metric,
            "value": value.to_string(),
            "slice": format!("{model}, {} held-out rows, {percent:.0} % interval", metric.rows),
            "confidenceInterval": { "lowerBound": low.to_string(), "upperBound": high.to_string() },
        }))
    };
    models.into_iter().filter_map(value).collect()
}

fn properties(run: &FinishedRun) -> Vec<Value> {
    let recipe = &run.recipe;
    let mut properties = vec![
        property("run", &run.name),
        property("decision", run.report.decision.as_str()),
        property("method", recipe.adapter.method.as_str()),
        property("seed", recipe.run.seed),
        property("precision", recipe.train.precision.as_str()),
    ];
    if recipe.adapter.method != Method::Full {
        properties.push(property("rank", recipe.adapter.rank));
        properties.push(property("alpha", recipe.adapter.alpha));
    }
    properties.extend(run.report.alias.as_ref().map(|alias| property("alias", alias)));
    if let Some(training) = &run.report.training {
        properties.push(property("steps", training.steps));
        properties.push(property("tokens", training.tokens));
        properties.push(property("parameters", training.parameters));
    }
    let held_out = recipe.data.iter().filter(|data| data.split == Split::Eval);
    properties.extend(held_out.map(|data| property("held-out", &data.name)));
    properties
}
