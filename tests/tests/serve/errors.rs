//! Requests that are not right get errors as OpenAI's API has them, which name what is wrong.

use freehold_tests::{Reply, Serving};
use serde_json::{Value, json};

use crate::{dialogue, promoted, story, with};

/// An error of that form, with this parameter and code.
#[track_caller]
fn assert_error(reply: &Reply, status: u16, param: Value, code: &str) {
    let error = reply.clone().expect(status).json()["error"].clone();
    assert_eq!((&error["param"], &error["code"]), (&param, &json!(code)), "{error}");
    assert!(
        error["message"].as_str().is_some_and(|message| !message.is_empty()) && error["type"].is_string(),
        "{error}"
    );
    assert_eq!(error.as_object().unwrap().len(), 4);
}

#[test]
fn what_is_wrong_is_named() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    let (chat, text) = ("/v1/chat/completions", "/v1/completions");
    let long = "word ".repeat(3000);
    for (path, body, status, param, code) in [
        (chat, with(dialogue("x"), "model", json!("gpt-4")), 404, json!("model"), "model_not_found"),
        (
            chat,
            with(dialogue("x"), "model", json!(format!("sha256:{}", "0".repeat(64)))),
            404,
            json!("model"),
            "model_not_found",
        ),
        (chat, with(dialogue("x"), "model", Value::Null), 400, json!("model"), "missing_required_parameter"),
        (chat, with(dialogue("x"), "model", json!(7)), 400, json!("model"), "invalid_value"),
        (chat, with(dialogue("x"), "messages", Value::Null), 400, json!("messages"), "missing_required_parameter"),
        (
            chat,
            with(dialogue("x"), "tools", json!([{ "type": "function" }])),
            400,
            json!("tools"),
            "unsupported_parameter",
        ),
        (chat, with(dialogue("x"), "n", json!(3)), 400, json!("n"), "unsupported_parameter"),
        (chat, with(dialogue("x"), "frobnicate", json!(1)), 400, json!("frobnicate"), "unsupported_parameter"),
        (chat, with(dialogue("x"), "temperature", json!(-1)), 400, json!("temperature"), "invalid_value"),
        (
            chat,
            with(dialogue("x"), "max_tokens", json!(1_000_000)),
            400,
            json!("max_tokens"),
            "context_length_exceeded",
        ),
        (chat, dialogue(&long), 400, json!("messages"), "context_length_exceeded"),
        (text, with(story(4), "prompt", json!(long)), 400, json!("prompt"), "context_length_exceeded"),
        (text, with(story(4), "prompt", json!(["a", "b"])), 400, json!("prompt"), "unsupported_parameter"),
        (text, with(story(4), "prompt", json!([4_000_000_000_u32])), 400, json!("prompt"), "invalid_value"),
        (text, with(story(4), "echo", json!(true)), 400, json!("echo"), "unsupported_parameter"),
        (text, with(story(4), "logprobs", json!(5)), 400, json!("logprobs"), "unsupported_parameter"),
    ] {
        assert_error(&serving.post(path, &body), status, param, code);
    }
    // None of them took a row.
    assert_eq!(serving.metric("freehold_rows"), 0.0);
    serving.post(chat, &dialogue("x")).expect(200);
    serving.end();
}

#[test]
fn what_is_no_request_of_the_api_is_told() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    let chat = "/v1/chat/completions";
    let json_type = &["Content-Type: application/json"][..];
    for (method, path, status, code) in [
        ("GET", "/", 404, "unknown_url"),
        ("POST", "/v1/embeddings", 404, "unknown_url"),
        ("GET", "/v1/chat/completions/", 404, "unknown_url"),
        ("GET", chat, 405, "method_not_allowed"),
        ("DELETE", "/v1/models/desk@production", 405, "method_not_allowed"),
        ("PUT", "/metrics", 405, "method_not_allowed"),
    ] {
        assert_error(&serving.ask_with(method, path, json_type, "{}"), status, Value::Null, code);
    }
    assert_eq!(serving.ask_with("GET", chat, &[], "").header("allow"), Some("POST"));
    assert_error(&serving.get("/v1/models/%ff"), 404, json!("model"), "model_not_found");
    let body = dialogue("x").to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let header = format!("Content-Type: {kind}");
        assert_error(&serving.ask_with("POST", chat, &[&header], &body), 415, Value::Null, "unsupported_media_type");
    }
    assert_error(&serving.ask_with("POST", chat, &[], &body), 415, Value::Null, "unsupported_media_type");
    for body in ["", "{", "[]", "nonsense", &body[..body.len() - 1], &"[".repeat(100_000)] {
        let reply = serving.ask_with("POST", chat, json_type, body).expect(400);
        assert_eq!(reply.json()["error"]["type"], "invalid_request_error", "{body}");
    }
    // Bytes that are no HTTP end their connection, and nothing else.
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        assert!(!serving.send(bytes).contains(" 200 "));
    }
    serving.post(chat, &dialogue("x")).expect(200);
    serving.end();
}
