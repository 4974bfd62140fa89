//! `freehold run`

use std::path::PathBuf;

use cap_std::fs::Dir;
use freehold_core::verdict::Decision;
use freehold_workflow::{ExitCode, Project, RunOptions};

use super::{Place, open_folder, report, split};
use crate::args::RunArguments;
use crate::failure::Failure;
use crate::page::Terminal;
use crate::progress::RunProgress;

pub(super) fn run(place: &Place<'_>, arguments: &RunArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let (project, options) = open(arguments)?;
    let mut progress = RunProgress::new(terminal);
    let result = freehold_workflow::run(&home, &project, &options, &mut progress);
    progress.finish();
    let mut result = result?;
    let home = place.0.display().to_string();
    // The library knows no path of the home.
    if let Some(folder) = result.training.as_mut().and_then(|training| training.metrics_folder.as_mut()) {
        *folder = format!("{home}/{folder}");
    }
    terminal.print(&result, |result| report::page(result, &home));
    Ok(match result.decision {
        Decision::Promoted => ExitCode::Done,
        Decision::Denied => ExitCode::Denied,
    })
}

/// The recipe that the arguments name, and how it is run.
pub(super) fn open(arguments: &RunArguments) -> Result<(Project, RunOptions), Failure> {
    let (folder, name) = split(&arguments.recipe)?;
    let project = Project::open(open_folder(folder)?, name, roots(&arguments.roots)?)?;
    Ok((project, RunOptions { locked: arguments.locked, once: false, threads: threads(arguments.threads) }))
}

/// Lets the engine compute with so many threads, or else with as many as the machine runs at a time; gives how many that are.
pub(super) fn threads(asked: Option<usize>) -> usize {
    if let Some(threads) = asked {
        freehold_engine::use_threads(threads);
    }
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Folders that the operator allows, by absolute path.
pub(super) fn roots(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Dir)>, Failure> {
    let open = |path: &PathBuf| {
        let absolute = std::path::absolute(path).map_err(|error| Failure::file("use", path, &error))?;
        Ok((absolute, open_folder(path)?))
    };
    paths.iter().map(open).collect()
}
