//! What a run came to, on one page.

use std::collections::BTreeMap;

use freehold_core::evidence::Estimate;
use freehold_core::labels::Labels;
use freehold_core::limits::{LimitKind, Usage, Used};
use freehold_core::record::Phase;
use freehold_core::spent::{Cost, EnergySource, RunSpent, Spent};
use freehold_workflow::{Brought, DatasetReport, MetricReport, PluginReport, PolicyReport, RunReport, Waiting};

use super::data;
use crate::page::{headline, pairs, say, table};

pub(super) fn page(report: &RunReport, home: &str) {
    outcome(report, Some(home));
    headline("Try next");
    if report.waiting.is_some() {
        say(&format!("  freehold --home {home} approve {} --key KEY", report.run));
        say(&format!("  freehold --home {home} promote {}", report.run));
    }
    say(&format!("  freehold --home {home} audit show {}", report.run));
    say(&format!("  freehold --home {home} audit verify"));
    say(&format!("  freehold --home {home} audit list"));
}

pub(super) fn datasets(reports: &[DatasetReport]) {
    if reports.is_empty() {
        return;
    }
    headline("Data");
    let row = |report: &DatasetReport| {
        vec![
            report.dataset.clone(),
            report.split.into(),
            report.file.into(),
            report.form.into(),
            report.rows.to_string(),
        ]
    };
    table(&["Dataset", "Split", "File", "Form", "Rows"], reports.iter().map(row).collect());
}

pub(super) fn transforms(reports: &[PluginReport]) {
    if reports.is_empty() {
        return;
    }
    headline("What the plugins did");
    let row = |report: &PluginReport| {
        let dropped = report.dropped.iter().map(|(reason, rows)| format!("{rows} {reason}"));
        // A plugin may count what it drops; that is said already.
        let counts = report.counts.iter().filter(|(key, _)| !report.dropped.contains_key(*key));
        let counts = counts.map(|(key, count)| format!("{count} {key}"));
        let did: Vec<_> = dropped.chain(counts).collect();
        vec![
            format!("{} {}", report.plugin, report.version),
            report.split.into(),
            format!("{} -> {}", report.rows_in, report.rows_out),
            did.join(", "),
            work(&report.usage),
            memory(&report.usage),
        ]
    };
    table(&["Transform", "Split", "Rows", "Dropped and counted", "Work", "Memory"], reports.iter().map(row).collect());
}

/// Fuel of the limit where instructions are counted, else the longest call of the time that it may take.
fn work(usage: &Usage) -> String {
    let share = |used: Used| 100.0 * used.used as f64 / used.limit.max(1) as f64;
    match (usage.get(LimitKind::Fuel), usage.get(LimitKind::WallTimeMs)) {
        (Some(fuel), _) => format!("{:.1} % fuel", share(fuel)),
        (None, Some(time)) => format!("{:.1} % time", share(time)),
        (None, None) => "-".into(),
    }
}

fn memory(usage: &Usage) -> String {
    let memory = usage.get(LimitKind::MemoryBytes);
    memory.map_or_else(|| "-".into(), |memory| format!("{} of {} MiB", memory.used >> 20, memory.limit >> 20))
}

fn training(report: &RunReport) {
    let Some(training) = &report.training else { return };
    headline("Training");
    let rate = training.tokens as f64 / training.seconds.max(1e-9);
    let mut told = vec![("examples", format!("{}, the longest of {} tokens", training.examples, training.longest))];
    if training.divided > 0 {
        let reason = "the chat template writes earlier turns otherwise later";
        told.push(("divided", format!("{} dialogues, each into several examples: {reason}", training.divided)));
    }
    if let Some(end) = &training.appended_end {
        told.push((
            "ends",
            format!("{end} was put behind answers, as the chat template writes nothing that ends them"),
        ));
    }
    told.push(("parameters", format!("{} trained ({})", training.parameters, training.method)));
    if let Some(brought) = training.brought {
        let how = match brought {
            Brought::Own => "what was trained on this base model before",
            Brought::Reapplied => "what was trained on another base model, added to this one as it is",
            Brought::Transferred => "what was trained on another base model, moved to the shapes of this one",
        };
        told.push(("started", format!("from {how}")));
    }
    let seconds = training.seconds;
    told.push((
        "steps",
        format!("{}, {} tokens in {seconds:.1} s ({rate:.0} a second)", training.steps, training.tokens),
    ));
    if let Some(planned) = training.planned_steps {
        told.push(("ended early", format!("{planned} steps were planned; nothing got better any more")));
    }
    if let Some(best) = training.best_step {
        told.push(("taken", format!("the state after step {best}, the best that was measured")));
    }
    told.push(("loss", format!("{:.3} -> {:.3}", training.first_loss, training.last_loss)));
    told.extend(training.metrics_folder.as_ref().map(|folder| ("metrics", format!("of each step, in {folder}"))));
    pairs(&told);
}

fn estimate(estimate: &Estimate) -> String {
    format!("{:.3} [{:.3}, {:.3}]", estimate.value, estimate.low, estimate.high)
}

fn metrics(reports: &[MetricReport]) {
    let Some(first) = reports.first() else { return };
    headline(&format!("Metrics on {} held-out rows, with {} % intervals", first.rows, 100.0 * first.confidence));
    let optional = |value: &Option<Estimate>| value.as_ref().map_or_else(|| "-".into(), estimate);
    let row = |report: &MetricReport| {
        let (base, adapted) = (estimate(&report.base), estimate(&report.adapted));
        vec![report.metric.clone(), base, adapted, optional(&report.production), optional(&report.over_production)]
    };
    table(&["Metric", "Base", "Adapted", "In production", "Adapted - production"], reports.iter().map(row).collect());
}

pub(super) fn policies(reports: &[PolicyReport]) {
    headline("Policies");
    let row = |policy: &PolicyReport| {
        vec![
            format!("{} {}", policy.plugin, policy.version),
            policy.stage.as_str().into(),
            policy.verdict.outcome.as_str().into(),
            format!("{} ({})", policy.verdict.reason, policy.verdict.code),
        ]
    };
    table(&["Policy", "Stage", "Verdict", "Reason"], reports.iter().map(row).collect());
}

/// What was measured, and what policies said.
pub(super) fn judged(measured: &[MetricReport], asked: &[PolicyReport]) {
    metrics(measured);
    policies(asked);
}

/// What measured and judged used of what it may. Transforms say it in their own table.
fn judges(report: &RunReport) {
    let metrics = report.metrics.iter().filter_map(|metric| {
        let plugin = format!("{} {}", metric.plugin.as_ref()?, metric.version.as_ref()?);
        Some(vec![plugin, "metric".into(), work(&metric.usage), memory(&metric.usage)])
    });
    let policies = report.policies.iter().map(|policy| {
        let plugin = format!("{} {}", policy.plugin, policy.version);
        vec![plugin, policy.stage.as_str().into(), work(&policy.usage), memory(&policy.usage)]
    });
    let rows: Vec<_> = metrics.chain(policies).collect();
    if !rows.is_empty() {
        headline("What metrics and policies used");
        table(&["Plugin", "As", "Work", "Memory"], rows);
    }
}

fn energy(spent: &Spent) -> String {
    spent.joules.map_or_else(|| "unknown".into(), |joules| format!("{joules:.1} J"))
}

/// Joules with how they are known.
pub(super) fn energy_of(spent: &Spent) -> String {
    match spent.source {
        EnergySource::Unknown => energy(spent),
        source => format!("{} ({})", energy(spent), source.as_str()),
    }
}

/// What the run took until it was decided.
pub(super) fn used_up(whole: Option<&RunSpent>, by_phase: &BTreeMap<Phase, Spent>) {
    let Some(RunSpent { spent, cost, .. }) = whole else { return };
    headline("What it used up");
    let mut lines = vec![("time", format!("{:.1} s", spent.seconds))];
    let phases = by_phase.iter().filter(|(phase, _)| matches!(phase, Phase::Train | Phase::Evaluate));
    let phases: Vec<String> = phases.map(|(phase, spent)| format!("{phase} {}", energy(spent))).collect();
    let known = match spent.source {
        EnergySource::Measured => ", measured for the whole machine",
        EnergySource::Estimated => ", estimated",
        EnergySource::Unknown => "",
    };
    let phases = match (spent.joules, phases.is_empty()) {
        (Some(_), false) => format!(": {}", phases.join(", ")),
        _ => String::new(),
    };
    lines.push(("energy", format!("{}{known}{phases}", energy(spent))));
    lines.extend(cost.as_ref().map(|Cost { amount, currency }| ("cost", format!("{amount:.4} {currency}"))));
    let reason = "the run was interrupted, and what it used since its last checkpoint is not in it";
    lines.extend(spent.incomplete.then(|| ("incomplete", reason.to_owned())));
    pairs(&lines);
}

/// The labels of what was made.
pub(super) fn labels(labels: &Labels) -> String {
    format!("residency {}; license {}", labels.residency.shown(), labels.license.shown())
}

fn decision(report: &RunReport, home: Option<&str>) {
    let mut lines = vec![("decision", report.decision.as_str().to_owned())];
    lines.extend(report.waiting.as_ref().map(|Waiting { alias, approvals_needed }| {
        ("waiting", format!("for {approvals_needed} approvals; then `freehold promote {}` moves {alias}", report.run))
    }));
    lines.extend(report.reason.clone().map(|reason| ("because", reason)));
    lines.push(("run", report.run.clone()));
    lines.extend(report.adapter.map(|adapter| ("adapter", adapter.to_string())));
    lines.extend(report.weights.map(|weights| ("weights", weights.to_string())));
    lines.extend(report.labels.as_ref().map(|it| ("labels", labels(it))));
    lines.extend(report.alias.as_ref().map(|alias| ("alias", alias.to_string())));
    lines.push(("record", report.record.to_string()));
    lines.extend(home.map(|home| ("kept", format!("blobs in {home}/store, entries in {home}/ledger"))));
    pairs(&lines);
}

/// The same page for a run of the past, without what to do next.
pub(super) fn past(report: &RunReport) {
    outcome(report, None);
}

fn outcome(report: &RunReport, home: Option<&str>) {
    datasets(&report.datasets);
    transforms(&report.transforms);
    report.validation.iter().for_each(data::short);
    training(report);
    metrics(&report.metrics);
    policies(&report.policies);
    judges(report);
    used_up(report.spent.as_ref(), &report.spent_by_phase);
    headline("Decision");
    decision(report, home);
}
