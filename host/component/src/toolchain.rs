//! A compiler for wasm32-unknown-unknown: rustup's target, or else Debian's packages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::BuildError;

/// What plugins are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's packages that can do it.
pub const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What the environment says of the tools; who calls has read it.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The cargo to use: a name or a path.
    pub cargo: OsString,
    /// Where cargo keeps the sources of crates.
    pub cargo_home: Option<PathBuf>,
    /// Where programs are looked for.
    pub path: OsString,
    /// Whose compiler to use; without a choice, rustup's before Debian's.
    pub provider: Option<Provider>,
}

/// Whose compiler it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// rustup, or whatever `cargo` and `rustc` are first in the path.
    Rustup,
    /// Debian's packages.
    Debian,
}

/// What compiles plugins.
#[derive(Debug, Clone)]
pub struct Toolchain {
    tools: Tools,
    compiler: Compiler,
}

#[derive(Debug, Clone)]
enum Compiler {
    /// The compiler that builds the host, with its target.
    Rustup,
    /// Debian's compiler, which builds the standard library for the target from Debian's sources, and a linker for
    /// WebAssembly: the one that comes with the host's compiler.
    Debian { linker: PathBuf },
}

impl Toolchain {
    /// The toolchain that compiles what lies in `folder`: rustup may choose another one there.
    pub fn find(tools: Tools, folder: &Path) -> Result<Self, BuildError> {
        let rustup = || target_is_installed(folder).then_some(Compiler::Rustup);
        let debian = || debian_is_installed().then(|| linker(folder)).transpose();
        let compiler = match tools.provider {
            Some(Provider::Rustup) => rustup().ok_or(BuildError::NotFrom("rustup"))?,
            Some(Provider::Debian) => {
                Compiler::Debian { linker: debian()?.ok_or(BuildError::NotFrom("Debian's packages"))? }
            }
            None => match rustup() {
                Some(compiler) => compiler,
                None => Compiler::Debian { linker: debian()?.ok_or(BuildError::NoToolchain)? },
            },
        };
        Ok(Self { tools, compiler })
    }

    /// `cargo build` in `folder` for the target; the caller adds packages and profile.
    pub fn cargo_build(&self, folder: &Path) -> Command {
        self.cargo_build_remapped(folder, &[(folder, "/freehold")])
    }

    /// The same for the folder of one plugin. cargo names the sources below it by relative paths, so that its own path needs
    /// no flag; one would have every crate, and Debian's standard library, compiled anew for each folder that shares a target
    /// folder.
    pub(crate) fn cargo_build_alone(&self, folder: &Path) -> Command {
        self.cargo_build_remapped(folder, &[])
    }

    fn cargo_build_remapped(&self, folder: &Path, paths: &[(&Path, &str)]) -> Command {
        let mut command = match &self.compiler {
            Compiler::Rustup => Command::new(&self.tools.cargo),
            Compiler::Debian { linker } => {
                let mut command = Command::new(DEBIAN_CARGO);
                let mut path = OsString::from("/usr/bin:");
                path.push(&self.tools.path);
                // rustup's shims would otherwise come before Debian's programs.
                command.env("PATH", path);
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
                    command.env_remove(variable);
                }
                command
            }
        };
        command.arg("build").args(["--target", TARGET]).current_dir(folder);
        if let Compiler::Debian { .. } = self.compiler {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command.arg("--config").arg(self.flags(paths));
        command
    }

    /// Vectors of 128 bits, which every host has: what reads text gains most. Paths of this machine would otherwise end up in
    /// panic messages, and with them in a component's digest.
    fn flags(&self, paths: &[(&Path, &str)]) -> String {
        let mut paths = paths.to_vec();
        paths.extend(self.tools.cargo_home.as_deref().map(|home| (home, "/cargo")));
        // `{:?}` writes the escapes that TOML has; in the environment, a space would end a flag.
        let remapped = paths.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
        let flags = std::iter::once("-Ctarget-feature=+simd128".to_owned()).chain(remapped);
        let quoted: Vec<_> = flags.map(|flag| format!("{flag:?}")).collect();
        format!("target.{TARGET}.rustflags=[{}]", quoted.join(","))
    }
}

/// What a program prints on stdout, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn target_is_installed(folder: &Path) -> bool {
    let libraries =
        output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder));
    libraries.is_some_and(|path| Path::new(&path).is_dir())
}

fn debian_is_installed() -> bool {
    let is_installed = |package: &&str| {
        output(Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]))
            .is_some_and(|status| status.contains("install ok installed"))
    };
    DEBIAN_PACKAGES.iter().all(is_installed)
}

fn linker(folder: &Path) -> Result<PathBuf, BuildError> {
    let rustc = |arguments: &[&str]| output(Command::new("rustc").args(arguments).current_dir(folder));
    let version = rustc(&["-vV"]).unwrap_or_default();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"]).unwrap_or_default());
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    if linker.is_file() { Ok(linker) } else { Err(BuildError::NoLinker(linker)) }
}
