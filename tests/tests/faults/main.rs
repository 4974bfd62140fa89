//! Nothing is lost, whatever call fails: strace lets each one fail with EIO or ENOSPC, or kills the process before it. Then the
//! home verifies, what was acknowledged is there, nothing half-written is in the way, and the same command goes on to the same.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod cases;
mod commands;
mod strace;
mod together;

use cases::{Case, Prepared};
use commands::SUBJECTS;

/// Holds a part of the calls of a command to it: each site once.
#[track_caller]
fn each_site(command: &str, part: fn(&str) -> bool) {
    if !strace::available() {
        return;
    }
    let subject = SUBJECTS.iter().find(|subject| subject.name == command).unwrap();
    let prepared = Prepared::new(&commands::ready(), subject);
    let cases: Vec<Case<'_>> = prepared.each_site().into_iter().filter(|(_, call, _)| part(&call.name)).collect();
    assert!(cases.len() >= 5, "{}", cases.len());
    let failures = cases::run(&cases);
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn opens(name: &str) -> bool {
    name.starts_with("open")
}

#[test]
fn a_run_whose_writes_syncs_and_names_fail_loses_nothing() {
    each_site("run", |name| !opens(name));
}

#[test]
fn a_run_that_cannot_open_a_file_loses_nothing() {
    each_site("run", opens);
}

#[test]
fn other_commands_whose_calls_fail_lose_nothing() {
    if !strace::available() {
        return;
    }
    let ready = commands::ready();
    for subject in SUBJECTS.iter().filter(|subject| !subject.name.starts_with("run")) {
        let prepared = Prepared::new(&ready, subject);
        let cases = prepared.each_site();
        assert!(!cases.is_empty(), "{}", subject.name);
        let failures = cases::run(&cases);
        assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
    }
}

/// Every instance of every call with every fault: `cargo xtask faults`.
#[test]
#[ignore = "takes an hour; `cargo xtask faults` runs it"]
fn every_call_of_every_command_with_every_fault() {
    assert!(strace::available());
    let ready = commands::ready();
    let only = std::env::var("FAULTS_COMMAND").ok();
    let (mut count, mut failures) = (0, Vec::new());
    for subject in SUBJECTS.iter().filter(|subject| only.as_ref().is_none_or(|only| only == subject.name)) {
        let started = std::time::Instant::now();
        let prepared = Prepared::new(&ready, subject);
        let cases = prepared.all();
        let found = cases::run(&cases);
        println!(
            "{:<18} {:>4} calls of {:>3} sites, {:>5} faults, {} failures, {} s",
            subject.name,
            prepared.calls.len(),
            cases::sites(&cases).len(),
            cases.len(),
            found.len(),
            started.elapsed().as_secs()
        );
        count += cases.len();
        failures.extend(found);
    }
    println!("{count} faults, {} failures", failures.len());
    assert!(count > 0 && failures.is_empty(), "{}", failures.join("\n"));
}
