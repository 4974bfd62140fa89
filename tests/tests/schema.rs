//! What `--json` gives is what its schema says, with no field besides.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_tests::Project;
use serde_json::{Value, json};

/// A schema by which an object has no other fields than those that are documented.
fn strict(mut schema: Value) -> Value {
    close(&mut schema);
    schema
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn schema(project: &Project, of: &str) -> Value {
    project.run(&["audit", "schema", of]).expect(0).json()
}

/// Asks, and holds the answer against the schema.
fn ask(project: &Project, of: &str, arguments: &[&str]) -> Value {
    let answer = project.run(&[arguments, &["--json"]].concat());
    assert!([0, 4].contains(&answer.code), "{arguments:?}: {}", answer.stderr);
    let (answer, schema) = (answer.json(), strict(schema(project, of)));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(&answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{of}: {}", problems.join("\n"));
    answer
}

#[test]
fn answers_are_what_their_schemas_say() {
    let project = Project::with_runs();
    project.run(&["key", "new", "ada"]).expect(0);
    project.run(&["trust", "add", "--role", "approver", "--key", "ada"]).expect(0);
    let mut asked = vec!["run", "approvals"];
    ask(&project, "run", &["run", "freehold.toml"]);
    ask(&project, "approvals", &["approve", "desk-2", "--key", "ada", "--note", "looked"]);
    project.run(&["audit", "export", "desk-2", "--format", "pack", "--out", "run.pack"]).expect(0);
    let data = ask(&project, "explain", &["audit", "explain", "desk-1"])["data"][0]["digest"].clone();
    let questions: [(&str, &[&str]); 23] = [
        ("list", &["audit", "list"]),
        ("show", &["audit", "show", "desk-1"]),
        ("show", &["audit", "show", "abroad-1"]),
        ("explain", &["audit", "explain", "desk-2"]),
        ("explain", &["audit", "explain", "abroad-1"]),
        ("approvals", &["audit", "approvals", "desk-2", "--require", "2"]),
        ("diff", &["audit", "diff", "desk-1", "abroad-1"]),
        ("impact", &["audit", "impact", "plugin", "freehold/redact-pii"]),
        ("impact", &["audit", "impact", "key", "ada"]),
        ("impact", &["audit", "impact", "data", data.as_str().unwrap()]),
        ("replay", &["audit", "replay", "desk-2"]),
        ("profile", &["audit", "profile", "desk-2"]),
        ("profiles", &["audit", "profile"]),
        ("verify", &["audit", "verify", "--preregistered"]),
        ("verify-pack", &["audit", "verify", "./run.pack", "--preregistered"]),
        ("index", &["audit", "index"]),
        ("checkpoint", &["audit", "checkpoint"]),
        ("reproduce", &["reproduce", "desk-3"]),
        ("drift", &["drift", "report", "--current", "eval.jsonl", "--model", "desk-1"]),
        ("promote", &["promote", "desk-2", "--alias", "desk@staging"]),
        ("rollback", &["rollback", "desk@production", "--reason", "a drill"]),
        ("history", &["audit", "history", "desk@production"]),
        ("list", &["audit", "list", "--verdict", "denied"]),
    ];
    for (of, arguments) in questions {
        ask(&project, of, arguments);
        asked.push(of);
    }
    // What is wrong is said in the same form.
    let file = project.files().into_iter().find(|file| file.contains("blobs")).unwrap();
    project.write(&file, "changed");
    assert_ne!(ask(&project, "verify", &["audit", "verify"])["findings"], json!([]));

    // There is no other, but what a witness's command says is what that of a checkpoint does.
    let all = project.run(&["audit", "schema", "--json"]).expect(0).json();
    let missed = all.as_array().unwrap().iter().filter(|of| !asked.contains(&of.as_str().unwrap()));
    assert_eq!(missed.collect::<Vec<_>>(), ["witness"]);
    assert_eq!(schema(&project, "witness"), schema(&project, "checkpoint"));
}

#[test]
fn schemas_say_what_fields_mean_and_need_no_home() {
    let project = Project::bare();
    std::fs::remove_dir_all(project.path().join("home")).unwrap();
    for of in project.run(&["audit", "schema", "--json"]).expect(0).json().as_array().unwrap() {
        let schema = schema(&project, of.as_str().unwrap());
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        undescribed(of.as_str().unwrap(), &schema);
    }
    drop(project.run(&["audit", "schema", "lst"]).expect(2).says(&["no schema `lst`", "list, show"]));
}

/// Every field of every object has a description.
fn undescribed(path: &str, schema: &Value) {
    if let Some(fields) = schema["properties"].as_object() {
        for (name, field) in fields {
            assert!(field["description"].is_string(), "{path}.{name} is not described: {field}");
        }
    }
    match schema {
        Value::Object(fields) => fields.iter().for_each(|(name, below)| undescribed(&format!("{path}/{name}"), below)),
        Value::Array(items) => items.iter().for_each(|below| undescribed(path, below)),
        _ => {}
    }
}
