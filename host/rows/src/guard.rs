//! Code that others wrote, on bytes that strangers wrote: should it panic after all, the file is damaged, and that is all.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::TableError;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Nothing is said of a panic that becomes an error; of any other, what was said before.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
}

/// Runs `read`. What it borrows must not be used again after an error.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T, TableError>) -> Result<T, TableError> {
    quiet();
    let outer = GUARDED.replace(true);
    let read = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(outer);
    read.unwrap_or_else(|_| Err(TableError::damaged("it cannot be decoded")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(guarded(|| Ok(1)), Ok(1));
        let panicked = guarded(|| -> Result<(), TableError> { panic!("no") });
        assert!(panicked.unwrap_err().to_string().contains("damaged"));
        assert!(!GUARDED.get());
    }
}
