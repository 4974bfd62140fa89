//! `host.toml` of a home: what its operator lets plugins use up.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_tests::{Project, Recipe, component, source};

/// The error names the key and the line, and says what to do.
#[test]
fn what_would_let_no_plugin_run_is_an_error_that_names_the_key() {
    let project = Project::new();
    let limits =
        ["fuel", "wall_time_ms", "memory_bytes", "table_elements", "stack_bytes", "input_bytes", "output_bytes"];
    let mut cases = vec![
        (
            "[plugins]\nconcurrent = 0\n".to_owned(),
            "`plugins.concurrent` is 0; it must be from 1 to 8192".to_owned(),
            "host.toml:2:",
            "leave it out",
        ),
        ("[plugins]\nconcurrent = -1\n".into(), "invalid value".into(), "host.toml:2:", ""),
        (
            "[plugins]\nconcurrent = 4_000_000_000\n".into(),
            "`plugins.concurrent` is 4000000000".into(),
            "host.toml:2:",
            "at a time",
        ),
        (
            "[plugins]\nmetering = \"feul\"\n".into(),
            "unknown variant `feul`".into(),
            "host.toml:2:",
            "did you mean `fuel`?",
        ),
        ("[plugins]\nmetering = true\n".into(), "wanted string or table".into(), "host.toml:2:", ""),
        (
            "[plugins.limits]\nfule = 7\n".into(),
            "unknown variant `fule`".into(),
            "host.toml:2:",
            "did you mean `fuel`?",
        ),
        ("[plugin]\n".into(), "unknown field `plugin`".into(), "host.toml:1:", "did you mean `plugins`?"),
        ("concurrent = = 1".into(), "host.toml".into(), "host.toml:1:", ""),
    ];
    for kind in limits.into_iter().chain(["log_bytes", "component_bytes", "instances"]) {
        let message = format!("`plugins.limits.{kind}` is 0, so that no plugin could run");
        cases.push((
            format!("[plugins.limits]\nlog_bytes = 9\n{kind} = 0\n").replace("log_bytes = 9\nlog_bytes", "log_bytes"),
            message,
            "host.toml:",
            "leave it out",
        ));
    }
    project.write("freehold.toml", &Recipe::default().to_string());
    for (document, message, place, remedy) in cases {
        project.write("home/host.toml", &document);
        project.run(&["run"]).expect(1).says(&[&message, place, remedy]);
    }
    // As many as may run at a time take address space, and no more.
    project.write("home/host.toml", "[plugins]\nconcurrent = 8_192\nmetering = \"fuel\"\n");
    project.run(&["run"]).expect(0).says(&["% fuel"]);
    project.assert_intact();
}

/// The folder of a plugin that was built elsewhere.
fn folder(project: &Project, name: &str, case: &str) {
    project.write(&format!("{name}/plugin.toml"), &std::fs::read_to_string(source(name)).unwrap());
    project.write(&format!("{name}/cases/one.toml"), case);
}

/// Who tests a plugin beside a home has the limits that runs in that home have, and is told so.
#[test]
fn test_and_bench_hold_a_plugin_to_the_limits_of_the_home() {
    let project = Project::bare();
    let case = "[[batch]]\nrows = [{ prediction = 'a', reference = 'a' }]\n[expect]\nvalue = 1\n";
    folder(&project, "exact-match", case);
    let built = component("exact-match");
    let built = built.to_str().unwrap();
    let test = |home: &str, more: &[&str]| {
        let mut arguments = vec!["--home", home, "plugin", "test", "exact-match", "--component", built];
        arguments.extend(more);
        let mut command = std::process::Command::new(freehold_tests::freehold());
        command.current_dir(project.path()).env_remove("FREEHOLD_HOME").args(arguments);
        freehold_tests::Outcome::from(command.output().unwrap())
    };
    let whose = "Limits: those of plugin.toml, capped by what freehold allows without a host.toml";
    test("none", &[]).expect(0).says(&["1 passed", whose]);
    test("home", &[]).expect(0).says(&["1 passed", whose]);
    assert_eq!(test("home", &["--json"]).expect(0).json()["host_file"], serde_json::Value::Null);
    project.write("home/host.toml", "[plugins.limits]\nfuel = 100\n");
    let capped = "Limits: those of plugin.toml, capped by home/host.toml";
    test("home", &[]).expect(1).says(&["used up its fuel (100)", "0 passed, 1 failed", capped]);
    assert_eq!(test("home", &["--json"]).expect(1).json()["host_file"], "home/host.toml");
    test("none", &[]).expect(0).says(&["1 passed", whose]);
    let bench = ["plugin", "bench", "exact-match", "--component", built, "--rows", "10"];
    project.run(&bench).expect(1).says(&["used up its fuel (100)", "this host allows no more", "host.toml"]);
    project.write("home/host.toml", "[plugins]\nmetering = \"fuel\"\n");
    project.run(&bench).expect(0).says(&[capped]);
    project.write("home/host.toml", "[plugins]\nconcurrent = 0\n");
    test("home", &[]).expect(1).says(&["`plugins.concurrent` is 0"]);
}
