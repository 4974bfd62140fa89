//! `[serve]` in `host.toml`: where is listened, what a server lets its clients use up, and what is kept of what they say.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use freehold_core::name::{PluginName, is_label};
use freehold_core::recipe::{Precision, Settings};
use freehold_core::toml_text::{TomlError, span_of};
use semver::VersionReq;
use serde::Deserialize;

/// `[serve]`. What is left out is as it would be without the table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeSettings {
    /// Address and port. Another than a loopback address needs API keys.
    pub listen: SocketAddr,
    /// In what matrices are multiplied; metrics were measured in f32.
    pub precision: Precision,
    /// Answers of one base model that are generated together.
    pub rows_max: u64,
    /// Bytes that keys and values of the answers under way of one base model may take; who would need more waits.
    pub past_bytes_max: u64,
    /// Adapters that are served, by their digests, though no alias names them any more: the newest.
    pub former_max: u64,
    /// Requests that wait for a row of one base model; one more is told to come again.
    pub queue_max: u64,
    /// Connections at a time; one more waits to be accepted.
    pub connections_max: u64,
    /// Requests under way with the same API key.
    pub requests_per_key_max: u64,
    /// Bytes of a request's body.
    pub body_bytes_max: u64,
    /// Seconds that the head of a request may take, and that a connection may be idle.
    pub header_seconds_max: u64,
    /// Seconds that the body of a request may take.
    pub body_seconds_max: u64,
    /// Seconds from the request to the end of its answer.
    pub request_seconds_max: u64,
    /// Seconds that a client may take nothing of what is sent to it.
    pub stalled_seconds_max: u64,
    /// Seconds that requests under way have when the server is told to end.
    pub grace_seconds_max: u64,
    /// Triggers of kind `hook` that may be asked for over HTTP, each `RECIPE/TRIGGER`; none if not said.
    pub hooks: BTreeSet<String>,
    /// `[serve.capture]`: what is kept of the traffic; nothing if there is no such table.
    pub capture: Option<CaptureSettings>,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            precision: Precision::F32,
            rows_max: 32,
            past_bytes_max: 4 << 30,
            former_max: 4,
            queue_max: 128,
            connections_max: 512,
            requests_per_key_max: 128,
            body_bytes_max: 1 << 20,
            header_seconds_max: 10,
            body_seconds_max: 30,
            request_seconds_max: 600,
            stalled_seconds_max: 30,
            grace_seconds_max: 30,
            hooks: BTreeSet::new(),
            capture: None,
        }
    }
}

/// `[serve.capture]`: prompts and answers that are kept after transforms went over them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureSettings {
    /// The folder of signed plugins, below one of the folders that the server is given.
    #[serde(default = "plugins")]
    pub plugins: String,
    /// The share of requests of which something is kept, above 0 and at most 1.
    #[serde(default = "everything")]
    pub sampling: f64,
    /// Days after which what was kept is removed.
    #[serde(default = "month")]
    pub days_max: u64,
    /// Bytes that are kept at most; the oldest go first.
    #[serde(default = "gibibyte")]
    pub bytes_max: u64,
    /// `[[serve.capture.transform]]`: what goes over each row, in this order; at least one, which redacts.
    #[serde(default)]
    pub transform: Vec<ServedTransform>,
}

/// A transform, as in a recipe.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedTransform {
    /// The plugin.
    pub plugin: PluginName,
    /// Versions that will do.
    pub version: VersionReq,
    /// Its settings.
    #[serde(default)]
    pub settings: Settings,
}

fn plugins() -> String {
    "plugins".into()
}

fn everything() -> f64 {
    1.0
}

fn month() -> u64 {
    30
}

fn gibibyte() -> u64 {
    1 << 30
}

/// A number of `[serve]`, and between what it has to be.
type Bound = (&'static str, u64, std::ops::RangeInclusive<u64>);

impl ServeSettings {
    fn bounds(&self) -> [Bound; 12] {
        let seconds = 1..=86_400;
        [
            ("rows_max", self.rows_max, 1..=1024),
            ("past_bytes_max", self.past_bytes_max, 1 << 20..=1 << 50),
            ("former_max", self.former_max, 0..=1024),
            ("queue_max", self.queue_max, 1..=65_536),
            ("connections_max", self.connections_max, 1..=65_536),
            ("requests_per_key_max", self.requests_per_key_max, 1..=65_536),
            ("body_bytes_max", self.body_bytes_max, 1024..=1 << 30),
            ("header_seconds_max", self.header_seconds_max, seconds.clone()),
            ("body_seconds_max", self.body_seconds_max, seconds.clone()),
            ("request_seconds_max", self.request_seconds_max, seconds.clone()),
            ("stalled_seconds_max", self.stalled_seconds_max, seconds.clone()),
            ("grace_seconds_max", self.grace_seconds_max, seconds),
        ]
    }
}

/// What would make no server is an error that names the key.
pub(crate) fn check(document: &str, settings: &ServeSettings) -> Result<(), TomlError> {
    let refused = |path: &[&str], message: String, remedy: &str| {
        Err(TomlError { message, span: span_of(document, path), remedy: Some(remedy.into()) })
    };
    for (key, found, range) in settings.bounds() {
        if !range.contains(&found) {
            let (least, most) = range.into_inner();
            let message = format!("`serve.{key}` is {found}; it must be from {least} to {most}");
            return refused(&["serve", key], message, "correct it, or leave it out for this program's own limit");
        }
    }
    let is_hook =
        |hook: &str| hook.split_once('/').is_some_and(|(recipe, trigger)| is_label(recipe) && is_label(trigger));
    if let Some(hook) = settings.hooks.iter().find(|hook| !is_hook(hook)) {
        let message = format!("`serve.hooks` has `{hook}`");
        return refused(&["serve", "hooks"], message, "name a recipe and its trigger, such as \"support/tickets\"");
    }
    let Some(capture) = &settings.capture else { return Ok(()) };
    if !(capture.sampling > 0.0 && capture.sampling <= 1.0) {
        let message = format!("`serve.capture.sampling` is {}; it must be above 0 and at most 1", capture.sampling);
        return refused(&["serve", "capture", "sampling"], message, "remove `[serve.capture]` to keep nothing");
    }
    for (key, found) in [("days_max", capture.days_max), ("bytes_max", capture.bytes_max)] {
        if found == 0 {
            let message = format!("`serve.capture.{key}` is 0, so that nothing could be kept");
            return refused(&["serve", "capture", key], message, "remove `[serve.capture]` to keep nothing");
        }
    }
    if capture.transform.is_empty() {
        let message = "`serve.capture` has no transform; nothing is kept as it was said".into();
        let remedy = "add `[[serve.capture.transform]]` with a plugin that redacts, such as freehold/redact-pii";
        return refused(&["serve", "capture"], message, remedy);
    }
    Ok(())
}
