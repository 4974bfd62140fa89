//! A log of many entries, under a trust root as a home has one.

use std::path::Path;
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_ledger::{Ledger, LedgerError, RootSource, verify_consistency, verify_inclusion};
use freehold_trust::{Role, SecretKey, TrustRoot, VerifiedRoot};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::Result;

/// Entries that go in under one tree head while the log is filled.
const TOGETHER: u64 = 1024;
/// Appends at the beginning and at the end, one at a time.
const SINGLE: u64 = 1000;
const PROOFS: u64 = 2000;

#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) entries: u64,
    pub(crate) fill_s: f64,
    /// Medians of the first and the last 1000 appends of one entry, and of the time that they do not wait for the disk.
    pub(crate) append_first_ms: f64,
    pub(crate) append_last_ms: f64,
    pub(crate) work_first_ms: f64,
    pub(crate) work_last_ms: f64,
    pub(crate) proof_ms: f64,
    pub(crate) proof_p99_ms: f64,
    pub(crate) consistency_ms: f64,
    pub(crate) verify_s: f64,
    pub(crate) verified_per_s: f64,
    pub(crate) peak_mib: f64,
}

#[derive(Debug)]
struct Roots(VerifiedRoot);

impl RootSource for Roots {
    fn roots(&self) -> std::result::Result<Vec<VerifiedRoot>, LedgerError> {
        Ok(vec![self.0.clone()])
    }
}

/// A new log in a new folder, under a trust root of its own; its key lies beside it.
pub(crate) fn new_log(folder: &Path) -> Result<(Ledger, SecretKey)> {
    std::fs::create_dir_all(folder.join("log"))?;
    let key = SecretKey::generate()?;
    let root = TrustRoot::first(
        Timestamp::now() + SignedDuration::from_hours(24),
        [Role::Root, Role::Recorder, Role::Log].map(|role| (role, key.public())),
    );
    std::fs::write(folder.join("root.json"), root.sign(&[&key])?.to_bytes())?;
    std::fs::write(folder.join("key.pem"), key.to_pem()?)?;
    let (ledger, key) = open(folder)?;
    ledger.begin(&key)?;
    Ok((ledger, key))
}

pub(crate) fn open(folder: &Path) -> Result<(Ledger, SecretKey)> {
    let root = VerifiedRoot::first(&std::fs::read(folder.join("root.json"))?)?;
    let key = SecretKey::from_pem(&std::fs::read_to_string(folder.join("key.pem"))?)?;
    let dir = Dir::open_ambient_dir(folder.join("log"), ambient_authority())?;
    Ok((Ledger::open_under(dir, "freehold-log/bench", Roots(root)), key))
}

pub(crate) fn entry(number: u64) -> Entry {
    let subject = Subject::Phase { run: format!("bench-{}", number / 8), key: Digest::of(b"key"), phase: Phase::Train };
    Entry { subject, statement: Digest::of(&number.to_be_bytes()), time: Timestamp::UNIX_EPOCH }
}

fn median(mut values: Vec<f64>, of: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * of) as usize).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}

fn timed<T>(act: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let started = Instant::now();
    let value = act()?;
    Ok((started.elapsed().as_secs_f64() * 1e3, value))
}

/// The processor's time of this process so far, all threads together, in ms.
fn processor_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e6
}

/// Medians of appends of one entry, and of the time of this thread's processor in them.
fn single(ledger: &Ledger, key: &SecretKey, first: u64, count: u64) -> Result<(f64, f64)> {
    let (mut all, mut work) = (Vec::new(), Vec::new());
    for number in first..first + count {
        let before = processor_ms();
        let (ms, index) = timed(|| Ok(ledger.appender(key)?.append(&entry(number))?))?;
        if index != number {
            return Err(format!("entry {number} has the index {index}").into());
        }
        all.push(ms);
        work.push(processor_ms() - before);
    }
    Ok((median(all, 0.5), median(work, 0.5)))
}

pub(crate) fn measure(folder: &Path, entries: u64) -> Result<Measured> {
    let (ledger, key) = new_log(folder)?;
    let (append_first_ms, work_first_ms) = single(&ledger, &key, 0, SINGLE)?;
    let old = ledger.tree_head()?;
    let (fill_ms, ()) = timed(|| {
        let appender = ledger.appender(&key)?;
        let mut next = SINGLE;
        while next + SINGLE < entries {
            let until = (next + TOGETHER).min(entries - SINGLE);
            appender.append_all(&(next..until).map(entry).collect::<Vec<_>>())?;
            next = until;
        }
        Ok(())
    })?;
    let first = ledger.tree_head()?.size;
    let (append_last_ms, work_last_ms) = single(&ledger, &key, first, SINGLE)?;
    let head = ledger.tree_head()?;
    let mut proofs = Vec::new();
    for n in 0..PROOFS {
        let index = n * 7_919_317 % head.size;
        let (ms, (under, proof)) = timed(|| Ok(ledger.prove(index)?))?;
        verify_inclusion(&under, index, &serde_json::to_vec(&entry(index))?, &proof)?;
        proofs.push(ms);
    }
    let mut consistency = Vec::new();
    for _ in 0..100 {
        let (ms, (under, proof)) = timed(|| Ok(ledger.prove_consistency(old.size)?))?;
        verify_consistency(&old, &under, &proof)?;
        consistency.push(ms);
    }
    // By a process that knows nothing of it yet.
    let (ledger, _) = open(folder)?;
    let (verify_ms, check) = timed(|| Ok(ledger.check()?))?;
    if !check.problems.is_empty() || check.entries.map(|entries| entries.len() as u64) != Some(head.size) {
        return Err(format!("the log does not verify: {:?}", check.problems).into());
    }
    Ok(Measured {
        entries: head.size,
        fill_s: fill_ms / 1e3,
        append_first_ms,
        append_last_ms,
        work_first_ms,
        work_last_ms,
        proof_ms: median(proofs.clone(), 0.5),
        proof_p99_ms: median(proofs, 0.99),
        consistency_ms: median(consistency, 0.5),
        verify_s: verify_ms / 1e3,
        verified_per_s: head.size as f64 / verify_ms * 1e3,
        peak_mib: peak_mib(),
    })
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    peak.map_or(f64::NAN, |kib: f64| kib / 1024.0)
}
