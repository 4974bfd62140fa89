//! Phase transform: the data of each split goes through the transforms, and every row is accounted for.

use std::collections::BTreeMap;

use freehold_core::batch::{Outcome, shown};
use freehold_core::evidence::Value;
use freehold_core::limits::Usage;
use freehold_core::recipe::Split;
use freehold_core::record::{Material, PhaseRecord};
use freehold_sandbox::SandboxError;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::journal::{PhaseOutput, Work, detail};
use super::plugins::ReadyPlugin;
use super::resolve::Resolved;
use crate::dataset::{self, Source};
use crate::observe::progress;
use crate::table::Table;
use crate::{Project, WorkflowError, jsonl};

/// What a transform did to a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TransformDetail {
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) split: Split,
    pub(crate) rows_in: usize,
    pub(crate) rows_out: usize,
    /// Rows that were dropped, by reason.
    pub(crate) dropped: BTreeMap<String, usize>,
    /// What the plugin counted.
    pub(crate) counts: BTreeMap<String, f64>,
    pub(crate) usage: Usage,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<Vec<TransformDetail>, WorkflowError> {
    detail(record)
}

/// Name of the output that holds the rows of a split.
pub(crate) fn rows_output(split: Split) -> String {
    format!("rows/{}", split.as_str())
}

pub(crate) fn transform(
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let (mut outputs, mut details, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
    for split in Split::ALL {
        let (table, sources) = dataset::load(project, split, |name| resolved.data(name))?;
        let mut stream = Stream::new(table);
        for (settings, ready) in project.recipe.transform.iter().zip(&resolved.transforms) {
            if settings.splits.contains(&split) {
                details.push(stream.apply(ready, split, work)?);
            }
        }
        if stream.table.rows() == 0 {
            return Err(WorkflowError::EmptySplit { split: split.as_str(), reasons: stream.reasons() });
        }
        let rows = jsonl::write(&stream.table);
        outputs.push(Material::kept(rows_output(split), work.store().put(&rows)?));
        let lineage = jsonl::write_rows(stream.lineage(&sources));
        outputs.push(Material::kept(format!("lineage/{}", split.as_str()), work.store().put(&lineage)?));
    }
    let data = resolved.lock.data.iter();
    inputs.extend(data.map(|data| Material::referenced(format!("data/{}", data.name), data.digest)));
    PhaseOutput::new(inputs, outputs, &details)
}

/// Rows on their way, each with the row that it comes from.
struct Stream {
    table: Table,
    given: usize,
    /// For each row of the table, the row of the data.
    origins: Vec<u64>,
    /// Rows of the data that were dropped: by whom and why.
    dropped: BTreeMap<u64, (String, String)>,
}

impl Stream {
    fn new(table: Table) -> Self {
        let given = table.rows();
        Self { table, given, origins: (0..given as u64).collect(), dropped: BTreeMap::new() }
    }

    fn apply(
        &mut self,
        ready: &ReadyPlugin,
        split: Split,
        work: &mut Work<'_>,
    ) -> Result<TransformDetail, WorkflowError> {
        let (name, rows_in) = (ready.locked.name.to_string(), self.table.rows());
        let reads = ready.plugin.transform(ready.grants.clone())?.describe()?.reads;
        self.check_columns(&reads, split)?;
        let task = format!("{} ({})", ready.locked.name.name(), split.as_str());
        let (mut outcomes, mut done) = (Vec::new(), 0);
        let batches = self.table.batches.iter().cloned().map(Ok::<_, WorkflowError>);
        let usage = ready.plugin.transform_all(&ready.grants, work.threads, batches, |outcome| {
            done += outcome.batch.rows() + outcome.dropped.len();
            progress(work.observer, &task, done, rows_in, String::new());
            outcomes.push(outcome);
            Ok(())
        })?;
        let counts =
            sum_counts(&outcomes).map_err(|problem| SandboxError::Numbers { plugin: name.clone(), problem })?;
        let dropped = self.take(&name, outcomes)?;
        Ok(TransformDetail {
            plugin: name,
            version: ready.locked.version.to_string(),
            split,
            rows_in,
            rows_out: self.table.rows(),
            dropped,
            counts,
            usage,
        })
    }

    fn check_columns(&self, reads: &[String], split: Split) -> Result<(), WorkflowError> {
        let columns = self.table.columns();
        match reads.iter().find(|name| !columns.contains(name)) {
            None => Ok(()),
            Some(_) if self.table.rows() == 0 => Ok(()),
            Some(name) => {
                let there: Vec<String> = columns.iter().map(|name| shown(name)).collect();
                Err(WorkflowError::Record {
                    what: format!("split `{}`", split.as_str()),
                    problem: format!("a transform reads the column `{}`; there is: {}", shown(name), there.join(", ")),
                })
            }
        }
    }

    /// Replaces the rows by what came out of a transform. The sandbox has checked the lineage.
    fn take(&mut self, plugin: &str, outcomes: Vec<Outcome>) -> Result<BTreeMap<String, usize>, WorkflowError> {
        let (mut table, mut origins, mut reasons) = (Table::default(), Vec::new(), BTreeMap::new());
        for outcome in outcomes {
            let shape = |problem| SandboxError::Shape { plugin: plugin.into(), problem };
            table.push(&outcome.batch).map_err(shape)?;
            origins.extend(outcome.origins.iter().filter_map(|&row| self.origins.get(row as usize)));
            for dropped in outcome.dropped {
                *reasons.entry(dropped.reason.clone()).or_default() += 1;
                if let Some(&row) = self.origins.get(dropped.row as usize) {
                    self.dropped.insert(row, (plugin.into(), dropped.reason));
                }
            }
        }
        (self.table, self.origins) = (table, origins);
        Ok(reasons)
    }

    fn reasons(&self) -> String {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for (plugin, reason) in self.dropped.values() {
            *reasons.entry(format!("{plugin}: {reason}")).or_default() += 1;
        }
        let reasons: Vec<_> = reasons.iter().map(|(reason, rows)| format!("{rows} x {reason}")).collect();
        match (self.given, reasons.is_empty()) {
            (0, _) => "its files have no rows".into(),
            (given, true) => format!("{given} rows were given"),
            (given, false) => format!("of {given} rows were dropped {}", reasons.join(", ")),
        }
    }

    /// What became of every row of the data: the row of the output that it became, or who dropped it and why.
    fn lineage(&self, sources: &[Source]) -> Vec<serde_json::Value> {
        let mut out: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (row, &origin) in self.origins.iter().enumerate() {
            out.entry(origin).or_default().push(row);
        }
        let rows = sources.iter().flat_map(|source| (0..source.rows).map(move |row| (&source.name, row)));
        rows.zip(0..)
            .map(|((data, row), origin)| match (out.get(&origin), self.dropped.get(&origin)) {
                (Some(rows), _) => json!({ "data": data, "row": row, "out": rows }),
                (None, Some((by, reason))) => json!({ "data": data, "row": row, "dropped_by": by, "reason": reason }),
                (None, None) => json!({ "data": data, "row": row, "dropped_by": null }),
            })
            .collect()
    }
}

/// More kinds of things than any plugin needs to count.
const COUNTS_LIMIT: usize = 256;

/// What a plugin counted, over all its calls. The sandbox has checked each count; their sums may still pass what a number holds.
fn sum_counts(outcomes: &[Outcome]) -> Result<BTreeMap<String, f64>, String> {
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for count in outcomes.iter().flat_map(|outcome| &outcome.counts) {
        let value = match count.value {
            Value::Integer(value) => value as f64,
            Value::Number(value) => value,
            _ => continue,
        };
        let sum = counts.entry(count.key.clone()).or_default();
        *sum += value;
        if !sum.is_finite() {
            return Err(format!("its counts of `{}` add up to {sum}, not a finite number", count.key));
        }
    }
    if counts.len() > COUNTS_LIMIT {
        return Err(format!("it counted {} kinds of things; at most {COUNTS_LIMIT} are recorded", counts.len()));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use freehold_core::batch::Batch;
    use freehold_core::evidence::Attribute;

    use super::*;

    fn counted(counts: Vec<Attribute>) -> Outcome {
        Outcome { batch: Batch::new(0, 0, vec![]).unwrap(), origins: vec![], dropped: vec![], counts }
    }

    fn number(value: f64) -> Attribute {
        Attribute { key: "n".into(), value: Value::Number(value) }
    }

    #[test]
    fn counts_add_up_or_are_refused() {
        let sum = |counts| sum_counts(&[counted(counts)]);
        assert!(sum(vec![]).unwrap().is_empty());
        assert_eq!(sum(vec![number(1.5), Attribute::integer("n", 2)]).unwrap()["n"], 3.5);
        assert!(sum(vec![number(f64::MAX), number(f64::MAX)]).unwrap_err().contains("not a finite number"));
        let many = |count: i64| (0..count).map(|n| Attribute::integer(&format!("k{n}"), n)).collect();
        assert_eq!(sum(many(256)).unwrap().len(), 256);
        assert!(sum(many(257)).unwrap_err().contains("257 kinds"));
    }
}
