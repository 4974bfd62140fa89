//! Base models from a Hugging Face hub: pulled, gone on with, refused, pinned. The hub is one of the tests' own; no test uses
//! the network.

#![expect(clippy::unwrap_used, reason = "tests")]

mod pull;
mod refused;
mod runs;
mod secrets;
mod server;
