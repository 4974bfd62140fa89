//! The contract between host and plugins over time: what was released stays as it was, each version only adds to the one before,
//! and plugins of every released version load and do what they did.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod compare;
mod corpus;
mod released;
