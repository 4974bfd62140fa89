//! A native stack that is large enough for a plugin's: wasmtime counts the bytes that a plugin uses from where the host called it,
//! on whatever thread that is. If the thread has less, the plugin ends the host before it reaches its limit.

use crate::SandboxError;

/// What every thread has beside [`MARGIN_BYTES`]: Rust's threads have twice as much, the first thread of a process more.
const ANY_THREAD_BYTES: u64 = 1 << 20;
/// What the host itself may need above and below a plugin.
const MARGIN_BYTES: u64 = 1 << 20;

/// The native stack of a thread that calls plugins with so many bytes of stack.
pub(crate) fn native_bytes(stack_bytes: u64) -> usize {
    usize::try_from(stack_bytes.max(ANY_THREAD_BYTES).saturating_add(MARGIN_BYTES)).unwrap_or(usize::MAX)
}

/// Makes a call on a stack that is large enough: this thread's, or that of a thread of its own.
pub(crate) fn with_stack<T: Send>(stack_bytes: u64, call: impl FnOnce() -> T + Send) -> Result<T, SandboxError> {
    if stack_bytes <= ANY_THREAD_BYTES {
        return Ok(call());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("plugin".into()).stack_size(native_bytes(stack_bytes));
        let thread = thread.spawn_scoped(scope, call).map_err(|error| SandboxError::Engine(error.to_string()))?;
        thread.join().map_err(|_| SandboxError::Engine("a thread ended without a result".into()))
    })
}
