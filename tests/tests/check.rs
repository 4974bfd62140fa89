//! What is trained on is counted before it is: by `freehold check`, which leaves nothing behind, and by every run.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_tests::{Project, Recipe, head};
use serde_json::{Value, json};

/// A dialogue in turns of user and assistant. Every `Q` is one token of the model's.
fn dialogue(turns: &[&str]) -> String {
    let roles = ["user", "assistant"].into_iter().cycle();
    let message = |(text, role): (&&str, &str)| json!({ "role": role, "content": text });
    format!("{}\n", json!({ "messages": turns.iter().zip(roles).map(message).collect::<Vec<_>>() }))
}

/// A project that learns two dialogues of two datasets: 10 tokens and 15.
///
/// The template writes `<|begin|>`, then each message as `<|role|>text<|end|>`. An answer is learned with its `<|end|>`.
fn by_hand() -> (Project, Recipe) {
    let project = Project::bare();
    for plugin in ["exact-match", "metric-gate"] {
        project.sign(plugin);
    }
    project.copy_model("base-1");
    project.write("first.jsonl", &dialogue(&["QQQ", "QQ"]));
    project.write("second.jsonl", &dialogue(&["Q", "Q", "Q", "QQQ"]));
    project.write("eval.jsonl", &dialogue(&["QQQ", "QQ"]).repeat(10));
    let data = |(name, split): (&str, &str)| {
        format!("[[data]]\nname = \"{name}\"\npath = \"{name}.jsonl\"\nsplit = \"{split}\"\n")
    };
    let default = Recipe::default();
    let recipe = Recipe {
        data: [("first", "train"), ("second", "train"), ("eval", "eval")].map(data).concat(),
        transforms: String::new(),
        policies: default.policies[default.policies.rfind("[[policy]]").unwrap()..].into(),
        ..default
    };
    (project, recipe)
}

fn check(project: &Project, recipe: &Recipe, code: i32) -> Value {
    project.write("freehold.toml", &recipe.to_string());
    project.run(&["check", "--json"]).expect(code).json()
}

fn with_max_length(recipe: &Recipe, tokens: usize) -> Recipe {
    Recipe { train: recipe.train.replace("max_length = 256", &format!("max_length = {tokens}")), ..recipe.clone() }
}

#[test]
fn counts_are_those_worked_out_by_hand() {
    let (project, recipe) = by_hand();
    let checked = check(&project, &recipe, 0);
    let nothing = json!({ "rows": 0, "first": [] });
    let bins = json!([
        { "from": 8, "to": 11, "examples": 1, "tokens": 10 },
        { "from": 12, "to": 15, "examples": 1, "tokens": 15 },
    ]);
    let train = json!({
        "rows": 2, "turns": 6, "answers": 3, "examples": 2, "tokens": 25, "learned": 9, "masked": 16,
        "lengths": { "min": 10, "median": 10, "p95": 15, "max": 15, "bins": bins },
        "too_long": { "limit": 256, "examples": 0, "tokens_beyond": 0, "first": [] },
        "nothing_to_learn": nothing, "without_end": nothing,
    });
    assert_eq!(checked["validation"]["train"], train);
    let packing = json!({
        "epochs": 1.0, "steps": 1, "tokens_per_step": 1024, "sequences": 1, "longest_sequence": 23,
        "longest_targets": 9, "tokens": 25, "computed": 23, "learned": 9, "padded_to_longest": 30,
        "padded_to_max": 512,
    });
    assert_eq!(checked["validation"]["packing"], packing);
    let eval = &checked["validation"]["eval"];
    assert_eq!((&eval["rows"], &eval["tokens"], &eval["learned"]), (&json!(10), &json!(100), &json!(30)));
    assert_eq!((&checked["validation"]["end"], &checked["problems"]), (&json!("<|end|>"), &json!([])));
    for number in ["/forecast/time/seconds", "/forecast/time/tokens_per_s", "/forecast/memory/weights", "/memory_bytes"]
    {
        assert!(checked.pointer(number).and_then(Value::as_f64).unwrap() > 0.0, "{number} in {checked}");
    }
    // A run says the same.
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((&run["validation"], &run["training"]["examples"]), (&checked["validation"], &json!(2)));
    let said = project.run(&["audit", "show", "desk-1"]).expect(0);
    said.says(&[
        "What was trained on",
        "9 of 25 tokens (36.0 %) in 2 examples, 3 answers",
        "10 to 15 tokens, median 10",
    ]);
}

#[test]
fn a_run_records_the_same_counts_each_time_and_a_check_leaves_no_trace() {
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    let before = project.files();
    let said = project.run(&["check"]).expect(0);
    assert_eq!(said.stderr, "", "nothing is drawn when stderr is no terminal");
    assert!(said.stdout.lines().all(|line| line.chars().count() <= 100), "{}", said.stdout);
    said.says(&["What would be trained on", "█", "What training would take", "as desk-1", "Nothing was recorded"]);
    assert_eq!(project.files(), before);
    assert!(!project.path().join("home/check").exists() && !project.path().join("freehold.lock").exists());
    project.run(&["check", "--locked"]).expect(1).says(&["there is no `freehold.lock`"]);
    project.assert_intact();

    let checked = project.run(&["check", "--json"]).expect(0).json();
    for split in ["train", "eval"] {
        let counts = &checked["validation"][split];
        let sum = |what: &str| {
            counts["lengths"]["bins"].as_array().unwrap().iter().map(|bin| bin[what].as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!(
            (json!(sum("examples")), json!(sum("tokens"))),
            (counts["examples"].clone(), counts["tokens"].clone())
        );
        assert_eq!(counts["learned"].as_u64().unwrap() + counts["masked"].as_u64().unwrap(), sum("tokens"));
    }
    let recorded = |run: &str| {
        let made = project.run(&["run", "--json"]).expect(0).json();
        let shown = project.run(&["audit", "show", run, "--json"]).expect(0).json();
        assert_eq!(
            (&made["validation"], &shown["report"]["validation"]),
            (&checked["validation"], &checked["validation"])
        );
        // What is trained is what was counted.
        assert_eq!(made["training"]["tokens"], checked["validation"]["packing"]["tokens"]);
        assert_eq!(made["training"]["steps"], checked["validation"]["packing"]["steps"]);
        let outputs = shown["phases"][3]["outputs"].as_array().unwrap().clone();
        outputs.into_iter().find(|output| output["name"] == "validation").unwrap()["digest"].clone()
    };
    assert_eq!(recorded("desk-1"), recorded("desk-2"));
    project.assert_intact();
}

#[test]
fn rows_that_are_too_long_are_named_by_dataset_and_stop_a_run_before_it_trains() {
    let (project, recipe) = by_hand();
    let checked = check(&project, &with_max_length(&recipe, 12), 1);
    let first = json!([{ "row": 1, "dataset": "second", "dataset_row": 0, "tokens": 15 }]);
    let expected = json!({ "limit": 12, "examples": 1, "tokens_beyond": 3, "first": first });
    assert_eq!(checked["validation"]["train"]["too_long"], expected);
    assert_eq!((&checked["forecast"], checked["problems"].as_array().unwrap().len()), (&Value::Null, 1));
    let parts = ["1 example with more than `max_length` = 12 tokens", "row 0 of `second` (15 tokens)", "at least 15"];
    project.run(&["check"]).expect(1).says(&parts);
    project.run(&["run"]).expect(1).says(&parts);
    assert!(!project.path().join("home/metrics").exists(), "nothing was trained");
    project.assert_intact();
    // The limit that the remedy names is enough.
    check(&project, &with_max_length(&recipe, 15), 0);

    // Through transforms that drop rows: the second is a duplicate of the first, the last is too long.
    let project = Project::new();
    let (rows, ticket) = (head("tickets-eu.jsonl", 5), head("tickets-eu.jsonl", 1));
    let mut long: Value = serde_json::from_str(&ticket).unwrap();
    long["text"] = "QZ".repeat(200).into();
    project.write("train.jsonl", &format!("{ticket}{rows}{long}\n"));
    let checked = check(&project, &Recipe::default(), 1);
    let counts = &checked["validation"]["train"];
    let first = &counts["too_long"]["first"][0];
    assert_eq!((&first["dataset"], &first["dataset_row"]), (&json!("train"), &json!(6)), "{counts}");
    assert_eq!((&first["row"], &counts["rows"]), (&json!(5), &json!(6)));
}

#[test]
fn rows_whose_every_token_is_masked_are_named_and_stop_a_run_before_it_trains() {
    let (project, recipe) = by_hand();
    project.write("second.jsonl", &format!("{}{}", dialogue(&["Q", "Q"]), dialogue(&["QQ"])));
    let checked = check(&project, &recipe, 1);
    let first = json!([{ "row": 2, "dataset": "second", "dataset_row": 1 }]);
    assert_eq!(checked["validation"]["train"]["nothing_to_learn"], json!({ "rows": 1, "first": first }));
    for command in ["check", "run"] {
        project.run(&[command]).expect(1).says(&["nothing can be learned of 1 of the 3 rows", "row 1 of `second`"]);
    }
    // All of them.
    project.write("first.jsonl", &dialogue(&["QQ"]).repeat(7));
    project.write("second.jsonl", &dialogue(&["Q"]));
    let checked = check(&project, &recipe, 1);
    let counts = &checked["validation"]["train"];
    assert_eq!((&counts["rows"], &counts["learned"], &counts["examples"]), (&json!(8), &json!(0), &json!(0)));
    assert_eq!(counts["nothing_to_learn"]["rows"], 8);
    let parts = ["nothing can be learned of 8 of the 8 rows", "row 0 of `first`", "and 3 more", "freehold/chat-format"];
    project.run(&["run"]).expect(1).says(&parts);
    let failed = project.run(&["run", "--json"]).expect(1).json();
    assert!(failed["error"]["remedy"].as_str().unwrap().contains("`assistant`"), "{failed}");
    assert!(!project.path().join("home/metrics").exists(), "nothing was trained");
    project.assert_intact();
}

#[test]
fn what_would_stop_the_measurement_stops_a_run_before_it_trains() {
    let (project, recipe) = by_hand();
    project
        .write("eval.jsonl", &format!("{}{}", dialogue(&["Q", "Q"]).repeat(10), dialogue(&[&"QZ".repeat(300), "Q"])));
    let checked = check(&project, &recipe, 1);
    let first = &checked["validation"]["eval"]["too_long"]["first"][0];
    assert_eq!((&first["dataset"], &first["dataset_row"]), (&json!("eval"), &json!(10)));
    project.run(&["run"]).expect(1).says(&["more than 480 tokens", "a model of 512 positions", "row 10 of `eval`"]);
    project.write("eval.jsonl", &dialogue(&["Q", "Q", "Q"]));
    project.run(&["check"]).expect(1).says(&["does not end with the assistant's answer"]);
    assert!(!project.path().join("home/metrics").exists(), "nothing was trained");
}

#[test]
fn what_is_not_admitted_is_not_looked_at() {
    let project = Project::new();
    let policies = Recipe::default().policies.replace("allow = [\"eu\"]", "allow = [\"us\"]");
    let recipe = Recipe { policies, ..Recipe::default() };
    let checked = check(&project, &recipe, 3);
    assert_eq!((&checked["admitted"], &checked["validation"]), (&json!(false), &Value::Null));
    project.run(&["check"]).expect(3).says(&["residency-gate", "would be denied"]);
}
