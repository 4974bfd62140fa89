//! What a metric says of answers: by a run when it has them, by a replay when they were recorded.

use freehold_core::batch::{Batch, Column, ColumnData, TextColumn};
use freehold_core::evidence::Measurement;
use freehold_core::limits::Usage;
use freehold_rows::{BATCH_BYTES, BATCH_ROWS};
use freehold_sandbox::{Grants, Metric, Plugin, SandboxError};

use crate::WorkflowError;
use crate::resample::{Resamples, difference, estimate};

/// A held-out row with the answer of a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnsweredRow<'a> {
    pub(crate) prompt: &'a str,
    pub(crate) reference: &'a str,
    pub(crate) prediction: &'a str,
}

/// A metric and how it is asked.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) plugin: &'a Plugin,
    pub(crate) grants: &'a Grants,
    pub(crate) resamples: &'a Resamples,
    pub(crate) confidence: f64,
}

/// How many rows the next batch has: it ends as those of data do.
fn batch_rows(rows: &[AnsweredRow<'_>]) -> usize {
    let mut bytes = 0;
    let full = rows.iter().take(BATCH_ROWS).position(|row| {
        bytes += row.prompt.len() + row.reference.len() + row.prediction.len();
        bytes >= BATCH_BYTES
    });
    full.map_or(rows.len().min(BATCH_ROWS), |last| last + 1)
}

/// The statistics of every row: in batches, as many numbers a row as the metric describes.
pub(crate) fn statistics(metric: &mut Metric, rows: &[AnsweredRow<'_>]) -> Result<Vec<f64>, WorkflowError> {
    let mut statistics = Vec::new();
    let mut first = 0;
    while first < rows.len() {
        let rows = &rows[first..first + batch_rows(&rows[first..])];
        let text = |name: &str, values: TextColumn| Column {
            name: name.into(),
            data: ColumnData::Text(values),
            validity: None,
        };
        let columns = vec![
            text("prompt", rows.iter().map(|row| row.prompt).collect()),
            text("reference", rows.iter().map(|row| row.reference).collect()),
            text("prediction", rows.iter().map(|row| row.prediction).collect()),
        ];
        let batch = Batch::new(first as u64, rows.len(), columns);
        let shape = |problem| SandboxError::Shape { plugin: "predictions".into(), problem };
        statistics.extend(metric.statistics(&batch.map_err(shape)?)?);
        first += rows.len();
    }
    Ok(statistics)
}

/// What a metric says of the answers of models to the same questions: base, adapted, and production if there is one.
pub(crate) fn measure(
    name: &str,
    asked: Asked<'_>,
    models: &[Vec<AnsweredRow<'_>>],
) -> Result<(Measurement, Usage), WorkflowError> {
    let Asked { plugin, grants, resamples, confidence } = asked;
    // One that counted its calls could favour a model for being asked about second: each model gets a fresh instance, and
    // so does each look at sums.
    let fresh = || -> Result<_, SandboxError> {
        let mut metric = plugin.metric(grants.clone())?;
        let description = metric.describe()?;
        Ok((metric, description))
    };
    let (_, description) = fresh()?;
    let (mut values, mut usage) = (Vec::new(), Usage::default());
    for rows in models {
        let (mut metric, _) = fresh()?;
        let statistics = statistics(&mut metric, rows)?;
        usage.add(&metric.usage());
        let (mut metric, _) = fresh()?;
        values.push(metric.values(&resamples.sums(&statistics, description.statistics.len()))?);
        usage.add(&metric.usage());
    }
    let missing =
        || WorkflowError::Record { what: format!("metric `{name}`"), problem: "has no value to estimate from".into() };
    let one = |at: usize| values.get(at).and_then(|values| estimate(values, confidence));
    let over_production = values.get(1).zip(values.get(2)).and_then(|(a, b)| difference(a, b, confidence));
    if over_production.is_some_and(|over| ![over.value, over.low, over.high].iter().all(|n| n.is_finite())) {
        let problem = "two of its values are too far apart for a finite difference".into();
        return Err(SandboxError::Numbers { plugin: plugin.manifest().name.to_string(), problem }.into());
    }
    let measurement = Measurement {
        metric: name.into(),
        higher_is_better: description.higher_is_better,
        rows: models.first().map_or(0, Vec::len) as u64,
        confidence,
        base: one(0).ok_or_else(missing)?,
        adapted: one(1).ok_or_else(missing)?,
        production: one(2),
        over_production,
        attributes: Vec::new(),
    };
    Ok((measurement, usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_answers_ends_with_its_rows_or_its_bytes() {
        let text = "x".repeat(BATCH_BYTES / 2);
        let short = AnsweredRow { prompt: "x", reference: "", prediction: "" };
        let long = AnsweredRow { prompt: &text, ..short };
        assert_eq!(batch_rows(&[]), 0);
        assert_eq!(batch_rows(&[short; 9]), 9);
        assert_eq!(batch_rows(&[short; 2 * BATCH_ROWS]), BATCH_ROWS);
        assert_eq!(batch_rows(&[short, long, long, long]), 3);
    }
}
