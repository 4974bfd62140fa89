//! Aliases move while requests are under way; what is revoked or does not verify is taken away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use freehold_tests::{Project, Recipe, Serving};
use serde_json::{Value, json};

use crate::{dialogue, other, promoted, story, with};

const CHAT: &str = "/v1/chat/completions";

fn run_of(serving: &Serving) -> Value {
    let health = serving.get("/health").json();
    let models = health["models"].as_array().unwrap().iter();
    let found = models.clone().find(|model| model["model"] == "desk@production");
    found.map_or(Value::Null, |model| model["run"].clone())
}

/// Streams one answer after the other until it is told to end; counts them by the run that answered.
fn load(serving: &Serving, end: &AtomicBool) -> BTreeMap<String, u64> {
    let mut runs = BTreeMap::new();
    while !end.load(Ordering::Relaxed) {
        let reply = serving.post("/v1/completions", &with(story(40), "stream", json!(true))).expect(200);
        assert!(!reply.events().is_empty());
        *runs.entry(reply.header("freehold-run").unwrap().to_owned()).or_default() += 1;
    }
    runs
}

#[test]
fn a_promotion_and_a_rollback_drop_no_request() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    let end = AtomicBool::new(false);
    let counts: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| load(&serving, &end))).collect();
        drop(project.run_recipe(&other()).expect(0));
        serving.wait_until("the promotion", |serving| run_of(serving) == "desk-2");
        drop(project.run(&["rollback", "desk@production"]).expect(0));
        serving.wait_until("the rollback", |serving| run_of(serving) == "desk-1");
        end.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for run in ["desk-1", "desk-2"] {
        let answered: u64 = counts.iter().filter_map(|count| count.get(run)).sum();
        assert!(answered > 0, "{counts:?}");
    }
    assert_eq!(serving.metric("freehold_swaps_total"), 2.0);
    assert_eq!(serving.metric("freehold_gone_total"), 0.0);
    // What an alias named is served by its digest still, and says what it said.
    let adapter = |run: &str| project.run(&["audit", "explain", run, "--json"]).expect(0).json()["adapter"].clone();
    for run in ["desk-1", "desk-2"] {
        let reply = serving.post(CHAT, &with(dialogue("x"), "model", adapter(run))).expect(200);
        assert_eq!(reply.header("freehold-run"), Some(run));
    }
    assert_ne!(adapter("desk-1"), adapter("desk-2"));
    serving.end();
}

#[test]
fn what_is_revoked_is_taken_away() {
    let project = promoted();
    let serving = Serving::start(&project, &[]);
    serving.post(CHAT, &dialogue("x")).expect(200);
    drop(project.run(&["trust", "revoke", "publisher", "--reason", "was stolen"]).expect(0));
    serving.wait_until("the revocation", |serving| serving.get("/ready").status == 503);
    let refused = serving.post(CHAT, &dialogue("x")).expect(404).json();
    assert_eq!(refused["error"]["code"], "model_not_found");
    assert!(refused["error"]["message"].as_str().unwrap().contains("was stolen"), "{refused}");
    let health = serving.get("/health").expect(200).json();
    assert!(health["refused"][0]["reason"].as_str().unwrap().contains("revoked at"), "{health}");
    assert!(serving.log().contains("is not served"), "{}", serving.log());
    serving.end();
    // Nor is it after another beginning.
    let serving = Serving::start(&project, &[]);
    assert_eq!((&serving.summary["models"], serving.get("/ready").status), (&json!([]), 503));
    serving.end();
}

#[test]
fn what_labels_forbid_is_not_served() {
    let project = promoted();
    for (host, models, says) in [
        ("[residency]\nplace = \"eu\"\n[residency.rules]\neu = [\"eu\"]\n", 2, ""),
        ("[residency]\nplace = \"us\"\n[residency.rules]\neu = [\"eu\"]\n", 0, "may not be at `us`"),
        ("[licenses]\nallow = []\n", 0, "licenses.allow"),
        ("[aliases.\"desk@production\"]\nlicenses = [\"MIT\"]\n", 0, "aliases.\"desk@production\".licenses"),
    ] {
        project.write("home/host.toml", host);
        let serving = Serving::start(&project, &[]);
        let served = serving.summary["models"].as_array().unwrap().len();
        assert_eq!(served, models, "{host}: {}", serving.summary);
        let refused = serving.summary["refused"].to_string().replace("\\\"", "\"");
        assert!(refused.contains(says), "{host}: {refused}");
        let reply = serving.post(CHAT, &dialogue("hello"));
        assert_eq!(reply.status, if models == 2 { 200 } else { 404 }, "{host}: {reply:?}");
        serving.end();
    }
    // A rule that comes while it serves holds, and one that nobody can read holds as well.
    project.write("home/host.toml", "");
    let serving = Serving::start(&project, &[]);
    serving.post(CHAT, &dialogue("hello")).expect(200);
    let us = "[residency]\nplace = \"us\"\n[residency.rules]\neu = [\"eu\"]\n";
    for (host, status) in [(us, 404), ("", 200), ("[licenses]\nallow = [\n", 404), ("[licenses]\n", 200)] {
        project.write("home/host.toml", host);
        serving.wait_until(host, |serving| serving.post(CHAT, &dialogue("hello")).status == status);
    }
    serving.end();
    project.write("home/host.toml", "[licenses]\nalow = []\n");
    drop(project.run(&["serve", "--listen", "127.0.0.1:0"]).expect(1).says(&["alow", "allow"]));
}

#[test]
fn what_does_not_verify_is_not_served() {
    let project = promoted();
    let explained = project.run(&["audit", "explain", "desk-1", "--json"]).expect(0).json();
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let weights = shown["report"]["weights"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let statement = shown["phases"][4].clone();
    assert_eq!(statement["phase"], "train");
    let entry = shown["entries"].as_array().unwrap().iter().find(|entry| entry["what"] == "train").unwrap();
    let statement = entry["statement"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let blob = |hex: &str| format!("home/store/blobs/sha256/{hex}");
    let refuses = |project: &Project, why: &str| {
        let serving = Serving::start(project, &[]);
        let said = serving.summary.to_string();
        assert!(serving.summary["models"] == json!([]) && said.contains(why), "{why}: {said}");
        serving.post(CHAT, &dialogue("x")).expect(404);
        serving.end();
    };
    for file in [blob(&weights), blob(&statement), "models/base-1/config.json".into()] {
        let changed = project.fork();
        let mut bytes = changed.read(&file);
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        changed.write_bytes(&file, &bytes);
        refuses(&changed, if file.starts_with("models") { "base model" } else { "sha256:" });
    }
    let gone = project.fork();
    std::fs::remove_file(gone.path().join("home/ledger/checkpoint")).unwrap();
    refuses(&gone, "the log has lost its tree head");
    let moved = project.fork();
    std::fs::rename(moved.path().join("models"), moved.path().join("elsewhere")).unwrap();
    refuses(&moved, "no folder of this name is there");
    // The base model where it is said to be.
    moved.write("other/x", "");
    std::fs::rename(moved.path().join("elsewhere"), moved.path().join("other/models")).unwrap();
    let serving = Serving::start(&moved, &["--folder", "other"]);
    assert_eq!(serving.summary["models"][1]["model"], explained["adapter"]);
    serving.end();
}

#[test]
fn a_server_that_is_killed_comes_again() {
    let project = promoted();
    drop(
        project
            .run_recipe(&Recipe { policies: Recipe::default().policies.replace("eu", "us"), ..Recipe::default() })
            .expect(3),
    );
    let mut serving = Serving::start(&project, &[]);
    let before = serving.post(CHAT, &dialogue("x")).expect(200).json();
    serving.signal("KILL");
    assert_eq!(serving.wait(), -1);
    project.assert_intact();
    let serving = Serving::start(&project, &[]);
    let after = serving.post(CHAT, &dialogue("x")).expect(200).json();
    assert_eq!(before["choices"], after["choices"]);
    // Denied runs are known by nobody.
    assert_eq!(serving.get("/v1/models").json()["data"].as_array().unwrap().len(), 2);
    serving.end();
}
