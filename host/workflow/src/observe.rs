//! What a run tells while it works. The library never prints; whoever runs it may.

use freehold_core::record::Phase;

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A run begins, or goes on after an interruption.
    Run {
        /// The run.
        run: String,
        /// Whether it goes on.
        resumed: bool,
    },
    /// The lockfile was written anew; what moved, a line each.
    Locked(Vec<String>),
    /// A locked version is used though its publisher yanked it.
    Yanked {
        /// The plugin.
        plugin: String,
        /// The version.
        version: String,
        /// Why it was yanked.
        reason: String,
    },
    /// A phase begins.
    PhaseStarted(Phase),
    /// A phase ended; `earlier` if its statement was already in the ledger.
    PhaseFinished {
        /// The phase.
        phase: Phase,
        /// Whether an earlier process finished it.
        earlier: bool,
    },
    /// Work within a phase.
    Progress {
        /// What is done.
        task: String,
        /// How much is done.
        done: u64,
        /// How much there is.
        total: u64,
        /// Of what.
        unit: Unit,
        /// What is worth knowing now, such as the file that is fetched.
        note: String,
    },
    /// What is about to be trained on was counted.
    Validated(Box<crate::Validation>),
    /// A step of a training was made.
    Step {
        /// Its number, from 1.
        step: u64,
        /// How many there are.
        steps: u64,
        /// Mean cross-entropy of its targets, in nats.
        loss: f32,
        /// Tokens a second since this process began to train.
        tokens_per_s: f64,
        /// Seconds until the last step, if the rest is as fast as this process was.
        seconds_left: f64,
    },
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Steps, rows, plugins: things.
    Things,
    /// Bytes.
    Bytes,
}

/// Is told what happens.
pub trait Observer {
    /// Something happened.
    fn observe(&mut self, event: Event);
}

impl Observer for () {
    fn observe(&mut self, _: Event) {}
}

pub(crate) fn progress(observer: &mut dyn Observer, task: &str, done: usize, total: usize, note: String) {
    let (task, done, total) = (task.into(), done as u64, total as u64);
    observer.observe(Event::Progress { task, done, total, unit: Unit::Things, note });
}

pub(crate) fn progress_in_bytes(observer: &mut dyn Observer, task: &str, done: u64, total: u64, note: String) {
    observer.observe(Event::Progress { task: task.into(), done, total, unit: Unit::Bytes, note });
}
