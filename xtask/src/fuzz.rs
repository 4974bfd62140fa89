//! `cargo xtask fuzz`: searches for input that breaks what a target asserts, with cargo-fuzz. What is kept of it
//! (`fuzz/corpus`) is replayed by the tests.

mod corpus;
mod statistics;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::command::{cargo, output, run as run_command, step, workspace};
use crate::failure::Failure;
use statistics::Statistics;

const SECONDS: u32 = 600;
/// An input that takes longer is reported.
const INPUT_SECONDS_MAX: u32 = 10;
/// Resident memory of a search above which an input is reported. Instrumented code and its shadow memory take a part.
const MEMORY_MIB_MAX: u32 = 2048;

/// Sanitizers and coverage are unstable options; nothing else of a nightly compiler is used. The code is that of the product: no
/// `cfg(fuzzing)`.
const BUILD: [&str; 4] = ["--release", "--no-cfg-fuzzing", "--codegen-units", "16"];

struct Request {
    target: Option<String>,
    seconds: u32,
    json: bool,
    keep: bool,
}

/// What came of a search.
#[derive(Debug, Serialize)]
struct Search {
    target: String,
    /// How long it searched.
    seconds: u64,
    #[serde(flatten)]
    statistics: Statistics,
    /// Inputs that broke something.
    crashes: Vec<PathBuf>,
}

/// `fuzz [TARGET] [--seconds N] [--json] [--keep]`
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let request = Request::parse(arguments)?;
    if output(cargo().args(["fuzz", "--version"])).is_none() {
        return Err(Failure::new(
            "cargo-fuzz is not installed; install it with `cargo install cargo-fuzz --locked`. It also needs a C++ compiler \
             (`g++` or `clang++`)",
        ));
    }
    let targets = targets(request.target.as_deref())?;
    step("Building the fuzz targets (with sanitizers; wasmtime takes some minutes the first time)");
    run_command(cargo_fuzz("build").args(BUILD))?;
    let mut searches = Vec::new();
    for target in &targets {
        step(&format!("Searching with {target} for {} seconds", request.seconds));
        searches.push(search(target, request.seconds)?);
        if request.keep {
            corpus::keep(target)?;
        }
    }
    match request.json {
        true => println!("{}", serde_json::to_string_pretty(&searches).unwrap_or_default()),
        false => print!("{}", table(&searches)),
    }
    match searches.iter().map(|search| search.crashes.len()).sum() {
        0 => Ok(()),
        crashes => Err(Failure::new(format!("{crashes} inputs broke something; the searches were ended by them"))),
    }
}

impl Request {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut request = Self { target: None, seconds: SECONDS, json: false, keep: false };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--json" => request.json = true,
                "--keep" => request.keep = true,
                "--seconds" => {
                    let seconds = rest.next().and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0);
                    request.seconds =
                        seconds.ok_or_else(|| Failure::new("`--seconds` needs a number of at least 1"))?;
                }
                target if !target.starts_with('-') && request.target.is_none() => request.target = Some(target.into()),
                other => return Err(Failure::new(format!("`fuzz` does not know `{other}`"))),
            }
        }
        Ok(request)
    }
}

/// Every target, or the one that was asked for.
fn targets(asked: Option<&str>) -> Result<Vec<String>, Failure> {
    let folder = workspace().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(Failure::file("list", &folder))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut known: Vec<String> = paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    known.sort();
    match asked {
        None => Ok(known),
        Some(asked) if known.iter().any(|target| target == asked) => Ok(vec![asked.into()]),
        Some(asked) => Err(Failure::new(format!("there is no target `{asked}`; there are {}", known.join(", ")))),
    }
}

fn cargo_fuzz(command: &str) -> Command {
    let mut fuzz = cargo();
    fuzz.current_dir(workspace()).env("RUSTC_BOOTSTRAP", "1").args(["fuzz", command]);
    fuzz
}

/// Where a search keeps what it finds, so that the next one goes on from there.
fn found(target: &str) -> PathBuf {
    workspace().join("fuzz/target/corpus").join(target)
}

/// No input of a target has reason to be longer, in bytes. Components are compiled: long ones would take all the time.
fn input_bytes_max(target: &str) -> u32 {
    if target == "component" { 8 << 10 } else { 64 << 10 }
}

fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(Failure::file("create", folder))
}

fn search(target: &str, seconds: u32) -> Result<Search, Failure> {
    let (logs, artifacts) = (workspace().join("fuzz/target/logs"), workspace().join("fuzz/artifacts").join(target));
    for folder in [&logs, &artifacts, &found(target)] {
        make(folder)?;
    }
    let before = listed(&artifacts);
    let path = logs.join(format!("{target}.log"));
    let log = std::fs::File::create(&path).map_err(Failure::file("create", &path))?;
    let started = std::time::Instant::now();
    let mut command = cargo_fuzz("run");
    command.args(BUILD).arg(target).arg(found(target)).arg(format!("fuzz/corpus/{target}")).arg("--");
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={INPUT_SECONDS_MAX}"),
        format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
        format!("-max_len={}", input_bytes_max(target)),
        "-print_final_stats=1".into(),
    ]);
    let status = command.stdout(Stdio::null()).stderr(log).status();
    let status = status.map_err(|error| Failure::new(format!("cannot start cargo fuzz: {error}")))?;
    let text = std::fs::read(&path).map_err(Failure::file("read", &path))?;
    let crashes: Vec<PathBuf> = listed(&artifacts).into_iter().filter(|file| !before.contains(file)).collect();
    if !status.success() && crashes.is_empty() {
        return Err(Failure::new(format!("the search with {target} failed: see {}", path.display())));
    }
    for crash in &crashes {
        eprintln!("{target}: {} broke something; see {}", crash.display(), path.display());
    }
    let statistics = Statistics::read(&String::from_utf8_lossy(&text));
    Ok(Search { target: target.into(), seconds: started.elapsed().as_secs(), statistics, crashes })
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn table(searches: &[Search]) -> String {
    let mut text = format!(
        "{:<14} {:>8} {:>12} {:>8} {:>8} {:>9} {:>8} {:>8}\n",
        "target", "seconds", "executions", "exec/s", "cov", "ft", "corpus", "crashes"
    );
    for Search { target, seconds, statistics, crashes } in searches {
        let Statistics { executions, coverage, features, corpus_files } = statistics;
        let rate = executions / (*seconds).max(1);
        text += &format!(
            "{target:<14} {seconds:>8} {executions:>12} {rate:>8} {coverage:>8} {features:>9} {corpus_files:>8} {:>8}\n",
            crashes.len()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Request, Failure> {
        Request::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn requests_are_read_or_refused() {
        let all = parse(&[]).unwrap();
        assert_eq!((all.target, all.seconds, all.json, all.keep), (None, SECONDS, false, false));
        let one = parse(&["batch", "--seconds", "5", "--json"]).unwrap();
        assert_eq!((one.target.as_deref(), one.seconds, one.json), (Some("batch"), 5, true));
        for wrong in [&["--seconds"][..], &["--seconds", "0"], &["--seconds", "x"], &["a", "b"], &["--fast"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn targets_are_known_by_name() {
        assert_eq!(targets(Some("batch")).unwrap(), ["batch"]);
        assert!(targets(Some("bacth")).unwrap_err().to_string().contains("batch"));
        assert!(targets(None).unwrap().len() > 5);
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let statistics =
            Statistics { executions: 123_456_789, coverage: 12_345, features: 123_456, corpus_files: 9_999 };
        let search = Search { target: "plugin_source".into(), seconds: 600, statistics, crashes: vec![] };
        assert!(table(&[search]).lines().all(|line| line.len() <= 100));
    }
}
