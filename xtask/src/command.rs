//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// A headline on stderr, so that stdout stays for results.
pub(crate) fn step(text: &str) {
    eprintln!("\n==> {text}");
}

/// The cargo that started this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a program; another exit code than zero is a failure.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let text = shown(command);
    let status = command.status().map_err(|error| Failure::new(format!("cannot start `{text}`: {error}")))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{text}` ended with {status}"))) }
}

/// What a program prints on stdout, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to).map_err(Failure::file("create", to))?;
    for entry in std::fs::read_dir(from).map_err(Failure::file("list", from))? {
        let path = entry.map_err(Failure::file("list", from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(Failure::file("copy", &path))?;
        }
    }
    Ok(())
}

/// Builds the `freehold` command and returns where it is. The whole workspace is named, so that dependencies get the same
/// features here as in the tests and are compiled once.
pub(crate) fn build_freehold() -> Result<PathBuf, Failure> {
    step("Building the freehold command (wasmtime and candle take 10 to 15 minutes the first time)");
    run(cargo().current_dir(workspace()).args(["build", "--workspace", "--bins", "--locked"]))?;
    Ok(target().join("debug").join(format!("freehold{}", std::env::consts::EXE_SUFFIX)))
}
