//! From a plugin's crate to a WebAssembly component: finds a compiler, runs it, encodes what comes out, and says what a
//! component imports and exports.
//!
//! It starts `cargo` and `rustc`, which inherit the environment of the process, but reads nothing of it itself: who calls
//! says where things are ([`Tools`]). Nothing is installed here. It stands apart from the sandbox, so that what only builds
//! plugins does not have to compile wasmtime.

mod compile;
mod encode;
mod error;
mod interface;
mod toolchain;

pub use compile::compile;
pub use encode::encode;
pub use error::BuildError;
pub use interface::Interface;
pub use toolchain::{DEBIAN_PACKAGES, Provider, TARGET, Toolchain, Tools};
