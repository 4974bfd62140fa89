//! `cargo xtask bench stream`: a dataset that is larger than memory through the built command, from its file to an adapter.
//!
//! Every row of it is different, but only in personal data: once that is redacted, all but a few are duplicates, so that
//! reading and transforming are measured and training is not.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::command::{build_freehold, step, target};
use crate::components;
use crate::failure::Failure;
use crate::project::Project;

const FOLDER: &str = "bench-stream";
const DATA: &str = "data/stream.jsonl";

const RECIPE: &str = r#"
[run]
name = "stream"
seed = 7

[base]
model = "models/base-1"
license = "Apache-2.0"

[[data]]
name = "stream"
path = "data/stream.jsonl"
split = "train"

[[data]]
name = "heldout"
path = "data/few.jsonl"
split = "eval"

[[transform]]
plugin = "freehold/redact-pii"
version = "^1.0"

[[transform]]
plugin = "freehold/deduplicate"
version = "^1.0"
splits = ["train"]

[[transform]]
plugin = "freehold/chat-format"
version = "^1.0"
settings = { user = "{text}", assistant = "{json:intent,product,urgency}" }

[adapter]
method = "lora"
rank = 4
alpha = 8

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
settings = { metric = "exact-match", minimum = 0.0, minimum_rows = 10 }
"#;

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
struct Report {
    /// Gigabytes (1e9 bytes) of the dataset.
    input_gb: f64,
    rows: u64,
    /// Seconds of the phase transform: the second time that the file is read.
    transform_s: f64,
    rows_per_s: f64,
    /// The most memory that the process ever had, from its start to the promoted adapter.
    peak_rss_mib: f64,
}

/// `bench stream [--gb N] [--json]`
pub(crate) fn stream(arguments: &[String]) -> Result<(), Failure> {
    let (mut gb, mut json) = (1.0, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.as_slice().first().and_then(|gb| gb.parse::<f64>().ok())) {
            ("--gb", Some(wanted)) if (0.001..=1_000.0).contains(&wanted) => {
                gb = wanted;
                rest.next();
            }
            ("--json", _) => json = true,
            _ => return Err(Failure::new("expected: bench stream [--gb N] [--json], N from 0.001 to 1000")),
        }
    }
    let plugins = components::build_all()?;
    let freehold = build_freehold()?;
    let folder = Removed::new(target().join(FOLDER))?;
    let project = Project::prepare(FOLDER, freehold, &plugins)?;
    step(&format!("Writing {gb} GB of messages in {}", project.folder.display()));
    write_data(&project.folder, (gb * 1e9) as u64)?;
    step("Running the recipe on it; other work on this machine disturbs it");
    let (report, run_s) = measure(&project)?;
    drop(folder);
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| Failure::new(error.to_string()))?;
        println!("{text}");
    } else {
        print(&report, run_s);
    }
    Ok(())
}

fn print(report: &Report, run_s: f64) {
    let Report { input_gb, rows, transform_s, rows_per_s, peak_rss_mib } = report;
    println!("{:<24} {input_gb:.2} GB, {rows} rows of {:.0} bytes", "input", input_gb * 1e9 / *rows as f64);
    let mb_per_s = input_gb * 1e3 / transform_s;
    let rate = format!("{:.2} M rows/s, {mb_per_s:.0} MB/s", rows_per_s / 1e6);
    println!("{:<24} {transform_s:.1} s, {rate}", "phase transform");
    println!("{:<24} {run_s:.1} s", "whole run");
    println!("{:<24} {peak_rss_mib:.0} MiB", "memory at most");
}

/// A folder that is removed before and after, whatever happens between.
struct Removed(PathBuf);

impl Removed {
    fn new(folder: PathBuf) -> Result<Self, Failure> {
        if folder.is_dir() {
            std::fs::remove_dir_all(&folder).map_err(Failure::file("remove", &folder))?;
        }
        Ok(Self(folder))
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        // Cargo's own `clean` removes it too.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write_data(folder: &Path, bytes: u64) -> Result<(), Failure> {
    let recipe = folder.join("freehold.toml");
    std::fs::write(&recipe, RECIPE).map_err(Failure::file("write", &recipe))?;
    let heldout = folder.join("data/heldout.jsonl");
    let rows = std::fs::read_to_string(&heldout).map_err(Failure::file("read", &heldout))?;
    let few: String = rows.lines().take(20).map(|row| format!("{row}\n")).collect();
    let path = folder.join("data/few.jsonl");
    std::fs::write(&path, few).map_err(Failure::file("write", &path))?;
    let path = folder.join(DATA);
    let failed = || Failure::file("write", &path);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path).map_err(failed())?);
    let (mut written, mut number) = (0, 0);
    while written < bytes {
        let row = message(number);
        file.write_all(row.as_bytes()).map_err(failed())?;
        written += row.len() as u64;
        number += 1;
    }
    file.flush().map_err(failed())
}

/// A customer's message. One in 64 has no urgency, which the last transform drops rows for.
fn message(number: u64) -> String {
    const PROBLEMS: [(&str, &str); 8] = [
        ("does not start any more", "broken"),
        ("came without an invoice", "invoice"),
        ("was to be here a week ago", "delivery"),
        ("has a scratch on its glass", "broken"),
        ("is too small, I want to send it back", "return"),
        ("was charged twice", "invoice"),
        ("makes a noise at night", "broken"),
        ("is not the one that I ordered", "return"),
    ];
    const PRODUCTS: [&str; 8] =
        ["Kora Watch", "Dusto", "Lumo Lamp", "Vento Fan", "Piko Radio", "Brava Oven", "Solo Bike", "Nidra Bed"];
    let (problem, intent) = PROBLEMS[(number % 8) as usize];
    let product = PRODUCTS[(number / 8 % 8) as usize];
    let urgency = if number % 64 == 63 { "" } else { ",\"urgency\":\"high\"" };
    let phone = 1_000_000 + number % 9_000_000;
    format!(
        "{{\"text\":\"My {product} {problem}. Write to user{number}@example.org or call +49 30 {phone}.\",\
         \"intent\":\"{intent}\",\"product\":\"{product}\"{urgency}}}\n"
    )
}

fn measure(project: &Project) -> Result<(Report, f64), Failure> {
    let path = project.folder.join(DATA);
    let bytes = std::fs::metadata(&path).map_err(Failure::file("read", &path))?.len();
    let printed = project.folder.join("report.json");
    let file = File::create(&printed).map_err(Failure::file("write", &printed))?;
    let started = Instant::now();
    let failed = |error: std::io::Error| Failure::new(format!("cannot run freehold: {error}"));
    let mut child = project.freehold(&["run", "--json"]).stdout(file).spawn().map_err(failed)?;
    let mut peak = 0.0;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        peak = peak_rss_mib(child.id()).unwrap_or(0.0).max(peak);
        std::thread::sleep(Duration::from_millis(20));
    };
    let run_s = started.elapsed().as_secs_f64();
    if !status.success() {
        return Err(Failure::new(format!("freehold run ended with {status}")));
    }
    let report = std::fs::read(&printed).map_err(Failure::file("read", &printed))?;
    let report: serde_json::Value =
        serde_json::from_slice(&report).map_err(|error| Failure::new(format!("the run's report: {error}")))?;
    let rows = report["transforms"][0]["rows_in"].as_u64().unwrap_or_default();
    let transform_s = report["seconds"]["transform"].as_f64().unwrap_or_default();
    let rows_per_s = rows as f64 / transform_s;
    Ok((Report { input_gb: bytes as f64 / 1e9, rows, transform_s, rows_per_s, peak_rss_mib: peak }, run_s))
}

/// The most memory that a process has had so far. The system keeps it, so that nothing between two looks is missed.
fn peak_rss_mib(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
