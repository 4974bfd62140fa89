//! `cargo xtask bench engine`: training and generation next to transformers and PEFT, in one run, one after the other and
//! each in a process of its own with two threads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::command::{cargo, run, step, target, workspace};
use crate::failure::Failure;

/// Rounds in which ours and theirs take turns; the median of each counts.
const ROUNDS: usize = 3;
/// What is measured of each process.
const CASES: [(&str, &str, &str); 6] = [
    ("train", "tiny", "float32"),
    ("train", "tiny", "bfloat16"),
    ("train", "135m", "float32"),
    ("train", "135m", "bfloat16"),
    ("generate", "135m", "float32"),
    ("generate", "135m", "bfloat16"),
];

/// Values by what they are, in the order of the rounds.
type Rounds = BTreeMap<String, Vec<f64>>;

/// `bench engine [--python PROGRAM] [--json]`
pub(crate) fn engine(arguments: &[String]) -> Result<(), Failure> {
    let json = arguments.iter().any(|argument| argument == "--json");
    let python = arguments.iter().position(|argument| argument == "--python").and_then(|at| arguments.get(at + 1));
    let python = python.map_or_else(|| "python3".to_owned(), String::clone);
    step("Building the benches");
    run(cargo().current_dir(workspace()).args(["build", "--workspace", "--bins", "--locked"]))?;
    let has_peer = Command::new(&python).args(["-c", "import torch, transformers, peft"]).output();
    let has_peer = has_peer.is_ok_and(|output| output.status.success());
    step("Measuring the engine; other work on this machine disturbs it");
    let mut report = Map::new();
    for case in CASES {
        let (mut ours, mut theirs) = (Rounds::new(), Rounds::new());
        for _ in 0..ROUNDS {
            add(&mut ours, measured(&mut own(&case))?);
            if has_peer {
                add(&mut theirs, measured(&mut peer(&python, &case))?);
            }
        }
        for (what, values) in ours {
            let (own, peer) = (median(values), theirs.remove(&what).map(median));
            enter(&mut report, &case, &what, own, peer);
        }
    }
    let packing = packing()?;
    report.insert("packed_over_padded".into(), packing.clone());
    if json {
        println!("{:#}", Value::Object(report));
    } else {
        table(&report, has_peer, &python);
    }
    Ok(())
}

fn own((what, shape, dtype): &(&str, &str, &str)) -> Command {
    let program = target().join("debug").join(format!("bench-engine{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command.args([what, shape, dtype]).env("RAYON_NUM_THREADS", "2");
    command
}

fn peer(python: &str, (what, shape, dtype): &(&str, &str, &str)) -> Command {
    let mut command = Command::new(python);
    command.arg(workspace().join("bench/src/engine/peer.py")).args([what, shape, dtype]);
    command
}

/// The object that a measurement prints.
fn measured(command: &mut Command) -> Result<Map<String, Value>, Failure> {
    let shown = format!("{command:?}");
    let failed = |problem: String| Failure::new(format!("{shown}: {problem}"));
    let output = command.output().map_err(|error| Failure::new(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().unwrap_or_default()).map_err(|error| failed(error.to_string()))
}

fn add(rounds: &mut Rounds, values: Map<String, Value>) {
    for (what, value) in values {
        rounds.entry(what).or_default().extend(value.as_f64());
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Ours, the peer's and their ratio, by the name of the measurement, the shape and the type.
fn enter(
    report: &mut Map<String, Value>,
    (_, shape, dtype): &(&str, &str, &str),
    what: &str,
    own: f64,
    peer: Option<f64>,
) {
    let what = if what == "tokens_per_s" { "train_tokens_per_s" } else { what };
    let ratio = peer.map(|peer| if what == "peak_rss_gb" { peer / own } else { own / peer });
    let entry = json!({ "freehold": own, "peer": peer, "times": ratio });
    let table = report.entry(what).or_insert_with(|| json!({}));
    table[*shape][*dtype] = entry;
}

/// The lengths of the demonstration's examples, packed and padded.
fn packing() -> Result<Value, Failure> {
    let lengths: PathBuf = workspace().join("bench/src/engine/demo_lengths.json");
    let program = target().join("debug").join(format!("bench-engine{}", std::env::consts::EXE_SUFFIX));
    let rates = measured(Command::new(program).arg("packing").arg(lengths).env("RAYON_NUM_THREADS", "2"))?;
    let rate = |name: &str| rates.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let packed = rate("packed_tokens_per_s");
    Ok(json!({
        "to_max_length": packed / rate("padded_to_max_length_tokens_per_s"),
        "to_longest_of_batch": packed / rate("padded_to_longest_tokens_per_s"),
        "packed_tokens_per_s": packed,
    }))
}

fn table(report: &Map<String, Value>, has_peer: bool, python: &str) {
    println!("{:<24} {:<6} {:<9} {:>12} {:>12} {:>8}", "what", "shape", "type", "freehold", "peer", "times");
    for (what, shapes) in report.iter().filter(|(what, _)| *what != "packed_over_padded") {
        for (shape, types) in shapes.as_object().into_iter().flatten() {
            for (dtype, entry) in types.as_object().into_iter().flatten() {
                let digits = usize::from(what.ends_with("_rss_gb")) * 2;
                let number = |key: &str, digits: usize| match entry[key].as_f64() {
                    Some(value) => format!("{value:.digits$}"),
                    None => "-".into(),
                };
                let (own, peer, times) = (number("freehold", digits), number("peer", digits), number("times", 2));
                println!("{what:<24} {shape:<6} {dtype:<9} {own:>12} {peer:>12} {times:>8}");
            }
        }
    }
    let packing = &report["packed_over_padded"];
    let times = |key: &str| packing[key].as_f64().unwrap_or(f64::NAN);
    println!("packed against padded to max_length: {:.2} times", times("to_max_length"));
    println!("packed against padded to the longest of each batch of 8: {:.2} times", times("to_longest_of_batch"));
    if !has_peer {
        println!("No peer: `{python}` has no torch, transformers and peft; name one that has with --python");
    }
}
