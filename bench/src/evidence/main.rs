//! `cargo xtask bench evidence`: what a durable entry of the ledger costs, beside what the disk can do, what a log of many
//! entries costs to append to, to prove from and to verify, what evidence and policies cost the demo, and what an auditor waits
//! for where there were many runs.

mod disk;
mod governance;
mod history;
mod log;
mod questions;
mod writers;

use std::path::Path;

use serde::Serialize;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs of the synthetic history, unless `--runs` says otherwise.
const RUNS: u64 = 100_000;
/// Entries of the large log, unless `--entries` says otherwise.
const ENTRIES: u64 = 1_000_000;

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
struct Report {
    /// Syncs of one file that grows, one after the other.
    disk_fsyncs_per_s: f64,
    /// Files replaced durably: synced, renamed, folder synced.
    disk_replaces_per_s: f64,
    /// Durable entries with one writer.
    appends_per_s_1_writer: f64,
    /// Durable entries with 64 threads, each waiting for its own.
    appends_per_s_64_writers: f64,
    /// Entries that went in together then, on the average.
    entries_a_commit_64_writers: f64,
    /// Durable entries with eight processes of one writer each.
    appends_per_s_8_processes: f64,
    #[serde(flatten)]
    log: log::Measured,
    #[serde(flatten)]
    governance: governance::Measured,
    #[serde(flatten)]
    questions: questions::Measured,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, folder, seconds] = arguments.as_slice()
        && command == "write"
    {
        return writers::child(folder.as_ref(), seconds.parse()?);
    }
    let after =
        |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    let entries = after("--entries").map_or(Ok(ENTRIES), |count| count.parse())?;
    let runs = after("--runs").map_or(Ok(RUNS), |count| count.parse())?;
    let (Some(program), Some(project)) = (after("--freehold"), after("--project")) else {
        return Err("`--freehold PROGRAM` and `--project FOLDER` say what runs the demo".into());
    };
    let (program, project) = (Path::new(program), Path::new(project));
    let folder = tempfile::tempdir_in(after("--folder").map_or(".", String::as_str))?;
    let disk = disk::measure(folder.path())?;
    let one = writers::threads(&folder.path().join("one"), 1)?;
    let many = writers::threads(&folder.path().join("many"), 64)?;
    let report = Report {
        disk_fsyncs_per_s: disk.fsyncs_per_s,
        disk_replaces_per_s: disk.replaces_per_s,
        appends_per_s_1_writer: one.per_s,
        appends_per_s_64_writers: many.per_s,
        entries_a_commit_64_writers: many.entries_a_commit,
        appends_per_s_8_processes: writers::processes(&folder.path().join("processes"), 8)?,
        log: log::measure(&folder.path().join("log"), entries)?,
        governance: governance::measure(program, project)?,
        questions: questions::measure(program, project, runs)?,
    };
    if arguments.iter().any(|argument| argument == "--json") {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Report) {
    let line = |what: &str, value: String, beside: String| println!("{what:<44} {value:>16}   {beside}");
    let of_disk = |rate: f64| format!("{:.2} of the disk's syncs", rate / report.disk_fsyncs_per_s);
    line("disk, syncs of a file that grows", format!("{:.0} /s", report.disk_fsyncs_per_s), String::new());
    line("disk, files replaced durably", format!("{:.0} /s", report.disk_replaces_per_s), String::new());
    let rate = report.appends_per_s_1_writer;
    line("durable entries, 1 writer", format!("{rate:.0} /s"), of_disk(rate));
    let rate = report.appends_per_s_64_writers;
    let together = format!("{}, {:.0} a commit", of_disk(rate), report.entries_a_commit_64_writers);
    line("durable entries, 64 writers", format!("{rate:.0} /s"), together);
    let rate = report.appends_per_s_8_processes;
    line("durable entries, 8 processes", format!("{rate:.0} /s"), of_disk(rate));
    let log = &report.log;
    line("entries of the log", log.entries.to_string(), format!("{:.0} s to fill", log.fill_s));
    line("append, the first 1000", format!("{:.2} ms", log.append_first_ms), String::new());
    let flat = format!("{:.2} times the first", log.append_last_ms / log.append_first_ms);
    line("append, the last 1000", format!("{:.2} ms", log.append_last_ms), flat);
    line(
        "  of it without the disk, first and last",
        format!("{:.2} ms", log.work_last_ms),
        format!("{:.2} ms", log.work_first_ms),
    );
    line("proof of inclusion, p50", format!("{:.3} ms", log.proof_ms), format!("p99 {:.3} ms", log.proof_p99_ms));
    line("proof of consistency, p50", format!("{:.3} ms", log.consistency_ms), String::new());
    line("verify all", format!("{:.0} entries/s", log.verified_per_s), format!("{:.2} s", log.verify_s));
    line("  peak of memory", format!("{:.0} MiB", log.peak_mib), String::new());
    let governance = &report.governance;
    line("the demo", format!("{:.1} s", governance.demo_s), String::new());
    let share = format!("{:.2} % of the demo", governance.governance_percent);
    line("  of it evidence and policies", format!("{:.2} s", governance.governance_s), share);
    let questions = &report.questions;
    let made = format!("synthetic, made in {:.0} s", questions.history_s);
    line("runs of the history", questions.runs.to_string(), made);
    let size = format!("{:.0} MiB", questions.index_mib);
    line("index made anew", format!("{:.1} s", questions.index_s), size);
    for (question, ms) in &questions.question_ms {
        line(&format!("audit {question}"), format!("{ms:.0} ms"), String::new());
    }
}
