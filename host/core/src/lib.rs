//! The plain types of Freehold: names, digests, batches, evidence, verdicts, recipes, manifests and records. No I/O.

pub mod batch;
pub mod contract;
pub mod digest;
pub mod evidence;
pub mod hub;
pub mod labels;
pub mod limits;
pub mod lock;
pub mod manifest;
pub mod name;
pub mod printable;
pub mod recipe;
pub mod record;
pub mod schema;
pub mod spent;
pub mod toml_text;
pub mod verdict;
