//! Durable entries a second: one writer, many threads of one process, and several processes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::log::{entry, new_log, open};

const TIME: Duration = Duration::from_secs(4);

pub(crate) struct Rate {
    pub(crate) per_s: f64,
    pub(crate) entries_a_commit: f64,
}

/// Threads of which each waits until its entry is on the disk before it comes with the next.
pub(crate) fn threads(folder: &Path, count: u64) -> Result<Rate> {
    let (ledger, key) = new_log(folder)?;
    let group = ledger.group(vec![&key]);
    let (started, appended) = (Instant::now(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let write = |writer: u64| {
            let (group, appended) = (&group, &appended);
            scope.spawn(move || {
                let mut number = writer << 32;
                while started.elapsed() < TIME {
                    group.append(entry(number)).map_err(|error| error.to_string())?;
                    appended.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                }
                Ok::<(), String>(())
            })
        };
        let threads: Vec<_> = (0..count).map(write).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a writer panicked".to_owned())?)
    })?;
    let (seconds, appended) = (started.elapsed().as_secs_f64(), appended.into_inner());
    let entries = ledger.entries()?.len() as u64;
    if entries != appended {
        return Err(format!("{appended} entries were acknowledged, {entries} are there").into());
    }
    Ok(Rate { per_s: appended as f64 / seconds, entries_a_commit: appended as f64 / group.commits() as f64 })
}

/// Processes of one writer each.
pub(crate) fn processes(folder: &Path, count: u64) -> Result<f64> {
    let (ledger, _) = new_log(folder)?;
    let started = Instant::now();
    let program = std::env::current_exe()?;
    let start = |_| {
        let mut command = Command::new(&program);
        command.arg("write").arg(folder).arg(TIME.as_secs().to_string()).stdout(Stdio::null()).spawn()
    };
    let children = (0..count).map(start).collect::<std::io::Result<Vec<_>>>()?;
    for mut child in children {
        if !child.wait()?.success() {
            return Err("a writing process failed".into());
        }
    }
    Ok(ledger.entries()?.len() as f64 / started.elapsed().as_secs_f64())
}

/// What each of these processes does.
pub(crate) fn child(folder: &Path, seconds: u64) -> Result<()> {
    let (ledger, key) = open(folder)?;
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        ledger.appender(&key)?.append(&entry(number))?;
        number += 1;
    }
    Ok(())
}
