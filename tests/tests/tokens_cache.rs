//! Rows are tokenised once: what they became is taken again only if rows, tokenizer, template and code are the same.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use freehold_tests::{Outcome, Project, Recipe};

fn entries(project: &Project) -> Vec<PathBuf> {
    let folder = project.path().join("home/cache/tokens");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs the recipe; says whether the tokens were taken from the cache, and the report.
fn run(project: &Project, recipe: &Recipe) -> (bool, serde_json::Value, String) {
    project.write("freehold.toml", &recipe.to_string());
    let mut command = project.command(&["run", "--json"]);
    let outcome = Outcome::from(command.env("FREEHOLD_LOG", "freehold=debug").output().unwrap());
    let said = outcome.stderr.clone();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("tokenised rows: ")).collect();
    for part in ["rows sha256:", "tokenizer sha256:", "control tokens sha256:", "template sha256:", "code sha256:"] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {said}");
    }
    let hit = lines.iter().any(|line| line.contains("hit:"));
    assert_ne!(hit, lines.iter().any(|line| line.contains("miss:")), "{said}");
    (hit, outcome.json(), said)
}

/// What the statement of the phase says, but not when.
fn recorded(project: &Project, report: &serde_json::Value) -> [serde_json::Value; 2] {
    let shown = project.run(&["audit", "show", report["run"].as_str().unwrap(), "--json"]).expect(0).json();
    let phases = shown["phases"].as_array().unwrap();
    let phase = phases.iter().find(|phase| phase["phase"] == "tokenise").unwrap();
    assert!(phase["outputs"].is_array() && phase["detail"]["tokens"].is_u64(), "{phase}");
    [phase["outputs"].clone(), phase["detail"].clone()]
}

#[test]
fn what_is_the_same_is_taken_and_what_differs_is_not() {
    let (project, recipe) = (Project::new(), Recipe::default());
    let (hit, first, _) = run(&project, &recipe);
    assert!(!hit);
    let (hit, again, _) = run(&project, &recipe);
    assert!(hit, "nothing changed");
    assert_eq!(first["weights"], again["weights"]);
    assert_eq!(entries(&project).len(), 1);
    // How long a packed row may be, how fast and in what it is learned changes no token.
    let train = recipe.train.replace("max_length = 256", "max_length = 128").replace("2e-3", "1e-3");
    assert!(run(&project, &Recipe { train, ..recipe.clone() }).0);

    // Each part of the key alone.
    let misses = |change: &dyn Fn(&Project), what: &str| {
        let other = project.fork();
        change(&other);
        assert!(!run(&other, &recipe).0, "{what}");
        assert_eq!(entries(&other).len(), 2, "{what}");
        assert!(run(&other, &recipe).0, "{what}, again");
    };
    let edit = |project: &Project, file: &str, from: &str, to: &str| {
        let text = String::from_utf8(project.read(file)).unwrap();
        assert!(text.contains(from), "{from} is not in {file}: {text:.300}");
        project.write(file, &text.replacen(from, to, 1));
    };
    misses(&|project| edit(project, "train.jsonl", "a", "b"), "a row");
    misses(&|project| edit(project, "models/base-1/tokenizer.json", "{", "{ "), "the tokenizer");
    misses(&|project| edit(project, "models/base-1/tokenizer_config.json", "{", "{ "), "the control tokens");
    misses(
        &|project| {
            let config: serde_json::Value =
                serde_json::from_slice(&project.read("models/base-1/tokenizer_config.json")).unwrap();
            let template = config["chat_template"].as_str().unwrap().to_owned();
            project.write("models/base-1/chat_template.jinja", &format!("{{# another #}}{template}"));
        },
        "the template",
    );
    project.assert_intact();
}

#[test]
fn a_damaged_or_foreign_entry_is_ignored_and_written_anew() {
    const NAMED: &str = "was not written by this host or was changed; it is tokenised anew";
    let (project, recipe) = (Project::new(), Recipe::default());
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
