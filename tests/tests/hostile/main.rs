//! Hostile guests, each named after its attack and built from source here. After each the host lives, has named the attack,
//! has not grown beyond what it allows, and runs the next plugin normally.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bundles;
mod calls;
mod components;
mod grants;
mod guest;
mod host;
mod metrics;
mod policies;
mod stacks;
mod transforms;
