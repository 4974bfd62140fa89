//! `cargo xtask bench serve`: tokens a second that a server gives to clients who ask at the same time, against a loop that
//! generates one answer after the other with the same model, adapter and prompts.
//!
//! With `--json`: `loop_tokens_per_s`, and for each number of clients `tokens_per_s`, `times` the loop's, and
//! `first_token_ms` (median, 95th percentile).

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::command::{run, step, target};
use crate::failure::Failure;
use crate::project::Project;
use crate::serve::{ALIAS, Answered, Serving, ask, prepare, questions};

/// Clients at a time.
const CLIENTS: [usize; 4] = [1, 8, 32, 100];
/// Answers that each number of clients gets.
const ANSWERS: usize = 400;
/// Tokens of an answer at most.
const TOKENS: usize = 64;
const EXPORTED: &str = "exported";

/// `bench serve [--json]`
pub(crate) fn serve(arguments: &[String]) -> Result<(), Failure> {
    let json = match arguments {
        [] => false,
        [flag] if flag == "--json" => true,
        _ => return Err(Failure::new("expected: bench serve [--json]")),
    };
    let project = prepare("bench-serve")?;
    let questions = questions(&project, ANSWERS)?;
    step("Measuring; other work on this machine disturbs it");
    let alone = loop_rate(&project, &questions)?;
    let serving = Serving::start(&project)?;
    let measured = CLIENTS.map(|clients| Measured::of(&serving, clients, &questions));
    let measured = measured.into_iter().collect::<Result<Vec<_>, _>>()?;
    if json {
        let clients: Vec<Value> = measured.iter().map(|one| one.value(alone)).collect();
        println!("{:#}", json!({ "loop_tokens_per_s": alone, "clients": clients }));
    } else {
        println!("{:<24} {:>10} {:>8} {:>18} {:>8}", "", "tokens/s", "times", "first token (ms)", "95%");
        println!("{:<24} {alone:>10.0}", "one after the other");
        for Measured { clients, tokens_per_s, median_ms, p95_ms } in measured {
            let (name, times) = (format!("{clients} clients"), tokens_per_s / alone);
            println!("{name:<24} {tokens_per_s:>10.0} {times:>8.2} {median_ms:>18.1} {p95_ms:>8.1}");
        }
    }
    Ok(())
}

/// Tokens a second of the loop, in a process of its own.
fn loop_rate(project: &Project, questions: &[String]) -> Result<f64, Failure> {
    let exported = project.folder.join(EXPORTED);
    if !exported.is_dir() {
        let explained = project.freehold(&["audit", "explain", ALIAS, "--json"]).output();
        let explained = explained.map_err(|error| Failure::new(error.to_string()))?;
        let explained: Value =
            serde_json::from_slice(&explained.stdout).map_err(|error| Failure::new(error.to_string()))?;
        let of = explained.get("run").and_then(Value::as_str).unwrap_or_default();
        run(project.freehold(&["adapter", "export", of, "--out", EXPORTED]).stdout(Stdio::null()))?;
    }
    let file = project.folder.join("questions.json");
    std::fs::write(&file, json!(questions).to_string()).map_err(Failure::file("write", &file))?;
    let program = target().join("debug").join(format!("bench-engine{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command.arg("loop").arg(project.folder.join("models/base-1")).arg(&exported).arg(&file).arg(TOKENS.to_string());
    let output = command.output().map_err(|error| Failure::new(error.to_string()))?;
    let report: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    let rate = report.and_then(|report| report.get("tokens_per_s")?.as_f64());
    rate.ok_or_else(|| Failure::new(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// What clients who ask at the same time got.
struct Measured {
    clients: usize,
    tokens_per_s: f64,
    median_ms: f64,
    p95_ms: f64,
}

impl Measured {
    fn of(serving: &Serving, clients: usize, questions: &[String]) -> Result<Self, Failure> {
        let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let body = json!({
                            "model": ALIAS, "messages": [{ "role": "user", "content": question }], "max_tokens": TOKENS,
                            "temperature": 0, "stream": true, "stream_options": { "include_usage": true },
                        });
                        let answered = ask(serving.address, &body);
                        if let Ok(mut answers) = answers.lock() {
                            answers.push(answered);
                        }
                    }
                });
            }
        });
        let seconds = began.elapsed().as_secs_f64();
        let answers = answers.into_inner().unwrap_or_default();
        let answers: Vec<Answered> = answers.into_iter().collect::<Result<_, _>>().map_err(Failure::new)?;
        let tokens: u64 = answers.iter().map(|answered| answered.tokens).sum();
        let mut first: Vec<f64> = answers.iter().map(|answered| answered.first.as_secs_f64() * 1e3).collect();
        first.sort_by(f64::total_cmp);
        let at = |share: f64| first.get((first.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
        Ok(Self { clients, tokens_per_s: tokens as f64 / seconds, median_ms: at(0.5), p95_ms: at(0.95) })
    }

    fn value(&self, alone: f64) -> Value {
        let Self { clients, tokens_per_s, median_ms, p95_ms } = self;
        json!({
            "clients": clients, "tokens_per_s": tokens_per_s, "times": tokens_per_s / alone,
            "first_token_ms": { "median": median_ms, "p95": p95_ms },
        })
    }
}
