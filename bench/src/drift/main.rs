//! `cargo xtask bench drift`: generated streams with known change points, and what a watch makes of them. Other tools see the same
//! rows: `streams FOLDER` writes them, `score` says what ours makes of them.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use freehold_drift::simulate::{REFERENCE_ROWS, Scenario, score};
use freehold_drift::{Sample, Settings, Values, WatchSettings};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Rows of a stream after the reference, and how many of them come before the change.
const ROWS: (usize, usize) = (8_000, 4_000);
/// Streams of a scenario.
const SEEDS: u64 = 5;
/// Those of vectors, which take longer.
const SEEDS_OF_VECTORS: u64 = 3;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["streams", folder] => streams(folder.as_ref()),
        ["score"] => scores(),
        _ => Err("`streams FOLDER` or `score`".into()),
    }
}

fn seeds(scenario: Scenario) -> u64 {
    let is_vector = matches!(scenario, Scenario::NoneVectors | Scenario::Vectors | Scenario::Correlation);
    if is_vector { SEEDS_OF_VECTORS } else { SEEDS }
}

/// A file for each scenario, with a line for each stream: its seed, the place of the change, and its rows.
fn streams(folder: &Path) -> Result<()> {
    for scenario in Scenario::ALL {
        let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join(scenario.as_str()))?);
        for seed in 0..seeds(scenario) {
            let rows = scenario.rows(seed, REFERENCE_ROWS + ROWS.0, REFERENCE_ROWS + ROWS.1)?;
            let change = if scenario.changes() { ROWS.1 } else { ROWS.0 };
            let line = json!({ "reference": REFERENCE_ROWS, "change": change, "rows": plain(&rows) });
            writeln!(file, "{line}")?;
        }
        file.flush()?;
    }
    Ok(())
}

fn plain(rows: &Sample) -> Value {
    match rows.column("x") {
        Some(Values::Numbers(numbers)) => json!(numbers),
        Some(Values::Categories(categories)) => json!(categories),
        Some(Values::Vectors(vectors)) => json!(vectors.iter().collect::<Vec<_>>()),
        None => Value::Null,
    }
}

/// What a watch with its defaults makes of each stream: a line a scenario and detector, as the peers write them.
fn scores() -> Result<()> {
    for scenario in Scenario::ALL {
        let started = Instant::now();
        let scores = (0..seeds(scenario)).map(|seed| {
            let compare = Settings { seed, ..Settings::default() };
            score(scenario, seed, ROWS, &WatchSettings { compare, ..WatchSettings::default() })
        });
        let scores = scores.collect::<std::result::Result<Vec<_>, _>>()?;
        let seconds = started.elapsed().as_secs_f64();
        let windows: u64 = scores.iter().map(|score| score.windows).sum();
        let sides = [
            (
                "freehold windows",
                scores.iter().map(|s| s.false_windows).sum::<u64>(),
                delays(&scores, |s| s.window_delay),
            ),
            ("freehold adwin", scores.iter().map(|s| s.false_changes).sum(), delays(&scores, |s| s.change_delay)),
        ];
        for (detector, alarms, delays) in sides {
            let line = json!({
                "scenario": scenario.as_str(), "detector": detector, "windows": windows, "alarms": alarms,
                "delays": if scenario.changes() { delays } else { Vec::new() }, "seconds": seconds,
            });
            println!("{line}");
        }
    }
    Ok(())
}

fn delays(
    scores: &[freehold_drift::simulate::Score],
    of: impl Fn(&freehold_drift::simulate::Score) -> Option<u64>,
) -> Vec<Option<u64>> {
    scores.iter().map(of).collect()
}
