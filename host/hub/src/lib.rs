//! Fetches models from a Hugging Face hub. The only crate that names hf-hub and ureq, and it is only called by `model pull`:
//! runs never use the network.
//!
//! Requests are hf-hub's: its agent (ureq, rustls), its addresses, its header with the token. What they are answered with is
//! handled here, because what hf-hub 0.5 does with it is not safe against a server that lies: it names files after the ETag
//! that the server sends, sends the token on to the host of a redirect, checks no length and no digest, and appends to what
//! it has if a server ignores the range that it asked for. hf-hub 1.0 streams, but brings a hundred crates, a C library for
//! TLS and a second protocol (Xet) for the large files, and begins them anew after an interruption.
//!
//! What a server says is trusted as far as it can be checked: names of files are plain names or are not used, a file has the
//! length and, if it is one of the large ones, the SHA-256 that the hub promised before.

mod access;
mod card;
mod client;
mod error;
mod fetch;
mod part;
mod select;

pub use access::{Access, DEFAULT_ENDPOINT, Endpoint, Token};
pub use error::HubError;
pub use fetch::{FetchedFile, Progress, Snapshot, look_up};
pub use part::PART;
