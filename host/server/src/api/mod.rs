//! OpenAI's API: what is asked, what is answered, and in which form.

mod ask;
mod chat;
mod completions;
mod error;
mod form;
mod models;
mod parameters;
mod reply;

pub(crate) use ask::Endpoint;
pub(crate) use error::ApiError;
pub(crate) use models::{list, show};
pub(crate) use reply::reply;
