//! Which version of a plugin a run gets: by Cargo's rules, never an older one by stealth, and never other bytes.

#![expect(clippy::unwrap_used, reason = "tests")]

mod gone;
mod project;
mod ranges;
mod seen;
mod update;
mod yanks;
