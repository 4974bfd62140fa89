//! `cargo xtask bench engine`: training and generation next to transformers and PEFT, in one run, one after the other and
//! each in a process of its own with two threads.
//!
//! With `--json`: `train_tokens_per_s.SHAPE.TYPE`, `peak_rss_gb.SHAPE`, `decode_tokens_per_s` and `prefill_tokens_per_s` at
//! shape 135m, `packed_over_padded`. Where a key names no type it is float32; the same keys for bfloat16 are in `bfloat16`.
//! `peer` has the same keys with what the peer does, `times` how many times better ours is.

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
    let mut entries = Vec::new();
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
            entries.push(Entry { what, shape: case.1, dtype: case.2, own, peer });
        }
    }
    entries.sort_by(|a, b| (&a.what, a.shape, a.dtype).cmp(&(&b.what, b.shape, b.dtype)));
    let packing = packing()?;
    if json {
        println!("{:#}", report(&entries, &packing));
    } else {
        table(&entries, &packing);
        if !has_peer {
            println!("No peer: `{python}` has no torch, transformers and peft; name one that has with --python");
        }
    }
    Ok(())
}

/// What one kind of measurement came to.
struct Entry {
    what: String,
    shape: &'static str,
    dtype: &'static str,
    own: f64,
    peer: Option<f64>,
}

impl Entry {
    /// How many times better ours is.
    fn times(&self) -> Option<f64> {
        self.peer.map(|peer| if self.what == "peak_rss_gb" { peer / self.own } else { self.own / peer })
    }

    /// The key in the report.
    fn path(&self) -> Vec<&str> {
        match self.what.as_str() {
            "tokens_per_s" => vec!["train_tokens_per_s", self.shape, self.dtype],
            what if what.starts_with("forecast_") => vec![what, self.shape, self.dtype],
            what => {
                let of_type = (self.dtype == "bfloat16").then_some("bfloat16");
                let of_shape = (what == "peak_rss_gb").then_some(self.shape);
                of_type.into_iter().chain([what]).chain(of_shape).collect()
            }
        }
    }
}

fn report(entries: &[Entry], packing: &Packing) -> Value {
    let mut report = json!({
        "packed_over_padded": packing.to_max_length,
        "packed_over_padded_to_longest_of_batch": packing.to_longest_of_batch,
    });
    for entry in entries {
        let sides = [(None, Some(entry.own)), (Some("peer"), entry.peer), (Some("times"), entry.times())];
        for (side, value) in sides.into_iter().filter_map(|(side, value)| Some((side, value?))) {
            let place = side.into_iter().chain(entry.path()).fold(&mut report, |at, key| &mut at[key]);
            *place = json!(value);
        }
    }
    report
}

fn own((what, shape, dtype): &(&str, &str, &str)) -> Command {
    let program = target().join("debug").join(format!("bench-engine{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command.args([what, shape, dtype]);
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

/// How many times faster the demonstration's examples are trained packed than padded.
struct Packing {
    to_max_length: f64,
    to_longest_of_batch: f64,
}

fn packing() -> Result<Packing, Failure> {
    let lengths: PathBuf = workspace().join("bench/src/engine/demo_lengths.json");
    let program = target().join("debug").join(format!("bench-engine{}", std::env::consts::EXE_SUFFIX));
    let rates = measured(Command::new(program).arg("packing").arg(lengths))?;
    let rate = |name: &str| rates.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let packed = rate("packed_tokens_per_s");
    Ok(Packing {
        to_max_length: packed / rate("padded_to_max_length_tokens_per_s"),
        to_longest_of_batch: packed / rate("padded_to_longest_tokens_per_s"),
    })
}

fn table(entries: &[Entry], packing: &Packing) {
    println!("{:<24} {:<6} {:<9} {:>12} {:>12} {:>8}", "what", "shape", "type", "freehold", "peer", "times");
    for entry in entries {
        let digits = usize::from(entry.what.ends_with("_rss_gb")) * 2;
        let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
        let (own, peer) = (number(Some(entry.own), digits), number(entry.peer, digits));
        let what = if entry.what == "tokens_per_s" { "train_tokens_per_s" } else { &entry.what };
        let (shape, dtype, times) = (entry.shape, entry.dtype, number(entry.times(), 2));
        println!("{what:<24} {shape:<6} {dtype:<9} {own:>12} {peer:>12} {times:>8}");
    }
    println!("packed against padded to max_length: {:.2} times", packing.to_max_length);
    println!("packed against padded to the longest of each batch of 8: {:.2} times", packing.to_longest_of_batch);
}
