//! What was measured: charts of the intervals with the bars that policies set, and the same numbers in a table.

use freehold_core::evidence::{Estimate, Measurement};
use maud::{Markup, html};

use super::Facts;
use crate::page::chart::intervals::{self, Mark, Row, Rule};
use crate::page::elements::{interval, name, note, number, said, table, text, whole};
use crate::run::MetricReport;

pub(super) fn section(facts: &Facts) -> Markup {
    let (metrics, run) = (&facts.run.reports.metrics, &facts.run);
    if metrics.is_empty() {
        return note("Nothing was measured.");
    }
    let measured = run.measured.as_ref().map(|detail| detail.measurements.as_slice()).unwrap_or_default();
    let rows: Vec<_> = metrics.iter().flat_map(row).collect();
    let production = run.measured.as_ref().and_then(|detail| detail.production.as_ref());
    html! {
        p {
            @match production {
                Some(production) if production.measured => {
                    "It was compared with what was in production then, run " bdi { (production.run) } ", row by row."
                }
                Some(production) => {
                    "In production was run " bdi { (production.run) } ", which was not measured: it needs another base model."
                }
                None => { "Nothing was in production to compare with." }
            }
            " Lines show confidence intervals; dashed lines are bars that policies set."
        }
        div.charts {
            @for (index, metric) in metrics.iter().enumerate() {
                (models(facts, index, metric))
                @if let Some(over) = &metric.over_production {
                    (difference(facts, index, metric, over, measured.get(index)))
                }
            }
        }
        (table(
            "The same numbers",
            &["Metric", "Model", "Value", "Interval", "Confidence", "Rows", "Measured by"],
            &rows,
        ))
    }
}

fn row(metric: &MetricReport) -> Vec<Vec<Markup>> {
    let models = [
        ("base", Some(metric.base)),
        ("adapted", Some(metric.adapted)),
        ("production", metric.production),
        ("adapted − production", metric.over_production),
    ];
    let by = match (&metric.plugin, &metric.version) {
        (Some(plugin), Some(version)) => format!("{plugin} {version}"),
        _ => "not recorded".into(),
    };
    let line = |(model, estimate): (&str, Option<Estimate>)| {
        let estimate = estimate?;
        Some(vec![
            said(&metric.metric),
            text(model),
            text(number(estimate.value)),
            text(interval(&estimate)),
            text(format!("{}%", 100.0 * metric.confidence)),
            text(whole(metric.rows)),
            name(&by),
        ])
    };
    models.into_iter().filter_map(line).collect()
}

fn models(facts: &Facts, index: usize, metric: &MetricReport) -> Markup {
    let rows = [
        ("base", Mark::Circle, Some(metric.base)),
        ("adapted", Mark::Square, Some(metric.adapted)),
        ("production", Mark::Triangle, metric.production),
    ];
    let rows = rows.into_iter().filter_map(|(name, mark, estimate)| Some(Row { name, mark, estimate: estimate? }));
    let rules = bars(facts, &metric.metric, &["minimum", "maximum"]);
    intervals::chart(&format!("metric-{index}"), &metric.metric, &rows.collect::<Vec<_>>(), &rules)
}

/// The difference to production, with how much worse it may be.
fn difference(
    facts: &Facts,
    index: usize,
    metric: &MetricReport,
    over: &Estimate,
    measured: Option<&Measurement>,
) -> Markup {
    let worse = if measured.is_none_or(|measured| measured.higher_is_better) { -1.0 } else { 1.0 };
    let margins = bars(facts, &metric.metric, &["margin"]);
    let mut rules = vec![Rule { label: "no change".into(), at: 0.0, class: "zero" }];
    let may_be_worse =
        |rule: Rule| Rule { at: worse * rule.at, label: format!("worse by {}", number(rule.at)), ..rule };
    rules.extend(margins.into_iter().map(may_be_worse));
    let title = format!("{}: adapted − production", metric.metric);
    let rows = [Row { name: "difference", mark: Mark::Square, estimate: *over }];
    intervals::chart(&format!("over-{index}"), &title, &rows, &rules)
}

/// The numbers that policies with a setting `metric` have set for this one, under these names.
fn bars(facts: &Facts, metric: &str, names: &[&str]) -> Vec<Rule> {
    let judged = facts.run.judged.iter().map(|(_, policy)| &policy.settings);
    let of_metric = judged.filter(|settings| settings.get("metric").and_then(toml::Value::as_str) == Some(metric));
    let mut rules: Vec<Rule> = Vec::new();
    for (name, value) in
        of_metric.flat_map(|settings| names.iter().filter_map(|name| Some((*name, settings.get(*name)?))))
    {
        let at = value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
        let Some(at) = at.filter(|at| at.is_finite()) else { continue };
        let label = format!("{name} {}", number(at));
        if !rules.iter().any(|rule| rule.label == label) {
            rules.push(Rule { label, at, class: "rule" });
        }
    }
    rules
}
