//! Where the records do not answer what a framework asks for.

use maud::{Markup, html};

use super::Facts;
use crate::audit::{Exhibit, ItemReport, ItemState, ProfileReport, Standing};
use crate::page::elements::{badge, table, text};

pub(super) fn section(facts: &Facts) -> Markup {
    html! {
        p {
            "A profile maps the items of a framework to kinds of evidence. It says that evidence is in the records, not that it is "
            "good enough, and is no legal advice. All of it: "
            code { "freehold audit profile " (facts.run.explanation.run) }
        }
        @for report in &facts.profiles { (profile(report)) }
    }
}

fn profile(report: &ProfileReport) -> Markup {
    let ids = |state: ItemState| {
        let items = report.items.iter().filter(|item| item.state == state);
        items.map(|item| item.id.as_str()).collect::<Vec<_>>()
    };
    let gaps = report.items.iter().filter(|item| matches!(item.state, ItemState::Partly | ItemState::Missing));
    let rows: Vec<_> = gaps.map(row).collect();
    let written = report.items.iter().filter(|item| item.state == ItemState::ToBeWritten);
    html! {
        h3 { (report.title) }
        p {
            (report.source)
            @if let Some(url) = &report.url { " (" a href=(url) rel="noreferrer" { "source" } ")" }
            ". "
            @if let Some(note) = &report.note { (note) }
        }
        ul.counts {
            @for state in ItemState::ALL { li { strong { (report.count(state)) } " " (badge(kind(state), state.as_str())) } }
        }
        @if !ids(ItemState::Answered).is_empty() { p { strong { "Answered: " } (ids(ItemState::Answered).join(", ")) } }
        @if !rows.is_empty() {
            (table("What is missing, or there in part", &["Item", "State", "What it asks for", "In the records", "What is missing"], &rows))
        }
        @if !ids(ItemState::ToBeWritten).is_empty() {
            p.label { strong { "For the organisation to write; records cannot answer it" } }
            ul.written {
                @for item in written {
                    li { strong { (item.id) } " " (item.document.as_deref().unwrap_or(&item.title)) }
                }
            }
        }
    }
}

fn kind(state: ItemState) -> &'static str {
    match state {
        ItemState::Answered => "allow",
        ItemState::Partly => "warn",
        ItemState::Missing => "deny",
        ItemState::ToBeWritten => "plain",
    }
}

fn row(item: &ItemReport) -> Vec<Markup> {
    let (there, lacking): (Vec<&Exhibit>, Vec<_>) =
        item.exhibits.iter().partition(|exhibit| exhibit.standing == Standing::There);
    let there: Vec<_> = there.iter().map(|exhibit| exhibit.evidence.as_str()).collect();
    let lacking = html! {
        ul {
            @for exhibit in lacking { li { code { (exhibit.evidence.as_str()) } " " (exhibit.says) } }
            @if let Some(document) = &item.document { li { "To be written: " (document) } }
        }
    };
    vec![
        text(&item.id),
        badge(kind(item.state), item.state.as_str()),
        text(&item.title),
        html! { @if there.is_empty() { "–" } @for (index, name) in there.iter().enumerate() { @if index > 0 { ", " } code { (name) } } },
        lacking,
    ]
}
