//! What must hold for any input. A target is a function of bytes that panics when something does not hold; cargo-fuzz looks for
//! such bytes (`cargo xtask fuzz`), and the tests replay what it found (`fuzz/corpus`).
//!
//! No panic is the least of it: what was read is written and read again, what verifies was signed by a listed key, what was
//! accepted is what its rules say. One file a target, or two that share their input.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a target reports what it found"
)]

#[macro_use]
mod structured;

mod arrow;
mod batch;
mod bundle;
mod checkpoint;
mod component;
mod document;
mod host;
mod key_file;
mod keys;
mod ledger;
mod manifest;
mod model;
mod outcome;
mod pack;
mod parquet;
mod parts;
mod proof;
mod root;
mod root_changes;
mod seeds;
mod statement;
mod tables;
mod yank;

// Each by itself, so that its program holds no other.
pub use arrow::run as arrow;
pub use batch::run as batch;
pub use bundle::run as bundle;
pub use checkpoint::run as checkpoint;
pub use component::run as component;
pub use document::{plugin_source, recipe};
pub use key_file::run as key_file;
pub use ledger::run as ledger;
pub use manifest::run as manifest;
pub use model::run as model;
pub use outcome::run as outcome;
pub use pack::run as pack;
pub use parquet::run as parquet;
pub use proof::run as proof;
pub use root::run as root;
pub use root_changes::run as root_changes;
pub use seeds::{Seed, seeds};
pub use statement::run as statement;
pub use yank::run as yank;

/// Something that reads what others made.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, that of its program and of the folder of its corpus.
    pub name: &'static str,
    /// Tries one input; panics if something does not hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 19] = [
    Target { name: "plugin_source", run: plugin_source },
    Target { name: "recipe", run: recipe },
    Target { name: "manifest", run: manifest },
    Target { name: "yank", run: yank },
    Target { name: "root", run: root },
    Target { name: "root_changes", run: root_changes },
    Target { name: "batch", run: batch },
    Target { name: "outcome", run: outcome },
    Target { name: "bundle", run: bundle },
    Target { name: "component", run: component },
    Target { name: "ledger", run: ledger },
    Target { name: "checkpoint", run: checkpoint },
    Target { name: "parquet", run: parquet },
    Target { name: "arrow", run: arrow },
    Target { name: "pack", run: pack },
    Target { name: "proof", run: proof },
    Target { name: "key_file", run: key_file },
    Target { name: "statement", run: statement },
    Target { name: "model", run: model },
];
