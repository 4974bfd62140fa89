//! Each bad input gets an error of its own that says what to change; store and ledger stay intact.

use freehold_tests::{Outcome, Project, Recipe, head};

/// Runs a recipe that cannot work, and checks that nothing half-done is left.
#[track_caller]
fn refused(project: &Project, recipe: &Recipe, parts: &[&str]) -> Outcome {
    let outcome = project.run_recipe(recipe).expect(1).says(parts);
    assert!(!outcome.stderr.contains("panicked at host"), "{}", outcome.stderr);
    project.assert_intact();
    outcome
}

fn edited(file: &str, from: &str, to: &str) -> String {
    let text = head(file, 40);
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn malformed_recipes() {
    let project = Project::new();
    let recipe = Recipe::default;
    let unknown = Recipe { train: recipe().train.replace("learning_rate", "lerning_rate"), ..recipe() };
    refused(&project, &unknown, &["unknown field `lerning_rate`", "did you mean `learning_rate`?", "freehold.toml:"]);
    let not_toml = Recipe { train: "epochs = = 1".into(), ..recipe() };
    refused(&project, &not_toml, &["freehold.toml"]);
    let range = Recipe { adapter: recipe().adapter.replace("rank = 4", "rank = 0"), ..recipe() };
    refused(&project, &range, &["`adapter.rank`", "from 1 to 1024"]);
    let stage = Recipe { policies: recipe().policies.replace("\"admit\"", "\"admitt\""), ..recipe() };
    refused(&project, &stage, &["unknown variant `admitt`", "did you mean `admit`?"]);
    let no_eval = Recipe { data: recipe().data.replace("split = \"eval\"", "split = \"train\""), ..recipe() };
    refused(&project, &no_eval, &["no dataset has split = \"eval\""]);
    let version = Recipe { transforms: recipe().transforms.replace("^1.0", "^9"), ..recipe() };
    refused(&project, &version, &["no plugin `freehold/redact-pii`", "^9", "found: 1.0.0"]);
    let setting = Recipe { transforms: recipe().transforms.replace("user =", "usr ="), ..recipe() };
    refused(&project, &setting, &["has no setting `usr`", "did you mean `user`?"]);
    let kind = Recipe { policies: recipe().policies.replace("minimum = 0.0", "minimum = \"x\""), ..recipe() };
    refused(&project, &kind, &["setting `minimum`", "must be a number"]);
    let table = Recipe { metrics: recipe().metrics.replace("exact-match", "license-gate"), ..recipe() };
    refused(&project, &table, &["is not a metric plugin", "is a policy"]);
    project.run(&["run", "missing.toml"]).expect(1).says(&["missing.toml"]);
}

#[test]
fn paths_that_are_missing_or_lead_out() {
    let project = Project::new();
    let with = |path: &str| Recipe { data: Recipe::default().data.replace("train.jsonl", path), ..Recipe::default() };
    refused(&project, &with("gone.jsonl"), &["`path = \"gone.jsonl\"`", "there is no such file"]);
    refused(&project, &with("../secret.jsonl"), &["../secret.jsonl"]);
    refused(&project, &with("/etc/passwd"), &["/etc/passwd", "not below the recipe", "--root"]);
    std::os::unix::fs::symlink("/etc", project.path().join("link")).expect("a link");
    refused(&project, &with("link/passwd"), &["link/passwd"]);
    let base = Recipe { base: "model = \"models/none\"".into(), ..Recipe::default() };
    refused(&project, &base, &["models/none"]);
}

#[test]
fn a_root_that_the_operator_allows_can_be_named() {
    let project = Project::new();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let file = elsewhere.path().join("train.jsonl");
    std::fs::write(&file, head("tickets-eu.jsonl", 40)).expect("a file");
    let data = Recipe::default().data.replace("train.jsonl", file.to_str().expect("UTF-8"));
    let recipe = Recipe { data, ..Recipe::default() };
    refused(&project, &recipe, &["not below the recipe"]);
    project.run(&["run", "--root", elsewhere.path().to_str().expect("UTF-8")]).expect(0);
}

#[test]
fn broken_data() {
    let project = Project::new();
    let recipe = Recipe::default();
    let first = head("tickets-eu.jsonl", 1);
    project.write("train.jsonl", &format!("{first}{}\n", &first[..20]));
    refused(&project, &recipe, &["`train.jsonl`, line 2, column 20", "expected one JSON object on the line"]);
    project.write("train.jsonl", &format!("{first}[1, 2]\n"));
    refused(&project, &recipe, &["line 2, column 1", "the line is a list"]);
    project.write("train.jsonl", &edited("tickets-eu.jsonl", "\"urgency\":\"", "\"urgency\":5,\"x\":\""));
    refused(&project, &recipe, &["`urgency`", "as in the lines before"]);
    project.write("train.jsonl", &edited("tickets-eu.jsonl", "\"urgency\":\"", "\"urgency\":{},\"x\":\""));
    refused(&project, &recipe, &["`urgency` is an object", "a text, a number"]);
    project.write("train.jsonl", "");
    refused(&project, &recipe, &["no rows are left in split `train`"]);
    project.write("train.jsonl", &first.replace("\"text\"", "\"body\""));
    refused(&project, &recipe, &["`text`"]);
    let messages = Recipe { transforms: String::new(), ..recipe.clone() };
    project.write("train.jsonl", &head("tickets-eu.jsonl", 5));
    refused(&project, &messages, &["no column `messages`", "freehold/chat-format"]);
}

#[test]
fn nothing_to_learn_and_too_long() {
    let project = Project::new();
    let say = |role: &str| format!("{{\"messages\":[{{\"role\":\"{role}\",\"content\":\"hello\"}}]}}\n");
    let messages = Recipe { transforms: String::new(), ..Recipe::default() };
    project.write("train.jsonl", &say("user").repeat(3));
    project.write("eval.jsonl", &say("assistant"));
    refused(
        &project,
        &messages,
        &["nothing can be learned of 3 of the 3 rows of split `train`", "no message of the role `assistant`"],
    );
    let project = Project::new();
    let long =
        Recipe { train: Recipe::default().train.replace("max_length = 256", "max_length = 16"), ..Recipe::default() };
    refused(&project, &long, &["`max_length` = 16", "none is cut", "row 0 of `train`"]);
}

#[test]
fn broken_models() {
    let recipe = Recipe::default();
    let project = Project::new();
    let weights = project.read("models/base-1/model.safetensors");
    std::fs::write(project.path().join("models/base-1/model.safetensors"), &weights[..weights.len() / 2])
        .expect("written");
    refused(&project, &recipe, &["model.safetensors", "fetch the model again"]);
    std::fs::write(project.path().join("models/base-1/model.safetensors"), &weights).expect("written");

    let config = String::from_utf8(project.read("models/base-1/config.json")).expect("UTF-8");
    let change = |from: &str, to: &str| {
        assert!(config.contains(from), "{from} is not in {config}");
        project.write("models/base-1/config.json", &config.replace(from, to));
    };
    change("\"vocab_size\": 2048", "\"vocab_size\": 100");
    refused(&project, &recipe, &["vocab_size", "100"]);
    change("LlamaForCausalLM", "MambaForCausalLM");
    refused(&project, &recipe, &["MambaForCausalLM"]);
    change("\"hidden_size\": 128", "\"hidden_size\": 256");
    refused(&project, &recipe, &["shape", "config.json"]);
    project.write("models/base-1/config.json", &config);
    std::fs::remove_file(project.path().join("models/base-1/tokenizer.json")).expect("removed");
    refused(&project, &recipe, &["tokenizer.json"]);
}

/// Takes long because every mode compiles the plugins of the recipe anew.
#[test]
fn misbehaving_plugins() {
    let project = Project::new();
    project.sign("misbehave");
    for (mode, part) in [
        ("trap", "panicked at"),
        ("loop", "fuel"),
        ("memory", "bytes of memory"),
        ("shape", "malformed batch"),
        ("utf8", "UTF-8"),
        ("lineage", "row"),
        ("lose", "neither came out nor was dropped"),
        ("output", "returned more than 8388608 bytes from a call"),
        ("twice", "dropped"),
        ("log", "logged more than"),
        ("error", "misbehave"),
    ] {
        let asked = format!(
            "[[transform]]\nplugin = \"freehold/misbehave\"\nversion = \"*\"\nsettings = {{ mode = \"{mode}\" }}\n"
        );
        let recipe = Recipe { transforms: format!("{asked}{}", Recipe::default().transforms), ..Recipe::default() };
        refused(&project, &recipe, &["freehold/misbehave", part]);
    }
    let slow = [
        ("version = \"1.0.0\"", "version = \"1.0.1\""),
        ("fuel = 500_000_000", "fuel = 900_000_000_000"),
        ("wall_time_ms = 20_000", "wall_time_ms = 300"),
    ];
    project.sign_changed("misbehave", &slow, "publisher", 30).expect(0);
    let asked =
        "[[transform]]\nplugin = \"freehold/misbehave\"\nversion = \"=1.0.1\"\nsettings = { mode = \"loop\" }\n";
    let recipe = Recipe { transforms: format!("{asked}{}", Recipe::default().transforms), ..Recipe::default() };
    refused(&project, &recipe, &["took longer than 300 ms for a call"]);
    // The next plugin runs normally, and a run that was stopped goes on when the recipe is right.
    project.run_recipe(&Recipe::default()).expect(0);
}
