//! Serves promoted adapters over HTTP, as OpenAI's API does. The only place that names HTTP.
//!
//! What may be served, to whom, and what is kept of it, `freehold_workflow::serving` says.

#![expect(clippy::result_large_err, reason = "an error is the answer to a request, and made once for it")]

mod access;
mod answer;
mod api;
mod capture;
mod catalogue;
mod connection;
mod error;
mod exchange;
mod hooks;
mod keeper;
mod lane;
mod metrics;
mod patience;
mod routes;
mod server;
mod shared;

pub use error::ServeError;
pub use server::{ServedModel, Server, Summary};
