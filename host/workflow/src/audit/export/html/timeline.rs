//! How long each phase took, and the signed statements with their places in the ledger.

use maud::{Markup, html};

use super::Facts;
use crate::audit::dossier::Dossier;
use crate::page::chart::spans::{self, Span};
use crate::page::elements::{digest, duration, keys, name, table, text, time};

pub(super) fn section(facts: &Facts) -> Markup {
    let run = &facts.run;
    let seconds =
        |past: &crate::audit::PastPhase| past.record.finished.duration_since(past.record.started).as_secs_f64();
    let spans: Vec<_> = run
        .phases
        .iter()
        .map(|past| Span { name: past.record.phase.as_str(), seconds: seconds(past).max(0.0) })
        .collect();
    let row = |past: &crate::audit::PastPhase| {
        let signers: Vec<_> = past.signers.iter().map(ToString::to_string).collect();
        vec![
            text(past.record.phase.as_str()),
            time(past.record.started),
            text(duration(seconds(past))),
            text(past.index.to_string()),
            keys(&signers),
            digest(&past.statement),
        ]
    };
    let phases: Vec<_> = run.phases.iter().map(row).collect();
    let others = run.entries.iter().filter(|entry| !run.phases.iter().any(|past| past.index == entry.index));
    let others: Vec<_> = others
        .map(|entry| vec![text(&entry.what), time(entry.time), text(entry.index.to_string()), digest(&entry.statement)])
        .collect();
    html! {
        div.charts { (spans::chart("phases", "Time of each phase, one after the other", &spans)) }
        @if let Some(waited) = between(run, &spans) { p { (waited) } }
        (table(
            "Statements of the phases. No phase is done before its statement is in the ledger, on the disk",
            &["Phase", "Began (UTC)", "Took", "Entry", "Signed by", "Statement"],
            &phases,
        ))
        @if !others.is_empty() {
            (table("What else the ledger has of this run", &["What", "Time (UTC)", "Entry", "Statement"], &others))
        }
        (files(run))
    }
}

/// Time between the phases, as when the run was interrupted; the chart leaves it out.
fn between(run: &Dossier, spans: &[Span<'_>]) -> Option<String> {
    let whole = run.explanation.finished.duration_since(run.explanation.started).as_secs_f64();
    let waited = whole - spans.iter().map(|span| span.seconds).sum::<f64>();
    (waited >= 60.0).then(|| format!("Between the phases went {}, which the chart leaves out.", duration(waited)))
}

/// What the phases wrote, and whether the store has it.
fn files(run: &Dossier) -> Markup {
    let outputs = run.phases.iter().flat_map(|past| past.record.outputs.iter().map(move |output| (past, output)));
    let rows: Vec<_> = outputs
        .map(|(past, output)| {
            let kept = if output.kept { "kept" } else { "digest only" };
            vec![name(&output.name), text(past.record.phase.as_str()), text(kept), digest(&output.digest)]
        })
        .collect();
    html! { (table("What the phases wrote", &["What", "Phase", "In the store", "Digest"], &rows)) }
}
