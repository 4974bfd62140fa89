//! What evidence and policies cost a run: the demo, whose work is transforming, tokenising, training and evaluating. All else is
//! counted as the cost: starting, resolving and digesting what the recipe names, admitting, judging, deciding, and signing and entering
//! every statement durably.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::Result;

const RECIPE: &str = "freehold.toml";
/// What would have to be done without records and policies too.
const WORK: [&str; 4] = ["transform", "tokenise", "train", "evaluate"];

#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// The whole run, from the start of the program to its end.
    pub(crate) demo_s: f64,
    /// What of it is not work.
    pub(crate) governance_s: f64,
    pub(crate) governance_percent: f64,
}

/// A `freehold` command in a project.
pub(crate) fn freehold(program: &Path, project: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(project).args(["--home", "home"]).args(arguments);
    command
}

/// What a `freehold` command says in JSON.
pub(crate) fn json(program: &Path, project: &Path, arguments: &[&str]) -> Result<Value> {
    let output = freehold(program, project, &[arguments, &["--json"]].concat()).output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) fn measure(program: &Path, project: &Path) -> Result<Measured> {
    let started = Instant::now();
    let run = json(program, project, &["run", RECIPE])?;
    let demo_s = started.elapsed().as_secs_f64();
    let name = run["run"].as_str().ok_or("the run has no name")?;
    let shown = json(program, project, &["audit", "show", name])?;
    let mut work_s = 0.0;
    for phase in shown["phases"].as_array().into_iter().flatten() {
        let time = |key: &str| -> Result<Timestamp> { Ok(phase[key].as_str().ok_or("a phase has no time")?.parse()?) };
        if WORK.iter().any(|work| phase["phase"] == *work) {
            work_s += time("finished")?.duration_since(time("started")?).as_secs_f64();
        }
    }
    let governance_s = demo_s - work_s;
    Ok(Measured { demo_s, governance_s, governance_percent: 100.0 * governance_s / demo_s })
}
