//! Several processes and threads that append at once, some of which are killed: every entry that was acknowledged is there, under
//! its number, in the order of its writer, and there is no gap.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_ledger::{Ledger, LedgerError};
use freehold_trust::SecretKey;

/// Folder of the log, name of the writer and how many entries it appends: what makes this program a writer.
const WRITER: &str = "FREEHOLD_TEST_WRITER";

fn entry(writer: &str, number: u64) -> Entry {
    let time = "2026-01-01T00:00:00Z".parse().unwrap();
    let subject = Subject::Phase { run: writer.into(), key: Digest::of(b""), phase: Phase::Train };
    Entry { subject, statement: Digest::of(&number.to_be_bytes()), time }
}

fn open(folder: &Path) -> (Ledger, SecretKey) {
    let key = SecretKey::from_pem(&std::fs::read_to_string(folder.join("key.pem")).unwrap()).unwrap();
    let dir = Dir::open_ambient_dir(folder.join("log"), cap_std::ambient_authority()).unwrap();
    (Ledger::open(dir, "test-log", key.public()), key)
}

fn new_log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("log")).unwrap();
    std::fs::write(folder.path().join("key.pem"), SecretKey::generate().unwrap().to_pem().unwrap()).unwrap();
    let (ledger, key) = open(folder.path());
    ledger.begin(&key).unwrap();
    folder
}

/// Not a test by itself: what the processes below run. It says each index as soon as it is told it.
#[test]
fn writer() {
    let Ok(said) = std::env::var(WRITER) else { return };
    let [folder, name, count] = said.split('|').collect::<Vec<_>>().try_into().unwrap();
    let (ledger, key) = open(Path::new(folder));
    let mut stdout = std::io::stdout();
    for number in 0..count.parse().unwrap() {
        let index = ledger.appender(&key).unwrap().append(&entry(name, number)).unwrap();
        writeln!(stdout, "acknowledged {index}").unwrap();
        stdout.flush().unwrap();
    }
}

fn start(folder: &Path, name: &str, count: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["writer", "--exact", "--nocapture"]).env(WRITER, format!("{}|{name}|{count}", folder.display()));
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The index in a line, if the line is one of an entry. The harness writes the test's name before the first.
fn acknowledged(line: &str) -> Option<u64> {
    line.split_once("acknowledged ")?.1.trim().parse().ok()
}

fn rest(lines: std::io::Lines<BufReader<ChildStdout>>) -> Vec<u64> {
    lines.map_while(Result::ok).filter_map(|line| acknowledged(&line)).collect()
}

/// Every acknowledged entry under its number, and each writer's entries in its order, without one left out.
fn assert_complete(folder: &Path, acknowledged: &BTreeMap<String, Vec<u64>>) -> usize {
    let (ledger, key) = open(folder);
    let entries = ledger.entries().unwrap();
    for (name, indexes) in acknowledged {
        for (number, index) in indexes.iter().enumerate() {
            assert_eq!(entries[*index as usize], entry(name, number as u64), "{name} {number}");
        }
    }
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for found in &entries {
        let Subject::Phase { run, .. } = &found.subject else { unreachable!() };
        let number = next.entry(run.clone()).or_default();
        assert_eq!(*found, entry(run, *number), "{run}");
        *number += 1;
    }
    let check = ledger.check().unwrap();
    assert!(check.problems.is_empty(), "{:?}", check.problems);
    // Whatever was left by those that were killed, the log goes on.
    assert_eq!(ledger.appender(&key).unwrap().append(&entry("last", 0)).unwrap(), entries.len() as u64);
    assert!(ledger.check().unwrap().problems.is_empty());
    entries.len()
}

fn processes(count: usize, each: u64) {
    let folder = new_log();
    let names: Vec<String> = (0..count).map(|writer| format!("writer-{writer}")).collect();
    let children: Vec<Child> = names.iter().map(|name| start(folder.path(), name, each)).collect();
    let mut all = BTreeMap::new();
    for (name, mut child) in names.into_iter().zip(children) {
        let indexes = rest(BufReader::new(child.stdout.take().unwrap()).lines());
        assert!(child.wait().unwrap().success(), "{name}");
        assert_eq!(indexes.len() as u64, each, "{name}");
        all.insert(name, indexes);
    }
    assert_eq!(assert_complete(folder.path(), &all) as u64, count as u64 * each);
}

#[test]
fn two_processes_wait_for_each_other() {
    processes(2, 40);
}

#[test]
fn eight_processes_wait_for_each_other() {
    processes(8, 12);
}

#[test]
fn what_killed_processes_were_told_is_there() {
    let folder = new_log();
    let mut all = BTreeMap::new();
    let survivor = start(folder.path(), "survivor", 60);
    for (round, told) in [1, 3, 2, 5, 4].into_iter().enumerate() {
        let name = format!("killed-{round}");
        let mut child = start(folder.path(), &name, 1000);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut indexes: Vec<u64> =
            lines.by_ref().map_while(Result::ok).filter_map(|line| acknowledged(&line)).take(told).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        indexes.extend(rest(lines));
        all.insert(name, indexes);
    }
    let output = survivor.wait_with_output().unwrap();
    let indexes: Vec<u64> = String::from_utf8_lossy(&output.stdout).lines().filter_map(acknowledged).collect();
    assert_eq!(indexes.len(), 60);
    all.insert("survivor".into(), indexes);
    assert_complete(folder.path(), &all);
}

#[test]
fn threads_that_wait_go_in_together_and_keep_their_order() {
    let folder = new_log();
    let (ledger, key) = open(folder.path());
    let group = ledger.group(vec![&key]);
    let all: BTreeMap<String, Vec<u64>> = std::thread::scope(|scope| {
        let write = |writer: usize| {
            let (name, group) = (format!("thread-{writer:02}"), &group);
            scope.spawn(move || {
                let indexes = (0..12).map(|number| group.append(entry(&name, number)).unwrap()).collect();
                (name, indexes)
            })
        };
        let threads: Vec<_> = (0..64).map(write).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(assert_complete(folder.path(), &all), 64 * 12);
}

/// One that can never go in does not keep out those that wait with it, and nobody is left waiting.
#[test]
fn an_entry_that_is_refused_fails_alone() {
    let folder = new_log();
    let (ledger, key) = open(folder.path());
    let group = ledger.group(vec![&key]);
    let large = "x".repeat(70_000);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (group, large) = (&group, &large);
            scope.spawn(move || {
                let refused = group.append(entry(large, 0));
                assert!(matches!(refused, Err(LedgerError::TooLarge(_))));
                group.append(entry(&format!("thread-{writer}"), 0)).unwrap();
            });
        }
    });
    assert_eq!(assert_complete(folder.path(), &BTreeMap::new()), 8);
    // A key that may not sign fails everyone that waits, with the reason.
    let stranger = SecretKey::generate().unwrap();
    let group = ledger.group(vec![&stranger]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(matches!(group.append(entry("stranger", 0)), Err(LedgerError::TreeHead(_)))));
        }
    });
    assert_eq!(ledger.entries().unwrap().len(), 9);
}
