//! The threads that compute.
//!
//! A step of a training shares out some thousand pieces of work that take microseconds, and a token of an answer some
//! hundred. A thread that sleeps takes longer to wake than most of them take. So the threads wait awake for a moment for the
//! next piece, and only then sleep.

#![allow(unsafe_code, reason = "work lies on the stack of the thread that waits for it")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a thread waits awake for more work.
const AWAKE: Duration = Duration::from_micros(200);

/// Threads that compute together with the one that asks them to.
#[derive(Debug)]
pub struct Workers {
    /// Held by the thread that shares out work.
    busy: Mutex<()>,
    workers: Vec<(Arc<Worker>, JoinHandle<()>)>,
}

/// Where a worker gets its work. No two workers share a line of the cache.
#[derive(Debug)]
#[repr(align(128))]
struct Worker {
    /// What is to be done, until the worker takes it or it is taken back.
    work: AtomicPtr<Work<'static>>,
    asleep: AtomicBool,
    ends: AtomicBool,
}

/// Something that several threads do together: each takes pieces until there are none.
struct Work<'a> {
    run: &'a (dyn Fn() + Sync),
    /// Workers that have done what they took.
    done: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

thread_local! {
    /// Whether this thread does a piece of work: what it would share out, it does alone.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// The workers that are used instead of those of the process.
    static CHOSEN: RefCell<Option<Arc<Workers>>> = const { RefCell::new(None) };
}

static REQUESTED: AtomicUsize = AtomicUsize::new(0);
static PROCESS: OnceLock<Arc<Workers>> = OnceLock::new();

/// Sets how many threads compute, before any did; without it, as many as the machine runs at a time. No result depends on it.
pub fn use_threads(count: usize) {
    REQUESTED.store(count, Ordering::Relaxed);
}

/// How many threads compute.
pub fn threads() -> usize {
    current().threads()
}

/// Does something with each item; no item waits for another. Where this is called for an item, or while another thread
/// shares out work, all is done by this thread.
pub fn for_each<I>(items: impl IntoIterator<Item = I, IntoIter: Send>, f: impl Fn(I) + Sync) {
    current().for_each(items.into_iter(), &f);
}

/// What a function gives for each item, in order.
pub fn map<I, R: Send>(
    items: impl IntoIterator<Item = I, IntoIter: ExactSizeIterator + Send>,
    f: impl Fn(I) -> R + Sync,
) -> Vec<R> {
    let items = items.into_iter();
    let mut results: Vec<Option<R>> = (0..items.len()).map(|_| None).collect();
    for_each(results.iter_mut().zip(items), |(result, item)| *result = Some(f(item)));
    results.into_iter().flatten().collect()
}

fn current() -> Arc<Workers> {
    if let Some(chosen) = CHOSEN.with_borrow(Clone::clone) {
        return chosen;
    }
    let count = || match REQUESTED.load(Ordering::Relaxed) {
        0 => thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    Arc::clone(PROCESS.get_or_init(|| Arc::new(Workers::new(count()))))
}

impl Workers {
    /// So many threads, the one that asks included. Fewer where the system has no more.
    pub fn new(threads: usize) -> Self {
        let start = |index| {
            let worker = Arc::new(Worker {
                work: AtomicPtr::new(ptr::null_mut()),
                asleep: AtomicBool::new(false),
                ends: AtomicBool::new(false),
            });
            let own = Arc::clone(&worker);
            let thread = thread::Builder::new().name(format!("compute-{index}")).spawn(move || own.serve());
            thread.ok().map(|thread| (worker, thread))
        };
        Self { busy: Mutex::new(()), workers: (1..threads).map_while(start).collect() }
    }

    /// Runs `f` with these threads instead of those of the process.
    pub fn install<R>(self: Arc<Self>, f: impl FnOnce() -> R) -> R {
        let before = CHOSEN.replace(Some(self));
        let result = catch_unwind(AssertUnwindSafe(f));
        CHOSEN.set(before);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    fn for_each<I>(&self, mut items: impl Iterator<Item = I> + Send, f: &(impl Fn(I) + Sync)) {
        let alone = self.workers.is_empty() || INSIDE.get() || items.size_hint().1 == Some(1);
        let busy = match self.busy.try_lock() {
            Ok(busy) if !alone => Some(busy),
            // Work that panicked is over, too.
            Err(TryLockError::Poisoned(busy)) if !alone => Some(busy.into_inner()),
            _ => None,
        };
        if busy.is_none() {
            return items.for_each(f);
        }
        let queue = Mutex::new(&mut items);
        let next = || queue.lock().ok().and_then(|mut items| items.next());
        let run = || {
            while let Some(item) = next() {
                f(item);
            }
        };
        self.run(&run);
    }

    /// Runs `run` on all threads; returns when all have ended.
    fn run(&self, run: &(dyn Fn() + Sync)) {
        let mut work = Work { run, done: AtomicUsize::new(0), panic: Mutex::new(None) };
        let place: *mut Work<'_> = &raw mut work;
        for (worker, thread) in &self.workers {
            worker.work.store(place.cast(), Ordering::SeqCst);
            if worker.asleep.load(Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
        // SAFETY: `work` lives until this function returns, and is only read while others may read it.
        let work = unsafe { &*place };
        work.run_here();
        // What was not begun is taken back: nobody has to wake up for it any more.
        let back = |(worker, _): &(Arc<Worker>, _)| !worker.work.swap(ptr::null_mut(), Ordering::AcqRel).is_null();
        let taken = self.workers.len() - self.workers.iter().filter(|worker| back(worker)).count();
        wait(|| work.done.load(Ordering::Acquire) == taken, || false);
        let panic = work.panic.lock().ok().and_then(|mut panic| panic.take());
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (worker, thread) in self.workers.drain(..) {
            worker.ends.store(true, Ordering::SeqCst);
            thread.thread().unpark();
            // It ends without a panic: those of work are caught.
            let _ = thread.join();
        }
    }
}

impl Work<'_> {
    fn run_here(&self) {
        INSIDE.set(true);
        let result = catch_unwind(AssertUnwindSafe(self.run));
        INSIDE.set(false);
        if let (Err(panic), Ok(mut first)) = (result, self.panic.lock()) {
            first.get_or_insert(panic);
        }
    }
}

impl Worker {
    fn serve(&self) {
        loop {
            let mut work = ptr::null_mut();
            let mut found = || {
                work = self.take();
                !work.is_null() || self.ends.load(Ordering::Relaxed)
            };
            if !wait(&mut found, || true) {
                self.asleep.store(true, Ordering::SeqCst);
                while !found() {
                    thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
            }
            if work.is_null() {
                return;
            }
            // SAFETY: who shares out work waits until every worker that took it says that it is done.
            let work = unsafe { &*work };
            work.run_here();
            work.done.fetch_add(1, Ordering::Release);
        }
    }

    fn take(&self) -> *mut Work<'static> {
        // Looking costs nothing; taking moves the line of the cache.
        if self.work.load(Ordering::SeqCst).is_null() {
            return ptr::null_mut();
        }
        self.work.swap(ptr::null_mut(), Ordering::AcqRel)
    }
}

/// Waits awake for something; false if it takes long and `gives_up`. Other threads may have the processor meanwhile, if it
/// takes longer than work that is well shared out.
fn wait(mut until: impl FnMut() -> bool, gives_up: impl Fn() -> bool) -> bool {
    const LOOKS: usize = 64;
    let mut since: Option<Instant> = None;
    loop {
        for _ in 0..LOOKS {
            if until() {
                return true;
            }
            std::hint::spin_loop();
        }
        if since.get_or_insert_with(Instant::now).elapsed() > AWAKE {
            if gives_up() {
                return false;
            }
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_item_is_treated_once_with_any_number_of_threads() {
        for threads in [1, 2, 5] {
            Arc::new(Workers::new(threads)).install(|| {
                assert_eq!(super::threads(), threads);
                for count in [0, 1, 2, 3, 100] {
                    for _ in 0..200 {
                        assert_eq!(map(0..count, |i| i * i), (0..count).map(|i| i * i).collect::<Vec<_>>());
                    }
                }
                let mut values = vec![1_u64; 1000];
                for_each(values.chunks_mut(7), |values| values.iter_mut().for_each(|value| *value += 1));
                assert!(values.iter().all(|value| *value == 2));
            });
        }
    }

    #[test]
    fn work_within_work_and_beside_work_is_done() {
        let sum = AtomicU64::new(0);
        let add = |count: u64| for_each(0..count, |i| _ = sum.fetch_add(i, Ordering::Relaxed));
        Arc::new(Workers::new(3)).install(|| for_each(0..10, |_| add(10)));
        assert_eq!(sum.swap(0, Ordering::Relaxed), 450);
        let workers = Arc::new(Workers::new(2));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| Arc::clone(&workers).install(|| (0..500).for_each(|_| add(10))));
            }
        });
        assert_eq!(sum.into_inner(), 4 * 500 * 45);
    }

    #[test]
    fn sleeping_threads_wake_up() {
        Arc::new(Workers::new(2)).install(|| {
            for _ in 0..3 {
                thread::sleep(4 * AWAKE);
                let both = std::sync::Barrier::new(2);
                // Ends only if two threads meet.
                for_each(0..2, |_| _ = both.wait());
            }
        });
    }

    #[test]
    fn a_panic_comes_out_where_the_work_was_shared_out() {
        Arc::new(Workers::new(2)).install(|| {
            for bad in [0, 99] {
                let attempt = catch_unwind(|| for_each(0..100, |i| assert_ne!(i, bad)));
                assert!(attempt.is_err());
                // Both threads go on.
                let both = std::sync::Barrier::new(2);
                for_each(0..2, |_| _ = both.wait());
            }
        });
    }
}
