//! Who may ask.

use freehold_tests::{Project, Serving};
use serde_json::json;

use crate::{dialogue, promoted};

const CHAT: &str = "/v1/chat/completions";

fn new_key(project: &Project, name: &str) -> String {
    let made = project.run(&["serve", "key", "new", name, "--json"]).expect(0).json();
    made["key"].as_str().unwrap().to_owned()
}

#[test]
fn keys_let_in_until_they_are_revoked() {
    let project = promoted();
    let (one, two) = (new_key(&project, "one"), new_key(&project, "two"));
    drop(project.run(&["serve", "key", "new", "one"]).expect(2).says(&["there is a key `one` already"]));
    drop(project.run(&["serve", "key", "new", "No Name"]).expect(2));
    drop(project.run(&["serve", "key", "revoke", "three"]).expect(2).says(&["no API key `three`"]));
    // The home has no key, only what tells one.
    for (file, bytes) in project.contents() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&one) && !text.contains(&two), "{file}");
    }
    let serving = Serving::start(&project, &[]);
    assert_eq!(serving.summary["keys"], json!(true));
    let status = |key: &str, path: &str| {
        let authorization = format!("Authorization: Bearer {key}");
        serving.ask_with("GET", path, &[&authorization], "").status
    };
    for path in ["/v1/models", "/v1/models/desk@production", "/metrics"] {
        assert_eq!((status(&one, path), status(&two, path)), (200, 200));
        for wrong in ["", "fh-", &one[1..], &one.to_uppercase(), &format!("{one}x")] {
            assert_eq!(status(wrong, path), 401, "{path} {wrong}");
        }
        let refused = serving.get(path).expect(401);
        assert_eq!(refused.json()["error"]["code"], "invalid_api_key");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    serving.post(CHAT, &dialogue("x")).expect(401);
    let authorization = format!("Authorization: Bearer {one}");
    let headers = ["Content-Type: application/json", &authorization];
    serving.ask_with("POST", CHAT, &headers, &dialogue("x").to_string()).expect(200);
    assert!(serving.log().contains("key one ") && !serving.log().contains(&one), "{}", serving.log());
    // Strangers learn that the process is there, and nothing else.
    assert_eq!(serving.get("/health").expect(200).json(), json!({ "status": "ok" }));
    assert_eq!(serving.get("/ready").expect(200).json(), json!({ "status": "ready" }));

    drop(project.run(&["serve", "key", "revoke", "one"]).expect(0));
    serving.wait_until("the revocation", |_| status(&one, "/v1/models") == 401);
    assert_eq!(status(&two, "/v1/models"), 200);
    let three = new_key(&project, "three");
    serving.wait_until("the new key", |_| status(&three, "/v1/models") == 200);
    // What cannot be read lets nobody in.
    project.write("home/serve/keys.json", "[]x");
    serving.wait_until("the broken file", |_| status(&two, "/v1/models") == 401);
    assert_eq!(status("", "/v1/models"), 401);
    serving.end();
}

#[test]
fn other_machines_are_listened_to_only_with_a_key() {
    let project = promoted();
    let exposed = |listen: &str| project.run(&["serve", "--listen", listen]).expect(2);
    for listen in ["0.0.0.0:0", "[::]:0"] {
        drop(exposed(listen).says(&["no API key lets anybody in", "freehold serve key new"]));
    }
    new_key(&project, "one");
    drop(project.run(&["serve", "key", "revoke", "one"]).expect(0));
    drop(exposed("0.0.0.0:0"));
    let key = new_key(&project, "two");
    let serving = Serving::start(&project, &["--listen", "0.0.0.0:0"]);
    serving.get("/v1/models").expect(401);
    let authorization = format!("Authorization: Bearer {key}");
    serving.ask_with("GET", "/v1/models", &[&authorization], "").expect(200);
    serving.end();
    drop(project.run(&["serve", "--listen", "nowhere"]).expect(2));
}

#[test]
fn pages_of_strangers_in_a_browser_get_nothing() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1:80", ""] {
        let reply = serving.ask_with("GET", "/v1/models", &[&format!("Host: {host}")], "");
        assert!([400, 403].contains(&reply.status), "{host}: {reply:?}");
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:1"] {
        serving.ask_with("GET", "/v1/models", &[&format!("Host: {host}")], "").expect(200);
    }
    // What a form of a page may send without being asked.
    let headers = ["Content-Type: text/plain", "Origin: http://evil.example"];
    serving.ask_with("POST", CHAT, &headers, &dialogue("x").to_string()).expect(415);
    serving.end();
}
