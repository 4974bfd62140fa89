//! `freehold serve`, asked by curl, by OpenAI's own client, and by a client that speaks HTTP byte for byte.

#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod answers;
mod capture;
mod client;
mod ending;
mod errors;
mod hooks;
mod limits;
mod moves;

use freehold_tests::{Project, Recipe};
use serde_json::{Value, json};

/// A project with one run, `desk-1`, that was promoted: trained so long that it has something to say.
fn promoted() -> Project {
    let project = Project::new();
    let train = Recipe::default().train.replace("epochs = 1", "epochs = 8");
    drop(project.run_recipe(&Recipe { train, ..Recipe::default() }).expect(0));
    project
}

/// Another recipe, which makes another adapter.
fn other() -> Recipe {
    let train = Recipe::default().train.replace("2e-3", "4e-3");
    Recipe { train, ..Recipe::default() }
}

/// A dialogue for the alias, which is answered with the likeliest tokens.
fn dialogue(text: &str) -> Value {
    json!({
        "model": "desk@production", "temperature": 0, "max_tokens": 24,
        "messages": [{ "role": "user", "content": text }],
    })
}

/// A text that is continued for a while.
fn story(tokens: u32) -> Value {
    json!({ "model": "desk@production", "prompt": "Once upon a time", "temperature": 0, "max_tokens": tokens })
}

/// The same with one more parameter.
fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}
