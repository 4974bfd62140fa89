//! Many writers of one process: those that wait go in together, under one tree head, and share its cost.
//!
//! Whoever comes first leads: it takes the log's lock, gathers what the others have handed in meanwhile, appends all of it and tells
//! each its index. The others wait. A writer is told when its entry is on the disk, never before, so that its own entries keep
//! their order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use freehold_core::record::Entry;
use freehold_trust::SecretKey;

use crate::append::{Appender, TOGETHER_MAX, encode};
use crate::{Ledger, LedgerError};

/// The longest that a leader waits for writers that it has just told their index, to come with their next entry. It is a
/// fraction of what syncing takes, and without it every other group would be of one.
const GATHER_MAX: Duration = Duration::from_millis(2);

/// Lets many threads append to one log.
#[derive(Debug)]
pub struct Group<'a> {
    ledger: &'a Ledger,
    keys: Vec<&'a SecretKey>,
    queue: Mutex<Queue>,
    /// Something was handed in.
    handed_in: Condvar,
    /// Results are there, or nobody leads any more.
    told: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(u64, Entry)>,
    next: u64,
    leading: bool,
    results: BTreeMap<u64, Result<u64, LedgerError>>,
    /// How many went in together last.
    last: usize,
    /// How often some went in.
    commits: u64,
}

impl Ledger {
    /// For threads that append at the same time. Tree heads are signed by each of `keys`.
    pub fn group<'a>(&'a self, keys: Vec<&'a SecretKey>) -> Group<'a> {
        let (handed_in, told) = (Condvar::new(), Condvar::new());
        Group { ledger: self, keys, queue: Mutex::default(), handed_in, told }
    }
}

impl Group<'_> {
    /// Appends `entry` and returns its index. When the call returns, it is on the disk under a signed tree head. The call waits
    /// for the disk and for other writers, however long they take.
    pub fn append(&self, entry: Entry) -> Result<u64, LedgerError> {
        // What can never go in must not fail with others.
        encode(&entry)?;
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back((number, entry));
        self.handed_in.notify_one();
        loop {
            if let Some(result) = queue.results.remove(&number) {
                return result;
            }
            if queue.leading {
                queue = self.told.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.leading = true;
            drop(queue);
            self.lead();
            queue = self.queue();
        }
    }

    /// How many tree heads there were so far for all that was appended.
    pub fn commits(&self) -> u64 {
        self.queue().commits
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what waits and leaves a result for everyone whose entry was taken.
    fn lead(&self) {
        let leader = Leader(self);
        let appender = self.ledger.appender_with(self.keys.clone());
        let (numbers, entries) = self.gather();
        let result = match &appender {
            Ok(appender) => append(appender, &entries),
            Err(_) => Vec::new(),
        };
        let shared = appender.err().map(Arc::new);
        let mut queue = leader.0.queue();
        queue.last = numbers.len();
        queue.commits += 1;
        match shared {
            Some(error) => {
                let failed = |number| (number, Err(LedgerError::Together(error.clone())));
                queue.results.extend(numbers.into_iter().map(failed));
            }
            None => queue.results.extend(numbers.into_iter().zip(result)),
        }
    }

    /// Waits a moment for as many as there were last time, then takes what is there.
    fn gather(&self) -> (Vec<u64>, Vec<Entry>) {
        let mut queue = self.queue();
        let until = Instant::now() + GATHER_MAX;
        while queue.waiting.len() < queue.last {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue = self.handed_in.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = queue.waiting.len().min(TOGETHER_MAX);
        queue.waiting.drain(..count).unzip()
    }
}

/// Leads until it is dropped.
struct Leader<'g, 'a>(&'g Group<'a>);

impl Drop for Leader<'_, '_> {
    fn drop(&mut self) {
        self.0.queue().leading = false;
        self.0.told.notify_all();
    }
}

/// A result for each entry. If they cannot go in together for another reason than the disk, each is tried by itself: one whose
/// time no key covers must not keep out the others.
fn append(appender: &Appender<'_>, entries: &[Entry]) -> Vec<Result<u64, LedgerError>> {
    match appender.append_all(entries) {
        Ok(first) => (first..).take(entries.len()).map(Ok).collect(),
        Err(error @ LedgerError::File(_)) => {
            let error = Arc::new(error);
            entries.iter().map(|_| Err(LedgerError::Together(error.clone()))).collect()
        }
        Err(error) if entries.len() == 1 => vec![Err(error)],
        Err(_) => entries.iter().map(|entry| appender.append(entry)).collect(),
    }
}
