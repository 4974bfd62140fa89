//! The plugin author's loop, but for the compiler: a new folder, golden cases in the real sandbox under production limits,
//! and how fast it is there. Compiling is `freehold-component`'s.
//!
//! A plugin under test takes the way of every plugin: signed, here with a key that is forgotten at once, verified, loaded.

mod bench;
mod case;
mod error;
mod folder;
mod rehearse;
mod template;

pub use bench::{Bench, Distribution, bench};
pub use case::{Broken, Case, CaseReport, DiffLine, Difference, Side, accept, run_case};
pub use error::AuthoringError;
pub use folder::{COMPONENT_FILE, PluginFolder, SOURCE_FILE};
pub use rehearse::rehearse;
pub use template::new_plugin;
