//! What every policy said, on what grounds, and what it was asked with.

use maud::{Markup, html};

use super::Facts;
use crate::page::elements::{lines, name, note, outcome, said, table, text, time};

pub(super) fn section(facts: &Facts) -> Markup {
    let run = &facts.run;
    if run.judged.is_empty() {
        return note("No policy was asked.");
    }
    let verdict = |(stage, policy): &(_, crate::run::JudgedPolicy)| {
        let verdict = &policy.verdict;
        let stage: &freehold_core::verdict::Stage = stage;
        vec![
            name(&policy.plugin),
            text(&policy.version),
            text(stage.as_str()),
            outcome(verdict.outcome),
            html! { code { (said(&verdict.code)) } },
            said(&verdict.reason),
            lines(&verdict.rests_on),
        ]
    };
    let rows: Vec<_> = run.judged.iter().map(verdict).collect();
    let settings = |(_, policy): &(_, crate::run::JudgedPolicy)| {
        let asked = toml::to_string(&policy.settings).unwrap_or_default();
        vec![
            name(&policy.plugin),
            html! { @if asked.is_empty() { "nothing" } @else { pre { (asked.trim_end()) } } },
            html! { code.digest { (policy.component) } },
        ]
    };
    let asked: Vec<_> = run.judged.iter().map(settings).collect();
    html! {
        (table(
            "Every verdict, in the order in which policies were asked",
            &["Policy", "Version", "Stage", "Verdict", "Code", "Reason", "Rests on"],
            &rows,
        ))
        (table("What they were asked with", &["Policy", "Settings", "Component"], &asked))
        (set_before(facts))
    }
}

/// Whether the bars were in the ledger before the results.
fn set_before(facts: &Facts) -> Markup {
    let run = &facts.run;
    html! {
        @if let Some(problem) = run.bar_problems.first() {
            p.note { "The bars were not set before the results: " (said(&problem.problem)) }
        } @else if let Some(bar) = run.bars.first() {
            p {
                "What policies were asked with at the end was in the ledger before anything was measured: entry " (bar.set)
                " at " (time(bar.set_at)) " UTC; the results are entry " (bar.measured) " at " (time(bar.measured_at)) " UTC."
            }
        }
    }
}
