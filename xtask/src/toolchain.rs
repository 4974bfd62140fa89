//! A compiler for wasm32-unknown-unknown: rustup's target, or else Debian's packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, output, run, step, workspace};
use crate::failure::Failure;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Set to `debian` or `rustup` to use that one and no other.
const CHOICE: &str = "FREEHOLD_WASM_TOOLCHAIN";
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What compiles guests.
pub(crate) enum Toolchain {
    /// The compiler that builds the host, with its target.
    Rustup,
    /// Debian's compiler, which builds the standard library for the target from Debian's sources.
    Debian {
        /// A linker for WebAssembly: the one that comes with the host's compiler.
        linker: PathBuf,
    },
}

/// Finds a toolchain, and installs one if there is none.
pub(crate) fn find() -> Result<Toolchain, Failure> {
    match std::env::var(CHOICE).as_deref() {
        Ok("debian") => debian(),
        Ok("rustup") => rustup().ok_or_else(|| Failure::new("rustup cannot install the target")),
        Ok(other) => Err(Failure::new(format!("{CHOICE} is `{other}`; expected `debian` or `rustup`"))),
        Err(_) => match rustup() {
            Some(toolchain) => Ok(toolchain),
            None => debian(),
        },
    }
}

fn target_is_installed() -> bool {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(workspace()));
    sysroot.is_some_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn rustup() -> Option<Toolchain> {
    if target_is_installed() {
        return Some(Toolchain::Rustup);
    }
    step(&format!("Installing the Rust target {TARGET} with rustup: plugins are WebAssembly components"));
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(workspace()).status();
    (added.is_ok_and(|status| status.success()) && target_is_installed()).then_some(Toolchain::Rustup)
}

fn debian() -> Result<Toolchain, Failure> {
    if !PACKAGES.iter().all(|package| is_installed(package)) {
        step(&format!(
            "rustup cannot be had for {TARGET}; installing Debian's packages {} instead, which can build plugins",
            PACKAGES.join(", ")
        ));
        let advice = |failure: Failure| {
            Failure::new(format!(
                "{failure}\nPlugins need a Rust compiler for {TARGET}. Install it with `rustup target add {TARGET}`, or on \
                 Debian with `apt-get install {}`.",
                PACKAGES.join(" ")
            ))
        };
        run(Command::new("apt-get").arg("update")).map_err(advice)?;
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "--no-install-recommends"]).args(PACKAGES);
        run(install.env("DEBIAN_FRONTEND", "noninteractive")).map_err(advice)?;
    }
    Ok(Toolchain::Debian { linker: linker()? })
}

fn is_installed(package: &str) -> bool {
    output(Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]))
        .is_some_and(|status| status.contains("install ok installed"))
}

fn linker() -> Result<PathBuf, Failure> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(workspace()));
    let sysroot = sysroot.ok_or_else(|| Failure::new("`rustc --print sysroot` failed"))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    let entries = std::fs::read_dir(&libraries).map_err(Failure::file("list", &libraries))?;
    let mut found =
        entries.filter_map(|entry| Some(entry.ok()?.path().join("bin/rust-lld"))).filter(|path| path.is_file());
    found.next().ok_or_else(|| Failure::new(format!("there is no rust-lld below {}", libraries.display())))
}

impl Toolchain {
    /// A cargo command that builds for the target; the caller adds packages and profile.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = match self {
            Self::Rustup => cargo(),
            Self::Debian { linker } => {
                let mut command = Command::new(DEBIAN_CARGO);
                let path = std::env::var("PATH").unwrap_or_default();
                // cargo's shims would otherwise come before Debian's programs.
                command.env("PATH", format!("/usr/bin:{path}"));
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
                    command.env_remove(variable);
                }
                command
            }
        };
        command.arg("build").args(["--target", TARGET]).current_dir(workspace());
        if let Self::Debian { .. } = self {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", remapped_paths());
        command
    }
}

/// Paths of this machine would otherwise end up in panic messages, and with them in a component's digest.
fn remapped_paths() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=/freehold", workspace().display())];
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
    flags.join(" ")
}
