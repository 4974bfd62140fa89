//! Data flow through a run a few rows at a time: memory does not grow with them, what comes out is the same with any number of
//! threads, every row is accounted for, and a file that changes on the way is noticed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::FileWriter;
use freehold_tests::{Outcome, Project, Recipe};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

/// Messages that differ in personal data only, but for one in `distinct`. Some have no urgency, which the last transform
/// drops rows for.
fn messages(rows: usize, distinct: usize) -> String {
    const PRODUCTS: [&str; 4] = ["Kora Watch", "Lumo Lamp", "Vento Fan", "Solo Bike"];
    let mut text = String::new();
    for row in 0..rows {
        let (product, code) = (PRODUCTS[row % 4], row * distinct / rows * 7919 % 100_003);
        let urgency = if row % 9 == 5 { "" } else { ",\"urgency\":\"high\"" };
        writeln!(
            text,
            "{{\"text\":\"The {product} of lot {code:x} and box {code} is broken, {code:o} at least. Write to \
             user{row}@example.org please.\",\"intent\":\"broken\",\"product\":\"{product}\"{urgency}}}"
        )
        .unwrap();
    }
    text
}

/// Runs a command; says the most memory that it ever had, in MiB.
fn watched(project: &Project, arguments: &[&str]) -> (Outcome, f64) {
    let mut child = project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut peak: f64 = 0.0;
    while child.try_wait().unwrap().is_none() {
        // The system keeps the most there was, so that nothing between two looks is missed.
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or_default() / 1024.0);
        std::thread::sleep(Duration::from_millis(5));
    }
    (child.wait_with_output().unwrap().into(), peak)
}

fn outputs(project: &Project, run: &str) -> Vec<(String, String)> {
    let shown = project.run(&["audit", "show", run, "--json"]).expect(0).json();
    let outputs = shown["phases"][2]["outputs"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    outputs.map(|output| (text(&output["name"]), text(&output["digest"]))).collect()
}

fn blob(project: &Project, digest: &str) -> Vec<Value> {
    let bytes = project.read(&format!("home/store/blobs/sha256/{}", digest.trim_start_matches("sha256:")));
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn memory_does_not_grow_with_the_data() {
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    project.write("train.jsonl", &messages(640, 40));
    let (few, few_mib) = watched(&project, &["run", "--threads", "2"]);
    drop(few.expect(0));
    let many = messages(600_000, 40);
    let data_mib = many.len() as f64 / f64::from(1 << 20);
    assert!(data_mib > 90.0, "{data_mib}");
    project.write("train.jsonl", &many);
    drop(many);
    let (many, many_mib) = watched(&project, &["run", "--threads", "2"]);
    drop(many.expect(0));
    assert!(few_mib > 20.0, "{few_mib}");
    assert!(
        many_mib < few_mib + data_mib / 2.0,
        "{many_mib} MiB for {data_mib} MiB of data, {few_mib} for nearly none"
    );
    project.assert_intact();
}

/// The same for tables: a row group of Parquet and a batch of Arrow are read a few rows at a time. The texts of the table are
/// in no dictionary, so that they are all there.
#[test]
fn memory_does_not_grow_with_a_table() {
    const GROUP_ROWS: usize = 20_000;
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    project.write("train.jsonl", &messages(640, 40));
    let (few, few_mib) = watched(&project, &["run", "--threads", "2"]);
    drop(few.expect(0));
    let batch = text_columns(&messages(GROUP_ROWS, 40));
    let settings = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut parquet = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(settings)).unwrap();
    let mut arrow = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for _ in 0..20 {
        parquet.write(&batch).unwrap();
        parquet.flush().unwrap();
        arrow.write(&batch).unwrap();
    }
    for table in [parquet.into_inner().unwrap(), arrow.into_inner().unwrap()] {
        let table_mib = table.len() as f64 / f64::from(1 << 20);
        assert!(table_mib > 40.0, "{table_mib}");
        project.write_bytes("train.jsonl", &table);
        let (many, many_mib) = watched(&project, &["run", "--threads", "2"]);
        drop(many.expect(0).says(&["400000 -> 400000"]));
        // What is kept of a file that is read at any place: 32 blocks of 1 MiB.
        assert!(
            many_mib < few_mib + 32.0 + table_mib / 2.0,
            "{many_mib} MiB for a table of {table_mib} MiB, {few_mib} for nearly none"
        );
    }
    project.assert_intact();
}

/// Rows of texts as columns.
fn text_columns(lines: &str) -> RecordBatch {
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let column = |name: &str| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row[name].as_str()).collect::<arrow_array::StringArray>())
    };
    let names = ["text", "intent", "product", "urgency"];
    RecordBatch::try_from_iter_with_nullable(names.map(|name| (name, column(name), true))).unwrap()
}

#[test]
fn any_number_of_threads_gives_the_same_rows_and_the_same_lineage() {
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    project.write("train.jsonl", &messages(20_000, 60));
    let mut all = Vec::new();
    for (run, threads) in [("desk-1", "1"), ("desk-2", "2"), ("desk-3", "5")] {
        project.run(&["run", "--threads", threads]).expect(0);
        all.push(outputs(&project, run));
    }
    let names: Vec<_> = all[0].iter().map(|(name, _)| name.as_str()).collect();
    let train = ["rows/train", "lineage/train", "lineage/train/1", "lineage/train/2", "lineage/train/3"];
    assert_eq!(names, [&train[..], &["rows/eval", "lineage/eval", "lineage/eval/1", "lineage/eval/2"]].concat());
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    project.assert_intact();
}

/// Follows every row of the data to the row that it became, or to the transform that dropped it.
#[test]
fn every_row_is_accounted_for_from_the_data_to_the_output() {
    let project = Project::new();
    project.write("first.jsonl", &messages(3_000, 30));
    let both = "[[data]]\nname = \"first\"\npath = \"first.jsonl\"\nsplit = \"train\"\nlabels = { residency = \"eu\", license = \"CC-BY-4.0\" }\n";
    let recipe = Recipe { data: format!("{both}{}", Recipe::default().data), ..Recipe::default() };
    project.run_recipe(&recipe).expect(0);
    let outputs = outputs(&project, "desk-1");
    let kept = |name: &str| blob(&project, &outputs.iter().find(|(output, _)| output == name).unwrap().1);
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();

    let datasets = kept("lineage/train");
    assert_eq!(datasets[0]["data"], "first");
    assert_eq!(
        (number(&datasets[0], "rows"), number(&datasets[1], "out"), number(&datasets[1], "rows")),
        (3000, 3000, 40)
    );
    // Rows of the data, by where they are after each transform.
    let mut rows: Vec<u64> = (0..3040).collect();
    let mut dropped = Vec::new();
    for transform in ["1", "2", "3"] {
        let (mut next, mut seen) = (Vec::new(), vec![false; rows.len()]);
        for line in kept(&format!("lineage/train/{transform}")) {
            for at in 0..number(&line, "rows") {
                let row = (number(&line, "row") + at) as usize;
                assert!(!std::mem::replace(&mut seen[row], true), "row {row} of transform {transform} is there twice");
                match line["dropped"].as_str() {
                    Some(reason) => dropped.push((rows[row], format!("{transform} {reason}"))),
                    None => {
                        assert_eq!(number(&line, "out") + at, next.len() as u64);
                        next.push(rows[row]);
                    }
                }
            }
        }
        assert!(seen.iter().all(|seen| *seen), "a row of transform {transform} is missing");
        rows = next;
    }
    let out = kept("rows/train");
    assert_eq!((out.len(), out.len() + dropped.len()), (rows.len(), 3040));
    let data = String::from_utf8([project.read("first.jsonl"), project.read("train.jsonl")].concat()).unwrap();
    let data: Vec<Value> = data.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (row, out) in rows.iter().zip(&out) {
        let answer: Value = serde_json::from_str(out["messages"][1]["content"].as_str().unwrap()).unwrap();
        assert_eq!(answer["product"], data[*row as usize]["product"], "row {row}");
    }
    let without_urgency = dropped.iter().filter(|(_, reason)| reason == "3 missing-urgency");
    assert!(without_urgency.clone().count() > 0);
    assert!(without_urgency.clone().all(|(row, _)| data[*row as usize].get("urgency").is_none()));
    assert!(dropped.iter().any(|(_, reason)| reason == "2 exact-duplicate"));
}

/// The file is changed when its digest is in the ledger and before it was read for the second time: the file of the other
/// split is read before it, and rows that differ in more than a few letters take long to compare.
#[test]
fn a_file_that_changes_during_the_run_is_refused() {
    let project = Project::new();
    project.write("train.jsonl", &messages(15_000, 15_000));
    let entries = || {
        let note = String::from_utf8(project.read("home/ledger/checkpoint")).unwrap();
        note.lines().nth(1).unwrap().parse::<u64>().unwrap()
    };
    for (name, change) in [("more", "{\"text\":\"One more.\"}\n"), ("other", "{\"text\":5}\n"), ("broken", "no row\n")]
    {
        // Each is a run of its own: one that goes on has its digests in the ledger from the beginning.
        project.write("freehold.toml", &Recipe { name: name.into(), ..Recipe::default() }.to_string());
        let before = entries();
        let mut child = project.command(&["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while entries() == before && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let path = project.path().join("eval.jsonl");
        let whole = std::fs::read(&path).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(change.as_bytes()).unwrap();
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        drop(outcome.expect(1).says(&["`path = \"eval.jsonl\"`", "changed while the run was going on", "start again"]));
        let last = project.run(&["audit", "list", "--json"]).expect(0).json();
        assert_eq!(last[0]["phase"], "admit");
        project.assert_intact();
        std::fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_line_that_is_too_long_is_named() {
    let project = Project::new();
    let first = messages(1, 1);
    project.write("train.jsonl", &format!("{first}{{\"text\":\"{}\"}}\n", "x".repeat(17 << 20)));
    let outcome = project.run_recipe(&Recipe::default()).expect(1);
    drop(outcome.says(&["`train.jsonl`, line 2, column 16777217", "at most 16777216 bytes on a line"]));
    project.assert_intact();
    // Within the limit it is a row like any other.
    let long = format!("{{\"text\":\"{}\",\"intent\":null}}\n", "long ".repeat(1 << 20));
    project.write("train.jsonl", &format!("{}{long}", messages(600, 40)));
    project.run_recipe(&Recipe::default()).expect(0).says(&["601 -> 601"]);
}
