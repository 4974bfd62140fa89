//! A project whose adapter takes seconds to train, and its server.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::command::{build_freehold, run, step};
use crate::components;
use crate::failure::Failure;
use crate::project::Project;

/// What is asked.
pub(crate) const ALIAS: &str = "load@production";

const RECIPE_FILE: &str = "load.toml";
const RECIPE: &str = r#"
[run]
name = "load"
seed = 7

[base]
model = "models/base-1"
license = "Apache-2.0"

[[data]]
name = "few"
path = "data/few.jsonl"
split = "train"

[[data]]
name = "heldout"
path = "data/fewer.jsonl"
split = "eval"

[[transform]]
plugin = "freehold/chat-format"
version = "^1.0"
settings = { user = "{text}", assistant = "{json:intent,product,urgency}" }

[adapter]
method = "lora"
rank = 8
alpha = 16

[train]
epochs = 1
tokens_per_step = 1024
learning_rate = 2e-3
max_length = 256

[[metric]]
plugin = "freehold/exact-match"
version = "^1.0"
settings = { json = true }

[[policy]]
plugin = "freehold/metric-gate"
version = "^1.0"
stage = "promote"
settings = { metric = "exact-match", minimum = 0.0, minimum_rows = 1, margin = 1.0 }

[promote]
alias = "load@production"
"#;

/// Builds everything, and trains and promotes an adapter if the folder `target/NAME` has none yet.
pub(crate) fn prepare(name: &str) -> Result<Project, Failure> {
    let plugins = components::build_all()?;
    let freehold = build_freehold()?;
    let project = Project::prepare(name, freehold, &plugins)?;
    let data = project.folder.join("data");
    for (file, lines) in [("few.jsonl", 64), ("fewer.jsonl", 8)] {
        write(&data.join(file), &head(&data.join("heldout.jsonl"), lines)?)?;
    }
    write(&project.folder.join(RECIPE_FILE), RECIPE)?;
    let explained = project.freehold(&["audit", "explain", ALIAS, "--json"]).output();
    if !explained.is_ok_and(|output| output.status.success()) {
        step("Training an adapter to serve");
        run(project.freehold(&["--quiet", "run", RECIPE_FILE]).stdout(Stdio::null()))?;
    }
    Ok(project)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(Failure::file("write", path))
}

fn head(path: &Path, lines: usize) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
    Ok(text.lines().take(lines).map(|line| format!("{line}\n")).collect())
}

/// Messages that customers wrote.
pub(crate) fn questions(project: &Project, count: usize) -> Result<Vec<String>, Failure> {
    let lines = head(&project.folder.join("data/heldout.jsonl"), count)?;
    let text = |line: &str| {
        let row: Value = serde_json::from_str(line).map_err(|error| Failure::new(error.to_string()))?;
        Ok(row.get("text").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    lines.lines().map(text).collect()
}

/// A server that runs until it is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Serving {
    /// Starts it on a port that is free.
    pub(crate) fn start(project: &Project) -> Result<Self, Failure> {
        let failed = |problem: String| Failure::new(format!("the server does not start: {problem}"));
        let mut command = project.freehold(&["--json", "serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("it has no stdout".into()))?;
        let (mut lines, mut text) = (BufReader::new(stdout), String::new());
        while !text.ends_with("\n}\n") {
            match lines.read_line(&mut text) {
                Ok(1..) => {}
                Ok(0) => return Err(failed(text)),
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        let summary: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let address = summary.get("address").and_then(Value::as_str).and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| failed(text))?;
        Ok(Self { child, address })
    }

    /// Its resident memory in bytes, where the system tells.
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        resident.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
