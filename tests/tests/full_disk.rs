//! A disk that fills: what failed is told with its file and a remedy, nothing half-written stays, and the same command goes
//! on to the same bits once there is space.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::{Command, Output};

use freehold_tests::{Outcome, Project, Recipe, freehold};

/// Many small steps, a checkpoint after each, and all of them kept.
fn recipe() -> Recipe {
    let base = Recipe::default();
    let steps = "epochs = 4\ncheckpoint_every = 1\nkeep_checkpoints = 100\n";
    let train = base.train.replace("epochs = 1\n", steps).replace("tokens_per_step = 1024", "tokens_per_step = 256");
    Recipe { train, ..base }
}

fn project() -> Project {
    let project = Project::new();
    project.write("freehold.toml", &recipe().to_string());
    project
}

/// The adapter of a run that nothing disturbed.
fn undisturbed() -> String {
    let report = project().run(&["run", "--json"]).expect(0).json();
    report["weights"].as_str().unwrap().to_owned()
}

/// How a shell gets file systems of its own; `None` where the system lets nobody have them.
fn namespace() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["unshare", "-rm"], &["unshare", "-m"]];
    let folder = tempfile::tempdir().unwrap();
    let mounts = |way: &&&[&str]| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path());
        command.output().is_ok_and(|output| output.status.success())
    };
    ways.iter().find(mounts).copied()
}

/// Runs a script of the shell in the folder of a project, with file systems of its own. It calls `run NAME`, which leaves
/// what the command printed in `NAME.out` and `NAME.err` and its exit code in `NAME.code`.
fn with_disks(project: &Project, script: &str) -> bool {
    let Some(way) = namespace() else {
        eprintln!("SKIPPED: no file system can be mounted here, neither as root nor in a user namespace");
        return false;
    };
    let run =
        "run() { code=0; \"$FREEHOLD\" --home home run --json >$1.out 2>$1.err || code=$?; echo $code >$1.code; }";
    let mut shell = Command::new(way[0]);
    shell.args(&way[1..]).args(["sh", "-euc", &format!("{run}\n{script}")]).current_dir(project.path());
    let Output { status, stderr, .. } = shell.env("FREEHOLD", freehold()).output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    true
}

fn text(project: &Project, file: &str) -> String {
    String::from_utf8(project.read(file)).unwrap()
}

fn outcome(project: &Project, name: &str) -> Outcome {
    Outcome {
        code: text(project, &format!("{name}.code")).trim().parse().unwrap(),
        stdout: text(project, &format!("{name}.out")),
        stderr: text(project, &format!("{name}.err")),
    }
}

/// It ended with an error that names the file, how much was needed and what to do.
#[track_caller]
fn says_no_space(failed: Outcome, file: &str) {
    assert!(!failed.stderr.contains("panicked"), "{}", failed.stderr);
    let needs = failed.stdout.split("needs at least ").nth(1).and_then(|rest| rest.split_once(" bytes"));
    let needs: u64 = needs.unwrap_or_else(|| panic!("{failed:?}")).0.parse().unwrap();
    assert!(needs > 0, "{failed:?}");
    drop(failed.expect(1).says(&["there is no space for", file, "free space", "the same command again"]));
}

#[track_caller]
fn assert_same(project: &Project, name: &str, weights: &str) {
    let report = outcome(project, name).expect(0).json();
    assert_eq!(report["weights"], weights, "{name}");
}

#[test]
fn a_disk_that_fills_with_checkpoints_and_then_with_the_adapter_costs_no_step() {
    let project = project();
    let script = "mkdir -p home/checkpoints
        mount -t tmpfs -o size=2m tmpfs home/checkpoints
        run checkpoint
        ls -A home/checkpoints/desk-1 >listed
        cp home/metrics/desk-1/metrics.jsonl before.jsonl
        mount -o remount,size=64m home/checkpoints
        cp -a home/store copy
        mount -t tmpfs -o size=64m tmpfs home/store
        cp -a copy/. home/store
        used=$(df -k home/store | awk 'END { print $3 }')
        mount -o remount,size=$((used + 8))k home/store
        run adapter
        find home/store -name '.*.tmp' >>listed
        mount -o remount,size=64m home/store
        run freed
        \"$FREEHOLD\" --home home audit verify >&2";
    if !with_disks(&project, script) {
        return;
    }
    says_no_space(outcome(&project, "checkpoint"), "checkpoints/desk-1/step-");
    says_no_space(outcome(&project, "adapter"), "store: there is no space for `blobs/");
    // What lies there are whole checkpoints, what was used up until the last, and nothing else.
    let listed = text(&project, "listed");
    let steps: Vec<&str> = listed.lines().filter(|name| *name != "spent.json").collect();
    assert!(!steps.is_empty(), "no checkpoint was kept");
    assert!(steps.iter().all(|name| name.starts_with("step-") && name.ends_with(".safetensors")), "{steps:?}");
    // The training went on after the last of them: what it had said of the steps until then stays.
    let (before, after) = (text(&project, "before.jsonl"), text(&project, "home/metrics/desk-1/metrics.jsonl"));
    let until_then: String = before.lines().take(steps.len()).map(|line| format!("{line}\n")).collect();
    assert!(after.starts_with(&until_then), "{before}\n{after}");
    assert_same(&project, "freed", &undisturbed());
}

#[test]
fn a_disk_that_fills_with_metrics_is_told_and_leaves_whole_lines() {
    let project = project();
    // A page for each of the two files.
    let script = "mkdir -p home/metrics
        mount -t tmpfs -o size=8k tmpfs home/metrics
        run metrics
        cp home/metrics/desk-1/metrics.jsonl before.jsonl
        mount -o remount,size=1m home/metrics
        run freed
        cp home/metrics/desk-1/metrics.jsonl after.jsonl";
    if !with_disks(&project, script) {
        return;
    }
    says_no_space(outcome(&project, "metrics"), "metrics/desk-1/");
    for file in ["before.jsonl", "after.jsonl"] {
        let lines = text(&project, file);
        assert!(lines.ends_with('\n'), "{file}: {lines}");
        for (index, line) in lines.lines().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["step"], index + 1, "{file}");
        }
    }
    assert_same(&project, "freed", &undisturbed());
}

/// As with `ulimit -f`, which has the system kill who writes more.
#[test]
fn a_file_that_may_not_become_so_large_is_told() {
    let project = project();
    // Plugins are compiled before: those files are larger than a checkpoint.
    let denied = Recipe { policies: Recipe::default().policies.replace("[\"eu\"]", "[\"ch\"]"), ..recipe() };
    project.run_recipe(&denied).expect(3);
    project.write("freehold.toml", &recipe().to_string());
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 200 && exec \"$FREEHOLD\" --home home run --json"]);
    let failed = shell.current_dir(project.path()).env("FREEHOLD", freehold()).output().unwrap();
    says_no_space(failed.into(), "checkpoints/desk-2/step-");
    let report = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(report["weights"], *undisturbed());
    project.assert_intact();
}

/// Linux has a device that is always full.
#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_written_is_no_success() {
    let project = Project::bare();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [&["key", "list"][..], &["key", "list", "--json"]] {
        let output = project.command(arguments).stdout(full()).output().unwrap();
        drop(Outcome::from(output).expect(1).says(&["the result cannot be written to stdout"]));
    }
    let output = project.command(&["audit", "show", "none"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// A server that keeps what is said, and is asked for events, on disks of one page each.
const SERVED: &str = r#"
    mkdir -p home/captured home/watch
    mount -t tmpfs -o size=4k,mode=700 tmpfs home/captured
    mount -t tmpfs -o size=4k tmpfs home/watch
    "$FREEHOLD" -v --json --home home serve --listen 127.0.0.1:0 >serve.out 2>serve.log &
    server=$!
    until grep -q '^}' serve.out; do sleep 0.05; done
    address=$(sed -n 's/.*"address": "\(.*\)".*/\1/p' serve.out)
    post() { curl -s -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' -d "$2" "http://$address$1"; }
    speak() {
        for _ in $(seq 12); do
            post /v1/completions '{"model": "desk@production", "prompt": "'"$(printf '%0500d' 1)"'", "max_tokens": 4}'
        done
    }
    metrics() { sleep 1; curl -s "http://$address/metrics"; }
    post /hooks/desk/desk '{"id": "a"}' >hooks
    post /hooks/desk/desk '{"id": "b"}' >>hooks
    "$FREEHOLD" --home home watch --once >/dev/null 2>watch.err || echo $? >watch.code
    speak >answers
    metrics >full
    mount -o remount,size=1m home/captured
    mount -o remount,size=1m home/watch
    post /hooks/desk/desk '{"id": "b"}' >>hooks
    "$FREEHOLD" --home home watch --once --json >watch.out
    speak >>answers
    metrics >freed
    kill $server
    wait $server
    cat home/captured/*.jsonl >captured.jsonl
"#;

#[test]
fn a_disk_that_fills_while_serving_costs_no_answer_and_no_event() {
    if freehold_tests::tool("curl", &["--version"]).is_none() {
        return freehold_tests::skipped("there is no curl");
    }
    let project = Project::new();
    drop(project.run_recipe(&Recipe::default()).expect(0));
    let redact = "plugin = \"freehold/redact-pii\"\nversion = \"^1.0\"\nsettings = { columns = [\"messages\"] }\n";
    project.write(
        "home/host.toml",
        &format!("[serve]\nhooks = [\"desk/desk\"]\n[serve.capture]\n[[serve.capture.transform]]\n{redact}"),
    );
    project.write("freehold.watch.toml", "[[trigger]]\nname = \"desk\"\nkind = \"hook\"\n");
    if !with_disks(&project, SERVED) {
        return;
    }
    // Every question was answered, and what could not be kept was counted and said.
    assert_eq!(text(&project, "answers").lines().filter(|code| *code == "200").count(), 24);
    let metric = |file: &str, name: &str| -> f64 {
        let all = text(&project, file);
        all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().parse().unwrap()
    };
    let (kept, lost) = ("freehold_captured_total", "freehold_not_captured_total");
    assert!(
        metric("full", lost) > 0.0 && metric("full", kept) + metric("full", lost) == 12.0,
        "{}",
        text(&project, "full")
    );
    assert_eq!((metric("freed", lost), metric("freed", kept)), (metric("full", lost), metric("full", kept) + 12.0));
    assert!(text(&project, "serve.log").contains("there is no space for"), "{}", text(&project, "serve.log"));
    let rows = text(&project, "captured.jsonl");
    assert!(rows.lines().all(|row| serde_json::from_str::<serde_json::Value>(row).is_ok()), "{rows}");
    assert_eq!(rows.lines().count() as f64, metric("freed", kept));
    // An event that could not be written down was not promised; what was promised is answered, once.
    assert_eq!(text(&project, "hooks"), "202\n503\n202\n");
    assert_eq!(text(&project, "watch.code"), "1\n");
    assert!(text(&project, "watch.err").contains("there is no space for"), "{}", text(&project, "watch.err"));
    let state: serde_json::Value = serde_json::from_str(&text(&project, "watch.out")).unwrap();
    let keys =
        state["history"].as_array().unwrap().iter().flat_map(|batch| batch["events"].as_array().unwrap().clone());
    assert_eq!(keys.map(|event| event["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), ["a", "b"]);
}
