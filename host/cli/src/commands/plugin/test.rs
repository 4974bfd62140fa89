//! `freehold plugin test`

use std::path::Path;

use freehold_authoring::{Broken, CaseReport, Difference, Side, accept, run_case};
use freehold_core::limits::{LimitKind, Usage, Used};
use freehold_workflow::ExitCode;
use owo_colors::OwoColorize as _;
use serde_json::{Value, json};

use super::author;
use crate::commands::Place;
use crate::failure::Failure;
use crate::page::{Terminal, paint, say, shown};

pub(super) fn run(
    place: &Place<'_>,
    folder: &Path,
    component: Option<&Path>,
    (names, accepts): (&[String], bool),
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let plugin_folder = author::open(folder)?;
    let cases = plugin_folder.cases(names)?;
    let component = author::component(&plugin_folder, component)?;
    let rehearsed = author::load(place, &plugin_folder, component)?;
    let plugin = &rehearsed.plugin;
    let (mut reports, mut accepted) = (Vec::new(), Vec::new());
    for case in &cases {
        let report = run_case(plugin, case);
        if accepts && !report.passed {
            plugin_folder.write_case(&case.name, &accept(plugin.manifest().world, case, &report)?)?;
            accepted.push(case.name.clone());
        }
        reports.push(report);
    }
    let failed = reports.iter().filter(|report| !report.passed).count() - accepted.len();
    let manifest = plugin.manifest();
    let value = json!({
        "plugin": manifest.name.to_string(),
        "version": manifest.version,
        "cases": reports.iter().map(|report| in_json(report, &accepted, terminal.verbose)).collect::<Vec<_>>(),
        "passed": reports.len() - failed - accepted.len(),
        "accepted": accepted.len(),
        "failed": failed,
        "host_file": rehearsed.host_file,
    });
    terminal.print(&value, |_| {
        reports.iter().for_each(|report| show(report, accepted.contains(&report.name), terminal.verbose));
        say(&rehearsed.limits());
        let passed = reports.len() - failed - accepted.len();
        let accepted = if accepted.is_empty() { String::new() } else { format!(", {} accepted", accepted.len()) };
        say(&format!("{} {}: {passed} passed, {failed} failed{accepted}", manifest.name, manifest.version));
    });
    Ok(if failed == 0 { ExitCode::Done } else { ExitCode::Broken })
}

fn in_json(report: &CaseReport, accepted: &[String], verbose: bool) -> Value {
    let mut value = json!({
        "name": report.name,
        "passed": report.passed,
        "accepted": accepted.contains(&report.name),
        "differences": report.differences,
        "error": report.broken,
        "usage": report.usage,
        "found": report.found,
    });
    if let Some(trace) = report.broken.as_ref().and_then(|broken| broken.trace.as_ref()).filter(|_| verbose) {
        value["error"]["trace"] = trace.as_str().into();
    }
    value
}

fn show(report: &CaseReport, accepted: bool, verbose: bool) {
    let outcome = match (report.passed, accepted) {
        (true, _) => "pass".green().to_string(),
        (false, true) => "accepted".yellow().to_string(),
        (false, false) => "FAIL".red().to_string(),
    };
    let usage = report.usage.as_ref().map(|usage| format!("  {}", used(usage))).unwrap_or_default();
    paint(&format!("{outcome} {}{}", shown(&report.name), usage.dimmed()));
    if report.passed {
        return;
    }
    if let Some(broken) = &report.broken {
        say(&format!("  {}", shown(&told(broken))));
        if let Some(trace) = broken.trace.as_ref().filter(|_| verbose) {
            say(trace);
        }
    }
    report.differences.iter().for_each(show_difference);
}

/// The author's message first, with the place that it came from.
fn told(broken: &Broken) -> String {
    match &broken.location {
        Some(location) => format!("{location}: {}", broken.message),
        None => format!("{}: {}", broken.code, broken.message),
    }
}

fn show_difference(difference: &Difference) {
    for line in &difference.lines {
        let text = shown(&format!("{} = {}", line.place, line.value));
        match line.side {
            Side::Expected => paint(&format!("  {}", format!("- {text}").red())),
            Side::Found => paint(&format!("  {}", format!("+ {text}").green())),
        }
    }
}

/// Fuel, or time where that is what counts, and memory, of what is allowed.
pub(super) fn used(usage: &Usage) -> String {
    let share = |used: Used| 100.0 * used.used as f64 / used.limit.max(1) as f64;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut parts = Vec::new();
    if let Some(fuel) = usage.get(LimitKind::Fuel) {
        parts.push(format!("fuel {} of {} ({:.2}%)", fuel.used, fuel.limit, share(fuel)));
    } else if let Some(time) = usage.get(LimitKind::WallTimeMs) {
        parts.push(format!("longest call {} of {} ms ({:.2}%)", time.used, time.limit, share(time)));
    }
    if let Some(memory) = usage.get(LimitKind::MemoryBytes) {
        let (used, limit) = (mib(memory.used), mib(memory.limit));
        parts.push(format!("memory {used:.2} of {limit:.2} MiB ({:.0}%)", share(memory)));
    }
    parts.join(", ")
}
