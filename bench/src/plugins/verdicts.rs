//! Verdicts on typical evidence, each in a store of its own: how long one takes when few or many are asked for at a time.

use std::time::{Duration, Instant};

use freehold_core::evidence::{Attribute, Estimate, Evidence, Measurement, Subject};
use freehold_core::verdict::{Outcome, Stage};
use serde::Serialize;

use crate::setup::{Failure, Setup};

const SECONDS: f64 = 2.0;

#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) concurrent: usize,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) per_s: f64,
}

/// What a run with three datasets, eight plugins and two metrics shows at promotion.
fn evidence() -> Evidence {
    let subject = |name: String, attributes: Vec<Attribute>| Subject {
        name,
        digest: format!("sha256:{}", "0".repeat(64)),
        attributes,
    };
    let dataset = |n: usize| {
        let labels = [("license", "CC-BY-4.0"), ("residency", "eu"), ("split", "train")];
        subject(format!("tickets-{n}"), labels.map(|(key, value)| Attribute::text(key, value)).into())
    };
    let plugin = |n: usize| {
        let facts = [("version", "1.0.0"), ("publisher", "acme"), ("signer", "0123456789abcdef"), ("world", "policy")];
        subject(format!("acme/plugin-{n}"), facts.map(|(key, value)| Attribute::text(key, value)).into())
    };
    let estimate = Estimate { value: 0.9, low: 0.88, high: 0.92 };
    let measurement = |metric: &str| Measurement {
        metric: metric.into(),
        higher_is_better: true,
        rows: 400,
        confidence: 0.95,
        base: estimate,
        adapted: estimate,
        production: Some(estimate),
        over_production: Some(Estimate { value: 0.0, low: -0.01, high: 0.01 }),
        attributes: Vec::new(),
    };
    Evidence {
        stage: Stage::Promote,
        run: "support-desk-1".into(),
        base: subject("models/base".into(), vec![Attribute::text("license", "Apache-2.0")]),
        datasets: (0..3).map(dataset).collect(),
        plugins: (0..8).map(plugin).collect(),
        measurements: ["exact-match", "token-f1"].map(measurement).into(),
        production: Some(subject("support@production".into(), vec![Attribute::text("run", "support-desk-0")])),
        attributes: Vec::new(),
    }
}

pub(crate) fn measure(setup: &Setup) -> Result<Vec<Latency>, Failure> {
    let plugin = setup.load("license-gate")?;
    let grants = Setup::grants(&plugin, "allow = [\"CC-BY-4.0\", \"Apache-2.0\"]")?;
    let evidence = evidence();
    let policy = plugin.policy()?;
    let ask = || -> Result<Duration, String> {
        let started = Instant::now();
        let (verdict, _) = policy.check(grants.clone(), &evidence);
        let took = started.elapsed();
        match verdict {
            Ok(verdict) if verdict.outcome == Outcome::Allow => Ok(took),
            Ok(verdict) => Err(verdict.reason),
            Err(error) => Err(error.to_string()),
        }
    };
    [1, 80, 320].into_iter().map(|concurrent| latency(concurrent, &ask)).collect()
}

fn latency(concurrent: usize, ask: &(impl Fn() -> Result<Duration, String> + Sync)) -> Result<Latency, Failure> {
    let started = Instant::now();
    let ask_on = || {
        let mut times = Vec::new();
        while started.elapsed().as_secs_f64() < SECONDS {
            times.push(ask()?);
        }
        Ok(times)
    };
    let results: Vec<Result<Vec<Duration>, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..concurrent).map(|_| scope.spawn(ask_on)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for result in results {
        times.extend(result?);
    }
    times.sort();
    let at = |share: f64| times.get((share * (times.len().saturating_sub(1)) as f64) as usize);
    let us = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e6);
    Ok(Latency { concurrent, p50_us: us(at(0.5)), p99_us: us(at(0.99)), per_s: times.len() as f64 / seconds })
}
