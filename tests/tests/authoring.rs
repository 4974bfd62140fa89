//! The plugin author's loop through the built command: new, build, test, bench, inspect, sign, and a run that uses what came
//! of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use freehold_core::contract::CONTRACT;
use freehold_tests::{Outcome, Project, Recipe, freehold, workspace};
use serde_json::Value;
use tempfile::TempDir;

/// Where cargo keeps what it compiles for these tests. They share it and keep it: the SDK's dependencies take a minute to
/// compile, and Debian's toolchain compiles the standard library besides, once for each such folder. Tests that run side by
/// side have plugins of different names: cargo puts both at one place there.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from).join("authoring")
}

/// A command of an author who has no home, and no registry at hand: the crates are those that the workspace has.
fn author(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(freehold());
    command.env_remove("FREEHOLD_HOME").env("CARGO_NET_OFFLINE", "true");
    command.current_dir(folder).args(["plugin"]).args(arguments).output().unwrap().into()
}

fn build(folder: &Path, plugin: &str) -> Outcome {
    author(folder, &["build", plugin, "--target-dir", target_dir().to_str().unwrap()])
}

/// A new plugin, built.
fn made(folder: &Path, kind: &str, plugin: &str) {
    author(folder, &["new", kind, &format!("freehold/{plugin}")]).expect(0);
    build(folder, plugin).expect(0);
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn tests(folder: &Path, plugin: &str, code: i32) -> Value {
    author(folder, &["test", plugin, "--json"]).expect(code).json()
}

#[test]
fn from_nothing_to_a_signed_plugin_that_a_run_uses_in_five_commands() {
    let project = Project::new();
    let (path, folder) = (project.path(), target_dir());
    project.run(&["plugin", "new", "transform", "freehold/neat"]).expect(0);
    let mut build = project.command(&["plugin", "build", "neat", "--target-dir", folder.to_str().unwrap(), "--json"]);
    let built = Outcome::from(build.env("CARGO_NET_OFFLINE", "true").output().unwrap()).expect(0).json();
    project.run(&["plugin", "test", "neat"]).expect(0).says(&["2 passed, 0 failed", "fuel", "of 64.00 MiB"]);
    project.run(&["plugin", "sign", "neat", "--key", "publisher"]).expect(0).says(&["freehold/neat 0.1.0 signed"]);
    let mut recipe = Recipe::default();
    let neat = "[[transform]]\nplugin = \"freehold/neat\"\nversion = \"^0.1\"\nsettings = { minimum_words = 2 }\n";
    recipe.transforms = format!("{neat}{}", recipe.transforms);
    project.run_recipe(&recipe).expect(0);
    // What was built is what was signed, and what the run used.
    let signed = project.run(&["plugin", "inspect", "freehold/neat", "--json"]).expect(0).json();
    assert_eq!(signed["manifest"]["component"], built["digest"]);
    let lock = std::fs::read_to_string(path.join("freehold.lock")).unwrap();
    assert!(lock.contains(built["digest"].as_str().unwrap()), "{lock}");
    project.assert_intact();
}

#[test]
fn a_plugin_of_every_world_works_from_its_template() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    for (kind, unit) in [("transform", "rows"), ("metric", "rows"), ("policy", "verdicts")] {
        made(folder, kind, kind);
        let report = tests(folder, kind, 0);
        assert_eq!((&report["passed"], &report["failed"]), (&2.into(), &0.into()), "{report}");
        let bench = author(folder, &["bench", kind, "--rows", "2000", "--json"]).expect(0).json();
        assert_eq!(bench["bench"]["unit"], unit);
        assert!(bench["bench"]["per_second"].as_f64().unwrap() > 0.0, "{bench}");
        assert!(bench["bench"]["fuel_per_unit"].as_f64().unwrap() > 0.0, "{bench}");
        author(folder, &["bench", kind, "--rows", "2000"]).expect(0).says(&[&format!("{unit} a second"), "fuel a"]);
        let inspected = author(folder, &["inspect", kind, "--json"]).expect(0).json();
        assert_eq!(inspected["signed"], false);
        assert_eq!(inspected["worlds"], serde_json::json!([kind]));
        let imports = inspected["imports"].as_array().unwrap();
        assert!(imports.iter().all(|import| import.as_str().unwrap().starts_with("freehold:")), "{inspected}");
        let component = format!("{kind}/target/component.wasm");
        let bare = author(folder, &["inspect", &component]).expect(0);
        let contract = format!("contract {CONTRACT}; this host accepts");
        bare.says(&[inspected["component"].as_str().unwrap(), &format!("freehold:{kind}/{kind}@"), &contract]);
        // The unit tests of the template, natively.
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--lib", "--offline", "--target-dir"]).arg(target_dir()).current_dir(folder.join(kind));
        Outcome::from(cargo.output().unwrap()).expect(0).says(&["1 passed"]);
    }
}

#[test]
fn the_same_source_gives_the_same_component_in_any_folder() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let other = other.path().join("a folder with spaces");
    std::fs::create_dir(&other).unwrap();
    let built = |folder: &Path| {
        made(folder, "metric", "same");
        std::fs::read(folder.join("same/target/component.wasm")).unwrap()
    };
    assert!(built(one.path()) == built(&other));
}

#[test]
fn a_case_that_fails_shows_the_difference_and_can_be_accepted() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    made(folder, "transform", "tidy");
    let case = "tidy/cases/tidy.toml";
    change(folder, case, "Mein Drucker druckt nicht", "Mein Drucker druckt");
    change(folder, case, "    { row = 1, reason = \"too-short\" },\n", "");
    let failed = author(folder, &["test", "tidy"]).expect(1);
    failed.says(&["FAIL tidy", "- rows[1] = ", "+ rows[1] = ", "+ dropped[0] = ", "1 passed, 1 failed"]);
    let report = tests(folder, "tidy", 1);
    assert_eq!(report["cases"][1]["differences"][1]["key"], "rows");
    author(folder, &["test", "tidy", "--accept"]).expect(0).says(&["1 passed, 0 failed, 1 accepted"]);
    assert_eq!(tests(folder, "tidy", 0)["passed"], 2);
    let text = std::fs::read_to_string(folder.join(case)).unwrap();
    assert!(text.starts_with("# Two batches of one stream") && text.contains("# What is left out below"), "{text}");
    author(folder, &["test", "tidy", "--case", "tydi"]).expect(2).says(&["no case `tydi`", "no-column, tidy"]);
    // A case that expects nothing has not passed.
    std::fs::write(folder.join("tidy/cases/empty.toml"), "[[batch]]\nrows = [{ text = 'a b c' }]\n").unwrap();
    author(folder, &["test", "tidy", "--case", "empty"]).expect(1).says(&["+ rows = ", "0 passed, 1 failed"]);
    std::fs::write(folder.join("tidy/cases/empty.toml"), "[[batsh]]\n").unwrap();
    author(folder, &["test", "tidy"]).expect(1).says(&["did you mean `batch`?"]);
}

#[test]
fn panics_and_limits_are_told_in_the_authors_words() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    author(folder, &["new", "transform", "freehold/odd"]).expect(0);
    let line = "        let texts = batch.column_mut";
    let panics = format!("        assert!(batch.rows() < 2, \"more rows than I can count\");\n{line}");
    change(folder, "odd/src/lib.rs", line, &panics);
    build(folder, "odd").expect(0);
    let said = author(folder, &["test", "odd", "--case", "tidy"]).expect(1);
    let first = said.stdout.lines().nth(1).unwrap().trim().to_owned();
    assert!(first.starts_with("src/lib.rs:") && first.ends_with(": more rows than I can count"), "{first}");
    let error = &tests(folder, "odd", 1)["cases"][1]["error"];
    assert_eq!(error["code"], "panicked");
    // The limits are those of plugin.toml.
    change(folder, "odd/plugin.toml", "fuel = 20_000_000_000", "fuel = 1_000");
    assert_eq!(tests(folder, "odd", 1)["cases"][1]["error"]["code"], "out-of-fuel");
    author(folder, &["bench", "odd"]).expect(1).says(&["used up its fuel (1000)"]);
}

#[test]
fn what_cannot_be_built_or_is_out_of_date_is_not_tested_or_signed() {
    let project = Project::bare();
    let folder = project.path();
    author(folder, &["new", "metric", "Freehold/x"]).expect(2).says(&["publisher/name"]);
    author(folder, &["new", "metric", "x"]).expect(2);
    author(folder, &["new", "sieve", "freehold/x"]).expect(2);
    author(folder, &["new", "metric", "freehold/x"]).expect(0);
    author(folder, &["new", "metric", "freehold/x"]).expect(2).says(&["`x` is there already", "--into"]);
    author(folder, &["test", "x"]).expect(1).says(&["is not built", "freehold plugin build"]);
    project.run(&["plugin", "sign", "x", "--key", "publisher"]).expect(1).says(&["is not built"]);
    author(folder, &["inspect", "x"]).expect(0).says(&["none: the plugin in `x` is not built"]);
    author(folder, &["build", "x/src"]).expect(2).says(&["is not the folder of a plugin"]);
    change(folder, "x/src/lib.rs", "sums[1] > 0.0", "sums[1] > nothing");
    build(folder, "x").expect(1).says(&["cannot find value `nothing` in this scope", "src/lib.rs"]);
    assert!(!folder.join("x/target/component.wasm").exists());
    change(folder, "x/src/lib.rs", "sums[1] > nothing", "sums[1] > 0.0");
    build(folder, "x").expect(0);
    change(folder, "x/src/lib.rs", "sums[1] > 0.0", "sums[1] > 1.0");
    project.run(&["plugin", "sign", "x", "--key", "publisher"]).expect(1).says(&["`src/lib.rs` was changed after"]);
    author(folder, &["test", "x"]).expect(1).says(&["was changed after", "freehold plugin build"]);
    assert!(!folder.join("plugins").exists());
}
