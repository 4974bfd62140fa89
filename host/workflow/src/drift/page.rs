//! A comparison as a page for people: the answer first, then distributions side by side, then every number.

use freehold_drift::{Finding, Settings};
use maud::{Markup, html};

use super::{Answer, Distribution, DriftReport};
use crate::page::chart::sides::{self, Pair};
use crate::page::elements::{badge, facts, note, number, said, table, text, whole};
use crate::page::{Page, Section};
use crate::run::PluginReport;

/// The page.
pub(super) fn page(report: &DriftReport) -> Vec<u8> {
    let sections: [Section; 4] = [
        ("distributions", "Distributions side by side", distributions(report)),
        ("statistics", "Statistics", statistics(report)),
        ("rows", "Rows and transforms", rows(report)),
        ("settings", "What decided", settings(&report.settings)),
    ];
    let page = Page {
        title: format!("Drift from {}: {}", report.run, word(report.answer)),
        header: header(report),
        sections: &sections,
        footer: html! {
            p {
                "Written by freehold " (env!("CARGO_PKG_VERSION")) ". It is a comparison and no record: nothing of it is signed. "
                "The same rows and settings give the same page, byte for byte."
            }
        },
    };
    page.to_bytes()
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Drift => "drift",
        Answer::NoDrift => "no drift",
        Answer::TooFewRows => "too few rows",
    }
}

fn header(report: &DriftReport) -> Markup {
    let kind = match report.answer {
        Answer::Drift => "deny",
        Answer::NoDrift => "allow",
        Answer::TooFewRows => "warn",
    };
    let sides = [("Reference", "what run was trained on"), ("Current", "rows of now")];
    let counts = [report.reference, report.current].map(|side| {
        let all =
            if side.compared == side.rows { "all of them".into() } else { format!("{} drawn", whole(side.compared)) };
        format!("{} rows, {all} compared", whole(side.rows))
    });
    let [(before, _), (now, _)] = sides;
    html! {
        header {
            p.kind { "Drift report" }
            h1 { bdi { (report.current_file) } " " (badge(kind, word(report.answer))) }
            p.why { (why(report)) }
            (facts(&[
                ("Compared with", html! { "what run " bdi { (report.run) } " was trained on" }),
                (before, text(&counts[0])),
                (now, text(&counts[1])),
                ("False alarms", text(format!("at most {} in 100 comparisons without change", number(100.0 * report.settings.alpha)))),
            ]))
        }
    }
}

fn why(report: &DriftReport) -> Markup {
    let (all, drifted) = (report.descriptors.len(), &report.comparison.drifted);
    html! {
        @match report.answer {
            Answer::Drift => {
                (drifted.len()) " of " (all) " descriptors changed: "
                @for (index, name) in drifted.iter().enumerate() { @if index > 0 { ", " } (said(name)) }
                "."
            }
            Answer::NoDrift => { "None of " (all) " descriptors changed by more than chance and by enough to matter." }
            Answer::TooFewRows => { "Each side needs " (report.settings.rows_min) " rows before anything can be said." }
        }
    }
}

fn distributions(report: &DriftReport) -> Markup {
    html! {
        p { "Each pair of columns is one range of values: hollow for the reference, filled for the rows of now, in per cent of each side." }
        div.charts {
            @for (index, distribution) in report.distributions.iter().enumerate() {
                (chart(report, index, distribution))
            }
        }
    }
}

fn chart(report: &DriftReport, index: usize, distribution: &Distribution) -> Markup {
    let Distribution { descriptor, of, bins } = distribution;
    let changed = report.comparison.drifted.contains(descriptor);
    let of = of.as_ref().map(|of| format!(" ({of})")).unwrap_or_default();
    let title = format!("{descriptor}{of}{}", if changed { " — changed" } else { "" });
    let part = |count: u64, all: u64| count as f64 / all.max(1) as f64;
    let (before, now) = (report.reference.compared, report.current.compared);
    let pairs = bins.iter().map(|bin| Pair {
        label: bin.label.clone(),
        reference: part(bin.reference, before),
        current: part(bin.current, now),
    });
    sides::chart(&format!("side-{index}"), &title, ("reference", "current"), &pairs.collect::<Vec<_>>())
}

fn statistics(report: &DriftReport) -> Markup {
    let findings = &report.comparison.findings;
    if findings.is_empty() {
        return note("Nothing was computed.");
    }
    html! {
        (table(
            "A test decides; a size says how large the change is, whether or not it is by chance",
            &["Descriptor", "Statistic", "Value", "Size", "Matters from", "p", "Corrected", "Drifted"],
            &findings.iter().map(finding).collect::<Vec<_>>(),
        ))
        (table(
            "What the descriptors are",
            &["Descriptor", "Meaning", "From"],
            &report.descriptors.iter().map(|described| vec![
                said(&described.descriptor),
                said(&described.meaning),
                said(described.plugin.as_deref().unwrap_or("the engine")),
            ]).collect::<Vec<_>>(),
        ))
    }
}

fn finding(finding: &Finding) -> Vec<Markup> {
    let some = |value: Option<f64>| text(value.map_or_else(|| "–".into(), number));
    vec![
        said(&finding.descriptor),
        text(finding.statistic.as_str()),
        text(number(finding.value)),
        text(number(finding.size)),
        some(finding.size_min),
        some(finding.p),
        some(finding.corrected),
        match finding.drifted {
            Some(true) => badge("deny", "drifted"),
            Some(false) => badge("allow", "no"),
            None => text("–"),
        },
    ]
}

fn rows(report: &DriftReport) -> Markup {
    html! {
        p { "The rows of now went through the transforms of the run, in the versions that it was locked to." }
        @if report.transforms.is_empty() {
            (note("The run has no transforms."))
        } @else {
            (table(
                "What the transforms did to the rows of now",
                &["Transform", "Version", "Rows in", "Rows out", "Dropped", "Counted"],
                &report.transforms.iter().map(transform).collect::<Vec<_>>(),
            ))
        }
    }
}

fn transform(transform: &PluginReport) -> Vec<Markup> {
    let dropped: Vec<_> = transform.dropped.iter().map(|(reason, rows)| format!("{rows} x {reason}")).collect();
    let counted: Vec<_> = transform.counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
    vec![
        crate::page::elements::name(&transform.plugin),
        text(&transform.version),
        text(whole(transform.rows_in as u64)),
        text(whole(transform.rows_out as u64)),
        crate::page::elements::lines(&dropped),
        crate::page::elements::lines(&counted),
    ]
}

fn settings(settings: &Settings) -> Markup {
    let correction = match settings.correction {
        freehold_drift::Correction::Holm => "Holm",
        freehold_drift::Correction::BenjaminiHochberg => "Benjamini and Hochberg",
        freehold_drift::Correction::None => "none",
    };
    facts(&[
        ("Largest corrected p-value (alpha)", text(settings.alpha.to_string())),
        ("Correction for many tests", text(correction)),
        ("Least distance of distribution functions", text(settings.distance_min.to_string())),
        ("Least Cramér's V", text(settings.cramers_v_min.to_string())),
        ("Least area under the classifier's ROC curve", text(settings.area_min.to_string())),
        ("Bins of PSI and Jensen-Shannon", text(settings.bins.to_string())),
        ("Vectors compared at most, a side", text(whole(settings.vectors_max as u64))),
        ("Seed", text(settings.seed.to_string())),
    ])
}
