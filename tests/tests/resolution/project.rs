//! A project in which a recipe asks for a range of versions of redact-pii.

use std::path::PathBuf;

use freehold_core::digest::Digest;
use freehold_core::lock::Lockfile;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_tests::{Outcome, Project, Recipe, component, head, source};
use freehold_trust::{SecretKey, sign_plugin};
use jiff::{SignedDuration, Timestamp};

pub(crate) const NAME: &str = "freehold/redact-pii";
pub(crate) const FIRST: &str = "version = \"1.0.0\"";
/// A change to a manifest before it is signed.
pub(crate) type Change = fn(&mut Manifest);

/// What a run comes to that resolves, records, and is denied before anything is trained.
pub(crate) const RESOLVED: i32 = 3;

/// A recipe whose run does no more than that, with a range for redact-pii.
pub(crate) fn recipe(range: &str) -> Recipe {
    let transforms = format!("[[transform]]\nplugin = \"{NAME}\"\nversion = \"{range}\"\n");
    let gate = "[[policy]]\nplugin = \"freehold/residency-gate\"\nversion = \"^1.0\"\nstage = \"admit\"\n";
    let policies = format!("{gate}settings = {{ allow = [\"ch\"] }}\n");
    Recipe { transforms, policies, ..Recipe::default() }
}

pub(crate) fn folder(project: &Project, version: &str) -> PathBuf {
    project.path().join("plugins").join(NAME).join(version)
}

/// Signs redact-pii as `version`.
pub(crate) fn sign(project: &Project, version: &str) {
    sign_with(project, version, &[]).expect(0);
}

pub(crate) fn sign_with(project: &Project, version: &str, changes: &[(&str, &str)]) -> Outcome {
    let version = format!("version = \"{version}\"");
    let changes: Vec<_> = [(FIRST, version.as_str())].into_iter().chain(changes.iter().copied()).collect();
    project.sign_changed("redact-pii", &changes, "publisher", 30)
}

/// A project with what that recipe needs.
pub(crate) fn project() -> Project {
    let project = Project::bare();
    project.sign("redact-pii");
    project.sign("exact-match");
    project.sign("residency-gate");
    project.copy_model("base-1");
    project.write("train.jsonl", &head("tickets-eu.jsonl", 4));
    project.write("eval.jsonl", &head("heldout.jsonl", 4));
    project
}

/// A project that has redact-pii in some more versions.
pub(crate) fn with_versions(versions: &[&str]) -> Project {
    let project = project();
    versions.iter().for_each(|version| sign(&project, version));
    project
}

pub(crate) fn key(project: &Project, name: &str) -> SecretKey {
    SecretKey::from_pem(&String::from_utf8(project.read(&format!("home/keys/{name}.pem"))).unwrap()).unwrap()
}

pub(crate) fn locked(project: &Project) -> String {
    let lock = Lockfile::parse(&String::from_utf8(project.read("freehold.lock")).unwrap()).unwrap();
    lock.plugin.iter().find(|plugin| plugin.name.to_string() == NAME).unwrap().version.to_string()
}

pub(crate) fn unlock(project: &Project) {
    std::fs::remove_file(project.path().join("freehold.lock")).unwrap();
}

pub(crate) fn yank(project: &Project, version: &str) -> Outcome {
    let plugin = format!("{NAME}@{version}");
    project.run(&["plugin", "yank", &plugin, "--key", "publisher", "--reason", "loses rows"])
}

pub(crate) fn unyank(project: &Project, version: &str) -> Outcome {
    project.run(&["plugin", "unyank", &format!("{NAME}@{version}"), "--key", "publisher"])
}

/// Puts other files under a version, as its publisher could: another component or another content, well signed.
pub(crate) fn replace(project: &Project, version: &str, bytes: &[u8], change: impl FnOnce(&mut Manifest)) {
    let text =
        std::fs::read_to_string(source("redact-pii")).unwrap().replace(FIRST, &format!("version = \"{version}\""));
    let source: PluginSource = freehold_core::toml_text::parse(&text).unwrap();
    let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
    let mut manifest = Manifest::new(source, Digest::of(bytes), now - hour, now + hour);
    change(&mut manifest);
    let signed = sign_plugin(&manifest, &key(project, "publisher")).unwrap().to_bytes();
    std::fs::write(folder(project, version).join("component.wasm"), bytes).unwrap();
    std::fs::write(folder(project, version).join("manifest.dsse.json"), signed).unwrap();
}

pub(crate) fn bytes() -> Vec<u8> {
    std::fs::read(component("redact-pii")).unwrap()
}

/// Another component that is a transform as well.
pub(crate) fn other_bytes() -> Vec<u8> {
    std::fs::read(component("deduplicate")).unwrap()
}

pub(crate) fn listed(project: &Project, version: &str) -> serde_json::Value {
    let listed = project.run(&["plugin", "list", "--json"]).expect(0).json();
    let found = listed.as_array().unwrap().iter().find(|one| one["name"] == NAME && one["version"] == version);
    found.unwrap().clone()
}
