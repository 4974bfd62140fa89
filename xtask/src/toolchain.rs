//! A compiler for wasm32-unknown-unknown, installed where there is none. How it is found and used is `freehold-component`'s.

use std::path::PathBuf;
use std::process::Command;

use freehold_component::{BuildError, DEBIAN_PACKAGES, Provider, TARGET, Toolchain, Tools};

use crate::command::{run, step, workspace};
use crate::failure::Failure;

/// Set to `debian` or `rustup` to use that one and no other.
const CHOICE: &str = "FREEHOLD_WASM_TOOLCHAIN";

/// Finds a toolchain, and installs one if there is none.
pub(crate) fn find() -> Result<Toolchain, Failure> {
    let tools = tools()?;
    let may = |provider: Provider| tools.provider.is_none_or(|chosen| chosen == provider);
    let found = match find_with(&tools) {
        Err(BuildError::NoToolchain | BuildError::NotFrom(_)) if may(Provider::Rustup) && add_target() => {
            find_with(&tools)
        }
        other => other,
    };
    let found = match found {
        Err(BuildError::NoToolchain | BuildError::NotFrom(_)) if may(Provider::Debian) => {
            install_packages()?;
            find_with(&tools)
        }
        other => other,
    };
    found.map_err(|error| {
        let remedy = error.remedy().map(|remedy| format!("\nPlugins need it: {remedy}.")).unwrap_or_default();
        Failure::new(format!("{error}{remedy}"))
    })
}

fn find_with(tools: &Tools) -> Result<Toolchain, BuildError> {
    Toolchain::find(tools.clone(), &workspace())
}

fn tools() -> Result<Tools, Failure> {
    let provider = match std::env::var(CHOICE).as_deref() {
        Ok("debian") => Some(Provider::Debian),
        Ok("rustup") => Some(Provider::Rustup),
        Ok(other) => return Err(Failure::new(format!("{CHOICE} is `{other}`; expected `debian` or `rustup`"))),
        Err(_) => None,
    };
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    Ok(Tools {
        cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        cargo_home: home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"))),
        path: std::env::var_os("PATH").unwrap_or_default(),
        provider,
    })
}

/// Whether rustup added the target.
fn add_target() -> bool {
    step(&format!("Installing the Rust target {TARGET} with rustup: plugins are WebAssembly components"));
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(workspace()).status();
    added.is_ok_and(|status| status.success())
}

fn install_packages() -> Result<(), Failure> {
    step(&format!(
        "rustup cannot be had for {TARGET}; installing Debian's packages {} instead, which can build plugins",
        DEBIAN_PACKAGES.join(", ")
    ));
    let advice = |failure: Failure| {
        let remedy = BuildError::NoToolchain.remedy().unwrap_or_default();
        Failure::new(format!("{failure}\nPlugins need a Rust compiler for {TARGET}: {remedy}."))
    };
    run(Command::new("apt-get").arg("update")).map_err(advice)?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(DEBIAN_PACKAGES);
    run(install.env("DEBIAN_FRONTEND", "noninteractive")).map_err(advice)
}
