//! A whole stream through a transform: on one instance, or on several at a time when each row is treated for itself. Batches
//! are given as they come and outcomes taken in the same order, so that no more is held than is worked on.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use freehold_core::batch::{Batch, Outcome};
use freehold_core::limits::{Metering, Usage};

use crate::probe::Probe;
use crate::stack::native_bytes;
use crate::{Grants, Plugin, SandboxError, Transform, TransformDescription};

/// Batches that wait for each instance, so that none is idle while another's result is taken.
pub const WAITING: usize = 2;
/// Bytes of batches that were given and whose outcomes were not taken, whatever the number of instances. One batch is always
/// let in.
pub const WAITING_BYTES: usize = 128 << 20;

/// A transform at work on a stream.
///
/// [`Stream::give`] it batches until it is full, [`Stream::take`] the outcome of the oldest; at the end take what is left, then
/// [`Stream::finish`] every instance. The outcomes are the same, in the same order, with any number of instances.
pub struct Stream<'p> {
    plugin: &'p Plugin,
    description: TransformDescription,
    /// Whether more than one instance gives the same outcomes as one.
    divisible: bool,
    probe: Probe<'p>,
    /// What the probe found, until it is told.
    found: Option<SandboxError>,
    work: Work,
    usage: Usage,
}

enum Work {
    /// In the thread of the caller.
    Here { transform: Box<Transform>, given: Option<Batch>, finished: bool },
    /// In threads, which take the batches in turn. Of those whose outcomes were not taken, the bytes.
    Threads { workers: VecDeque<Worker>, in_flight: VecDeque<usize>, finishing: bool },
}

impl Plugin {
    /// Starts a transform for a stream, on one instance in the thread of the caller.
    pub fn stream(&self, grants: &Grants) -> Result<Stream<'_>, SandboxError> {
        let mut transform = self.transform(grants.clone())?;
        let description = transform.describe()?;
        // A plugin whose instructions are counted has one instance, so that its fuel runs out at the same row everywhere.
        let divisible = description.rows_independent && self.limits.metering == Metering::Time;
        let work = Work::Here { transform: Box::new(transform), given: None, finished: false };
        // With any number of threads, so that it is not that number which decides.
        let probe = if divisible { Probe::of(self, grants) } else { Probe::default() };
        Ok(Stream { plugin: self, description, divisible, probe, found: None, work, usage: Usage::default() })
    }

    /// Runs a whole stream and gives each outcome to `take`, in the order of the batches; the last are those of `finish`. Up to
    /// `threads` instances share the work if the plugin says that it treats each row for itself.
    pub fn transform_all<E: From<SandboxError>>(
        &self,
        grants: &Grants,
        threads: usize,
        batches: impl Iterator<Item = Result<Batch, E>>,
        mut take: impl FnMut(Outcome) -> Result<(), E>,
    ) -> Result<Usage, E> {
        let mut stream = self.stream(grants)?;
        stream.spread(grants, threads)?;
        for batch in batches {
            if stream.is_full()
                && let Some(outcome) = stream.take()
            {
                take(outcome?)?;
            }
            stream.give(batch?);
        }
        while let Some(outcome) = stream.take() {
            take(outcome?)?;
        }
        while let Some(outcome) = stream.finish() {
            take(outcome?)?;
        }
        Ok(stream.usage().clone())
    }
}

impl Stream<'_> {
    /// What the transform does.
    pub fn description(&self) -> &TransformDescription {
        &self.description
    }

    /// Moves the work to threads, before any batch is given: with `threads` of two or more to one of its own, and to so many
    /// if the plugin treats each row for itself. There are fewer if the host has no slots for so many instances.
    pub fn spread(&mut self, grants: &Grants, threads: usize) -> Result<(), SandboxError> {
        let begun = Work::Threads { workers: VecDeque::new(), in_flight: VecDeque::new(), finishing: false };
        let first = match std::mem::replace(&mut self.work, begun) {
            Work::Here { transform, given: None, finished: false } if threads > 1 => transform,
            other => {
                self.work = other;
                return Ok(());
            }
        };
        let mut instances = vec![*first];
        while self.divisible && instances.len() < threads {
            match self.plugin.transform(grants.clone()) {
                Ok(mut next) => {
                    next.describe()?;
                    instances.push(next);
                }
                Err(SandboxError::Busy { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        let stack = native_bytes(self.plugin.limits.stack_bytes);
        let workers = instances.into_iter().map(|instance| Worker::start(instance, stack)).collect::<Result<_, _>>()?;
        self.work = Work::Threads { workers, in_flight: VecDeque::new(), finishing: false };
        Ok(())
    }

    /// Whether an outcome should be taken before another batch is given.
    pub fn is_full(&self) -> bool {
        match &self.work {
            Work::Here { given, .. } => given.is_some(),
            Work::Threads { workers, in_flight, .. } => {
                in_flight.len() >= WAITING * workers.len() || in_flight.iter().sum::<usize>() >= WAITING_BYTES
            }
        }
    }

    /// Gives the next rows of the stream. A stream that is full has to wait for itself first.
    pub fn give(&mut self, batch: Batch) {
        if let Err(error) = self.probe.given(&batch) {
            self.found.get_or_insert(error);
        }
        match &mut self.work {
            Work::Here { given, .. } => *given = Some(batch),
            Work::Threads { workers, in_flight, .. } => {
                let turn = in_flight.len() % workers.len().max(1);
                if let Some(worker) = workers.get(turn) {
                    in_flight.push_back(batch.bytes());
                    worker.send(Job::Batch(batch));
                }
            }
        }
    }

    /// What came of the oldest batch whose outcome was not taken yet; `None` if there is no such batch.
    pub fn take(&mut self) -> Option<Result<Outcome, SandboxError>> {
        let outcome = self.oldest()?;
        let outcome = outcome.and_then(|outcome| self.probe.taken(self.plugin, &outcome).map(|()| outcome));
        Some(self.found.take().map_or(outcome, Err))
    }

    fn oldest(&mut self) -> Option<Result<Outcome, SandboxError>> {
        match &mut self.work {
            Work::Here { transform, given, .. } => given.take().map(|batch| transform.process(&batch)),
            Work::Threads { workers, in_flight, .. } => {
                in_flight.pop_front()?;
                // The one that took its turn first is the first to have it again.
                let outcome = workers.front()?.outcome();
                workers.rotate_left(1);
                Some(outcome)
            }
        }
    }

    /// What an instance gives at the end of the stream; `None` when all have. No batch can be given any more.
    pub fn finish(&mut self) -> Option<Result<Outcome, SandboxError>> {
        if let Some(error) = self.found.take() {
            return Some(Err(error));
        }
        match &mut self.work {
            Work::Here { finished: true, .. } => None,
            Work::Here { transform, finished, .. } => {
                *finished = true;
                let outcome = transform.finish();
                self.usage = transform.usage();
                Some(outcome)
            }
            Work::Threads { workers, finishing, .. } => {
                if !std::mem::replace(finishing, true) {
                    workers.iter().for_each(|worker| worker.send(Job::Finish));
                }
                let worker = workers.pop_front()?;
                let outcome = worker.outcome();
                if let Ok(usage) = worker.usage.recv() {
                    self.usage.add(&usage);
                }
                Some(outcome)
            }
        }
    }

    /// What all instances used, when they have finished.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }
}

enum Job {
    Batch(Batch),
    Finish,
}

/// An instance in a thread of its own: batches go in, outcomes come out in the same order.
struct Worker {
    jobs: Option<SyncSender<Job>>,
    outcomes: Option<Receiver<Result<Outcome, SandboxError>>>,
    usage: Receiver<Usage>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// In a thread with so many bytes of stack.
    fn start(transform: Transform, stack: usize) -> Result<Self, SandboxError> {
        let (jobs, to_do) = sync_channel(WAITING);
        let (done, outcomes) = channel();
        let (report, usage) = channel();
        let thread = std::thread::Builder::new().name("plugin".into()).stack_size(stack);
        let thread = thread.spawn(move || work(transform, &to_do, &done, &report));
        let thread = thread.map_err(|error| SandboxError::Engine(error.to_string()))?;
        Ok(Self { jobs: Some(jobs), outcomes: Some(outcomes), usage, thread: Some(thread) })
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // A worker that has failed takes nothing more; its error is what its outcome says.
            let _ = jobs.send(job);
        }
    }

    fn outcome(&self) -> Result<Outcome, SandboxError> {
        // A worker says something for every job unless it panicked.
        let outcome = self.outcomes.as_ref().and_then(|outcomes| outcomes.recv().ok());
        outcome.unwrap_or_else(|| Err(SandboxError::Engine("a worker ended without a result".into())))
    }
}

impl Drop for Worker {
    /// The instance is gone when this returns, and its slot is free. What it works on it ends, what waits it does not begin.
    fn drop(&mut self) {
        (self.jobs, self.outcomes) = (None, None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(
    mut transform: Transform,
    jobs: &Receiver<Job>,
    outcomes: &Sender<Result<Outcome, SandboxError>>,
    report: &Sender<Usage>,
) {
    while let Ok(job) = jobs.recv() {
        let (outcome, last) = match job {
            Job::Batch(batch) => (transform.process(&batch), false),
            Job::Finish => (transform.finish(), true),
        };
        let last = last || outcome.is_err();
        // Nobody listens any more if another worker has failed.
        if outcomes.send(outcome).is_err() {
            return;
        }
        if last {
            let _ = report.send(transform.usage());
            return;
        }
    }
}
