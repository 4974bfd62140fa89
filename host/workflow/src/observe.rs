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
        /// What is worth knowing now, such as the loss.
        note: String,
    },
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
    observer.observe(Event::Progress { task: task.into(), done: done as u64, total: total as u64, note });
}
