//! The transforms of a split, one behind the other: batches flow from the files through all of them, and no more is held than
//! is worked on. Whoever wants the next rows asks the last transform, which asks the one before it, which in the end asks for
//! the next rows of the files.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use freehold_core::batch::{Batch, Outcome, shown};
use freehold_core::digest::Digest;
use freehold_core::evidence::{Attribute, Value};
use freehold_core::recipe::Split;
use freehold_sandbox::{SandboxError, Stream, WAITING};
use freehold_store::Store;

use super::lineage::LineageWriter;
use super::plugins::ReadyPlugin;
use super::transform::TransformDetail;
use crate::WorkflowError;
use crate::dataset::{Read, ReadDataset, SplitReader};
use crate::observe::{Observer, progress_in_bytes};

/// More kinds of things than any plugin needs to count, or reasons to drop a row.
const KINDS_MAX: usize = 256;

/// What came through all transforms of a split.
pub(super) struct PipelineEnd {
    /// The datasets.
    pub(super) datasets: Vec<ReadDataset>,
    /// What each transform did, and the lineage of its rows.
    pub(super) transforms: Vec<(TransformDetail, Digest)>,
}

/// The transforms of a split at work.
pub(super) struct Pipeline<'w> {
    feed: Feed<'w>,
    stages: Vec<Stage<'w>>,
}

impl<'w> Pipeline<'w> {
    /// With more than one thread, reading and every transform have threads of their own; what comes out is the same.
    pub(super) fn new(
        split: Split,
        reader: SplitReader,
        transforms: &[&'w ReadyPlugin],
        store: &'w Store,
        threads: usize,
        observer: &'w mut dyn Observer,
    ) -> Result<Self, WorkflowError> {
        let mut stages = Vec::new();
        for ready in transforms {
            stages.push(Stage::new(ready, split, store)?);
        }
        // When all have an instance each, so that none is left without a slot by those before it.
        for (stage, ready) in stages.iter_mut().zip(transforms) {
            stage.stream.spread(&ready.grants, threads)?;
        }
        let (task, bytes) = (format!("transform {}", split.as_str()), reader.bytes());
        let source = if threads > 1 { Feeder::start(reader) } else { Feeder::Here(Box::new(reader)) };
        Ok(Self { feed: Feed { source, observer, task, bytes, datasets: Vec::new() }, stages })
    }

    /// The next rows that came through all transforms.
    pub(super) fn next(&mut self) -> Result<Option<Batch>, WorkflowError> {
        next(&mut self.stages, &mut self.feed)
    }

    /// What became of the rows of the files so far, for people.
    pub(super) fn fates(&self) -> String {
        let rows: u64 = self.feed.datasets.iter().map(|dataset| dataset.rows).sum();
        let dropped = self.stages.iter().flat_map(|stage| {
            let reasons = stage.detail.dropped.iter();
            reasons.map(|(reason, rows)| format!("{rows} x {}: {reason}", stage.detail.plugin))
        });
        let dropped: Vec<String> = dropped.collect();
        match (rows, dropped.is_empty()) {
            (0, _) => "its files have no rows".into(),
            (rows, true) => format!("{rows} rows were given"),
            (rows, false) => format!("of {rows} rows were dropped {}", dropped.join(", ")),
        }
    }

    /// Keeps the lineage, after the last rows.
    pub(super) fn finish(self) -> Result<PipelineEnd, WorkflowError> {
        let mut transforms = Vec::new();
        for mut stage in self.stages {
            stage.detail.usage = stage.stream.usage().clone();
            transforms.push((stage.detail, stage.lineage.finish()?));
        }
        Ok(PipelineEnd { datasets: self.feed.datasets, transforms })
    }
}

/// The next rows that came out of the last of these transforms.
fn next(stages: &mut [Stage<'_>], feed: &mut Feed<'_>) -> Result<Option<Batch>, WorkflowError> {
    let Some((stage, before)) = stages.split_last_mut() else { return feed.next() };
    loop {
        while stage.wants_more() {
            match next(before, feed) {
                Ok(Some(batch)) => stage.give(batch)?,
                Ok(None) => stage.input = Input::Ended,
                // What was given before it comes first, so that the first error is the same with any number of threads.
                Err(error) => stage.input = Input::Failed(error),
            }
        }
        match stage.take()? {
            Some(batch) if batch.rows() == 0 => {}
            other => return Ok(other),
        }
    }
}

/// Whether more rows come for a transform.
enum Input {
    Open,
    Ended,
    Failed(WorkflowError),
}

/// One transform.
struct Stage<'w> {
    stream: Stream<'w>,
    input: Input,
    lineage: LineageWriter<'w>,
    detail: TransformDetail,
}

impl<'w> Stage<'w> {
    fn new(ready: &'w ReadyPlugin, split: Split, store: &'w Store) -> Result<Self, WorkflowError> {
        let detail = TransformDetail {
            plugin: ready.locked.name.to_string(),
            version: ready.locked.version.to_string(),
            split,
            rows_in: 0,
            rows_out: 0,
            dropped: Default::default(),
            counts: Default::default(),
            usage: Default::default(),
        };
        let stream = ready.plugin.stream(&ready.grants)?;
        Ok(Self { stream, input: Input::Open, lineage: LineageWriter::new(store)?, detail })
    }

    fn wants_more(&self) -> bool {
        matches!(self.input, Input::Open) && !self.stream.is_full()
    }

    fn give(&mut self, batch: Batch) -> Result<(), WorkflowError> {
        if self.detail.rows_in == 0 {
            self.check_columns(&batch)?;
        }
        let batch = batch.at(self.detail.rows_in as u64);
        self.detail.rows_in += batch.rows();
        self.stream.give(batch);
        Ok(())
    }

    /// What the transform reads has to be there.
    fn check_columns(&self, batch: &Batch) -> Result<(), WorkflowError> {
        let missing = self.stream.description().reads.iter().find(|name| batch.column(name).is_none());
        let Some(name) = missing else { return Ok(()) };
        let columns: Vec<_> = batch.columns().iter().map(|column| shown(&column.name)).collect();
        Err(WorkflowError::Record {
            what: format!("split `{}`", self.detail.split.as_str()),
            problem: format!("a transform reads the column `{}`; there is: {}", shown(name), columns.join(", ")),
        })
    }

    /// The rows that came of the oldest batch that was given, or at the end of the stream; `None` after its end.
    fn take(&mut self) -> Result<Option<Batch>, WorkflowError> {
        let outcome = match self.stream.take() {
            Some(outcome) => outcome,
            None => match std::mem::replace(&mut self.input, Input::Ended) {
                Input::Failed(error) => return Err(error),
                Input::Open | Input::Ended => match self.stream.finish() {
                    Some(outcome) => outcome,
                    None => return Ok(None),
                },
            },
        }?;
        self.account(&outcome)?;
        let batch = outcome.batch.at(self.detail.rows_out as u64);
        self.detail.rows_out += batch.rows();
        Ok(Some(batch))
    }

    /// The sandbox has checked the lineage and every number.
    fn account(&mut self, outcome: &Outcome) -> Result<(), WorkflowError> {
        self.lineage.take(outcome)?;
        let TransformDetail { plugin, dropped, counts, .. } = &mut self.detail;
        let numbers = |problem| SandboxError::Numbers { plugin: plugin.clone(), problem };
        for row in &outcome.dropped {
            match dropped.get_mut(&row.reason) {
                Some(rows) => *rows += 1,
                None => drop(dropped.insert(row.reason.clone(), 1)),
            }
            if dropped.len() > KINDS_MAX {
                return Err(numbers(format!("it dropped rows for more than {KINDS_MAX} reasons")).into());
            }
        }
        Ok(add_counts(counts, &outcome.counts).map_err(numbers)?)
    }
}

/// Adds what a plugin counted. The sandbox has checked each count; their sums may still pass what a number holds.
fn add_counts(counts: &mut std::collections::BTreeMap<String, f64>, more: &[Attribute]) -> Result<(), String> {
    for count in more {
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
        if counts.len() > KINDS_MAX {
            return Err(format!("it counted more than {KINDS_MAX} kinds of things"));
        }
    }
    Ok(())
}

/// The rows of the files, and who is told how far they are.
struct Feed<'w> {
    source: Feeder,
    observer: &'w mut dyn Observer,
    task: String,
    bytes: u64,
    datasets: Vec<ReadDataset>,
}

impl Feed<'_> {
    fn next(&mut self) -> Result<Option<Batch>, WorkflowError> {
        match self.source.next()? {
            Read::Batch(batch, bytes) => {
                progress_in_bytes(self.observer, &self.task, bytes, self.bytes, String::new());
                Ok(Some(batch))
            }
            Read::End(datasets) => {
                self.datasets = datasets;
                Ok(None)
            }
        }
    }
}

/// Reads the files here, or in a thread of its own that is a few batches ahead.
enum Feeder {
    Here(Box<SplitReader>),
    Thread { rows: Option<Receiver<Result<Read, WorkflowError>>>, thread: Option<JoinHandle<()>> },
}

impl Feeder {
    fn start(mut reader: SplitReader) -> Self {
        let (sender, rows) = sync_channel(WAITING);
        let thread = std::thread::spawn(move || {
            loop {
                let read = reader.next();
                let more = matches!(read, Ok(Read::Batch(..)));
                // Nobody listens any more when a transform has failed.
                if sender.send(read).is_err() || !more {
                    return;
                }
            }
        });
        Self::Thread { rows: Some(rows), thread: Some(thread) }
    }

    fn next(&mut self) -> Result<Read, WorkflowError> {
        match self {
            Self::Here(reader) => reader.next(),
            Self::Thread { rows, .. } => {
                let read = rows.as_ref().and_then(|rows| rows.recv().ok());
                // It says something for every call until the end, unless it panicked.
                let gone = || WorkflowError::Record { what: "rows".into(), problem: "their reader is gone".into() };
                read.unwrap_or_else(|| Err(gone()))
            }
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        if let Self::Thread { rows, thread } = self {
            *rows = None;
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn number(value: f64) -> Attribute {
        Attribute { key: "n".into(), value: Value::Number(value) }
    }

    #[test]
    fn counts_add_up_or_are_refused() {
        let sum = |more: &[Attribute]| {
            let mut counts = BTreeMap::new();
            more.chunks(2).try_for_each(|more| add_counts(&mut counts, more)).map(|()| counts)
        };
        assert!(sum(&[]).unwrap().is_empty());
        assert_eq!(sum(&[number(1.5), Attribute::integer("n", 2), number(1.0)]).unwrap()["n"], 4.5);
        assert!(sum(&[number(f64::MAX), number(f64::MAX)]).unwrap_err().contains("not a finite number"));
        let many = |count: i64| (0..count).map(|n| Attribute::integer(&format!("k{n}"), n)).collect::<Vec<_>>();
        assert_eq!(sum(&many(256)).unwrap().len(), 256);
        assert!(sum(&many(257)).unwrap_err().contains("more than 256 kinds"));
    }
}
