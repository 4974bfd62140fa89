//! Others ask the watch of a recipe for an event.

use freehold_tests::Serving;
use serde_json::{Value, json};

use crate::promoted;

#[test]
fn a_webhook_starts_one_run_however_often_it_is_delivered() {
    let project = promoted();
    project.write("home/host.toml", "[serve]\nhooks = [\"desk/labelled\"]\n");
    project.write("freehold.watch.toml", "[[trigger]]\nname = \"labelled\"\nkind = \"hook\"\n");
    let serving = Serving::start(&project, &[]);
    let json = "Content-Type: application/json";
    let deliver = |key: &str, body: &str| {
        serving.ask_with("POST", "/hooks/desk/labelled", &[json, &format!("Idempotency-Key: {key}")], body)
    };
    let taken = deliver("batch-7", "{\"note\": \"60 tickets\", \"else\": [1]}").expect(202).json();
    let asked = json!({ "recipe": "desk", "trigger": "labelled", "id": "batch-7", "note": "60 tickets" });
    assert_eq!(taken, asked);
    deliver("batch-7", "{\"note\": \"60 tickets\", \"else\": [2]}").expect(202);
    serving.post("/hooks/desk/labelled", &json!({ "id": "batch-8" })).expect(202);
    serving.post("/hooks/desk/labelled", &json!(["whatever", "the sender sends"])).expect(202);

    // What nobody allowed, and what is no request.
    let wrong = |method: &str, path: &str, headers: &[&str], body: &str, status: u16, code: Value| {
        let error = serving.ask_with(method, path, headers, body).expect(status).json()["error"].clone();
        assert_eq!(error["code"], code, "{method} {path}: {error}");
    };
    for path in ["/hooks/desk/other", "/hooks/other/labelled", "/hooks/desk", "/hooks/..%2Fx/labelled", "/hooks/a/b/c"]
    {
        wrong("POST", path, &[json], "{}", 404, json!("unknown_url"));
    }
    wrong("GET", "/hooks/desk/labelled", &[], "", 405, json!("method_not_allowed"));
    wrong("POST", "/hooks/desk/labelled", &["Content-Type: text/plain"], "{}", 415, json!("unsupported_media_type"));
    wrong("POST", "/hooks/desk/labelled", &[json], "{", 400, Value::Null);
    wrong("POST", "/hooks/desk/labelled", &[json], "", 400, Value::Null);
    let long = format!("Idempotency-Key: {}", "k".repeat(1001));
    wrong("POST", "/hooks/desk/labelled", &[json, &long], "{}", 400, json!("invalid_value"));
    wrong("POST", "/hooks/desk/labelled", &[json, "Host: evil.example"], "{}", 403, json!("foreign_host"));

    drop(project.run(&["watch", "--once"]).expect(0));
    let state = project.run(&["watch", "--status", "--json"]).expect(0).json();
    let events = state["history"][0]["events"].as_array().unwrap();
    assert_eq!((state["history"].as_array().unwrap().len(), events.len()), (1, 3), "{state}");
    // Delivered once more after it was answered, it is still the same.
    deliver("batch-7", "{}").expect(202);
    drop(project.run(&["watch", "--once"]).expect(0));
    let state = project.run(&["watch", "--status", "--json"]).expect(0).json();
    assert_eq!((state["history"].as_array().unwrap().len(), &state["pending"]), (1, &json!([])));

    // Whoever may ask cannot fill the disk.
    let folder = project.path().join("home/watch/desk.hooks/labelled");
    for at in 0..1000 {
        std::fs::write(folder.join(format!("{at}.json")), "{}").unwrap();
    }
    let full = deliver("batch-9", "{}").expect(429);
    assert_eq!((full.json()["error"]["code"].clone(), full.header("retry-after")), (json!("hooks_full"), Some("60")));
    serving.end();

    // With keys, only who has one.
    let made = project.run(&["serve", "key", "new", "labeller", "--json"]).expect(0).json();
    let serving = Serving::start(&project, &[]);
    serving.post("/hooks/desk/labelled", &json!({})).expect(401);
    std::fs::remove_dir_all(&folder).unwrap();
    let bearer = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    serving.ask_with("POST", "/hooks/desk/labelled", &[json, &bearer], "{}").expect(202);
    serving.end();

    for (host, says) in [("hooks = [\"desk\"]", "serve.hooks"), ("hooks = [\"../desk/x\"]", "serve.hooks")] {
        project.write("home/host.toml", &format!("[serve]\n{host}\n"));
        drop(project.run(&["serve", "--listen", "127.0.0.1:0"]).expect(1).says(&[says, "support/tickets"]));
    }
}
