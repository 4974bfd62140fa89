//! `freehold check`

use freehold_engine::{Forecast, MemoryForecast, TimeForecast};
use freehold_workflow::{CheckReport, ExitCode};

use super::run::open;
use super::{Place, data, report};
use crate::args::RunArguments;
use crate::failure::Failure;
use crate::page::{Terminal, headline, pairs, say};
use crate::progress::{RunProgress, in_short};

pub(super) fn run(place: &Place<'_>, arguments: &RunArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let (project, options) = open(arguments)?;
    let mut progress = RunProgress::new(terminal);
    let checked = freehold_workflow::check(&home, &project, &options, &mut progress);
    progress.finish();
    let mut report = checked?;
    // The library does not ask the system about its process.
    report.resident_bytes = progress.before_training();
    report.memory_bytes =
        report.forecast.as_ref().map(|forecast| forecast.memory.training() + report.resident_bytes.unwrap_or(0));
    terminal.print(&report, page);
    Ok(match (report.admitted, report.problems.is_empty()) {
        (false, _) => ExitCode::Denied,
        (true, false) => ExitCode::Broken,
        (true, true) => ExitCode::Done,
    })
}

fn page(checked: &CheckReport) {
    report::datasets(&checked.datasets);
    report::transforms(&checked.transforms);
    checked.validation.iter().for_each(data::page);
    if let Some(forecast) = &checked.forecast {
        takes(forecast, checked);
    }
    if !checked.admitted {
        report::policies(&checked.policies);
    }
    headline("Outcome");
    let mut lines = Vec::new();
    lines.extend(checked.lockfile.iter().map(|line| ("lockfile", format!("{line} (not written)"))));
    for problem in &checked.problems {
        lines.push(("stops a run", problem.message.clone()));
        lines.push(("", problem.remedy.clone()));
    }
    let outcome = match (checked.admitted, checked.problems.is_empty()) {
        (false, _) => "a run would be denied before any data is transformed".to_owned(),
        (true, false) => "a run would stop before it trains".to_owned(),
        (true, true) => format!("`freehold run` would train, as {}", checked.run),
    };
    lines.push(("outcome", outcome));
    pairs(&lines);
    say("Nothing was recorded and nothing was kept.");
}

fn takes(forecast: &Forecast, checked: &CheckReport) {
    headline("What training would take");
    let Forecast { parameters, model_parameters, memory, time } = forecast;
    let MemoryForecast {
        weights,
        trained,
        gradients,
        optimizer,
        activations,
        buffers,
        checkpoint,
        recomputed,
        answering,
    } = *memory;
    let mut parts: Vec<(&str, u64)> = Vec::new();
    parts.extend(checked.resident_bytes.map(|bytes| ("this process before it trains", bytes)));
    parts.extend([
        ("weights, mapped", weights),
        ("what is trained", trained),
        ("gradients", gradients),
        ("optimizer", optimizer),
        (if recomputed { "activations, computed again" } else { "activations" }, activations),
        ("buffers", buffers),
        ("a checkpoint", checkpoint),
    ]);
    // What is less than a MiB says nothing.
    parts.retain(|(_, bytes)| bytes >> 20 > 0);
    let parts: Vec<String> = parts.iter().map(|(what, bytes)| format!("{} {what}", in_short(*bytes))).collect();
    let TimeForecast { seconds, tokens_per_s, operations_per_s, timed_tokens, timed_seconds, .. } = *time;
    pairs(&[
        ("trained", format!("{parameters} of {model_parameters} values")),
        (
            "memory",
            format!("about {}: {}", in_short(checked.memory_bytes.unwrap_or(memory.training())), parts.join(", ")),
        ),
        ("", format!("and about {} to answer the held-out rows, when the training is over", in_short(answering))),
        ("time", format!("about {} for the steps alone, {tokens_per_s:.0} tokens a second", duration(seconds))),
        (
            "",
            format!(
                "measured here: {timed_tokens} tokens forward and backward in {timed_seconds:.1} s, {:.0} GFLOP/s",
                operations_per_s / 1e9
            ),
        ),
    ]);
}

/// A time that is only about right.
fn duration(seconds: f64) -> String {
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
