//! Metrics, verdicts and decision as a table (RFC 4180), a line for each.
//!
//! Programs for spreadsheets compute what begins like a formula, whoever wrote it (CWE-1236). Texts that begin so get an
//! apostrophe in front; numbers are written by us and stay numbers.

use std::fmt;

use csv::{Terminator, WriterBuilder};
use freehold_core::evidence::Estimate;

use super::run::{FinishedRun, problem};
use crate::WorkflowError;
use crate::run::{MetricReport, PolicyReport};

const COLUMNS: [&str; 15] = [
    "run",
    "kind",
    "name",
    "model",
    "value",
    "low",
    "high",
    "confidence",
    "rows",
    "plugin",
    "version",
    "stage",
    "outcome",
    "code",
    "reason",
];

/// A line of the table: what it has no cell for is empty.
#[derive(Debug, Default, Clone)]
struct Line([String; COLUMNS.len()]);

impl Line {
    fn new(run: &str, kind: &str) -> Self {
        Self::default().text("run", run).text("kind", kind)
    }

    fn cell(mut self, column: &str, value: String) -> Self {
        let cells = COLUMNS.iter().zip(&mut self.0);
        cells.filter(|(name, _)| **name == column).for_each(|(_, cell)| cell.clone_from(&value));
        self
    }

    fn text(self, column: &str, text: &str) -> Self {
        self.cell(column, defused(text))
    }

    fn number(self, column: &str, number: impl fmt::Display) -> Self {
        self.cell(column, number.to_string())
    }

    fn estimate(self, estimate: &Estimate) -> Self {
        self.number("value", estimate.value).number("low", estimate.low).number("high", estimate.high)
    }
}

/// A text that no spreadsheet takes for a formula.
fn defused(text: &str) -> String {
    match text.chars().next() {
        // Also the wide forms, and what is skipped before a formula.
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

fn metric(run: &str, metric: &MetricReport) -> Vec<Line> {
    let models = [
        ("base", Some(metric.base)),
        ("adapted", Some(metric.adapted)),
        ("production", metric.production),
        ("adapted - production", metric.over_production),
    ];
    let line = |(model, estimate): (&str, Option<Estimate>)| {
        let line = Line::new(run, "metric").text("name", &metric.metric).text("model", model).estimate(&estimate?);
        let line = line.number("confidence", metric.confidence).number("rows", metric.rows);
        let (plugin, version) = (metric.plugin.as_deref(), metric.version.as_deref());
        Some(line.text("plugin", plugin.unwrap_or_default()).text("version", version.unwrap_or_default()))
    };
    models.into_iter().filter_map(line).collect()
}

fn verdict(run: &str, policy: &PolicyReport) -> Line {
    let line = Line::new(run, "verdict").text("name", &policy.plugin).text("plugin", &policy.plugin);
    let line = line.text("version", &policy.version).text("stage", policy.stage.as_str());
    let verdict = &policy.verdict;
    line.text("outcome", verdict.outcome.as_str()).text("code", &verdict.code).text("reason", &verdict.reason)
}

pub(super) fn table(run: &FinishedRun) -> Result<Vec<u8>, WorkflowError> {
    let (name, report) = (&run.name, &run.report);
    let mut lines: Vec<Line> = report.metrics.iter().flat_map(|measured| metric(name, measured)).collect();
    lines.extend(report.policies.iter().map(|policy| verdict(name, policy)));
    let decision = Line::new(name, "decision").text("name", "decision").text("outcome", report.decision.as_str());
    lines.push(decision.text("reason", report.reason.as_deref().unwrap_or_default()));
    write(&lines).map_err(|error| problem(name, format!("cannot be written as a table: {error}")))
}

fn write(lines: &[Line]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for line in lines {
        writer.write_record(&line.0)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula_and_numbers_stay_numbers() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(defused(formula), format!("'{formula}"));
        }
        for text in ["", "deny", "a=b", "'=1", "1-2"] {
            assert_eq!(defused(text), text);
        }
        let line = Line::new("r-1", "metric").number("value", -0.5).text("reason", "=HYPERLINK(\"a\")\r\n,");
        let written = String::from_utf8(write(&[line]).unwrap()).unwrap();
        let (header, line) = written.split_once("\r\n").unwrap();
        assert_eq!(header, COLUMNS.join(","));
        assert_eq!(line, "r-1,metric,,,-0.5,,,,,,,,,,\"'=HYPERLINK(\"\"a\"\")\r\n,\"\r\n");
    }
}
