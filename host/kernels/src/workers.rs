//! The threads that compute.

/// Sets how many threads compute, before any did; without it, as many as the machine runs at a time. No result depends on it.
pub fn use_threads(count: usize) {
    // It fails only where threads compute already: those stay.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(count).build_global();
}

/// Runs `f` on one of the threads that compute, and waits for it. What `f` shares out from there costs a fraction of what
/// it costs from outside, where a thread has to be woken and another put to sleep for every operation.
pub fn on_worker<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::join(f, || ()).0
}
