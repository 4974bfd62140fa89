//! Traffic that is kept has gone through the transforms; else nothing is.

use freehold_tests::{Project, Recipe, Serving};
use serde_json::{Value, json};

use crate::{dialogue, promoted, story, with};

const CHAT: &str = "/v1/chat/completions";
const REDACT: &str = r#"
[[serve.capture.transform]]
plugin = "freehold/redact-pii"
version = "^1.0"
settings = { columns = ["messages"] }
"#;

fn host_file(capture: &str, transforms: &str) -> String {
    format!("[serve.capture]\n{capture}\n{transforms}")
}

/// The rows that were kept, and their file.
fn captured(project: &Project) -> (String, Vec<Value>) {
    let files: Vec<String> = project.contents().into_keys().filter(|file| file.starts_with("home/captured/")).collect();
    let Some(file) = files.first() else { return (String::new(), Vec::new()) };
    let text = String::from_utf8(project.read(file)).unwrap();
    (file.clone(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn is_somewhere(project: &Project, text: &str) -> bool {
    let found =
        project.contents().into_iter().find(|(_, bytes)| bytes.windows(text.len()).any(|part| part == text.as_bytes()));
    found.is_some()
}

#[test]
fn what_is_kept_is_redacted_and_can_be_learned_from() {
    let project = promoted();
    project.write("home/host.toml", &host_file("", REDACT));
    let serving = Serving::start(&project, &[]);
    assert_eq!(serving.summary["captures"], json!(true));
    let secret = "jane.q.doe@example.com";
    let reply = serving.post(CHAT, &dialogue(&format!("Write to {secret} about my Kora Watch"))).expect(200);
    let streamed = with(dialogue(&format!("I am {secret}")), "stream", json!(true));
    let streamed = serving.post(CHAT, &streamed).expect(200);
    serving.post("/v1/completions", &with(story(8), "prompt", json!(format!("To {secret}:")))).expect(200);
    // What was not answered is not kept.
    serving.post(CHAT, &with(dialogue("refused"), "n", json!(2))).expect(400);
    serving.wait_until("the rows", |serving| serving.metric("freehold_captured_total") == 3.0);
    serving.end();

    let (file, rows) = captured(&project);
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert!(row.to_string().contains("[EMAIL]"), "{row}");
        assert_eq!((&row["model"], &row["run"]), (&json!("desk@production"), &json!("desk-1")));
        assert!(row["adapter"].as_str().unwrap().starts_with("sha256:") && row["time"].is_string());
        assert_eq!(row["messages"].as_array().unwrap().last().unwrap()["role"], "assistant");
    }
    let of = |reply: &freehold_tests::Reply| {
        let id = reply.header("x-request-id").unwrap();
        rows.iter().find(|row| row["request"] == id).unwrap().clone()
    };
    let answer = reply.json()["choices"][0]["message"]["content"].clone();
    assert_eq!(of(&reply)["messages"][1]["content"], answer);
    let said: String = streamed
        .events()
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(of(&streamed)["messages"][1]["content"], said);
    assert!(!is_somewhere(&project, secret));

    // A recipe names the file as data.
    let data = Recipe::default().data.replace("train.jsonl", &file);
    let transforms = String::from(
        "[[transform]]\nplugin = \"freehold/redact-pii\"\nversion = \"^1.0\"\nsettings = { columns = [\"messages\"] }\nsplits = [\"train\"]\n",
    ) + "[[transform]]\nplugin = \"freehold/chat-format\"\nversion = \"^1.0\"\nsplits = [\"eval\"]\nsettings = { user = \"{text}\", assistant = \"{intent}\" }\n";
    project.write("freehold.toml", &Recipe { data, transforms, ..Recipe::default() }.to_string());
    drop(project.run(&["check"]).expect(0).says(&["messages"]));
}

#[test]
fn what_a_transform_fails_on_is_kept_nowhere() {
    let project = promoted();
    project.sign("redact-words");
    let failing = "[[serve.capture.transform]]\nplugin = \"freehold/misbehave\"\nversion = \"*\"\n";
    // Not there, of another column, without a transform, without looking at what was said: nothing begins.
    for (host_file, says) in [
        (host_file("", failing), "freehold/misbehave"),
        (host_file("", &REDACT.replace("settings", "# ")), "column `text`"),
        (host_file("", ""), "no transform"),
        (host_file("sampling = 0.0", REDACT), "sampling"),
        (host_file("sampling = 1.5", REDACT), "sampling"),
        (host_file("bytes_max = 0", REDACT), "bytes_max"),
        (host_file("samplin = 1", REDACT), "sampling"),
        (host_file("plugins = \"../elsewhere\"", REDACT), "elsewhere"),
    ] {
        project.write("home/host.toml", &host_file);
        let refused = project.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(refused.code, 1, "{host_file}: {refused:?}");
        drop(refused.says(&[says]));
    }
    // One that fails on what it is given: there is room for few bytes.
    let small = "[plugins.limits]\ninput_bytes = 400\n";
    project.write("home/host.toml", &format!("{small}{}", host_file("", REDACT)));
    let serving = Serving::start(&project, &[]);
    let long = "very secret ".repeat(60);
    serving.post(CHAT, &dialogue(&long)).expect(200);
    serving.post(CHAT, &dialogue("short")).expect(200);
    serving.wait_until("the rows", |serving| {
        serving.metric("freehold_captured_total") + serving.metric("freehold_not_captured_total") == 2.0
    });
    let log = serving.log();
    assert!(log.contains("capture: a transform failed on 1 of") && !log.contains("secret"), "{log}");
    serving.end();
    assert!(!is_somewhere(&project, "very secret"));
    assert_eq!(captured(&project).1.len(), 1);
}
