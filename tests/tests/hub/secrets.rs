//! The token for the hub goes to the hub, and nowhere else.

use std::path::Path;

use freehold_tests::{Outcome, Project};

use crate::server::{Answer, Hub, TOKEN};

fn contains_token(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contains_token(&path));
        } else if std::fs::read(&path).unwrap().windows(TOKEN.len()).any(|bytes| bytes == TOKEN.as_bytes()) {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_token_is_sent_to_the_hub_alone_and_written_nowhere() {
    let (project, hub) = (Project::bare(), Hub::start());
    let pull = || -> Outcome {
        let mut command = hub.command(&project, "main");
        // Everything that any crate has to say.
        command.env("HF_TOKEN", TOKEN).env("FREEHOLD_LOG", "trace").arg("-vvv");
        // A proxy would read what is sent to a hub on this machine.
        command.env("ALL_PROXY", "http://127.0.0.1:9").output().unwrap().into()
    };
    let expected = format!("Bearer {TOKEN}");
    // First refused, so that errors are looked at as well.
    hub.answer(|request, answer| if request.is_for_weights() { Answer::status(403, "") } else { answer });
    let refused = pull().expect(1);
    hub.be_honest();
    let pulled = pull().expect(0);
    for said in [&refused.stdout, &refused.stderr, &pulled.stdout, &pulled.stderr] {
        assert!(!said.contains(TOKEN), "{said}");
    }
    let requests = hub.requests();
    assert!(requests.iter().filter(|request| request.large).count() >= 2, "{requests:?}");
    for request in requests {
        let token = request.headers.get("authorization");
        assert_eq!(token, (!request.large).then_some(&expected), "{request:?}");
    }
    assert_eq!(contains_token(project.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_token_is_not_sent_in_the_open() {
    let project = Project::bare();
    let hub = Hub::start();
    let pull = |endpoint: &str, token: &str| -> Outcome {
        let mut command = hub.command(&project, "main");
        command.env("HF_ENDPOINT", endpoint).env("HF_TOKEN", token).output().unwrap().into()
    };
    for (endpoint, token, said) in [
        ("http://hub.invalid", TOKEN, "everyone on the way could read it"),
        ("https://me:secret@hub.invalid", TOKEN, "a user or a password"),
        ("https://hub.invalid/?token=secret", TOKEN, "a query"),
        ("ftp://hub.invalid", TOKEN, "neither https:// nor http://"),
        (hub.address(), "two words", "the token for the hub cannot be one"),
    ] {
        let refused = pull(endpoint, token).expect(2).says(&[said]);
        assert!(!refused.stderr.contains(TOKEN) && !refused.stderr.contains("secret"), "{}", refused.stderr);
    }
    assert_eq!(hub.requests().len(), 0);
    // A token file that other tools keep is not looked for.
    let mut command = hub.command(&project, "main");
    project.write("hf/token", TOKEN);
    project.write("token", TOKEN);
    Outcome::from(command.env("HF_HOME", project.path().join("hf")).output().unwrap()).expect(0);
    assert!(hub.requests().iter().all(|request| !request.headers.contains_key("authorization")));
}
