//! A server with a small adapter of the demo, and clients of it.

mod client;
mod load;
mod server;

pub(crate) use client::{Answered, ask};
pub(crate) use load::load;
pub(crate) use server::{ALIAS, Serving, prepare, questions};
