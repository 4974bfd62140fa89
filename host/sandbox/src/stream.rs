//! A whole stream through a transform: on one instance, or on several at a time when each row is treated for itself.

use std::borrow::Borrow;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use freehold_core::batch::{Batch, Outcome};
use freehold_core::limits::{Metering, Usage};

use crate::stack::native_bytes;
use crate::{Grants, Plugin, SandboxError, Transform};

/// Batches that wait for each instance, so that none is idle while another's result is taken.
const WAITING: usize = 2;

/// An instance at work: batches go in, outcomes come out in the same order, at last what `finish` gave.
struct Worker<B> {
    batches: SyncSender<B>,
    outcomes: Receiver<Result<Outcome, SandboxError>>,
}

impl Plugin {
    /// Runs a whole stream and gives each outcome to `take`, in the order of the batches; the last is that of `finish`. Up to
    /// `threads` instances share the work if the plugin says that it treats each row for itself, with the same outcomes in the
    /// same order. A plugin whose instructions are counted has one instance, so that its fuel runs out at the same row
    /// everywhere. No more batches are held than are worked on.
    pub fn transform_all<B: Borrow<Batch> + Send, E: From<SandboxError>>(
        &self,
        grants: &Grants,
        threads: usize,
        mut batches: impl Iterator<Item = Result<B, E>>,
        mut take: impl FnMut(Outcome) -> Result<(), E>,
    ) -> Result<Usage, E> {
        let mut first = self.transform(grants.clone())?;
        if !first.describe()?.rows_independent || self.limits.metering == Metering::Fuel {
            return one(first, batches, take);
        }
        let begin = batches.by_ref().take(2).collect::<Result<Vec<_>, E>>()?;
        // On any machine, so that it is not the number of threads that decides.
        let mut expected = backwards(first, &begin)?;
        let take = |outcome| match expected.take() {
            Some(expected) if expected != outcome => {
                Err(SandboxError::RowDependence { plugin: self.label.to_string() }.into())
            }
            _ => take(outcome),
        };
        let batches = begin.into_iter().map(Ok).chain(batches);
        // With more instances than there are slots none could start.
        let threads = threads.min(self.concurrent as usize).max(1);
        let mut instances = Vec::with_capacity(threads);
        for _ in 0..threads {
            let mut next = self.transform(grants.clone())?;
            next.describe()?;
            instances.push(next);
        }
        match instances.pop() {
            Some(only) if instances.is_empty() => one(only, batches, take),
            last => {
                instances.extend(last);
                several(instances, self.limits.stack_bytes, batches, take)
            }
        }
    }
}

/// What a plugin makes of the first batch after the second one. If it treats each row for itself, as it says, that is what it
/// makes of it before: one that keeps something between batches would give other rows on another number of threads.
fn backwards<B: Borrow<Batch>>(mut transform: Transform, begin: &[B]) -> Result<Option<Outcome>, SandboxError> {
    let [first, second] = begin else { return Ok(None) };
    transform.keep_quiet();
    transform.process(second.borrow())?;
    transform.process(first.borrow()).map(Some)
}

fn one<B: Borrow<Batch>, E: From<SandboxError>>(
    mut transform: Transform,
    batches: impl Iterator<Item = Result<B, E>>,
    mut take: impl FnMut(Outcome) -> Result<(), E>,
) -> Result<Usage, E> {
    for batch in batches {
        take(transform.process(batch?.borrow())?)?;
    }
    take(transform.finish()?)?;
    Ok(transform.usage())
}

fn several<B: Borrow<Batch> + Send, E: From<SandboxError>>(
    instances: Vec<Transform>,
    stack_bytes: u64,
    batches: impl Iterator<Item = Result<B, E>>,
    mut take: impl FnMut(Outcome) -> Result<(), E>,
) -> Result<Usage, E> {
    let (report, usages) = channel();
    std::thread::scope(|scope| {
        let mut workers = Vec::with_capacity(instances.len());
        for transform in instances {
            let (batches, to_do) = sync_channel(WAITING);
            let (done, outcomes) = channel();
            let report = report.clone();
            std::thread::Builder::new()
                .name("plugin".into())
                .stack_size(native_bytes(stack_bytes))
                .spawn_scoped(scope, move || work(transform, &to_do, &done, &report))
                .map_err(|error| SandboxError::Engine(error.to_string()))?;
            workers.push(Worker { batches, outcomes });
        }
        drop(report);
        // The batches go round, so that outcomes are in order when they are taken round.
        let (count, mut sent, mut taken) = (workers.len(), 0, 0);
        for batch in batches {
            if sent - taken == WAITING * count {
                take(next_of(&workers[taken % count].outcomes)?)?;
                taken += 1;
            }
            // A worker that has failed takes nothing more; its error is what its outcome says.
            let _ = workers[sent % count].batches.send(batch?);
            sent += 1;
        }
        for at in taken..sent {
            take(next_of(&workers[at % count].outcomes)?)?;
        }
        for Worker { batches, outcomes } in workers {
            drop(batches);
            take(next_of(&outcomes)?)?;
        }
        let mut usage = Usage::default();
        usages.iter().for_each(|more| usage.add(&more));
        Ok(usage)
    })
}

fn next_of(outcomes: &Receiver<Result<Outcome, SandboxError>>) -> Result<Outcome, SandboxError> {
    // A worker says something for every batch unless it panicked.
    outcomes.recv().unwrap_or_else(|_| Err(SandboxError::Engine("a worker ended without a result".into())))
}

fn work<B: Borrow<Batch>>(
    mut transform: Transform,
    batches: &Receiver<B>,
    outcomes: &Sender<Result<Outcome, SandboxError>>,
    report: &Sender<Usage>,
) {
    while let Ok(batch) = batches.recv() {
        let outcome = transform.process(batch.borrow());
        let failed = outcome.is_err();
        if outcomes.send(outcome).is_err() || failed {
            return;
        }
    }
    // Nobody listens any more if another worker has failed.
    let _ = outcomes.send(transform.finish());
    let _ = report.send(transform.usage());
}
