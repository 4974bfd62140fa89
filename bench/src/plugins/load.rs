//! Loading, starting and calling plugins, and the memory that many of them take.

use std::time::Instant;

use crate::setup::{Failure, Setup, best};

const ROUNDS: usize = 5;
const LOADS: u32 = 50;
const STARTS: u32 = 2_000;
const CALLS: u32 = 100_000;
/// Compiling a thousand plugins that differ would take minutes; a tenth is enough to tell what one takes.
const MANY: u32 = 100;

pub(crate) struct Costs {
    pub(crate) cached_us: f64,
    pub(crate) instantiate_us: f64,
    pub(crate) noop_call_ns: f64,
    pub(crate) thousand_plugins_mib: f64,
}

fn each(count: u32, mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let started = Instant::now();
    for _ in 0..count {
        work()?;
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(count))
}

/// Resident memory of this process, in MiB.
fn resident_mib() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

pub(crate) fn measure(setup: &Setup) -> Result<Costs, Failure> {
    let signed = setup.sign("license-gate", 0)?;
    setup.sandbox.load(&setup.verify(&signed)?)?;
    let load = || {
        setup.sandbox.load(&setup.verify(&signed)?)?;
        Ok(())
    };
    let cached_us = 1e6 * best(ROUNDS, || each(LOADS, load))?;
    let metric = setup.load("exact-match")?;
    let grants = Setup::grants(&metric, "")?;
    let start = || {
        std::hint::black_box(metric.metric(grants.clone())?);
        Ok(())
    };
    let instantiate_us = 1e6 * best(ROUNDS, || each(STARTS, start))?;
    let mut running = metric.metric(grants.clone())?;
    running.describe()?;
    let noop_call_ns = 1e9
        * best(ROUNDS, || {
            each(CALLS, || {
                running.values(&[])?;
                Ok(())
            })
        })?;
    Ok(Costs { cached_us, instantiate_us, noop_call_ns, thousand_plugins_mib: thousand(setup)? })
}

/// Memory of a thousand policies that differ, loaded and asked for nothing yet.
fn thousand(setup: &Setup) -> Result<f64, Failure> {
    let verified: Result<Vec<_>, Failure> =
        (1..=MANY).map(|edition| setup.verify(&setup.sign("license-gate", edition)?)).collect();
    let mut loaded = Vec::new();
    let verified = verified?;
    // The first of each compiles; what is measured is a host that finds all of them in its cache.
    for plugin in &verified {
        drop(setup.sandbox.load(plugin)?);
    }
    let before = resident_mib()?;
    for plugin in &verified {
        loaded.push(setup.sandbox.load(plugin)?);
    }
    let mib = (resident_mib()? - before) * 1_000.0 / f64::from(MANY);
    drop(loaded);
    Ok(mib)
}
