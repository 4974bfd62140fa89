//! What an auditor waits for: whole programs, from their start to their end, on a home with many runs.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use serde::Serialize;

use crate::Result;
use crate::governance::{freehold, json};
use crate::history::{self, RARE_VERSION};

/// How often each is asked.
const TIMES: usize = 7;

#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) runs: u64,
    pub(crate) history_s: f64,
    /// Making the index anew from every statement.
    pub(crate) index_s: f64,
    pub(crate) index_mib: f64,
    /// Medians, by what was asked.
    pub(crate) question_ms: Vec<(String, f64)>,
}

pub(crate) fn measure(program: &Path, project: &Path, runs: u64) -> Result<Measured> {
    // Of the demo's own run: the others keep nothing but statements.
    let listed = json(program, project, &["audit", "list", "--verdict", "promoted"])?;
    let demo = listed[0]["run"].as_str().ok_or("the demo was not promoted")?.to_owned();
    let started = Instant::now();
    history::fill(program, project, runs)?;
    let history_s = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let index = json(program, project, &["audit", "index"])?;
    let index_s = started.elapsed().as_secs_f64();
    let plugin = json(program, project, &["audit", "explain", &history::name(0)])?["plugins"][0].clone();
    let name = plugin["name"].as_str().ok_or("the runs have no plugin")?.to_owned();
    let (rare, file, adapter) =
        (format!("{name}@{RARE_VERSION}"), history::file(runs / 2).to_string(), history::adapter(runs / 3).to_string());
    let publisher = plugin["signer"].as_str().ok_or("the plugin has no signer")?.to_owned();
    let last = history::name(runs - 1);
    let pack = ["audit", "export", &demo, "--format", "pack", "--out", "run.pack"];
    if !freehold(program, project, &pack).stdout(Stdio::null()).status()?.success() {
        return Err(format!("{pack:?} failed").into());
    }
    let questions: [&[&str]; 11] = [
        &["list"],
        &["list", "--verdict", "denied", "--model", "desk07"],
        &["list", "--plugin", &rare],
        &["impact", "plugin", &name],
        &["impact", "plugin", &rare],
        &["impact", "key", &publisher],
        &["impact", "data", &file],
        &["explain", &adapter],
        &["show", &last],
        &["verify", "./run.pack"],
        &["history", "desk08@production", "--at", "2030-01-01"],
    ];
    let mut question_ms = Vec::new();
    for question in questions {
        let arguments = [&["audit"], question].concat();
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let started = Instant::now();
            let status = freehold(program, project, &arguments).stdout(Stdio::null()).status()?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
            if !status.success() {
                return Err(format!("{arguments:?} failed").into());
            }
        }
        times.sort_by(f64::total_cmp);
        let shown: Vec<String> = question.iter().map(|word| word.chars().take(26).collect()).collect();
        question_ms.push((shown.join(" "), times.get(TIMES / 2).copied().unwrap_or(f64::NAN)));
    }
    let bytes = index["bytes"].as_f64().unwrap_or(f64::NAN);
    Ok(Measured { runs, history_s, index_s, index_mib: bytes / f64::from(1 << 20), question_ms })
}
