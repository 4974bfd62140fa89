//! Reads counters often enough that none begins again twice in between.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::powercap::Packages;

/// A counter of 32 bits in units of 15 microjoules begins again after four minutes at 250 W.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Counted {
    packages: Packages,
    /// Microjoules since they were taken; `None` since a counter could not be read.
    microjoules: Option<u64>,
}

impl Counted {
    fn read(&mut self) {
        let more = self.packages.advance();
        self.microjoules = self.microjoules.zip(more).map(|(sum, more)| sum.saturating_add(more));
    }
}

/// Counters that are read from time to time, as long as it is there.
#[derive(Debug)]
pub(super) struct Sampler {
    counted: Arc<Mutex<Counted>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Begins to count. `None` if no thread can be had for it.
    pub(super) fn start(packages: Packages) -> Option<Self> {
        let counted = Arc::new(Mutex::new(Counted { packages, microjoules: Some(0) }));
        let (stop, stopped) = mpsc::channel();
        let own = Arc::clone(&counted);
        let read = move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                own.lock().unwrap_or_else(PoisonError::into_inner).read();
            }
        };
        let thread = Builder::new().name("energy".into()).spawn(read).ok()?;
        Some(Self { counted, stop: Some(stop), thread: Some(thread) })
    }

    /// Joules since it began to count; `None` if a counter could not be read.
    pub(super) fn joules(&self) -> Option<f64> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.read();
        Some(counted.microjoules? as f64 / 1e6)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only reads; one that panicked has said so.
            let _ = thread.join();
        }
    }
}
