//! `cargo xtask serve-load`: many clients that stream at the same time, for a while. None may see an error, and the memory of the
//! server may not grow.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{ALIAS, Serving, ask, prepare, questions};
use crate::command::step;
use crate::failure::Failure;

/// What allocators keep, whatever is served.
const SLACK_BYTES: u64 = 24 << 20;
/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// Errors of which the text is shown.
const SHOWN: usize = 5;

/// `serve-load [--clients N] [--seconds N]`
pub(crate) fn load(arguments: &[String]) -> Result<(), Failure> {
    let (mut clients, mut seconds) = (100, 120);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.next().and_then(|value| value.parse::<u64>().ok())) {
            ("--clients", Some(count @ 1..=1000)) => clients = count,
            ("--seconds", Some(count @ 1..=86_400)) => seconds = count,
            _ => return Err(Failure::new("expected: serve-load [--clients N] [--seconds N]")),
        }
    }
    let project = prepare("serve-load")?;
    let questions = questions(&project, 64)?;
    let serving = Serving::start(&project)?;
    step(&format!("{clients} clients stream for {seconds} s"));
    let counts = Counts::default();
    let until = Instant::now() + Duration::from_secs(seconds);
    let resident = std::thread::scope(|scope| {
        for client in 0..clients {
            let (counts, serving, questions) = (&counts, &serving, &questions);
            scope.spawn(move || stream(client, questions, serving, counts, until));
        }
        watch(&serving, until)
    });
    counts.judge(&resident, seconds)
}

/// What clients saw.
#[derive(Debug, Default)]
struct Counts {
    answers: AtomicU64,
    tokens: AtomicU64,
    errors: Mutex<Vec<String>>,
}

fn stream(client: u64, questions: &[String], serving: &Serving, counts: &Counts, until: Instant) {
    for seed in client.. {
        if Instant::now() >= until {
            return;
        }
        let question = questions.get(usize::try_from(seed).unwrap_or(0) % questions.len().max(1));
        let body = json!({
            "model": ALIAS, "messages": [{ "role": "user", "content": question }], "max_tokens": 96,
            "temperature": 1.2, "seed": seed, "stream": true, "stream_options": { "include_usage": true },
        });
        match ask(serving.address, &body) {
            Ok(answered) => {
                counts.answers.fetch_add(1, Ordering::Relaxed);
                counts.tokens.fetch_add(answered.tokens, Ordering::Relaxed);
            }
            Err(error) => {
                if let Ok(mut errors) = counts.errors.lock() {
                    errors.push(error);
                }
            }
        }
    }
}

/// The resident memory of the server, looked at again and again.
fn watch(serving: &Serving, until: Instant) -> Vec<u64> {
    let mut resident = Vec::new();
    while Instant::now() < until {
        std::thread::sleep(INTERVAL);
        resident.extend(serving.resident());
    }
    resident
}

impl Counts {
    fn judge(self, resident: &[u64], seconds: u64) -> Result<(), Failure> {
        let (answers, tokens) = (self.answers.into_inner(), self.tokens.into_inner());
        let errors = self.errors.into_inner().unwrap_or_default();
        println!(
            "{answers} answers, {tokens} tokens, {:.0} tokens/s, {} errors",
            tokens as f64 / seconds as f64,
            errors.len()
        );
        // The first quarter is the beginning: caches fill, and threads start.
        let quarter = resident.len() / 4;
        let most = |part: &[u64]| part.iter().copied().max().unwrap_or(0);
        let early = most(resident.get(quarter..quarter * 2).unwrap_or_default());
        let late = most(resident.get(quarter * 3..).unwrap_or_default());
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!("memory: {:.0} MiB in the second quarter of the time, {:.0} MiB in the last", mib(early), mib(late));
        if answers == 0 || !errors.is_empty() {
            let shown: Vec<String> = errors.into_iter().take(SHOWN).collect();
            return Err(Failure::new(format!("not every answer came whole:\n{}", shown.join("\n"))));
        }
        if late > early.saturating_add(early / 10).saturating_add(SLACK_BYTES) {
            return Err(Failure::new("the memory of the server grows"));
        }
        Ok(())
    }
}
