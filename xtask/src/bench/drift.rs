//! `cargo xtask bench drift`: how soon changes of generated streams are found, and how often there is a false alarm, beside river
//! and Evidently on the same rows.
//!
//! With `--json`: a list of `scenario`, `detector`, `windows` (of 200 rows, before the change), `false_alarms_per_100_windows`,
//! `found` and `streams`, `median_delay` in rows (`null` where nothing changes, or half or more were not found), and `seconds`.

use std::process::Command;

use serde_json::{Value, json};

use crate::command::{cargo, run, step, target, workspace};
use crate::failure::Failure;

/// Rows of a window.
const WINDOW: &str = "200";

/// `bench drift [--python PROGRAM] [--json]`
pub(crate) fn drift(arguments: &[String]) -> Result<(), Failure> {
    let json = arguments.iter().any(|argument| argument == "--json");
    let python = arguments.iter().position(|argument| argument == "--python").and_then(|at| arguments.get(at + 1));
    let python = python.map_or("python3", String::as_str);
    step("Building the benches");
    run(cargo().current_dir(workspace()).args(["build", "--workspace", "--bins", "--locked"]))?;
    step("Generating streams, and watching them");
    let folder = target().join("bench-drift");
    std::fs::create_dir_all(&folder).map_err(Failure::file("create", &folder))?;
    let program = target().join("debug").join(format!("bench-drift{}", std::env::consts::EXE_SUFFIX));
    run(Command::new(&program).arg("streams").arg(&folder))?;
    let mut lines = printed(Command::new(&program).arg("score"))?;
    let has_peer = Command::new(python).args(["-c", "import river, evidently"]).output();
    let has_peer = has_peer.is_ok_and(|output| output.status.success());
    if has_peer {
        step("Showing them to river and Evidently");
        let peer = workspace().join("bench/src/drift/peer.py");
        lines.extend(printed(Command::new(python).arg(peer).arg(&folder).arg(WINDOW))?);
    }
    let mut rows: Vec<Value> = lines.iter().map(summary).collect();
    rows.sort_by_key(|row| row["scenario"].as_str().map(str::to_owned));
    if json {
        println!("{:#}", Value::from(rows));
    } else {
        table(&rows);
        if !has_peer {
            println!("No peer: `{python}` has no river and evidently; name one that has with --python");
        }
    }
    Ok(())
}

/// The objects that a program prints, one a line.
fn printed(command: &mut Command) -> Result<Vec<Value>, Failure> {
    let shown = format!("{command:?}");
    let failed = |problem: String| Failure::new(format!("{shown}: {problem}"));
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let parsed = text.lines().map(|line| serde_json::from_str(line).map_err(|error| failed(error.to_string())));
    parsed.collect()
}

fn summary(line: &Value) -> Value {
    let number = |key: &str| line[key].as_f64().unwrap_or(0.0);
    let delays = line["delays"].as_array().cloned().unwrap_or_default();
    let found = delays.iter().filter(|delay| !delay.is_null()).count();
    // What was not found comes last.
    let mut sorted: Vec<f64> = delays.iter().map(|delay| delay.as_f64().unwrap_or(f64::INFINITY)).collect();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().filter(|delay| delay.is_finite());
    json!({
        "scenario": line["scenario"], "detector": line["detector"], "windows": line["windows"],
        "false_alarms_per_100_windows": 100.0 * number("alarms") / number("windows").max(1.0),
        "found": found, "streams": delays.len(), "median_delay": median, "seconds": line["seconds"],
    })
}

fn table(rows: &[Value]) {
    println!(
        "{:<16} {:<20} {:>8} {:>22} {:>8} {:>13}",
        "stream", "detector", "windows", "false alarms a hundred", "found", "median delay"
    );
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let alarms = row["false_alarms_per_100_windows"].as_f64().unwrap_or(0.0);
        let (found, streams) = (&row["found"], row["streams"].as_u64().unwrap_or(0));
        let found = if streams == 0 { "-".into() } else { format!("{found}/{streams}") };
        let delay = row["median_delay"].as_f64().map_or_else(|| "-".into(), |delay| format!("{delay:.0}"));
        let (scenario, detector, windows) = (text("scenario"), text("detector"), row["windows"].to_string());
        println!("{scenario:<16} {detector:<20} {windows:>8} {alarms:>22.2} {found:>8} {delay:>13}");
    }
    println!("Windows have {WINDOW} rows, delays are in rows; a stream is found if anything is said after its change.");
}
