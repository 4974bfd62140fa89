//! `cargo xtask demo --real`: text that nobody here wrote. The changelogs that every Debian machine carries become a dataset:
//! hundreds of authors with names and e-mail addresses, real duplicates, and a real label, `urgency`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::changelogs::{self, Changelogs};
use crate::command::{self, build_freehold, output, step};
use crate::components;
use crate::failure::Failure;
use crate::project::Project;

const ROOT: &str = "/usr/share/doc";
const ENTRIES: usize = 3_000;
const RECIPE: &str = "changelogs.toml";
/// Stands in the recipe for the share of the most frequent class among the held-out entries.
const BAR: &str = "0.0 # majority";

pub(crate) fn run() -> Result<(), Failure> {
    step(&format!("Reading the changelogs below {ROOT}"));
    let read = changelogs::read(Path::new(ROOT), ENTRIES).map_err(|error| Failure::new(error.to_string()))?;
    describe(&read);
    let plugins = components::build_all()?;
    let project = Project::prepare("demo-real", build_freehold()?, &plugins)?;
    write(&project, &read)?;
    step(&format!("Running {RECIPE} in {}", project.folder.display()));
    let status = project.freehold(&["run", RECIPE]).status();
    let status = status.map_err(|error| Failure::new(format!("cannot start freehold: {error}")))?;
    // 3 is an answer too: the policies found that the model is not good enough.
    if !matches!(status.code(), Some(0 | 3)) {
        return Err(Failure::new(format!("the run ended with {status}")));
    }
    check_addresses(&project, &read.addresses)?;
    compare(&project, &read)?;
    command::run(&mut project.freehold(&["audit", "verify"]))
}

fn describe(read: &Changelogs) {
    let statistics = &read.statistics;
    println!(
        "{} files, {} entries ({} distinct) by {} authors with {} e-mail addresses",
        statistics.files, statistics.entries, statistics.entries_distinct, statistics.authors, statistics.emails
    );
    let classes: Vec<_> =
        statistics.urgencies.iter().map(|(urgency, entries)| format!("{urgency} {entries}")).collect();
    println!("urgency: {}", classes.join(", "));
    println!("sampled: {} to train on, {} held out", read.train.len(), read.eval.len());
}

fn write(project: &Project, read: &Changelogs) -> Result<(), Failure> {
    let data = project.folder.join("data");
    for (name, entries) in [("changelogs-train.jsonl", &read.train), ("changelogs-eval.jsonl", &read.eval)] {
        let path = data.join(name);
        std::fs::write(&path, changelogs::to_jsonl(entries)).map_err(Failure::file("write", &path))?;
    }
    let path = project.folder.join(RECIPE);
    let recipe = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
    let bar = format!("{:.4}", read.statistics.majority_share_eval);
    std::fs::write(&path, recipe.replace(BAR, &bar)).map_err(Failure::file("write", &path))
}

/// Reads everything that the run kept: no address of the input may be in it.
fn check_addresses(project: &Project, addresses: &BTreeSet<String>) -> Result<(), Failure> {
    step("Looking for e-mail addresses of the input in everything that was kept");
    let (mut files, mut found) = (0, Vec::new());
    for folder in ["home/store", "home/ledger"] {
        search(&project.folder.join(folder), addresses, &mut files, &mut found)?;
    }
    println!(
        "{} addresses in the input; {files} files of store and ledger read; {} found in them",
        addresses.len(),
        found.len()
    );
    match found.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new(format!("an address survived: {first}"))),
    }
}

fn search(
    folder: &Path,
    addresses: &BTreeSet<String>,
    files: &mut usize,
    found: &mut Vec<String>,
) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder).map_err(Failure::file("list", folder))? {
        let path = entry.map_err(Failure::file("list", folder))?.path();
        if path.is_dir() {
            search(&path, addresses, files, found)?;
            continue;
        }
        *files += 1;
        let bytes = std::fs::read(&path).map_err(Failure::file("read", &path))?;
        let text = String::from_utf8_lossy(&bytes);
        // An address may have other characters stuck to it, such as the escapes of JSON.
        for run in text.split_whitespace().filter(|run| run.contains('@')) {
            let survivors = addresses.iter().filter(|address| run.contains(address.as_str()));
            found.extend(survivors.map(|address| format!("{address} in {}", path.display())));
        }
    }
    Ok(())
}

/// The model beside the simplest rule there is: always say the most frequent class.
fn compare(project: &Project, read: &Changelogs) -> Result<(), Failure> {
    let listed = output(&mut project.freehold(&["audit", "list", "--json"]));
    let runs: serde_json::Value = listed.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let last = runs.as_array().and_then(|runs| runs.last()).and_then(|run| run["run"].as_str());
    let last = last.ok_or_else(|| Failure::new("the run is not in the ledger"))?;
    let shown = output(&mut project.freehold(&["audit", "show", last, "--json"]));
    let shown: serde_json::Value = shown.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let metric = &shown["report"]["metrics"][0];
    step("Against the majority class");
    println!("always the most frequent class  {:.3}", read.statistics.majority_share_eval);
    for model in ["base", "adapted"] {
        let estimate = |part: &str| metric[model][part].as_f64().unwrap_or(f64::NAN);
        println!("{model:31} {:.3} [{:.3}, {:.3}]", estimate("value"), estimate("low"), estimate("high"));
    }
    println!("decision: {}", shown["report"]["decision"].as_str().unwrap_or("none"));
    Ok(())
}
