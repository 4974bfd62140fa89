//! Datasets are read whatever they are written in and whatever the form of their dialogues, and give the same adapter.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use freehold_tests::{FILE_KINDS, Outcome, Project, Recipe, head, table, workspace};
use serde_json::{Value, json};

/// A project in which dialogues are learned as they are.
fn project() -> Project {
    let project = Project::bare();
    for plugin in ["redact-pii", "chat-format", "exact-match", "metric-gate"] {
        project.sign(plugin);
    }
    project.copy_model("base-1");
    project.write_bytes("eval.jsonl", &table("jsonl", &rows(10, "messages")));
    project
}

/// A recipe with the train data in these files and without the policies of the default.
fn recipe(files: &[&str], transforms: &str) -> Recipe {
    let data =
        |(at, file): (usize, &&str)| format!("[[data]]\nname = \"train{at}\"\npath = \"{file}\"\nsplit = \"train\"\n");
    let train: String = files.iter().enumerate().map(data).collect();
    let policies = Recipe::default().policies;
    Recipe {
        data: format!("{train}[[data]]\nname = \"eval\"\npath = \"eval.jsonl\"\nsplit = \"eval\"\n"),
        transforms: transforms.into(),
        policies: policies[policies.rfind("[[policy]]").unwrap()..].into(),
        ..Recipe::default()
    }
}

/// Dialogues of the demo's data in a form, with a few columns beside them.
fn rows(count: usize, form: &str) -> Vec<Value> {
    let tickets = head("tickets-eu.jsonl", count);
    let tickets = tickets.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    tickets.enumerate().map(|(at, ticket)| row(at, &ticket, form)).collect()
}

fn row(at: usize, ticket: &Value, form: &str) -> Value {
    let (text, answer) = (ticket["text"].as_str().unwrap(), format!("It is about {}.", ticket["intent"]));
    let text = format!("{text}\nBe brief.");
    let say = |names: [&str; 2], who: &str, what: &str| json!({ names[0]: who, names[1]: what, "weight": 1 });
    let chat = |who: &str, what: &str| say(["role", "content"], who, what);
    let shared = |who: &str, what: &str| say(["from", "value"], who, what);
    let (system, question, said) = ("You sort mail.", "Who are you?", "A clerk.");
    let mut row = match form {
        "messages" | "conversations" => json!({ form: [
            chat("system", system), chat("user", question), chat("assistant", said), chat("user", &text), chat("assistant", &answer),
        ] }),
        "sharegpt" => json!({ "conversations": [
            shared("system", system), shared("human", question), shared("gpt", said), shared("human", &text), shared("gpt", &answer),
        ] }),
        "sharegpt-system" => json!({ "system": system, "conversations": [
            shared("human", question), shared("gpt", said), shared("human", &text), shared("gpt", &answer),
        ] }),
        "alpaca" => json!({
            "system": system, "history": [[question, said]], "output": answer,
            "instruction": text.strip_suffix("\nBe brief.").unwrap(), "input": "Be brief.",
        }),
        "prompt-completion" => json!({
            "prompt": [chat("system", system), chat("user", question), chat("assistant", said), chat("user", &text)],
            "completion": [chat("assistant", &answer)],
        }),
        "one-turn" => json!({ "messages": [chat("user", &text), chat("assistant", &answer)] }),
        "one-turn-texts" => json!({ "prompt": text, "completion": answer }),
        "one-turn-alpaca" => json!({ "instruction": text, "output": answer, "input": "" }),
        other => panic!("there is no form {other}"),
    };
    let beside =
        json!({ "number": at, "share": 0.5, "odd": at % 2 == 1, "nothing": null, "late": (at > 9).then_some("x") });
    row.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
    row
}

fn run(project: &Project, recipe: &Recipe) -> Value {
    project.write("freehold.toml", &recipe.to_string());
    project.run(&["run", "--json"]).expect(0).json()
}

/// The adapter of a form in every kind of file is that of `messages` in lines of JSON.
fn gives_the_same_adapter(forms: &[(&str, &str)], as_messages: &str) {
    let project = project();
    project.write_bytes("train.jsonl", &table("jsonl", &rows(15, as_messages)));
    let expected = run(&project, &recipe(&["train.jsonl"], ""));
    for (form, named) in forms {
        for kind in FILE_KINDS {
            // A name says nothing of what is in a file.
            project.write_bytes("train.data", &table(kind, &rows(15, form)));
            let report = run(&project, &recipe(&["train.data"], ""));
            assert_eq!(report["adapter"], expected["adapter"], "{form} in {kind}");
            let dataset = json!({ "dataset": "train0", "split": "train", "file": kind, "form": named, "rows": 15 });
            assert_eq!(report["datasets"][0], dataset);
        }
    }
    project.assert_intact();
}

#[test]
fn messages_in_every_file() {
    gives_the_same_adapter(&[("messages", "messages"), ("conversations", "messages")], "messages");
}

#[test]
fn sharegpt_in_every_file() {
    gives_the_same_adapter(&[("sharegpt", "sharegpt"), ("sharegpt-system", "sharegpt")], "messages");
}

#[test]
fn alpaca_and_prompts_in_every_file() {
    gives_the_same_adapter(&[("alpaca", "alpaca"), ("prompt-completion", "prompt-completion")], "messages");
}

#[test]
fn one_turn_in_every_file() {
    gives_the_same_adapter(&[("one-turn-texts", "prompt-completion"), ("one-turn-alpaca", "alpaca")], "one-turn");
}

/// The files were written by pyarrow 26: Parquet with a codec for each column, Parquet with pages of version 2, Arrow with
/// dictionaries and views, compressed with zstd and with lz4. `messages.jsonl` has the same rows.
#[test]
fn files_of_pyarrow_are_read() {
    let project = project();
    let fixture = |name: &str| std::fs::read(workspace().join("tests/fixtures/tables").join(name)).unwrap();
    project.write_bytes("train.jsonl", &fixture("messages.jsonl"));
    let expected = run(&project, &recipe(&["train.jsonl"], ""));
    for (name, kind) in [
        ("codecs.parquet", "parquet"),
        ("version-2.parquet", "parquet"),
        ("zstd.arrow", "arrow"),
        ("lz4.arrows", "arrow-stream"),
    ] {
        project.write_bytes("train.data", &fixture(name));
        let report = run(&project, &recipe(&["train.data"], ""));
        assert_eq!(
            (&report["adapter"], &report["datasets"][0]["file"]),
            (&expected["adapter"], &json!(kind)),
            "{name}"
        );
    }
}

#[test]
fn datasets_of_several_forms_make_one_split() {
    let project = project();
    let all = rows(30, "messages");
    project.write_bytes("all.jsonl", &table("jsonl", &all));
    let expected = run(&project, &recipe(&["all.jsonl"], ""));
    let part = |form: &str, from: usize| rows(30, form)[from..from + 10].to_vec();
    project.write_bytes("one.arrow", &table("arrow", &part("sharegpt-system", 0)));
    project.write_bytes("two.jsonl", &table("jsonl", &part("messages", 10)));
    project.write_bytes("three.parquet", &table("parquet", &part("alpaca", 20)));
    let several = recipe(&["one.arrow", "two.jsonl", "three.parquet"], "");
    let report = run(&project, &several);
    assert_eq!(report["adapter"], expected["adapter"]);
    let forms: Vec<_> =
        report["datasets"].as_array().unwrap().iter().map(|data| data["form"].as_str().unwrap()).collect();
    assert_eq!(forms, ["sharegpt", "messages", "alpaca", "messages"]);
    // What was read is in the record, and people see it too.
    let shown = project.run(&["audit", "show", "desk-2"]).expect(0);
    drop(shown.says(&[
        "Data",
        "Dataset Split File Form Rows",
        "train0 train arrow sharegpt 10",
        "train2 train parquet alpaca 10",
    ]));
    let shown = project.run(&["audit", "show", "desk-2", "--json"]).expect(0).json();
    assert_eq!(shown["phases"][0]["detail"]["datasets"][2]["form"], "alpaca");
    // Columns that are left have to be of one kind in all of them.
    let mut other = part("alpaca", 20);
    other.iter_mut().for_each(|row| row["odd"] = json!("no"));
    project.write_bytes("three.parquet", &table("parquet", &other));
    let refused = project.run(&["run"]).expect(1);
    drop(refused.says(&[
        "`three.parquet`: row 1",
        "`odd` is a text",
        "expected true or false, as in the datasets before",
    ]));
}

fn blob(project: &Project, run: &str, name: &str) -> String {
    let shown = project.run(&["audit", "show", run, "--json"]).expect(0).json();
    let outputs = shown["phases"][2]["outputs"].as_array().unwrap().clone();
    let output = outputs.iter().find(|output| output["name"] == name).unwrap();
    let digest = output["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    String::from_utf8(project.read(&format!("home/store/blobs/sha256/{digest}"))).unwrap()
}

/// Transforms see `messages`, whatever the file had, and nothing is left of the columns that they were made of.
#[test]
fn transforms_see_dialogues() {
    let project = project();
    let redact = "[[transform]]\nplugin = \"freehold/redact-pii\"\nversion = \"^1.0\"\nsettings = { columns = [\"messages\"] }\n";
    let mut train = rows(10, "one-turn-alpaca");
    train[3]["instruction"] = json!("Write to somebody@example.org");
    train[4]["input"] = json!("or to nobody@example.org");
    project.write_bytes("train.parquet", &table("parquet", &train));
    let report = run(&project, &recipe(&["train.parquet"], redact));
    assert_eq!(report["datasets"][0]["form"], "alpaca");
    let kept = blob(&project, "desk-1", "rows/train");
    assert!(kept.contains("Write to [EMAIL]") && kept.contains("\\nor to [EMAIL]"), "{kept}");
    assert!(!kept.contains("@example.org") && !kept.contains("instruction"), "{kept}");
    let first: Value = serde_json::from_str(kept.lines().next().unwrap()).unwrap();
    let columns: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(columns, ["messages", "number", "odd", "share"]);
}

/// A transform that makes `messages` gets the columns, even if they would be a form.
#[test]
fn columns_stay_columns_where_a_transform_makes_the_dialogues() {
    let project = project();
    let format = "[[transform]]\nplugin = \"freehold/chat-format\"\nversion = \"^1.0\"\nsplits = [\"train\"]\n\
                  settings = { user = \"{instruction}\", assistant = \"{output}\" }\n";
    project.write_bytes("train.jsonl", &table("jsonl", &rows(15, "one-turn")));
    let expected = run(&project, &recipe(&["train.jsonl"], ""));
    project.write_bytes("train.jsonl", &table("jsonl", &rows(15, "one-turn-alpaca")));
    let report = run(&project, &recipe(&["train.jsonl"], format));
    assert_eq!(report["adapter"], expected["adapter"]);
    assert_eq!(
        (&report["datasets"][0]["form"], &report["datasets"][1]["form"]),
        (&json!("columns"), &json!("messages"))
    );
}

/// Tools speak, too, if the chat template lets them; plugins get them as they are.
#[test]
fn tools_pass_through() {
    let project = project();
    let say = |role: &str, content: &str| json!({ "role": role, "content": content });
    let dialogue =
        [say("user", "time?"), say("tool", "12:00"), say("function", "noon"), say("assistant", "It is noon.")];
    project.write_bytes("train.jsonl", &table("jsonl", &vec![json!({ "messages": dialogue }); 10]));
    let redact = "[[transform]]\nplugin = \"freehold/redact-pii\"\nversion = \"^1.0\"\nsettings = { columns = [\"messages\"] }\n";
    run(&project, &recipe(&["train.jsonl"], redact));
    assert!(blob(&project, "desk-1", "rows/train").contains(r#"{"content":"12:00","role":"tool"}"#));
}

/// Runs a recipe with a file that cannot be used, and checks that nothing half-done is left.
#[track_caller]
fn refused(project: &Project, file: &str, content: &[u8], parts: &[&str]) -> Outcome {
    project.write_bytes(file, content);
    let outcome = project.run_recipe(&recipe(&[file], "")).expect(1).says(parts);
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    assert!(!project.files().iter().any(|file| file.contains(".tmp")));
    outcome
}

#[test]
fn rows_without_one_form_are_named() {
    let project = project();
    let messages = json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": "b" }]);
    let shared = json!([{ "from": "human", "value": "a" }, { "from": "gpt", "value": "b" }]);
    let good = json!({ "messages": messages.clone() });
    for (rows, row, parts) in [
        (
            vec![good.clone(), json!({ "id": 1, "tag": "x" })],
            2,
            &["there is no dialogue in the columns id, tag", "`prompt` and"][..],
        ),
        (
            vec![good.clone(), json!({ "messages": messages, "prompt": "a", "completion": "b" })],
            2,
            &["two dialogues: `messages` and `prompt` and `completion`"],
        ),
        (
            vec![good.clone(), json!({ "instruction": "a", "output": "b" })],
            2,
            &["the dialogue is in `instruction` and `output`", "expected `messages`, as before"],
        ),
        (
            vec![json!({ "instruction": "a", "output": "b", "input": 3 })],
            1,
            &["`input` is a number", "expected a text"],
        ),
        (
            vec![json!({ "conversations": [{ "from": "system", "value": "a" }], "system": "b" })],
            1,
            &["begins with a system message"],
        ),
    ] {
        for (kind, place) in [("jsonl", "line"), ("parquet", "row")] {
            let place = format!("{place} {row}");
            let parts = [&[place.as_str()], parts].concat();
            drop(refused(&project, "train.data", &table(kind, &rows), &parts));
        }
    }
    // A row of another kind is one in lines of JSON alone: tables have one kind a column.
    let mixed = [json!({ "conversations": shared }), json!({ "conversations": [{ "role": "user", "content": "a" }] })];
    drop(refused(
        &project,
        "train.data",
        &table("jsonl", &mixed),
        &[
            "line 2, column 2: `conversations` has messages with `role` and `content`",
            "`from` and `value`, as in the lines before",
        ],
    ));
    let role = |who: &str| json!({ "messages": [{ "role": who, "content": "a" }] });
    for kind in FILE_KINDS {
        let parts = ["a message whose `role` is `robot`", "expected one of system, user, assistant, tool, function"];
        drop(refused(&project, "train.data", &table(kind, &[role("user"), role("robot")]), &parts));
    }
    let nothing = table("jsonl", &[json!({ "text": "a" })]);
    drop(refused(
        &project,
        "train.data",
        &nothing,
        &["no column `messages` after the transforms", "`instruction` and `output`"],
    ));
}

#[test]
fn broken_files_are_named() {
    let project = project();
    let rows = rows(30, "messages");
    for kind in ["parquet", "arrow", "arrow-stream"] {
        let whole = table(kind, &rows);
        for length in [9, whole.len() / 2, whole.len() - 3] {
            drop(refused(&project, "train.data", &whole[..length], &["`train.data`: the file is damaged"]));
        }
        drop(refused(&project, "train.data", &[&whole[..], b"more"].concat(), &["the file is damaged"]));
        let tagged = json!({ "tags": ["a", "b"], "messages": rows[0]["messages"] });
        drop(refused(
            &project,
            "train.data",
            &table(kind, &[tagged]),
            &["column `tags`", "lists that are no dialogues"],
        ));
        let nested = json!({ "meta": { "a": 1 }, "messages": rows[0]["messages"] });
        drop(refused(&project, "train.data", &table(kind, &[nested]), &["column `meta`: it holds objects"]));
        let infinite = json!({ "text": "x".repeat(17 << 20) });
        drop(refused(
            &project,
            "train.data",
            &table(kind, &[rows[0].clone(), infinite]),
            &["row 2, column `text`: the row has more than 16777216 bytes"],
        ));
    }
    for (first, part) in [
        (&b"\x1f\x8b\x08\0"[..], "compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"PK\x03\x04", "zip archive"),
        (b"FEA1", "Feather 1"),
    ] {
        drop(refused(&project, "train.data", first, &[part, "expected JSON Lines, Parquet or Arrow"]));
    }
    let mut encrypted = table("parquet", &rows);
    let end = encrypted.len() - 1;
    encrypted[end] = b'E';
    drop(refused(&project, "train.data", &encrypted, &["the file is encrypted"]));
}
