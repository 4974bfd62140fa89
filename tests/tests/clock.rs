//! Clocks that jump: nothing is answered twice, nothing is lost, and requests under way do not notice.

#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use freehold_tests::{Outcome, Project, Recipe, Serving, skipped};
use serde_json::{Value, json};

/// Where Debian's package `faketime` has the library that lets a process see another time.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

fn is_there() -> bool {
    if !Path::new(LIBRARY).is_file() {
        skipped("the library of faketime is not there");
        return false;
    }
    true
}

/// The wall clock is another one; what measures how long something takes is not.
fn shifted(command: &mut Command) -> &mut Command {
    command.env("LD_PRELOAD", LIBRARY).env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_NO_CACHE", "1")
}

#[test]
fn a_schedule_is_due_once_however_the_clock_jumps() {
    if !is_there() {
        return;
    }
    let project = Project::new();
    drop(project.run_recipe(&Recipe::default()).expect(0));
    let daily = "[[trigger]]\nname = \"daily\"\nkind = \"schedule\"\nevery = \"24h\"\n";
    project.write("freehold.watch.toml", &format!("cool_down = \"1h\"\n{daily}"));
    let at = |shift: &str| -> Vec<Value> {
        let mut command = project.command(&["watch", "--once", "--json"]);
        let state = Outcome::from(shifted(&mut command).env("FAKETIME", shift).output().unwrap()).expect(0).json();
        assert_eq!((&state["running"], &state["pending"]), (&Value::Null, &json!([])), "{shift}");
        state["history"].as_array().unwrap().iter().map(|batch| batch["run"].clone()).collect()
    };
    assert_eq!(at("+0"), [json!(null); 0]);
    // Back by a month, it is not due; a day later it is, once.
    assert_eq!(at("-30d"), [json!(null); 0]);
    assert_eq!(at("+25h"), ["desk-w1-1"]);
    for shift in ["+25h", "-30d", "+0", "+48h"] {
        assert_eq!(at(shift), ["desk-w1-1"], "{shift}");
    }
    // However long it was away, once.
    assert_eq!(at("+20d"), ["desk-w1-1", "desk-w2-1"]);
    project.assert_intact();
}

#[test]
fn requests_do_not_notice_that_the_clock_jumps() {
    if !is_there() {
        return;
    }
    let project = Project::new();
    drop(project.run_recipe(&Recipe::default()).expect(0));
    let clock = project.path().join("clock");
    let set = |shift: &str| {
        project.write("next", shift);
        std::fs::rename(project.path().join("next"), &clock).unwrap();
    };
    set("+0");
    let serving = Serving::start_with(&project, &[], |command| {
        shifted(command).env("FAKETIME_TIMESTAMP_FILE", &clock);
    });
    let story =
        |tokens: u32| json!({ "model": "desk@production", "prompt": "My watch", "max_tokens": tokens, "stream": true });
    let tell = |tokens| serving.post("/v1/completions", &story(tokens));
    assert!(!tell(10).expect(200).events().is_empty());
    std::thread::scope(|scope| {
        let long = scope.spawn(|| tell(300));
        for shift in ["-400d", "+40d", "-1d", "+0"] {
            set(shift);
            std::thread::sleep(Duration::from_millis(100));
            assert!(!tell(10).expect(200).events().is_empty(), "{shift}");
        }
        assert!(!long.join().unwrap().expect(200).events().is_empty());
    });
    // Years later the trust root has expired, and nothing is served that nobody vouches for any more.
    let until = |status: u16| {
        let began = Instant::now();
        while tell(1).status != status {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", serving.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    set("+9000d");
    until(404);
    set("+0");
    until(200);
    serving.end();
}

#[test]
fn a_watch_that_waits_goes_on_when_the_clock_was_set_back() {
    if !is_there() {
        return;
    }
    let project = Project::new();
    drop(project.run_recipe(&Recipe::default()).expect(0));
    project.write("freehold.watch.toml", "poll = \"20ms\"\n[[trigger]]\nname = \"desk\"\nkind = \"hook\"\n");
    let clock = project.path().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let mut command = project.command(&["watch"]);
    let command = shifted(&mut command).env("FAKETIME_TIMESTAMP_FILE", &clock);
    let mut watch = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for (at, shift) in ["-1000d", "+10d"].into_iter().enumerate() {
        std::fs::write(&clock, shift).unwrap();
        drop(project.run(&["trigger", "desk", "--id", &format!("event-{at}")]).expect(0));
        let began = Instant::now();
        let answered = || {
            let state = project.run(&["watch", "--status", "--json"]).expect(0).json();
            state["history"].as_array().unwrap().len()
        };
        while answered() <= at {
            assert!(began.elapsed() < Duration::from_secs(60), "{shift}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    project.assert_intact();
}
