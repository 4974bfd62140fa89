//! The threads that compute.

/// Runs `f` on one of the threads that compute, and waits for it. What `f` shares out from there costs a fraction of what
/// it costs from outside, where a thread has to be woken and another put to sleep for every operation.
pub fn on_worker<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::join(f, || ()).0
}
