//! New rows are compared with those that a run was trained on.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use freehold_tests::{Outcome, Project, Recipe, head, table};
use serde_json::{Value, json};

/// A run on the first of 400 tickets.
fn trained() -> Project {
    let project = Project::new();
    project.write("train.jsonl", &lines(0, 200));
    drop(project.run_recipe(&Recipe::default()).expect(0));
    project
}

/// Lines of the demo's tickets.
fn lines(from: usize, to: usize) -> String {
    head("tickets-eu.jsonl", to).lines().skip(from).map(|line| format!("{line}\n")).collect()
}

fn report(project: &Project, arguments: &[&str]) -> Outcome {
    project.run(&[&["drift", "report", "--current"], arguments].concat())
}

/// The corrected p-value of a statistic.
fn corrected(report: &Value, descriptor: &str, statistic: &str) -> f64 {
    let findings = report["comparison"]["findings"].as_array().unwrap();
    let found = findings.iter().find(|f| f["descriptor"] == descriptor && f["statistic"] == statistic);
    found.unwrap_or_else(|| panic!("no {statistic} of {descriptor} in {report}"))["corrected"].as_f64().unwrap()
}

#[test]
fn rows_of_the_same_kind_are_no_drift_and_other_rows_are() {
    let project = trained();
    let before = project.files();
    project.write("later.jsonl", &lines(200, 400));
    let said = report(&project, &["later.jsonl", "--json"]).expect(0).json();
    assert_eq!((&said["answer"], &said["run"]), (&json!("no-drift"), &json!("desk-1")), "{said}");
    assert!(said["current"]["compared"].as_u64().unwrap() > 150 && said["transforms"].as_array().unwrap().len() == 3);
    for (descriptor, statistic) in
        [("length", "kolmogorov-smirnov"), ("perplexity", "kolmogorov-smirnov"), ("hidden", "mmd")]
    {
        assert!(corrected(&said, descriptor, statistic) > 0.01, "{descriptor}: {said}");
    }

    // The same people, who write more and in capitals.
    let other: String = lines(200, 400)
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            let text = row["text"].as_str().unwrap().to_owned();
            row["text"] = format!("{} {}", text.to_uppercase(), text).into();
            format!("{row}\n")
        })
        .collect();
    project.write("other.jsonl", &other);
    let said = report(&project, &["other.jsonl", "--json"]).expect(0).json();
    assert_eq!(
        (&said["answer"], &said["comparison"]["drifted"]),
        (&json!("drift"), &json!(["hidden", "length", "perplexity"]))
    );
    // Another time and with one thread, the same.
    let again = report(&project, &["other.jsonl", "--json", "--threads", "1"]).expect(0).json();
    assert_eq!(without_usage(again), without_usage(said));
    let page = report(&project, &["other.jsonl", "--model", "desk@production"]).expect(0);
    assert!(page.stdout.lines().all(|line| line.chars().count() <= 100), "{}", page.stdout);
    page.says(&["kolmogorov-smirnov", "psi", "drift: hidden, length, perplexity", "Nothing was recorded"]);
    assert_eq!(project.files(), before);
    assert!(!project.path().join("home/drift").exists());
    project.assert_intact();
}

/// How long plugins took is never the same twice.
fn without_usage(mut said: Value) -> Value {
    for transform in said["transforms"].as_array_mut().unwrap() {
        assert!(transform.as_object_mut().unwrap().remove("usage").is_some());
    }
    said
}

#[test]
fn a_file_of_any_kind_in_any_folder_is_compared_as_its_rows_are() {
    let project = trained();
    let rows: Vec<Value> = lines(200, 300).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    std::fs::create_dir_all(project.path().join("elsewhere/below")).unwrap();
    let mut seen = Vec::new();
    for kind in ["jsonl", "parquet", "arrow"] {
        let file = format!("elsewhere/below/rows.{kind}");
        project.write_bytes(&file, &table(kind, &rows));
        let mut said = report(&project, &[&file, "--model", "desk-1", "--json"]).expect(0).json();
        assert_eq!(said["current_file"], json!(file));
        said["current_file"] = Value::Null;
        seen.push(without_usage(said));
    }
    assert!(seen.iter().all(|said| *said == seen[0]), "{seen:?}");
}

#[test]
fn the_page_needs_nothing_else_and_shows_both_sides() {
    let project = trained();
    project.write("later.jsonl", &lines(100, 260));
    let said = report(&project, &["later.jsonl", "--html", "drift.html"]).expect(0);
    said.says(&["drift.html"]);
    let page = String::from_utf8(project.read("drift.html")).unwrap();
    let parsed = scraper::Html::parse_document(&page);
    assert_eq!(parsed.errors, Vec::<std::borrow::Cow<'_, str>>::new());
    let count = |selector: &str| parsed.select(&scraper::Selector::parse(selector).unwrap()).count();
    assert_eq!((count("script"), count("svg"), count("[src]"), count("link")), (0, 3, 0, 0));
    assert!(count("rect.side.reference") > 10 && count("rect.side.current") > 10);
    assert_eq!(count("svg > title") + count("svg > desc"), 6);
    for text in ["no drift", "kolmogorov-smirnov", "desk-1", "redact-pii", "perplexity under the base model"] {
        assert!(page.contains(text), "{text}");
    }
    drop(report(&project, &["later.jsonl", "--html", "again.html"]).expect(0));
    assert_eq!(project.read("again.html"), project.read("drift.html"));
}

#[test]
fn too_few_rows_say_nothing_and_what_cannot_be_compared_is_refused() {
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    project.write("few.jsonl", &lines(200, 220));
    report(&project, &["few.jsonl"]).expect(2).says(&["no run of this recipe"]);
    drop(project.run(&["run"]).expect(0));
    let said = report(&project, &["few.jsonl", "--json"]).expect(0).json();
    assert_eq!((&said["answer"], &said["comparison"]["findings"]), (&json!("too-few-rows"), &json!([])));
    report(&project, &["few.jsonl"]).expect(0).says(&["too few rows to say: each side needs 50"]);
    report(&project, &["none.jsonl"]).expect(1).says(&["no such file"]);
    report(&project, &["few.jsonl", "--model", "nobody@production"]).expect(2).says(&["no model"]);
    report(&project, &["few.jsonl", "--alpha", "1.5"]).expect(2).says(&["alpha", "between 0 and 1"]);
    report(&project, &["few.jsonl", "--rows", "10"]).expect(2).says(&["rows"]);
    // What the transforms need is not there.
    project.write("strange.jsonl", &"{\"other\": 1}\n".repeat(60));
    report(&project, &["strange.jsonl"]).expect(1).says(&["a transform reads the column"]);
    project.write("broken.jsonl", "{\"text\": \n");
    drop(report(&project, &["broken.jsonl"]).expect(1));
    // Another base model under the same name.
    std::fs::remove_dir_all(project.path().join("models/base-1")).unwrap();
    project.copy_model("base-2");
    std::fs::rename(project.path().join("models/base-2"), project.path().join("models/base-1")).unwrap();
    report(&project, &["few.jsonl"]).expect(1).says(&["its base model was sha256:"]);
    assert!(!project.path().join("home/drift").exists());
}

#[test]
fn statistics_of_metric_plugins_describe_rows_and_no_run_depends_on_them() {
    let project = trained();
    let lock = project.read("freehold.lock");
    project.write("later.jsonl", &lines(200, 400));
    let default = Recipe::default();
    let metrics = format!(
        "{}\n[[descriptor]]\nplugin = \"freehold/token-f1\"\nversion = \"^1.0\"\nname = \"words\"\n",
        default.metrics
    );
    project.write("freehold.toml", &Recipe { metrics, ..default.clone() }.to_string());
    let said = report(&project, &["later.jsonl", "--json"]).expect(0).json();
    let descriptors = said["descriptors"].as_array().unwrap();
    let of_plugin: Vec<_> = descriptors.iter().filter(|of| !of["plugin"].is_null()).collect();
    assert!(!of_plugin.is_empty(), "{said}");
    for of in of_plugin {
        assert!(of["descriptor"].as_str().unwrap().starts_with("words."), "{of}");
        assert!(of["plugin"].as_str().unwrap().starts_with("freehold/token-f1@"), "{of}");
    }
    assert_eq!(project.read("freehold.lock"), lock);
    // One that is no metric, and two of one name.
    let with = |descriptor: &str| {
        let metrics = format!("{}\n{descriptor}", default.metrics);
        project.write("freehold.toml", &Recipe { metrics, ..default.clone() }.to_string());
        report(&project, &["later.jsonl"]).expect(1)
    };
    with("[[descriptor]]\nplugin = \"freehold/redact-pii\"\nversion = \"^1.0\"\n").says(&["transform"]);
    let twice = "[[descriptor]]\nplugin = \"freehold/token-f1\"\nversion = \"^1.0\"\n".repeat(2);
    with(&twice).says(&["two descriptors have this name"]);
}
