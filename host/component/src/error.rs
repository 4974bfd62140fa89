//! What can go wrong between source and component.

use std::path::PathBuf;

use crate::toolchain::{DEBIAN_PACKAGES, TARGET};

/// A component cannot be built or read.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No compiler for the target is there.
    #[error("there is no Rust compiler for {TARGET} on this machine")]
    NoToolchain,
    /// The compiler that was asked for is not there.
    #[error("the Rust compiler for {TARGET} is not there from {0}, which was asked for")]
    NotFrom(&'static str),
    /// Debian's compiler has no linker for WebAssembly.
    #[error("there is no `{}`, which links WebAssembly", .0.display())]
    NoLinker(PathBuf),
    /// A program cannot be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The compiler refused; it has said why on stderr.
    #[error("`{command}` ended with {status}")]
    Compiler {
        /// What was run.
        command: String,
        /// How it ended.
        status: String,
    },
    /// The compiler made no module.
    #[error("the package in `{}` has no library of the crate type `cdylib`", .0.display())]
    NoModule(PathBuf),
    /// A module is not what makes a component.
    #[error("cannot make a component of the module: {0}")]
    Encode(String),
    /// The bytes are no component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
}

impl BuildError {
    /// What to do about it, if that is not in the message.
    pub fn remedy(&self) -> Option<String> {
        let install = || {
            format!(
                "install one with `rustup target add {TARGET}`, or on Debian with `apt-get install {}`",
                DEBIAN_PACKAGES.join(" ")
            )
        };
        match self {
            Self::NoToolchain | Self::NotFrom(_) | Self::NoLinker(_) => Some(install()),
            Self::Start { .. } => Some("install Rust from https://rustup.rs, or say where it is with PATH".into()),
            Self::Compiler { .. } => Some("correct what the compiler says above".into()),
            Self::NoModule(_) => Some("add `crate-type = [\"cdylib\", \"rlib\"]` to [lib] in Cargo.toml".into()),
            Self::Encode(_) => {
                Some("use the SDK's macros for exports, and no crate that imports from a browser or WASI".into())
            }
            Self::NotAComponent(_) => Some("build it with `freehold plugin build`".into()),
        }
    }
}
