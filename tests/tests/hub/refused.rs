//! Each way in which a pull cannot be done has an error of its own that says what to do, and nothing half-written is taken for a
//! model.

use freehold_tests::{Outcome, Project};

use crate::server::{Answer, COMMIT, Hub, Request, SECOND_COMMIT, TOKEN, WEIGHTS, folder, listed};

/// What is left may only be whole files and `.part` files in the folder that ends in `.part`.
#[track_caller]
fn assert_nothing_half_written(project: &Project) {
    assert!(!folder(project).join(COMMIT).exists());
    assert!(!project.path().join("home/evil.safetensors").exists());
    let names: Vec<_> = listed(&folder(project)).into_iter().map(|(name, _)| name).collect();
    assert!(names.iter().all(|name| *name == format!("{COMMIT}.part")), "{names:?}");
    project.assert_intact();
}

/// One way of answering, and what is said of it.
struct Case {
    rule: fn(&Request, Answer) -> Answer,
    code: i32,
    says: &'static [&'static str],
}

fn about(request: &Request, part: &str) -> bool {
    request.path.contains(part)
}

const CASES: &[Case] = &[
    Case { rule: |_, _| Answer::status(401, ""), code: 1, says: &["to everyone", "set HF_TOKEN"] },
    Case { rule: |_, _| Answer::status(401, "GatedRepo"), code: 1, says: &["is gated", "ask for access", "HF_TOKEN"] },
    Case { rule: |_, _| Answer::status(403, "GatedRepo"), code: 1, says: &["is gated"] },
    Case { rule: |_, _| Answer::status(401, "RepoNotFound"), code: 1, says: &["the hub has no model", "HF_TOKEN"] },
    Case { rule: |_, _| Answer::status(404, ""), code: 1, says: &["the hub has no model"] },
    Case { rule: |_, _| Answer::status(429, ""), code: 1, says: &["status 429", "too many requests"] },
    Case { rule: |_, _| Answer::status(503, ""), code: 1, says: &["status 503", "try again later"] },
    Case {
        rule: |_, answer| Answer { body: b"<html>".to_vec(), ..answer },
        code: 1,
        says: &["the hub's answer about `hf:acme/base-1@main` cannot be used"],
    },
    Case {
        rule: |_, answer| Answer { body: br#"{"sha": "../../..", "siblings": []}"#.to_vec(), ..answer },
        code: 1,
        says: &["its `sha` is not a commit"],
    },
    Case { rule: |_, answer| Answer { closed_after: Some(10), ..answer }, code: 1, says: &["cannot be used"] },
    Case {
        rule: |request, mut answer| {
            if about(request, "resolve") {
                answer.set("X-Repo-Commit", SECOND_COMMIT);
            }
            answer
        },
        code: 1,
        says: &["`config.json`", "another commit"],
    },
    Case {
        rule: |request, mut answer| {
            if about(request, "/model.safetensors") {
                answer.headers.retain(|(name, _)| *name != "X-Linked-Etag");
            }
            answer
        },
        code: 1,
        says: &["`model.safetensors`", "another server"],
    },
    Case {
        rule: |request, mut answer| {
            if about(request, "/model.safetensors") {
                answer.set("X-Linked-Etag", "\"../../../etc/cron.d/x\"");
            }
            answer
        },
        code: 1,
        says: &["`model.safetensors`", "its `X-Linked-Etag` is not a SHA-256"],
    },
    Case {
        rule: |request, mut answer| {
            if about(request, "config.json") {
                answer = Answer { status: 302, ..answer };
                answer.set("Location", request.path.clone());
            }
            answer
        },
        code: 1,
        says: &["without an end"],
    },
    // Other bytes of the right length.
    Case {
        rule: |request, mut answer| {
            if request.is_for_weights() {
                answer.body[1000] ^= 1;
            }
            answer
        },
        code: 4,
        says: &["the hub promised sha256:", "nothing of the file was kept"],
    },
    Case {
        rule: |request, mut answer| {
            if request.is_for_weights() {
                answer.body.truncate(1000);
            }
            answer
        },
        code: 1,
        says: &["was promised with 2498216 bytes, the server sends 1000"],
    },
    Case {
        rule: |request, mut answer| {
            if request.is_for_weights() {
                answer.body.extend([0; 10]);
            }
            answer
        },
        code: 1,
        says: &["was promised with 2498216 bytes, the server sends 2498226"],
    },
    // The hub says less than there is, so that only a part would be fetched.
    Case {
        rule: |request, mut answer| {
            if about(request, "/model.safetensors") {
                answer.set("X-Linked-Size", 1000);
            }
            answer
        },
        code: 1,
        says: &["was promised with 1000 bytes"],
    },
    // What the engine cannot read is no model.
    Case {
        rule: |request, answer| {
            if about(request, "/config.json") && !about(request, "tokenizer") {
                let whole = !request.headers.contains_key("range");
                let mut answer = Answer { body: if whole { b"{}".to_vec() } else { b"{".to_vec() }, ..answer };
                if !whole {
                    answer.set("Content-Range", "bytes 0-0/2");
                }
                answer
            } else {
                answer
            }
        },
        code: 1,
        says: &["model `hf:acme/base-1@main`", "config.json"],
    },
];

#[test]
fn what_the_hub_says_wrong_is_refused() {
    let (project, hub) = (Project::bare(), Hub::start());
    for case in CASES {
        hub.answer(case.rule);
        drop(hub.pull(&project, "main").expect(case.code).says(case.says));
        assert_nothing_half_written(&project);
    }
    // None of it is in the way of an honest hub.
    hub.be_honest();
    hub.pull(&project, "main").expect(0);
    let files = listed(&folder(&project).join(COMMIT));
    assert!(files.iter().all(|(name, _)| !name.ends_with(".part")), "{files:?}");
}

#[test]
fn models_and_revisions_that_are_not_there() {
    let (project, hub) = (Project::bare(), Hub::start());
    hub.pull(&project, "v9").expect(1).says(&["no such branch, tag or commit", "such as `@main`"]);
    let other = |token: Option<&str>, model: &str| -> Outcome {
        let mut command = project.command(&["model", "pull", model]);
        command.env("HF_ENDPOINT", hub.address()).env_remove("HF_TOKEN");
        if let Some(token) = token {
            command.env("HF_TOKEN", token);
        }
        command.output().unwrap().into()
    };
    other(None, "hf:acme/none").expect(1).says(&["no model `hf:acme/none@main`", "without a token"]);
    other(Some(TOKEN), "hf:acme/none").expect(1).says(&["no model", "to the owner of this token", "whose token"]);
    for name in ["acme/base-1", "hf:base-1", "hf:../base-1", "hf:acme/base-1@../x", "hf:acme/base-1@a?b"] {
        other(None, name).expect(2).says(&["hf:org/name@revision"]);
    }
    assert_nothing_half_written(&project);
}

/// It takes the four attempts and what is waited between them, 3.5 s.
#[test]
fn a_connection_that_never_holds_is_given_up() {
    let (project, hub) = (Project::bare(), Hub::start());
    hub.answer(|request, answer| Answer { closed_after: request.is_for_weights().then_some(0), ..answer });
    let said = ["the connection broke after 0 of 2498216 bytes", "run the command again", "`.part`"];
    hub.pull(&project, "main").expect(1).says(&said);
    assert_eq!(hub.requests().iter().filter(|request| request.is_for_weights()).count(), 4);
    assert_nothing_half_written(&project);
}

#[test]
fn without_a_network_it_is_said() {
    let (project, hub) = (Project::bare(), Hub::start());
    let pull = |endpoint: &str| -> Outcome {
        hub.command(&project, "main").env("HF_ENDPOINT", endpoint).output().unwrap().into()
    };
    // Nobody listens on the port of a listener that was dropped.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    pull(&format!("http://127.0.0.1:{port}")).expect(1).says(&["cannot be reached", "check the network"]);
    assert_nothing_half_written(&project);
}

#[test]
fn a_model_without_what_the_engine_needs() {
    let (project, hub) = (Project::bare(), Hub::start());
    let weights = hub.remove(WEIGHTS);
    hub.pull(&project, "main").expect(1).says(&["has no `model.safetensors`", "other formats are not read"]);
    // An index that leads out of the folder.
    hub.put("model.safetensors.index.json", r#"{"weight_map": {"w": "../../evil.safetensors"}}"#);
    hub.pull(&project, "main").expect(4).says(&["../../evil.safetensors", "do not use this model"]);
    assert_nothing_half_written(&project);
    hub.put(WEIGHTS, weights);
    hub.remove("tokenizer.json");
    hub.pull(&project, "main").expect(1).says(&["has no `tokenizer.json`"]);
    assert_nothing_half_written(&project);
}

/// A disk without room refuses to write, as does a limit on the size of files.
#[test]
fn a_disk_without_room_is_said_and_gone_on_from() {
    let (project, hub) = (Project::bare(), Hub::start());
    let pull = hub.command(&project, "main");
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\""]).arg(pull.get_program());
    limited.args(pull.get_args()).current_dir(project.path());
    for (name, value) in pull.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let refused = Outcome::from(limited.output().unwrap()).expect(1).says(&["cannot write `model.safetensors`"]);
    assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    assert_nothing_half_written(&project);
    let part = folder(&project).join(format!("{COMMIT}.part/{WEIGHTS}.part"));
    let have = std::fs::metadata(part).unwrap().len();
    assert!(have > 500_000, "{have}");
    hub.requests();
    hub.pull(&project, "main").expect(0);
    let ranges: Vec<_> = hub.requests().into_iter().filter(Request::is_for_weights).collect();
    assert_eq!(ranges.len(), 1);
    assert_eq!(ranges[0].headers["range"], format!("bytes={have}-"));
}
