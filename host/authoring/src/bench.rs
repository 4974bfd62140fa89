//! How fast a plugin is in the sandbox, under the limits that a run holds it to.

use std::time::{Duration, Instant};

use freehold_core::batch::Batch;
use freehold_core::limits::{LimitKind, Usage};
use freehold_core::manifest::World;
use freehold_sandbox::{Grants, Plugin, SandboxError};
use serde::Serialize;

use crate::case::grants;
use crate::{AuthoringError, Case};

/// Rows of a batch, as in a run.
const BATCH_ROWS: usize = 1024;
/// How often a plugin is started to see how long that takes.
const STARTS: usize = 200;
/// A stream is run at least so often, and for at least so long.
const RUNS_MIN: usize = 3;
const MEASURED_MIN: Duration = Duration::from_secs(1);

/// Times of something that was done often.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distribution {
    /// Half took no longer, in microseconds.
    pub median_us: f64,
    /// 95 of 100 took no longer, in microseconds.
    pub p95_us: f64,
}

/// What a bench found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bench {
    /// The case whose input was repeated.
    pub case: String,
    /// What is counted: `rows` or `verdicts`.
    pub unit: &'static str,
    /// How many of them one run has.
    pub count: usize,
    /// How many runs were timed.
    pub runs: usize,
    /// Units in a second: the median of the runs.
    pub per_second: f64,
    /// Time to start an instance; a verdict always starts one, so that it is not told apart there.
    pub instantiate: Option<Distribution>,
    /// Time of a call: a batch of up to 1,024 rows, or a verdict.
    pub call: Distribution,
    /// Fuel for each unit; `None` if the plugin is metered by time alone.
    pub fuel_per_unit: Option<f64>,
    /// What one run used, of what it may use.
    pub usage: Usage,
}

/// Times `plugin` on the input of `case`, repeated to `rows` rows. Verdicts have no rows: they are asked for again and again.
pub fn bench(plugin: &Plugin, case: &Case, rows: usize) -> Result<Bench, AuthoringError> {
    let unfit = |problem: String| AuthoringError::Case { file: case.name.clone(), problem };
    if case.expects_error() {
        return Err(unfit("expects an error; choose a case in which the plugin does its work".into()));
    }
    let grants = grants(plugin, case).map_err(|broken| unfit(broken.message))?;
    if let Some(evidence) = case.evidence() {
        let policy = plugin.policy()?;
        let (mut calls, mut last) = (Vec::new(), None);
        let began = Instant::now();
        while calls.len() < STARTS || began.elapsed() < MEASURED_MIN {
            let start = Instant::now();
            let (verdict, usage) = policy.check(grants.clone(), evidence);
            verdict?;
            last = Some(usage);
            calls.push(start.elapsed());
        }
        let usage = last.ok_or_else(|| unfit("no verdict was asked for".into()))?;
        let call = distribution(&mut calls);
        let per_second = 1e6 / call.median_us.max(f64::MIN_POSITIVE);
        let (case, runs, fuel_per_unit) = (case.name.clone(), calls.len(), fuel(&usage));
        return Ok(Bench {
            case,
            unit: "verdicts",
            count: 1,
            runs,
            per_second,
            instantiate: None,
            call,
            fuel_per_unit,
            usage,
        });
    }
    let batches = case.repeated(rows, BATCH_ROWS).ok_or_else(|| unfit("has no rows to repeat".into()))?;
    let instantiate = starts(plugin, &grants)?;
    let (mut calls, mut runs, mut last) = (Vec::new(), Vec::new(), None);
    let began = Instant::now();
    while runs.len() < RUNS_MIN || began.elapsed() < MEASURED_MIN {
        let start = Instant::now();
        last = Some(stream(plugin, grants.clone(), &batches, &mut calls)?);
        runs.push(start.elapsed());
    }
    let usage = last.ok_or_else(|| unfit("no run was made".into()))?;
    let per_second = rows as f64 * 1e6 / distribution(&mut runs).median_us.max(f64::MIN_POSITIVE);
    Ok(Bench {
        case: case.name.clone(),
        unit: "rows",
        count: rows,
        runs: runs.len(),
        per_second,
        instantiate: Some(instantiate),
        call: distribution(&mut calls),
        fuel_per_unit: fuel(&usage).map(|fuel| fuel / rows.max(1) as f64),
        usage,
    })
}

fn fuel(usage: &Usage) -> Option<f64> {
    usage.get(LimitKind::Fuel).map(|fuel| fuel.used as f64)
}

fn starts(plugin: &Plugin, grants: &Grants) -> Result<Distribution, SandboxError> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let grants = grants.clone();
        let start = Instant::now();
        match plugin.manifest().world {
            World::Metric => drop(plugin.metric(grants)?),
            _ => drop(plugin.transform(grants)?),
        }
        times.push(start.elapsed());
    }
    Ok(distribution(&mut times))
}

/// One stream from start to end, as a run has it; the times of its calls are added to `calls`.
fn stream(
    plugin: &Plugin,
    grants: Grants,
    batches: &[Batch],
    calls: &mut Vec<Duration>,
) -> Result<Usage, SandboxError> {
    let mut timed = |call: &mut dyn FnMut() -> Result<(), SandboxError>| {
        let start = Instant::now();
        call()?;
        calls.push(start.elapsed());
        Ok::<(), SandboxError>(())
    };
    if plugin.manifest().world == World::Metric {
        let mut metric = plugin.metric(grants)?;
        metric.describe()?;
        for batch in batches {
            timed(&mut || metric.statistics(batch).map(drop))?;
        }
        return Ok(metric.usage());
    }
    let mut transform = plugin.transform(grants)?;
    transform.describe()?;
    for batch in batches {
        timed(&mut || transform.process(batch).map(drop))?;
    }
    transform.finish()?;
    Ok(transform.usage())
}

/// The median and the 95th percentile; zeros of nothing.
fn distribution(times: &mut [Duration]) -> Distribution {
    times.sort_unstable();
    let at = |share: usize| {
        let time = times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    Distribution { median_us: at(50), p95_us: at(95) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_sorted_times() {
        let mut times: Vec<Duration> = (1..=100).rev().map(Duration::from_micros).collect();
        let found = distribution(&mut times);
        assert_eq!((found.median_us.round(), found.p95_us.round()), (51.0, 96.0));
        assert_eq!(distribution(&mut []), Distribution { median_us: 0.0, p95_us: 0.0 });
    }
}
