//! The base model, what was trained on and measured on, and what became of the rows.

use maud::{Markup, html};

use super::Facts;
use crate::audit::ExplainedData;
use crate::page::chart::columns::{self, Column};
use crate::page::elements::{digest, facts, lines, name, note, or_dash, table, text, whole};
use crate::run::{DatasetReport, PluginReport, SplitCounts};

pub(super) fn section(page: &Facts) -> Markup {
    let model = &page.run.explanation;
    let reports = &page.run.reports;
    let base = [
        ("Base model", html! { bdi { (model.base.name) } }),
        ("Digest", digest(&model.base.digest)),
        ("Licence, by the recipe's word", or_dash(model.base.license.as_deref())),
        ("Commit on its hub", or_dash(model.base.commit.as_deref())),
    ];
    let datasets: Vec<_> = model.data.iter().map(|data| dataset(data, &reports.datasets)).collect();
    let transforms: Vec<_> = reports.transforms.iter().map(transform).collect();
    html! {
        (facts(&base))
        (table("Datasets", &["Dataset", "Split", "Rows", "Form", "Labels", "Digest"], &datasets))
        @if transforms.is_empty() {
            (note("No row went through a transform."))
        } @else {
            (table(
                "What the transforms did; every row that was dropped has a reason",
                &["Transform", "Version", "Split", "Rows in", "Rows out", "Dropped", "Counted"],
                &transforms,
            ))
        }
        @if let Some(counts) = &reports.validation {
            (table(
                "What came out, counted before it was trained on",
                &["Split", "Rows", "Examples", "Tokens", "Learned", "Masked", "Longest", "Median"],
                &[counted("train", &counts.train), counted("eval", &counts.eval)],
            ))
            div.charts {
                (lengths("lengths-train", "Lengths of what is trained on", &counts.train))
                (lengths("lengths-eval", "Lengths of what is held out", &counts.eval))
            }
        }
    }
}

fn dataset(data: &ExplainedData, read: &[DatasetReport]) -> Vec<Markup> {
    let labels: Vec<_> = data.labels.iter().map(|(label, value)| format!("{label}: {value}")).collect();
    let form = read.iter().find(|read| read.dataset == data.name).map(|read| format!("{}, {}", read.file, read.form));
    vec![
        name(&data.name),
        text(data.split),
        text(data.rows.map_or_else(|| "not recorded".into(), whole)),
        or_dash(form.as_deref()),
        lines(&labels),
        data.digest.as_ref().map_or_else(|| text("–"), digest),
    ]
}

fn transform(report: &PluginReport) -> Vec<Markup> {
    let dropped: Vec<_> = report.dropped.iter().map(|(why, rows)| format!("{} {why}", whole(*rows as u64))).collect();
    // A plugin may count what it drops; that is said already.
    let counts = report.counts.iter().filter(|(key, _)| !report.dropped.contains_key(*key));
    let counts: Vec<_> = counts.map(|(key, count)| format!("{count} {key}")).collect();
    vec![
        name(&report.plugin),
        text(&report.version),
        text(report.split),
        text(whole(report.rows_in as u64)),
        text(whole(report.rows_out as u64)),
        lines(&dropped),
        lines(&counts),
    ]
}

fn counted(split: &str, counts: &SplitCounts) -> Vec<Markup> {
    let numbers = [
        counts.rows,
        counts.examples,
        counts.tokens,
        counts.learned,
        counts.masked,
        counts.lengths.max,
        counts.lengths.median,
    ];
    std::iter::once(text(split)).chain(numbers.into_iter().map(|number| text(whole(number)))).collect()
}

fn lengths(id: &str, title: &str, counts: &SplitCounts) -> Markup {
    let bins = counts.lengths.bins.iter();
    let columns: Vec<_> = bins.map(|bin| Column { from: bin.from, to: bin.to, count: bin.examples }).collect();
    if columns.is_empty() {
        return html! {};
    }
    columns::chart(id, title, "tokens", "examples", &columns)
}
