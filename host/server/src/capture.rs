//! Keeps what is captured, in a thread of its own: no request waits for it. What comes faster than it can be kept is counted
//! and forgotten.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use freehold_workflow::serving::{Capture, CaptureFailure, Conversation, is_sampled};

use crate::metrics::Metrics;

/// Rows that may wait.
const WAITING: usize = 1024;
/// Rows that go through the transforms together.
const TOGETHER: usize = 64;
/// How long rows are waited for.
const GATHER: Duration = Duration::from_millis(200);
/// How often it is looked for rows that are too old.
const SWEEP: Duration = Duration::from_secs(600);

/// Takes what is to be captured.
pub(crate) struct Sink {
    sampling: f64,
    rows: Mutex<Option<SyncSender<Conversation>>>,
    metrics: Arc<Metrics>,
}

/// The thread that keeps it.
pub(crate) struct Capturing(JoinHandle<()>);

impl Sink {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn start(capture: Capture, sampling: f64, metrics: Arc<Metrics>) -> std::io::Result<(Self, Capturing)> {
        let (rows, taken) = sync_channel(WAITING);
        let counted = metrics.clone();
        let thread =
            std::thread::Builder::new().name("capture".into()).spawn(move || keep(&capture, &taken, &counted))?;
        Ok((Self { sampling, rows: Mutex::new(Some(rows)), metrics }, Capturing(thread)))
    }

    /// Whether something of a request is kept.
    pub(crate) fn wants(&self, id: &str) -> bool {
        is_sampled(id, self.sampling)
    }

    /// Takes a row, if there is room.
    pub(crate) fn give(&self, row: Conversation) {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.as_ref().is_none_or(|rows| rows.try_send(row).is_err()) {
            self.metrics.not_captured.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Capturing {
    /// Waits until what was taken is kept.
    pub(crate) fn finish(self) {
        if self.0.join().is_err() {
            tracing::error!("the thread that keeps what is captured has panicked");
        }
    }
}

fn keep(capture: &Capture, rows: &Receiver<Conversation>, metrics: &Metrics) {
    let mut swept = Instant::now();
    loop {
        match rows.recv_timeout(SWEEP) {
            Ok(first) => keep_some(capture, gather(first, rows), metrics),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            if let Err(error) = capture.sweep() {
                tracing::warn!("what was captured and is too old cannot be removed: {error}");
            }
        }
    }
}

/// The first row and those that come soon after it.
fn gather(first: Conversation, rows: &Receiver<Conversation>) -> Vec<Conversation> {
    let (mut some, until) = (vec![first], Instant::now() + GATHER);
    while some.len() < TOGETHER {
        match rows.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(row) => some.push(row),
            Err(_) => break,
        }
    }
    some
}

fn keep_some(capture: &Capture, rows: Vec<Conversation>, metrics: &Metrics) {
    let count = |number: usize| number as u64;
    match capture.keep(&rows) {
        Ok(kept) => drop(metrics.captured.fetch_add(count(kept), Ordering::Relaxed)),
        Err(failure) => {
            tracing::warn!("capture: {failure}");
            let (lost, kept) = match failure {
                CaptureFailure::Transform { rows, of, .. } => (rows, of.saturating_sub(rows)),
                CaptureFailure::Unwritten { rows, .. } => (rows, 0),
            };
            metrics.not_captured.fetch_add(count(lost), Ordering::Relaxed);
            metrics.captured.fetch_add(count(kept), Ordering::Relaxed);
        }
    }
}
