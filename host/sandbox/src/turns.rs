//! Who computes now. There are twice as many turns as the machine has processors, so that none of these waits for a thread to
//! wake up, and they are given in the order in which they were asked for. A call whose thread the system would put aside for
//! hundreds of others takes many times as long, and its clock runs on: under load, limits of time would be passed by plugins
//! that do what they always do.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Thread, available_parallelism, current, park};

/// Turns of one host.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<Queue>);

#[derive(Debug)]
struct Queue {
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    given: AtomicBool,
    thread: Thread,
}

/// The right to compute, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Two turns a processor.
    pub(crate) fn of_this_machine() -> Self {
        Self::new(2 * available_parallelism().map_or(1, NonZero::get))
    }

    fn new(count: usize) -> Self {
        Self(Mutex::new(Queue { free: count, waiting: VecDeque::new() }))
    }

    /// Waits for a turn.
    pub(crate) fn take(&self) -> Turn<'_> {
        let mut queue = self.queue();
        if queue.free > 0 {
            queue.free -= 1;
            return Turn(self);
        }
        let waiter = Arc::new(Waiter { given: AtomicBool::new(false), thread: current() });
        queue.waiting.push_back(waiter.clone());
        drop(queue);
        while !waiter.given.load(Ordering::Acquire) {
            park();
        }
        Turn(self)
    }

    /// Nothing that is done under the lock can panic, so that what it holds is whole.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    /// The turn goes to whoever has waited longest: were it free for a moment, a newcomer could take it.
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        match queue.waiting.pop_front() {
            Some(next) => {
                next.given.store(true, Ordering::Release);
                next.thread.unpark();
            }
            None => queue.free += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread::{scope, yield_now};

    use super::*;

    #[test]
    fn no_more_turns_than_there_are() {
        let (turns, now, most) = (Turns::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _turn = turns.take();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        let queue = turns.queue();
        assert_eq!((queue.free, queue.waiting.len()), (2, 0));
    }

    #[test]
    fn who_came_first_goes_first() {
        let (turns, order) = (Turns::new(1), Mutex::new(Vec::new()));
        scope(|scope| {
            let held = turns.take();
            for number in 0..8 {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let _turn = turns.take();
                    order.lock().unwrap().push(number);
                });
                while turns.queue().waiting.len() <= number {
                    yield_now();
                }
            }
            drop(held);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_turn_comes_back_from_whoever_panics() {
        let turns = Turns::new(1);
        let panicked = scope(|scope| {
            let taken = scope.spawn(|| {
                let _turn = turns.take();
                panic!("in the middle");
            });
            taken.join()
        });
        assert!(panicked.is_err());
        drop(turns.take());
        assert_eq!(turns.queue().free, 1);
    }
}
