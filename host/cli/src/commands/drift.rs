//! `freehold drift`

use std::path::Path;

use freehold_workflow::{
    Answer, Correction, DriftOptions, DriftReport, DriftSettings, ExitCode, Finding, Project, drift,
};

use super::run::{roots, threads};
use super::{Place, open_folder, split, write_file};
use crate::args::{CorrectionName, DriftArguments, DriftCommand};
use crate::failure::Failure;
use crate::page::{Terminal, headline, pairs, say, table};
use crate::progress::RunProgress;

pub(super) fn run(place: &Place<'_>, command: DriftCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let DriftCommand::Report(arguments) = command;
    report(place, &arguments, terminal)
}

fn report(place: &Place<'_>, arguments: &DriftArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let (folder, name) = split(&arguments.recipe)?;
    let (current_folder, current) = split(&arguments.current)?;
    // The rows may lie anywhere: whoever gives the command names their folder with it.
    let failed = |error| Failure::file("use", &arguments.current, &error);
    let absolute = std::path::absolute(current_folder).map_err(failed)?;
    let mut allowed = roots(&arguments.roots)?;
    allowed.push((absolute.clone(), open_folder(current_folder)?));
    let project = Project::open(open_folder(folder)?, name, allowed)?;
    let correction = match arguments.correction {
        CorrectionName::Holm => Correction::Holm,
        CorrectionName::BenjaminiHochberg => Correction::BenjaminiHochberg,
        CorrectionName::None => Correction::None,
    };
    let (alpha, seed) = (arguments.alpha, arguments.seed);
    let options = DriftOptions {
        current: absolute.join(current).display().to_string(),
        model: arguments.model.clone(),
        rows_max: arguments.rows,
        threads: threads(arguments.threads),
        settings: DriftSettings { alpha, correction, seed, ..DriftSettings::default() },
    };
    let mut progress = RunProgress::new(terminal);
    let reported = drift(&home, &project, &options, &mut progress);
    progress.finish();
    let mut report = reported?;
    // As it was named, whatever the folder is that the command was given in.
    report.current_file = arguments.current.display().to_string();
    if let Some(path) = &arguments.html {
        write_file(path, &report.to_html())?;
    }
    terminal.print(&report, |report| page(report, arguments.html.as_deref()));
    Ok(ExitCode::Done)
}

fn page(report: &DriftReport, html: Option<&Path>) {
    if !report.comparison.findings.is_empty() {
        headline("Statistics");
        let header = ["descriptor", "statistic", "value", "p", "corrected", "drifted"];
        table(&header, report.comparison.findings.iter().map(finding).collect());
    }
    headline("Outcome");
    let side = |side: freehold_workflow::SideReport| match side.compared == side.rows {
        true => format!("{} rows", side.rows),
        false => format!("{} of {} rows, drawn", side.compared, side.rows),
    };
    let mut lines = vec![
        ("reference", format!("{}, {}", report.run, side(report.reference))),
        ("current", format!("{}, {}", report.current_file, side(report.current))),
    ];
    for transform in &report.transforms {
        let dropped = transform.dropped.iter().map(|(reason, rows)| format!("{rows} x {}: {reason}", transform.plugin));
        lines.extend(dropped.map(|dropped| ("dropped", dropped)));
    }
    lines.push(("answer", answer(report)));
    lines.extend(html.map(|path| ("page", path.display().to_string())));
    pairs(&lines);
    say("A size without a p-value decides nothing. Nothing was recorded.");
}

fn answer(report: &DriftReport) -> String {
    match report.answer {
        Answer::Drift => format!("drift: {}", report.comparison.drifted.join(", ")),
        Answer::NoDrift => "no drift".into(),
        Answer::TooFewRows => {
            format!("too few rows to say: each side needs {}", report.settings.rows_min)
        }
    }
}

fn finding(finding: &Finding) -> Vec<String> {
    let Finding { descriptor, statistic, value, p, corrected, drifted, .. } = finding;
    let some = |value: &Option<f64>| value.map_or_else(|| "-".into(), number);
    let drifted = match drifted {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    vec![descriptor.clone(), statistic.as_str().into(), number(*value), some(p), some(corrected), drifted.into()]
}

/// A number to three digits, or by its power where it is small.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        0.001.. => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}
