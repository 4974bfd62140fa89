//! Dialogues on their way into the model, through the built command: chat templates, masks, and what is told of them.
//! `fixtures/chat/README.md` says where the expectations come from.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_tests::{Outcome, Project, Recipe, workspace};
use safetensors::SafeTensors;
use serde_json::{Value, json};

fn fixture(file: &str) -> String {
    std::fs::read_to_string(workspace().join("tests/fixtures/chat/run").join(file)).unwrap()
}

fn expected() -> Vec<Value> {
    serde_json::from_str(&fixture("expected.json")).unwrap()
}

/// A project with a model as transformers saved it, but for its chat template.
fn project(template: &str) -> Project {
    let project = Project::new();
    for file in
        ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    {
        let to = project.path().join("models/hf").join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(workspace().join("tests/fixtures/llama").join(file), to).unwrap();
    }
    project.write("models/hf/chat_template.jinja", template);
    project
}

fn run(project: &Project, train: &[Value]) -> Outcome {
    let lines = |rows: &[Value]| {
        rows.iter().map(|row| format!("{}\n", json!({"messages": row["messages"]}))).collect::<String>()
    };
    project.write("train.jsonl", &lines(train));
    project.write("eval.jsonl", &lines(&expected()));
    project.run_recipe(&Recipe {
        base: "model = \"models/hf\"\nlicense = \"Apache-2.0\"".into(),
        transforms: String::new(),
        metrics: "[[metric]]\nplugin = \"freehold/exact-match\"\nversion = \"^1.0\"".into(),
        ..Recipe::default()
    })
}

/// Tokens, and which are learned.
type Example = (Vec<u64>, Vec<u64>);

/// What the phase tokenise says, and what it made.
fn tokenised(project: &Project) -> (Value, Vec<Example>) {
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let phase = shown["phases"].as_array().unwrap().iter().find(|phase| phase["phase"] == "tokenise").unwrap();
    let digest = phase["outputs"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let blob = project.read(&format!("home/store/blobs/sha256/{digest}"));
    let file = SafeTensors::deserialize(&blob).unwrap();
    let numbers = |name: &str, width: usize| {
        let chunks = file.tensor(name).unwrap().data().chunks_exact(width);
        chunks.map(|bytes| bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))).collect::<Vec<_>>()
    };
    let (ids, mask, offsets) = (numbers("ids", 4), numbers("mask", 1), numbers("offsets", 8));
    let part = |all: &[u64], pair: &[u64]| all[pair[0] as usize..pair[1] as usize].to_vec();
    let examples = offsets.windows(2).map(|pair| (part(&ids, pair), part(&mask, pair))).collect();
    (phase["detail"].clone(), examples)
}

#[test]
fn what_is_trained_is_what_transformers_would_train_with_markers_and_without() {
    let marked = fixture("chat_template.jinja");
    let unmarked: String =
        marked.lines().filter(|line| !line.contains("generation %}")).map(|line| format!("{line}\n")).collect();
    assert_eq!(marked.lines().count(), unmarked.lines().count() + 2);
    let expected = expected();
    for template in [marked, unmarked] {
        let project = project(&template);
        drop(run(&project, &expected).expect(0));
        let (detail, examples) = tokenised(&project);
        assert_eq!(examples.len(), expected.len());
        for (row, (ids, mask)) in expected.iter().zip(&examples) {
            assert_eq!((&json!(ids), &json!(mask)), (&row["ids"], &row["mask"]));
        }
        assert_eq!(detail["end"], json!({"id": 1, "text": "</s>", "appended": false}));
        assert_eq!(detail["divided"], 0);
        project.assert_intact();
    }
}

/// A template that writes nothing behind an answer, and instructions in the last question alone.
#[test]
fn what_had_to_be_done_to_a_template_is_in_the_record() {
    let template = "{% for m in messages %}{% if loop.last and messages[0].role == 'system' %}{{ messages[0].content }}\n\
                    {% endif %}{% if m.role == 'user' %}Q: {{ m.content }}\n{% elif m.role == 'assistant' %}A: {{ m.content }}\n\
                    {% endif %}{% endfor %}{% if add_generation_prompt %}A: {% endif %}";
    let project = project(template);
    let rows = expected();
    let said = run(&project, &rows).expect(0);
    drop(said.says(&["6 dialogues, each into several examples", "</s> was put behind answers"]));
    let (detail, examples) = tokenised(&project);
    assert_eq!(detail["end"], json!({"id": 1, "text": "</s>", "appended": true}));
    // Without an end behind them, earlier turns are not the beginning of later ones.
    let turns = |row: &Value| row["messages"].as_array().unwrap().iter().filter(|m| m["role"] == "assistant").count();
    assert_eq!(examples.len(), rows.iter().map(turns).sum::<usize>());
    assert_eq!(detail["divided"], rows.iter().filter(|row| turns(row) > 1).count());
    for (ids, mask) in examples {
        assert_eq!((ids.last(), mask.last()), (Some(&1), Some(&1)));
        assert_eq!(ids.iter().filter(|id| **id == 1).count(), 1);
    }
}

#[test]
fn rows_that_cannot_be_learned_from_are_named() {
    let template = fixture("chat_template.jinja");
    let row = |list: &[(&str, &str)]| json!({"messages": list.iter().map(|(role, text)| json!({"role": role, "content": text})).collect::<Vec<_>>()});
    for (bad, parts) in [
        (row(&[("user", "assistant")]), ["nothing can be learned of 1 of the", "row 2 of `train`"]),
        (
            row(&[("user", "a"), ("assistant", "b</s>")]),
            ["row 2 of split `train`", "ends with `</s>`, which the chat template writes itself"],
        ),
    ] {
        let mut rows = expected();
        rows.insert(2, bad);
        drop(run(&project(&template), &rows).expect(1).says(&parts));
    }
}

#[test]
fn templates_that_cannot_be_used_are_told_with_their_line() {
    for (template, part) in [
        ("{{ bos_token }}\n{{ tools[0] }}\n{% for m in messages %}", "syntax error"),
        ("{{ bos_token }}\n{{ raise_exception('not for dialogues') }}", "not for dialogues (line 2)"),
        ("{% for m in messages %}{{ m.content.lower() }}</s>{% endfor %}", "the template changes its text"),
    ] {
        drop(run(&project(template), &expected()).expect(1).says(&["`chat_template.jinja` cannot be used", part]));
    }
}
