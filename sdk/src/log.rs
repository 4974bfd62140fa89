//! Lines in the host's log. The manifest limits their bytes in a run, so log what happened and not every row.
//!
//! ```
//! freehold_sdk::log::info(format_args!("{} rows had no answer", 3));
//! ```

pub use crate::bindings::shared::freehold::platform::platform::Level;
use std::fmt::Display;

/// For the author of the plugin.
pub fn debug(message: impl Display) {
    crate::platform::log(Level::Debug, &message.to_string());
}

/// For whoever reads the log of a run.
pub fn info(message: impl Display) {
    crate::platform::log(Level::Info, &message.to_string());
}

/// For whoever should look again.
pub fn warn(message: impl Display) {
    crate::platform::log(Level::Warn, &message.to_string());
}

/// For whoever must act.
pub fn error(message: impl Display) {
    crate::platform::log(Level::Error, &message.to_string());
}
