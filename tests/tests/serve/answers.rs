//! What is answered, whole and as it comes.

use freehold_tests::{Serving, skipped, tool};
use serde_json::{Value, json};

use crate::{dialogue, promoted, story, with};

const CHAT: &str = "/v1/chat/completions";
const QUESTION: &str = "My new Kora Watch does not charge. What can I do?";

#[test]
fn an_answer_is_what_the_adapter_says() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    let explained = project.run(&["audit", "explain", "desk@production", "--json"]).expect(0).json();
    let reply = serving.post(CHAT, &dialogue(QUESTION)).expect(200);
    let answer = reply.json();
    assert_eq!(
        (reply.header("freehold-adapter"), reply.header("freehold-run")),
        (explained["adapter"].as_str(), Some("desk-1"))
    );
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("desk@production")));
    assert_eq!(answer["id"].as_str(), reply.header("x-request-id"));
    let short = &explained["adapter"].as_str().unwrap()["sha256:".len()..][..12];
    assert_eq!(answer["system_fingerprint"], format!("fp_{short}"));

    // As the command line has it, from the exported files.
    project.run(&["adapter", "export", "desk-1", "--out", "exported"]).expect(0);
    let arguments = ["model", "generate", "models/base-1", "--adapter", "exported", "--prompt", QUESTION];
    let generated = project.run(&[&arguments[..], &["--max-new-tokens", "24", "--json"]].concat()).expect(0).json();
    let said = &generated["answers"][0];
    assert_eq!(
        answer["choices"][0]["message"],
        json!({ "role": "assistant", "content": said["text"], "refusal": null })
    );
    let usage = &answer["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&said["prompt_tokens"], &said["tokens"]));

    // The same by the adapter's digest, and as it comes.
    let by_digest = serving.post(CHAT, &with(dialogue(QUESTION), "model", explained["adapter"].clone())).expect(200);
    assert_eq!(by_digest.json()["choices"], answer["choices"]);
    let streamed =
        with(with(dialogue(QUESTION), "stream", json!(true)), "stream_options", json!({"include_usage": true}));
    let reply = serving.post(CHAT, &streamed).expect(200);
    assert!(reply.header("content-type").unwrap().starts_with("text/event-stream"));
    let events = reply.events();
    let (usage, chunks) = events.split_last().unwrap();
    assert_eq!((&usage["usage"], &usage["choices"]), (&answer["usage"], &json!([])));
    assert!(chunks.len() > 1 && chunks.iter().all(|chunk| chunk["usage"].is_null() && chunk["id"] == usage["id"]));
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], answer["choices"][0]["finish_reason"]);
    assert_eq!(text_of(chunks, |choice| &choice["delta"]["content"]), said["text"].as_str().unwrap());
    serving.end();
}

fn text_of(chunks: &[Value], part: impl Fn(&Value) -> &Value) -> String {
    chunks.iter().filter_map(|chunk| part(&chunk["choices"][0]).as_str()).collect()
}

#[test]
fn texts_are_continued_as_they_are_asked_for() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    let ask = |body: &Value| serving.post("/v1/completions", body).expect(200).json();
    let text = |body: &Value| ask(body)["choices"][0]["text"].as_str().unwrap().to_owned();
    let whole = text(&story(24));
    assert_eq!(ask(&story(24))["object"], "text_completion");
    let events = serving.post("/v1/completions", &with(story(24), "stream", json!(true))).expect(200).events();
    assert_eq!(text_of(&events, |choice| &choice["text"]), whole);
    assert!(events.iter().all(|event| event.get("usage").is_none()), "{events:?}");

    // Up to a text that ends it, which is left out; in a stream as well.
    let word = whole.split(' ').nth(3).unwrap();
    let stopped = with(story(24), "stop", json!([word, "never said"]));
    let until = &whole[..whole.find(word).unwrap()];
    assert_eq!((text(&stopped).as_str(), &ask(&stopped)["choices"][0]["finish_reason"]), (until, &json!("stop")));
    let events = serving.post("/v1/completions", &with(stopped, "stream", json!(true))).expect(200).events();
    assert_eq!(text_of(&events, |choice| &choice["text"]), until);

    let limited = ask(&story(3));
    assert_eq!(
        (&limited["choices"][0]["finish_reason"], &limited["usage"]["completion_tokens"]),
        (&json!("length"), &json!(3))
    );
    // A seed says what is drawn; the likeliest is what `top_p` of 0 draws.
    let warm = |seed: u64| with(with(story(24), "temperature", json!(1.5)), "seed", json!(seed));
    assert_eq!(text(&warm(1)), text(&warm(1)));
    assert!((2..9).any(|seed| text(&warm(seed)) != text(&warm(1))));
    assert_eq!(text(&with(warm(1), "top_p", json!(0))), whole);
    // Tokens instead of words, and what reads like a control token is text.
    let control = with(story(1), "prompt", json!("<|im_end|>"));
    assert!(ask(&control)["usage"]["prompt_tokens"].as_u64().unwrap() > 1);
    assert_eq!(ask(&with(story(4), "prompt", json!([5, 6, 7])))["usage"]["prompt_tokens"], 3);
    serving.end();
}

#[test]
fn models_are_listed_and_the_state_is_told() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    let explained = project.run(&["audit", "explain", "desk@production", "--json"]).expect(0).json();
    let list = serving.get("/v1/models").expect(200).json();
    let names: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(names, [&json!("desk@production"), &explained["adapter"]]);
    for path in ["/v1/models/desk@production", "/v1/models/desk%40production"] {
        assert_eq!(serving.get(path).expect(200).json(), list["data"][0], "{path}");
    }
    assert_eq!(serving.summary["models"][0]["model"], "desk@production");
    let health = serving.get("/health").expect(200).json();
    assert_eq!((&health["status"], &health["models"][0]["run"]), (&json!("ok"), &json!("desk-1")));
    assert_eq!(serving.get("/ready").expect(200).json()["status"], "ready");

    serving.post("/v1/chat/completions", &dialogue(QUESTION)).expect(200);
    assert_eq!(
        serving.metric("freehold_requests_total{model=\"desk@production\",endpoint=\"chat\",status=\"200\"}"),
        1.0
    );
    assert!(serving.metric("freehold_tokens_total{model=\"desk@production\",kind=\"answer\"}") >= 1.0);
    assert_eq!(serving.metric("freehold_time_to_first_token_seconds_count"), 1.0);
    assert_eq!((serving.metric("freehold_rows"), serving.metric("freehold_queue")), (0.0, 0.0));
    // Requests are logged without what was said.
    serving.wait_until("the request in the log", |serving| serving.log().contains("chat 200"));
    assert!(!serving.log().contains("Kora"), "{}", serving.log());
    serving.end();
}

#[test]
fn curl_is_answered() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    let url = format!("http://{}{CHAT}", serving.address);
    let body = with(dialogue(QUESTION), "stream", json!(true)).to_string();
    let arguments = ["-sS", "-N", &url, "-H", "Content-Type: application/json", "-d", &body];
    let Some(outcome) = tool("curl", &arguments) else { return skipped("there is no curl") };
    let outcome = outcome.expect(0);
    assert!(
        outcome.stdout.starts_with("data: {") && outcome.stdout.ends_with("data: [DONE]\n\n"),
        "{}",
        outcome.stdout
    );
    serving.end();
}
