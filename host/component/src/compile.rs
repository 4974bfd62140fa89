//! Runs cargo on a plugin's folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::{BuildError, Toolchain};

/// What cargo says of what it made. Other messages have other fields.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize, Default)]
struct Target {
    #[serde(default)]
    kind: Vec<String>,
}

/// Compiles the package in `folder`, an absolute path, with its release profile, and returns where its module is. What the
/// compiler has to say goes to stderr as it is.
pub fn compile(toolchain: &Toolchain, folder: &Path, target_dir: Option<&Path>) -> Result<PathBuf, BuildError> {
    let mut command = toolchain.cargo_build_alone(folder);
    command.args(["--release", "--lib", "--message-format", "json-render-diagnostics"]);
    if let Some(target_dir) = target_dir {
        command.arg("--target-dir").arg(target_dir);
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let started = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = started.map_err(|source| BuildError::Start { program, source })?;
    if !output.status.success() {
        return Err(BuildError::Compiler { command: shown(&command), status: output.status.to_string() });
    }
    let manifest = folder.join("Cargo.toml");
    module_of(&manifest, &String::from_utf8_lossy(&output.stdout)).ok_or_else(|| BuildError::NoModule(folder.into()))
}

/// The command without the flags that only this crate sets.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args().take(3));
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn module_of(manifest: &Path, messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let mut made = messages.filter(|message| {
        let is_module = message.target.kind.iter().any(|kind| kind == "cdylib");
        message.reason == "compiler-artifact" && message.manifest_path == manifest && is_module
    });
    let files = made.next_back()?.filenames;
    files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_that_of_the_folder_and_not_of_its_dependencies() {
        let made = |manifest: &str, kind: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{{"kind":["{kind}"]}},"filenames":["{file}"]}}"#
            )
        };
        let messages = [
            made("/p/vendor/sdk/Cargo.toml", "lib", "/t/libfreehold_sdk.rlib"),
            made("/other/Cargo.toml", "cdylib", "/t/other.wasm"),
            made("/p/Cargo.toml", "cdylib", "/t/plugin_x.wasm"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ]
        .join("\n");
        assert_eq!(module_of(Path::new("/p/Cargo.toml"), &messages), Some("/t/plugin_x.wasm".into()));
        assert_eq!(module_of(Path::new("/q/Cargo.toml"), &messages), None);
        assert_eq!(module_of(Path::new("/p/Cargo.toml"), ""), None);
    }
}
