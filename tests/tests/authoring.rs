//! The plugin author's loop through the built command: new, build, test, bench, inspect, sign, and a run that uses what came
//! of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

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

/// A command of a transcript, and the lines below it.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// What README tells of a plugin of one's own: the transcript, and what is put into the recipe.
fn readme() -> (Vec<Step>, String) {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, section) = readme.split_once("### A plugin of your own\n").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let (mut steps, mut recipe): (Vec<Step>, String) = (Vec::new(), String::new());
    for block in section.split("```").skip(1).step_by(2) {
        let (kind, lines) = block.split_once('\n').unwrap();
        if kind == "toml" {
            recipe += lines;
            continue;
        }
        for line in lines.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.into(), shown: Vec::new() }),
                None => steps.last_mut().unwrap().shown.push(line.into()),
            }
        }
    }
    (steps, recipe)
}

/// A line without what differs from machine to machine and from data to data: numbers, digests and the width of columns.
fn plain(line: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_start_matches("sha256:");
        let number = bare.chars().all(|c| c.is_ascii_hexdigit() || ".%()".contains(c))
            && bare.contains(|c: char| c.is_ascii_digit());
        if number { "#".to_owned() } else { word.trim_end_matches(',').to_owned() }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Every line that is shown is said, in that order; `...` stands for lines that are not shown.
fn assert_said(step: &Step, said: &Outcome) {
    let said: Vec<String> = said.stdout.lines().chain(said.stderr.lines()).map(plain).collect();
    let mut rest = said.iter();
    for line in step.shown.iter().filter(|line| *line != "...").map(|line| plain(line)) {
        assert!(
            rest.any(|said| *said == line),
            "`{line}` of README is not said by `{}`:\n{}",
            step.command,
            said.join("\n")
        );
    }
}

/// The transcript of README, run as it stands there. Takes a minute where the SDK's dependencies were never compiled.
#[test]
fn from_nothing_to_a_signed_plugin_used_by_a_run_in_five_commands() {
    let project = Project::new();
    let (steps, table) = readme();
    let run = |command: &str| -> Outcome {
        let arguments = command.strip_prefix("freehold ").unwrap().split(' ').map(|word| word.trim_matches('\''));
        let mut freehold = Command::new(freehold());
        freehold.env("FREEHOLD_HOME", "home").env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", target_dir());
        Outcome::from(freehold.current_dir(project.path()).args(arguments).output().unwrap()).expect(0)
    };
    // What comes after the run is told elsewhere.
    let end = steps.iter().position(|step| step.command == "freehold run").unwrap();
    let (home, steps) = steps[..=end].split_first().unwrap();
    home.command.split("; ").for_each(|command| drop(run(command)));
    let what = |step: &Step| {
        step.command
            .split(' ')
            .skip(1)
            .take_while(|word| *word != "acme/tidy" && *word != "tidy")
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        steps.iter().map(what).collect::<Vec<_>>(),
        ["plugin new transform", "plugin build", "plugin test", "plugin sign", "run"]
    );
    let recipe = Recipe::default();
    let recipe = Recipe { transforms: format!("{table}{}", recipe.transforms), ..recipe };
    project.write("freehold.toml", &recipe.to_string());
    let mut said = Vec::new();
    for step in steps {
        let outcome = run(&step.command);
        assert!(step.shown.iter().any(|line| line != "..."), "`{}` shows nothing", step.command);
        assert_said(step, &outcome);
        said.push(outcome.stdout);
    }
    // What was built is what was signed, and what the run used.
    let digest = said[1].split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
    let signed = project.run(&["plugin", "inspect", "acme/tidy", "--json"]).expect(0).json();
    assert_eq!(signed["manifest"]["component"], digest);
    let lock = String::from_utf8(project.read("freehold.lock")).unwrap();
    assert!(lock.contains(digest), "{lock}");
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
        bare.says(&[inspected["component"].as_str().unwrap(), &format!("freehold:{kind}/{kind}@1.1.0")]);
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
    made(folder, "transform", "neat");
    let case = "neat/cases/tidy.toml";
    change(folder, case, "Mein Drucker druckt nicht", "Mein Drucker druckt");
    change(folder, case, "    { row = 1, reason = \"too-short\" },\n", "");
    let failed = author(folder, &["test", "neat"]).expect(1);
    failed.says(&["FAIL tidy", "- rows[1] = ", "+ rows[1] = ", "+ dropped[0] = ", "1 passed, 1 failed"]);
    let report = tests(folder, "neat", 1);
    assert_eq!(report["cases"][1]["differences"][1]["key"], "rows");
    author(folder, &["test", "neat", "--accept"]).expect(0).says(&["1 passed, 0 failed, 1 accepted"]);
    assert_eq!(tests(folder, "neat", 0)["passed"], 2);
    let text = std::fs::read_to_string(folder.join(case)).unwrap();
    assert!(text.starts_with("# Two batches of one stream") && text.contains("# What is left out below"), "{text}");
    author(folder, &["test", "neat", "--case", "tydi"]).expect(2).says(&["no case `tydi`", "no-column, tidy"]);
    // A case that expects nothing has not passed.
    std::fs::write(folder.join("neat/cases/empty.toml"), "[[batch]]\nrows = [{ text = 'a b c' }]\n").unwrap();
    author(folder, &["test", "neat", "--case", "empty"]).expect(1).says(&["+ rows = ", "0 passed, 1 failed"]);
    std::fs::write(folder.join("neat/cases/empty.toml"), "[[batsh]]\n").unwrap();
    author(folder, &["test", "neat"]).expect(1).says(&["did you mean `batch`?"]);
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
    assert!(!said.stdout.contains("plugin_odd::") && !said.stderr.contains("plugin_odd::"), "{said:?}");
    let report = tests(folder, "odd", 1);
    let error = &report["cases"][1]["error"];
    assert_eq!((&error["code"], &error["trace"]), (&"panicked".into(), &Value::Null));
    // Who asks for more is told where it was, after that.
    let verbose = author(folder, &["test", "odd", "--case", "tidy", "-v"]).expect(1).stdout;
    let at = |part: &str| verbose.find(part).unwrap_or_else(|| unreachable!("{part}: {verbose}"));
    assert!(at(": more rows than I can count") < at("0: ") && verbose.contains("plugin_odd::"), "{verbose}");
    let traced = author(folder, &["test", "odd", "--json", "-v"]).expect(1).json();
    assert!(traced["cases"][1]["error"]["trace"].as_str().unwrap().contains("plugin_odd::"), "{traced}");
    // The limits are those of plugin.toml.
    change(folder, "odd/plugin.toml", "fuel = 20_000_000_000", "fuel = 1_000");
    assert_eq!(tests(folder, "odd", 1)["cases"][1]["error"]["code"], "out-of-fuel");
    author(folder, &["bench", "odd"]).expect(1).says(&["used up its fuel (1000)"]);
}

/// Nothing is compiled here: what the author says is read first.
#[test]
fn a_plugin_toml_that_means_nothing_is_refused_at_every_step() {
    let project = Project::bare();
    let folder = project.path();
    author(folder, &["new", "policy", "freehold/odd-words"]).expect(0);
    let good = std::fs::read_to_string(folder.join("odd-words/plugin.toml")).unwrap();
    let place = |document: &str, part: &str| {
        let line = document.lines().position(|line| line.contains(part)).unwrap() + 1;
        format!("plugin.toml:{line}:")
    };
    for (from, to, parts) in [
        ("\"0.1.0\"", "\"0.1.0+build.7\"", &["has build metadata", "write 0.1.0"][..]),
        ("= []", "= [\"network\"]", &["there is no capability \"network\"", "`asset:NAME` and nothing else"]),
        ("= []", "= [\"asset:a\", \"asset:../x\"]", &["no capability \"asset:../x\"", "lowercase letters"]),
        ("= []", "= [\"asset:a\", \"asset:a\"]", &["`asset:a` is asked for twice", "remove one"]),
        ("default = 0.0", "default = \"0\"", &["the default of a setting must be a number"]),
    ] {
        let document = good.replacen(from, to, 1);
        assert_ne!(document, good);
        std::fs::write(folder.join("odd-words/plugin.toml"), &document).unwrap();
        // A default is told with the head of its setting.
        let place = place(&document, if from.starts_with("default") { "[settings.minimum_gain]" } else { to });
        let parts = [parts, &[place.as_str()]].concat();
        for step in ["build", "test", "bench"] {
            author(folder, &[step, "odd-words"]).expect(1).says(&parts);
        }
        author(folder, &["inspect", "odd-words"]).expect(1).says(&parts);
        project.run(&["plugin", "sign", "odd-words", "--key", "publisher"]).expect(1).says(&parts);
    }
    assert!(!folder.join("plugins").exists());
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
