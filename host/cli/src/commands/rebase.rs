//! `freehold rebase`

use freehold_core::evidence::Estimate;
use freehold_core::spent::RunSpent;
use freehold_workflow::{ExitCode, Project, RebaseOptions, RebaseReport, RungReport, Waiting};

use super::report::energy_of;
use super::run::{roots, threads};
use super::{Place, open_folder, split};
use crate::args::RebaseArguments;
use crate::failure::Failure;
use crate::page::{Terminal, headline, pairs, say, table};
use crate::progress::RunProgress;

pub(super) fn run(place: &Place<'_>, arguments: RebaseArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let (folder, name) = split(&arguments.recipe)?;
    let project = Project::open(open_folder(folder)?, name, roots(&arguments.roots)?)?;
    let RebaseArguments { base, license, replay, compare, .. } = arguments;
    let options = RebaseOptions { base, license, replay, compare, threads: threads(arguments.threads) };
    let mut progress = RunProgress::new(terminal);
    let result = freehold_workflow::rebase(&home, &project, &options, &mut progress);
    progress.finish();
    let report = result?;
    terminal.print(&report, |report| page(report, &arguments.recipe.display().to_string()));
    Ok(if report.promoted.is_some() { ExitCode::Done } else { ExitCode::Denied })
}

fn page(report: &RebaseReport, recipe: &str) {
    pairs(&[
        ("alias", report.alias.to_string()),
        ("was", format!("{} on {} ({})", report.from_run, report.from.model, report.from.digest.short())),
        ("new base", format!("{} ({})", report.to.model, report.to.digest.short())),
    ]);
    headline("Rungs");
    table(
        &["Rung", "Run", "Decision", "Tokens", "Of retraining", "Seconds", "Energy"],
        report.rungs.iter().map(spent).chain(compared(report)).collect(),
    );
    metrics(report);
    for rung in &report.rungs {
        if let Some(reason) = &rung.reason {
            say(&format!("{} was denied: {reason}", rung.rung.as_str()));
        }
    }
    plugins(report);
    headline("Outcome");
    match &report.promoted {
        Some(run) => {
            match &report.waiting {
                None => say(&format!("{} names {run} now.", report.alias)),
                Some(Waiting { approvals_needed, .. }) => say(&format!(
                    "{} names {run} when {approvals_needed} have approved it: `freehold approve {run} --key KEY`, then \
                     `freehold promote {run}`.",
                    report.alias
                )),
            }
            say(&format!(
                "  Write model = \"{}\" into [base] of {recipe}: its next run trains on that.",
                report.to.model
            ));
        }
        None => say(&format!("No rung was promoted: {} names what it named before.", report.alias)),
    }
}

fn spent(rung: &RungReport) -> Vec<String> {
    vec![
        rung.rung.as_str().into(),
        rung.run.clone(),
        rung.decision.as_str().into(),
        rung.tokens.to_string(),
        format!("{:.0} %", 100.0 * rung.share),
        format!("{:.1}", rung.seconds),
        energy(rung.spent.as_ref()),
    ]
}

fn energy(spent: Option<&RunSpent>) -> String {
    spent.map_or_else(|| "unknown".into(), |spent| energy_of(&spent.spent))
}

/// The run that was made to compare with.
fn compared(report: &RebaseReport) -> Option<Vec<String>> {
    let seconds = format!("{:.1}", report.compared_seconds?);
    let run = report.compared_run.clone()?;
    Some(vec![
        "retrain".into(),
        run,
        "compared".into(),
        report.retrain_tokens.to_string(),
        "100 %".into(),
        seconds,
        energy(report.compared_spent.as_ref()),
    ])
}

fn metrics(report: &RebaseReport) {
    let mut rows = Vec::new();
    for rung in &report.rungs {
        for metric in &rung.metrics {
            let paired = rung.paired.iter().find(|paired| paired.metric == metric.metric);
            rows.push(vec![
                rung.rung.as_str().into(),
                metric.metric.clone(),
                format!("{:.3}", metric.base.value),
                format!("{:.3}", metric.adapted.value),
                metric.over_production.as_ref().map_or_else(|| "-".into(), change),
                paired.map_or_else(|| "-".into(), |paired| change(&paired.difference)),
            ]);
        }
    }
    if !rows.is_empty() {
        headline("Metrics on the held-out rows, differences paired by row");
        table(&["Rung", "Metric", "New base", "Adapted", "- before", "- retrained"], rows);
    }
}

fn change(difference: &Estimate) -> String {
    format!("{:+.3} [{:+.3}, {:+.3}]", difference.value, difference.low, difference.high)
}

fn plugins(report: &RebaseReport) {
    headline("Plugins");
    let row = |plugin: &freehold_workflow::PluginDigest| {
        let same = if plugin.same { "as before" } else { "another" };
        vec![plugin.plugin.clone(), plugin.component.short(), same.into()]
    };
    table(&["Plugin", "Component", "Bytes"], report.plugins.iter().map(row).collect());
}
