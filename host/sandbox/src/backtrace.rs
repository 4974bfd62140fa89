//! Where a plugin was when it trapped, for its author: the functions that were called, the innermost first.

use freehold_core::printable::printable;
use wasmtime::WasmBacktrace;

/// More frames than an author reads; a recursion that went wrong has many more.
const FRAMES: usize = 32;
/// The longest name of a function, in characters.
const NAME_LENGTH: usize = 120;

/// A function a line; nothing if the error has no frames.
pub(crate) fn of(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let line = |(at, frame): (usize, &wasmtime::FrameInfo)| {
        let name = match frame.func_name() {
            Some(name) => printable(name, NAME_LENGTH),
            None => format!("function {}", frame.func_index()),
        };
        format!("{at:>4}: {name}")
    };
    let mut lines: Vec<String> = frames.iter().take(FRAMES).enumerate().map(line).collect();
    if frames.len() > FRAMES {
        lines.push(format!("      and {} more", frames.len() - FRAMES));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}
