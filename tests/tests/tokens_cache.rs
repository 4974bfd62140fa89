//! Rows are tokenised and counted once: what they became is taken again only if all that it was made from is the same.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use freehold_tests::{Outcome, Project, Recipe, head};

const CONFIG: &str = "models/base-1/config.json";
/// The parts of the key.
const PARTS: [&str; 8] =
    [": rows", "held-out rows", "lineage", "tokenizer", "control tokens", "template", "settings", "code"];

fn entries(project: &Project) -> Vec<PathBuf> {
    let folder = project.path().join("home/cache/tokens");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs the recipe; says whether tokens and counts were taken from the cache, and the report.
fn run(project: &Project, recipe: &str) -> (bool, serde_json::Value, String) {
    project.write("freehold.toml", recipe);
    let mut command = project.command(&["run", "--json"]);
    let outcome = Outcome::from(command.env("FREEHOLD_LOG", "freehold=debug").output().unwrap());
    let said = outcome.stderr.clone();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("tokenised rows: ")).collect();
    for part in PARTS {
        assert!(lines.iter().any(|line| line.contains(&format!("{part} sha256:"))), "{part}: {said}");
    }
    let hit = lines.iter().any(|line| line.contains("hit:"));
    assert_ne!(hit, lines.iter().any(|line| line.contains("miss:")), "{said}");
    (hit, outcome.json(), said)
}

/// The parts of the key, as the log of a run says them.
fn key(said: &str) -> [String; 8] {
    let line = said.lines().find(|line| line.contains("tokenised rows: ")).unwrap();
    PARTS.map(|part| line.split(&format!("{part} sha256:")).nth(1).unwrap()[..64].to_owned())
}

/// What the statement of the phase says, but not when.
fn recorded(project: &Project, report: &serde_json::Value) -> [serde_json::Value; 2] {
    let shown = project.run(&["audit", "show", report["run"].as_str().unwrap(), "--json"]).expect(0).json();
    let phases = shown["phases"].as_array().unwrap();
    let phase = phases.iter().find(|phase| phase["phase"] == "tokenise").unwrap();
    assert!(phase["outputs"].is_array() && phase["detail"]["tokens"].is_u64(), "{phase}");
    [phase["outputs"].clone(), phase["detail"].clone()]
}

/// A text in which a part, which has to be there, is another.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in {text:.300}");
    text.replacen(from, to, 1)
}

/// A project whose rows were tokenised, with what is usual and the key.
struct Known {
    project: Project,
    recipe: String,
    key: [String; 8],
}

fn known() -> Known {
    let (project, recipe) = (Project::new(), Recipe::default().to_string());
    let (hit, first, said) = run(&project, &recipe);
    assert!(!hit);
    let (hit, again, _) = run(&project, &recipe);
    assert!(hit, "nothing changed");
    assert_eq!((&first["weights"], &first["validation"]), (&again["weights"], &again["validation"]));
    assert_eq!(recorded(&project, &first), recorded(&project, &again));
    assert_eq!(entries(&project).len(), 1);
    Known { project, recipe, key: key(&said) }
}

impl Known {
    /// After a change of the files, or of the recipe, these parts of the key are others, and only these.
    fn misses(&self, what: &str, parts: &[&str], change: impl Fn(&Project), recipe: &str) {
        let other = self.project.fork();
        change(&other);
        let (hit, _, said) = run(&other, recipe);
        assert!(!hit, "{what}");
        let differ = PARTS.iter().zip(key(&said)).zip(&self.key).filter(|((_, now), before)| now != *before);
        assert_eq!(differ.map(|((part, _), _)| *part).collect::<Vec<_>>(), parts, "{what}");
        assert_eq!(entries(&other).len(), 2, "{what}");
    }

    fn misses_file(&self, what: &str, part: &str, file: &str, (from, to): (&str, &str)) {
        let edit = |project: &Project| {
            let text = String::from_utf8(project.read(file)).unwrap();
            project.write(file, &changed(&text, from, to));
        };
        self.misses(what, &[part], edit, &self.recipe);
    }

    fn misses_setting(&self, from: &str, to: &str) {
        self.misses(to, &["settings"], |_| (), &changed(&self.recipe, from, to));
    }
}

#[test]
fn other_rows_or_another_tokenizer_are_not_taken_for_the_same() {
    let known = known();
    known.misses_file("a row", ": rows", "train.jsonl", ("a", "b"));
    known.misses_file("a held-out row", "held-out rows", "eval.jsonl", ("a", "b"));
    known.misses_file("the tokenizer", "tokenizer", "models/base-1/tokenizer.json", ("{", "{ "));
    known.misses_file("the control tokens", "control tokens", "models/base-1/tokenizer_config.json", ("{", "{ "));
    let template = |project: &Project| {
        let config: serde_json::Value =
            serde_json::from_slice(&project.read("models/base-1/tokenizer_config.json")).unwrap();
        let template = config["chat_template"].as_str().unwrap().to_owned();
        project.write("models/base-1/chat_template.jinja", &format!("{{# another #}}{template}"));
    };
    known.misses("the template", &["template"], template, &known.recipe);
    // The same rows of a dataset of another name: counts name rows by dataset.
    let renamed = changed(&known.recipe, "name = \"eval\"", "name = \"asked\"");
    known.misses("a name", &["lineage"], |_| (), &renamed);
    // The same rows, but the first stands twice in the file, and the second of it is dropped.
    let repeat = |project: &Project| {
        let rows = String::from_utf8(project.read("train.jsonl")).unwrap();
        project.write("train.jsonl", &format!("{}{rows}", head("tickets-eu.jsonl", 1)));
    };
    known.misses("a row that is dropped", &["lineage"], repeat, &known.recipe);
}

#[test]
fn other_settings_of_the_counts_are_not_taken_for_the_same() {
    let known = known();
    known.misses_setting("max_length = 256", "max_length = 128");
    known.misses_setting("epochs = 1", "epochs = 0.5");
    known.misses_setting("tokens_per_step = 1024", "tokens_per_step = 512");
    known.misses_setting("max_length = 256", "max_length = 256\ntokens_at_once = 512");
    known.misses_setting("seed = 1", "seed = 2");
    known.misses_setting("max_new_tokens = 32", "max_new_tokens = 31");
    let stopping = "[train.early_stopping]\nmetric = \"loss\"\nevery = 1\npatience = 9\n[evaluate]";
    known.misses_setting("[evaluate]", stopping);
    let config = |project: &Project| {
        let mut config: serde_json::Value = serde_json::from_slice(&project.read(CONFIG)).unwrap();
        config["max_position_embeddings"] = 500.into();
        project.write(CONFIG, &config.to_string());
    };
    known.misses("positions", &["settings"], config, &known.recipe);
}

#[test]
fn settings_that_have_no_part_in_tokens_or_counts_are_no_reason_to_tokenise_again() {
    let known = known();
    let counted = |report: &serde_json::Value| recorded(&known.project, report);
    let usual = counted(&run(&known.project, &known.recipe).1);
    for (from, to) in [
        ("learning_rate = 2e-3", "learning_rate = 1e-3"),
        ("rank = 4", "rank = 2"),
        ("resamples = 200", "resamples = 100"),
        ("name = \"desk\"", "name = \"other\""),
    ] {
        let (hit, report, _) = run(&known.project, &changed(&known.recipe, from, to));
        assert!(hit, "{to}");
        assert_eq!(counted(&report), usual, "{to}");
    }
    assert_eq!(entries(&known.project).len(), 1);
    known.project.assert_intact();
}

#[test]
fn counts_that_stop_a_run_are_not_kept() {
    let project = Project::new();
    project.write("freehold.toml", &changed(&Recipe::default().to_string(), "max_length = 256", "max_length = 20"));
    for _ in 0..2 {
        let outcome = project.run(&["-vv", "run"]).expect(1);
        assert!(outcome.stderr.contains("miss:"), "{}", outcome.stderr);
        outcome.says(&["with more than `max_length` = 20 tokens"]);
        assert!(!project.path().join("home/cache/tokens").exists());
    }
}

#[test]
fn a_damaged_or_foreign_entry_is_ignored_and_written_anew() {
    const NAMED: &str = "was not written by this host or was changed; it is tokenised anew";
    let (project, recipe) = (Project::new(), Recipe::default().to_string());
    let (_, cold, _) = run(&project, &recipe);
    let file = entries(&project).remove(0);
    let good = std::fs::read(&file).unwrap();
    for at in [0, 32, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let (hit, report, said) = run(&project, &recipe);
        assert!(!hit && said.contains(NAMED), "{said}");
        assert_eq!(report["weights"], cold["weights"]);
        assert_eq!(std::fs::read(&file).unwrap(), good, "written anew");
    }
    // That of another home, for the same rows.
    let other = Project::new();
    assert_eq!(run(&other, &recipe).1["weights"], cold["weights"]);
    let theirs = entries(&other).remove(0);
    assert_eq!(theirs.file_name(), file.file_name());
    std::fs::copy(theirs, &file).unwrap();
    let (hit, _, said) = run(&project, &recipe);
    assert!(!hit && said.contains(NAMED), "{said}");
    // What is recorded is the same with the cache and without.
    let (hit, warm, _) = run(&project, &recipe);
    assert!(hit);
    std::fs::remove_dir_all(project.path().join("home/cache")).unwrap();
    let (hit, without, _) = run(&project, &recipe);
    assert!(!hit);
    assert_eq!((&warm["weights"], &without["weights"]), (&cold["weights"], &cold["weights"]));
    assert_eq!(recorded(&project, &warm), recorded(&project, &without));
    project.assert_intact();
}
