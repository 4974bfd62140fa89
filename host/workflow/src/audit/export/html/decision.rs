//! The head of the page: what was decided, why, and what it is about.

use freehold_core::verdict::Decision;
use maud::{Markup, html};

use super::Facts;
use crate::page::elements::{badge, digest, facts, keys, or_dash, time};

/// The decision in a word.
pub(super) fn word(facts: &Facts) -> &'static str {
    facts.run.explanation.decision.map_or("unfinished", Decision::as_str)
}

pub(super) fn header(page: &Facts) -> Markup {
    let model = &page.run.explanation;
    let kind = match model.decision {
        Some(Decision::Promoted) => "allow",
        Some(Decision::Denied) => "deny",
        None => "warn",
    };
    let license = model.base.license.as_deref();
    let rows = [
        ("Recipe", html! { bdi { (page.run.recipe.run.name) } }),
        ("Model", model.adapter.as_ref().map_or_else(|| html! { "nothing was trained" }, digest)),
        ("Base model", html! { bdi { (model.base.name) } ", licence " (or_dash(license)) }),
        ("Began", html! { (time(model.started)) " UTC" }),
        (if model.decision.is_some() { "Ended" } else { "Last phase ended" }, html! { (time(model.finished)) " UTC" }),
        ("Recorded by", html! { (keys(&model.recorded_by)) }),
        ("Trust root", html! { (model.trust_root) }),
        ("Alias", alias(page)),
    ];
    html! {
        header {
            p.kind { "Record of a run" }
            h1 { bdi { (model.run) } " " (badge(kind, word(page))) }
            p.why { bdi { (why(page)) } }
            (facts(&rows))
            p.note {
                "This page says what the signed records of the run say; they were verified when it was written. It is a view of "
                "the evidence and not the evidence: "
                a href="#verify" { "how to verify it" } "."
            }
        }
    }
}

fn why(page: &Facts) -> String {
    let model = &page.run.explanation;
    let last = page.run.phases.last().map_or("none", |past| past.record.phase.as_str());
    let asked = page.run.judged.len();
    match (model.decision, &model.reason) {
        (Some(Decision::Promoted), _) => format!("Every policy that was asked let it pass ({asked} of {asked})."),
        (Some(Decision::Denied), Some(reason)) => reason.clone(),
        (Some(Decision::Denied), None) => "The record gives no reason.".into(),
        (None, _) => format!("The run has no decision: its last finished phase is {last}."),
    }
}

/// Where it is in use, or was.
fn alias(page: &Facts) -> Markup {
    let model = &page.run.explanation;
    let uses = &model.uses;
    let now = uses.iter().find(|used| used.until.is_none());
    html! {
        @match (now, uses.last()) {
            (Some(used), _) => { bdi { (used.alias) } ", in use since " (time(used.from)) " UTC" }
            (None, Some(used)) => { bdi { (used.alias) } ", no longer in use" }
            (None, None) => {
                @match (model.decision, &page.run.recipe.promote, page.run.approvals_asked()) {
                    (Some(Decision::Promoted), Some(promote), Some(_)) => {
                        bdi { (promote.alias) } ", when " (page.run.approvals_needed()) " have approved and somebody moves it"
                    }
                    _ => "never had one",
                }
            }
        }
    }
}
