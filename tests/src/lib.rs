//! A project folder in a temporary place, driven through the built `freehold` command as a user would.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up has to fail")]

mod recipe;
mod serving;
mod table;
mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub use recipe::Recipe;
pub use serving::{Reply, Serving, request, tool};
pub use table::{FILE_KINDS, table};
pub use tools::{Tools, skipped};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The command; `cargo xtask test` builds it before the tests.
pub fn freehold() -> PathBuf {
    let path = target().join("debug/freehold");
    assert!(path.is_file(), "{} is not built; run `cargo xtask test`", path.display());
    path
}

/// A component that `cargo xtask plugins` built.
pub fn component(name: &str) -> PathBuf {
    let path = target().join("components").join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is not built; run `cargo xtask test`", path.display());
    path
}

/// The `plugin.toml` of a plugin or guest.
pub fn source(name: &str) -> PathBuf {
    let plugin = workspace().join("plugins").join(name).join("plugin.toml");
    if plugin.is_file() { plugin } else { workspace().join("tests/guests").join(name).join("plugin.toml") }
}

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit code; -1 if it was killed.
    pub code: i32,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it printed on stderr.
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Outcome {
    /// Fails the test if the exit code is another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Fails the test if a part is missing from what was said to people. Line breaks of the page do not count.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let flat = |text: &str| text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let said = flat(&format!("{} {}", self.stdout, self.stderr));
        for part in parts {
            assert!(said.contains(&flat(part)), "`{part}` is not said:\n{}\n{}", self.stdout, self.stderr);
        }
        self
    }

    /// The JSON on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// A project with a home, a trusted publisher, plugins, a model and data.
pub struct Project {
    folder: TempDir,
}

/// Every plugin of the project.
pub const PLUGINS: [&str; 8] = [
    "redact-pii",
    "deduplicate",
    "chat-format",
    "exact-match",
    "token-f1",
    "license-gate",
    "residency-gate",
    "metric-gate",
];

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

impl Project {
    /// A folder with a home and nothing else.
    pub fn bare() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.run(&["init"]).expect(0);
        project.run(&["key", "new", "publisher"]).expect(0);
        project.run(&["trust", "add", "--key", "publisher", "--names", "freehold/*"]).expect(0);
        project
    }

    /// A folder in which the usual recipe runs.
    pub fn new() -> Self {
        let project = Self::bare();
        for plugin in PLUGINS {
            project.sign(plugin);
        }
        project.copy_model("base-1");
        project.write("train.jsonl", &head("tickets-eu.jsonl", 40));
        project.write("eval.jsonl", &head("heldout.jsonl", 12));
        project
    }

    /// The same after three runs: `desk-1`, which was promoted; `abroad-1`, which was denied before it trained; and `desk-2` with
    /// another bar, which is in production.
    pub fn with_runs() -> Self {
        let project = Self::new();
        drop(project.run_recipe(&Recipe::default()).expect(0));
        let data = Recipe::default().data.replacen("residency = \"eu\"", "residency = \"us\"", 1);
        drop(project.run_recipe(&Recipe { name: "abroad".into(), data, ..Recipe::default() }).expect(3));
        let policies = Recipe::default().policies.replace("minimum_rows = 10", "minimum_rows = 11");
        drop(project.run_recipe(&Recipe { policies, ..Recipe::default() }).expect(0));
        project
    }

    /// A copy of the folder as it is now.
    pub fn fork(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().unwrap() };
        copy_folder(self.path(), copy.path());
        copy
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Signs a plugin or guest with the trusted key.
    pub fn sign(&self, name: &str) {
        let (component, source) = (component(name), source(name));
        let (component, source) = (component.to_str().unwrap(), source.to_str().unwrap());
        self.run(&["plugin", "sign", component, "--source", source, "--key", "publisher"]).expect(0);
    }

    /// Signs a component under a changed `plugin.toml`, for so many days.
    pub fn sign_changed(&self, name: &str, changes: &[(&str, &str)], key: &str, days: u32) -> Outcome {
        let mut text = std::fs::read_to_string(source(name)).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} is not in {text}");
            text = text.replace(from, to);
        }
        self.write("changed.toml", &text);
        let (component, days) = (component(name), days.to_string());
        let component = component.to_str().unwrap();
        self.run(&["plugin", "sign", component, "--source", "changed.toml", "--key", key, "--days", &days])
    }

    /// Copies a model of the demo.
    pub fn copy_model(&self, name: &str) {
        copy_folder(&workspace().join("demo/models").join(name), &self.path().join("models").join(name));
    }

    /// Writes a file of text.
    pub fn write(&self, file: &str, text: &str) {
        self.write_bytes(file, text.as_bytes());
    }

    /// Writes a file.
    pub fn write_bytes(&self, file: &str, content: &[u8]) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Reads a file.
    pub fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.path().join(file)).unwrap()
    }

    /// A command, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(freehold());
        command.current_dir(self.path()).args(["--home", "home"]).args(arguments);
        command.env_remove("FREEHOLD_HOME").env_remove("FREEHOLD_LOG").stdin(Stdio::null());
        command
    }

    /// Runs a command.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().unwrap().into()
    }

    /// Writes a recipe and runs it.
    pub fn run_recipe(&self, recipe: &Recipe) -> Outcome {
        self.write("freehold.toml", &recipe.to_string());
        self.run(&["run"])
    }

    /// Everything verifies, and nothing half-done lies about.
    #[track_caller]
    pub fn assert_intact(&self) {
        self.run(&["audit", "verify"]).expect(0).says(&["Verified"]);
        for file in self.files() {
            assert!(!file.ends_with(".tmp"), "{file} was left behind");
        }
    }

    /// Every file of the folder with its bytes.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = Vec::new();
        list(self.path(), self.path(), &mut files);
        files.into_iter().map(|file| (file.clone(), self.read(&file))).collect()
    }

    /// Every file below the home's store and ledger, and the trust roots.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for folder in ["home/store", "home/ledger", "home/trust"] {
            list(self.path(), &self.path().join(folder), &mut files);
        }
        files.sort();
        files
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, target).unwrap();
        }
    }
}

/// Copies a file, or a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        copy_folder(from, to);
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

fn list(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(root, &path, files);
        } else {
            files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// The first lines of a file of the demo's data.
pub fn head(file: &str, lines: usize) -> String {
    let text = std::fs::read_to_string(workspace().join("demo/data").join(file)).unwrap();
    text.lines().take(lines).map(|line| format!("{line}\n")).collect()
}
