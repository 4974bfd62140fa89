//! One fault at a time, and what has to hold after each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use freehold_tests::Project;
use serde_json::Value;

use crate::commands::Subject;
use crate::strace::{Call, Fault, Traced, trace};

/// A command in a project where nothing went wrong yet.
pub(crate) struct Prepared {
    pub(crate) subject: &'static Subject,
    project: Project,
    /// Its calls when nothing fails.
    pub(crate) calls: Vec<Call>,
    /// What comes of it.
    result: BTreeMap<String, Value>,
    /// The lockfile then.
    lock: Option<Vec<u8>>,
    entries: u64,
}

/// A command, a call of it and what happens to that.
pub(crate) type Case<'a> = (&'a Prepared, &'a Call, Fault);

impl Prepared {
    pub(crate) fn new(ready: &Project, subject: &'static Subject) -> Self {
        let project = ready.fork();
        (subject.prepare)(&project);
        if has_home(&project) {
            let checkpoint = project.run(&["audit", "checkpoint"]).expect(0).stdout;
            project.write("earlier", &checkpoint);
        }
        let undisturbed = project.fork();
        let whole = trace(&undisturbed, subject.arguments, None);
        assert!(subject.whole.contains(&whole.outcome.code), "{}: {:?}", subject.name, whole.outcome);
        let result = (subject.result)(&whole.outcome.json());
        let calls = whole.calls.into_iter().filter(subject.counts).collect();
        Self { subject, entries: entries(&project), lock: lockfile(&undisturbed), project, calls, result }
    }

    /// Every call with every fault that it can meet. Before a call that changes nothing, a killed process leaves what it would
    /// have left before the one before it, so that it is killed there only if that one changed something.
    pub(crate) fn all(&self) -> Vec<Case<'_>> {
        let changed = std::iter::once(true).chain(self.calls.iter().map(Call::needs_space));
        let cases = self.calls.iter().zip(changed).flat_map(|(call, changed)| {
            let (space, kill) = (call.needs_space(), changed || call.needs_space());
            let meets = move |fault: &Fault| match fault {
                Fault::Eio => true,
                Fault::Enospc => space,
                Fault::Kill => kill,
            };
            Fault::ALL.into_iter().filter(meets).map(move |fault| (self, call, fault))
        });
        cases.collect()
    }

    /// Each site once, in turn with each fault that it can meet, and the last call of each site that writes.
    pub(crate) fn each_site(&self) -> Vec<Case<'_>> {
        let mut sites: BTreeMap<(String, String), Vec<&Call>> = BTreeMap::new();
        self.calls.iter().for_each(|call| sites.entry(call.site()).or_default().push(call));
        let mut cases = Vec::new();
        for (turn, calls) in sites.values().enumerate() {
            let faults: &[Fault] = match calls[0].needs_space() {
                true => &Fault::ALL,
                false => &[Fault::Eio, Fault::Kill],
            };
            cases.push((self, calls[0], faults[turn % faults.len()]));
            let writes = !calls[0].name.starts_with("open");
            if let (true, [_, .., last]) = (writes, calls.as_slice()) {
                cases.push((self, last, faults[(turn + 1) % faults.len()]));
            }
        }
        cases
    }

    /// Lets it happen; an error says what does not hold.
    fn hold(&self, call: &Call, fault: Fault) -> Result<(), String> {
        let project = self.project.fork();
        let before = contents(&self.project);
        let traced = trace(&project, self.subject.arguments, Some((call, fault)));
        self.ended_well(&traced, call, fault)?;
        let found = entries(&project);
        // The first tree head of a log is that of no entries.
        let begun = u64::from(!has_home(&self.project));
        let acknowledged = self.entries + commits(&traced.calls).saturating_sub(begun);
        ensure(found >= acknowledged, || format!("{acknowledged} entries were acknowledged, there are {found}"))?;
        let after = contents(&project);
        if fault != Fault::Kill {
            let is_same = || without_index(&after) == without_index(&before);
            ensure(self.subject.writes || is_same(), || "a command that only reads changed files".into())?;
            // What fails may be the removal of what is not needed; the next command sweeps it out.
            let left: Vec<&String> = after.keys().filter(|file| file.ends_with(".tmp")).collect();
            ensure(left.is_empty() || traced.outcome.code == 0, || format!("was left behind: {left:?}"))?;
        }
        // The same again is then what it was before.
        if after == before && traced.outcome.code != 0 {
            return Ok(());
        }
        // A home that is being made is none yet.
        if has_home(&self.project) {
            verify(&project, self.subject.between, "after it")?;
        }
        self.again(&project, &traced)?;
        verify(&project, &[0], "in the end")
    }

    /// An error that names a file, or a result in spite of it.
    fn ended_well(&self, traced: &Traced, call: &Call, fault: Fault) -> Result<(), String> {
        let Traced { outcome, killed, injected, .. } = traced;
        if fault == Fault::Kill {
            return ensure(*killed, || format!("was not killed: {outcome:?}"));
        }
        ensure(*injected > 0, || "the call was not made".into())?;
        let panicked = outcome.stderr.contains("panicked") || *killed;
        let expected = self.subject.failed.contains(&outcome.code) && !panicked;
        ensure(expected, || format!("ended with {outcome:?}"))?;
        if outcome.code == 0 {
            eprintln!("{}: does without {call}", self.subject.name);
            return self.is_result(&outcome.json());
        }
        let said = outcome.json();
        match said["error"]["message"].as_str() {
            Some(message) => ensure(message.contains('`'), || format!("the error names no file: {message}")),
            None => ensure(said["findings"].is_array(), || format!("no error: {said}")),
        }
    }

    fn is_result(&self, said: &Value) -> Result<(), String> {
        let found = (self.subject.result)(said);
        ensure(found == self.result, || format!("another result: {found:?}, not {:?}", self.result))
    }

    /// The same command once more.
    fn again(&self, project: &Project, faulted: &Traced) -> Result<(), String> {
        let outcome = project.run(self.subject.arguments);
        ensure(self.subject.again.contains(&outcome.code), || format!("the same again ended with {outcome:?}"))?;
        // What was acknowledged is there, and what comes after it need not be the same.
        if outcome.code == 0 && faulted.outcome.code != 0 {
            self.is_result(&outcome.json())?;
        }
        ensure(lockfile(project) == self.lock, || "the lockfile is another one".into())?;
        whole_lines(&project.path().join("home/metrics"))
    }
}

fn lockfile(project: &Project) -> Option<Vec<u8>> {
    std::fs::read(project.path().join("freehold.lock")).ok()
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

fn has_home(project: &Project) -> bool {
    project.path().join("home").exists()
}

/// Nothing is broken, and all that was there before is there.
fn verify(project: &Project, codes: &[i32], when: &str) -> Result<(), String> {
    let earlier: &[&str] = if project.path().join("earlier").exists() { &["--checkpoint", "earlier"] } else { &[] };
    let outcome = project.run(&[&["audit", "verify"], earlier].concat());
    ensure(codes.contains(&outcome.code), || format!("does not verify {when}: {outcome:?}"))
}

/// Entries under the signed tree head.
pub(crate) fn entries(project: &Project) -> u64 {
    let note = std::fs::read_to_string(project.path().join("home/ledger/checkpoint"));
    note.map_or(0, |note| note.lines().nth(1).unwrap().parse().unwrap())
}

/// How often an entry was on the disk for sure: its tree head had its name, and then the folder was synced.
fn commits(calls: &[Call]) -> u64 {
    let of_head = |call: &&Call| {
        let named = call.name.starts_with("rename") && call.file == "home/ledger/checkpoint";
        call.succeeded && (named || call.name == "fsync" && call.file == "home/ledger")
    };
    let names: Vec<&str> = calls.iter().filter(of_head).map(|call| call.name.as_str()).collect();
    names.windows(2).filter(|pair| pair[0] != "fsync" && pair[1] == "fsync").count() as u64
}

/// What is said of a training has each step once, in whole lines.
fn whole_lines(folder: &Path) -> Result<(), String> {
    for run in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            let step = serde_json::from_str::<Value>(line).ok().and_then(|line| line["step"].as_u64());
            ensure(step == Some(index as u64 + 1), || format!("{}: line {index} is {line}", run.display()))?;
        }
    }
    Ok(())
}

/// Every file with its bytes, but those that are there to be locked.
fn contents(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let mut files = project.contents();
    files.retain(|file, _| !file.ends_with("lock") && !file.starts_with("home/locks/"));
    files
}

/// Without the index of the records, which is no evidence, and which whoever asks a question may bring up to date.
fn without_index(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<&String, &Vec<u8>> {
    files.iter().filter(|(file, _)| !file.starts_with("home/cache/index/")).collect()
}

/// Goes through the cases on as many threads as the machine has; gives what did not hold.
pub(crate) fn run(cases: &[Case<'_>]) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((prepared, call, fault)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(problem) = prepared.hold(call, *fault) {
                let failure = format!("{}: {fault:?} at {call}: {problem}", prepared.subject.name);
                eprintln!("{failure}");
                failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    failures.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The sites that cases are at.
pub(crate) fn sites(cases: &[Case<'_>]) -> BTreeSet<(String, String)> {
    cases.iter().map(|(_, call, _)| call.site()).collect()
}
