//! The evidence of a run in one file: what goes into it, what may be left out, and what a stranger sees of it.

mod contents;
mod draft;
mod view;

pub use contents::{Extra, LeftOut};
pub use draft::{Draft, EntryChoice, Options, draft};
pub use view::PackView;

pub(super) use contents::{concerns, contents};
