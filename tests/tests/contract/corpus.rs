//! `tests/corpus/`: plugins of every released version of the contract, as they were built and signed then. They load, and do
//! what they did. `cargo xtask release-contract` adds those of a new version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_authoring::{PluginFolder, run_case};
use freehold_core::manifest::World;
use freehold_sandbox::{HostSettings, Sandbox};
use freehold_tests::{Project, Recipe, head, workspace};
use freehold_trust::{
    PublicKey, PublisherRule, Role, SecretKey, TrustRoot, VerifiedPlugin, VerifiedRoot, verify_plugin,
};
use jiff::{SignedDuration, Timestamp};
use semver::Version;

use crate::released::versions;

fn corpus(version: &Version) -> PathBuf {
    workspace().join("tests/corpus").join(version.to_string())
}

fn key_file(version: &Version) -> PathBuf {
    corpus(version).join("publisher.pub.pem")
}

/// A trust root, in force at `now`, that lets the key of this version publish, and no other.
fn root(version: &Version, now: Timestamp) -> VerifiedRoot {
    let publisher = PublicKey::from_pem(&std::fs::read_to_string(key_file(version)).unwrap()).unwrap();
    let key = SecretKey::generate().unwrap();
    let expires = now + SignedDuration::from_hours(1);
    let mut root = TrustRoot::first(expires, Role::NEEDED.map(|role| (role, key.public())));
    root.publishers = vec![PublisherRule { key: publisher.id(), names: vec!["corpus/*".parse().unwrap()] }];
    root.keys.insert(publisher.id(), publisher);
    VerifiedRoot::first(&root.sign(&[&key]).unwrap().to_bytes()).unwrap()
}

/// The plugins of a version, by their folders.
fn names(version: &Version) -> Vec<String> {
    let plugins = corpus(version).join("plugins/corpus");
    let entries = std::fs::read_dir(&plugins).unwrap_or_else(|error| panic!("{}: {error}", plugins.display()));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn verified(version: &Version, name: &str, now: Timestamp) -> VerifiedPlugin {
    let folder = corpus(version).join("plugins/corpus").join(name).join(version.to_string());
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let name = format!("corpus/{name}").parse().unwrap();
    let (manifest, component) = (file("manifest.dsse.json"), file("component.wasm"));
    verify_plugin(&root(version, now), now, (&name, version), &manifest, component).unwrap()
}

/// What a case expects, whole and not within a tolerance.
fn expected(folder: &Path, case: &str) -> toml::Table {
    let text = std::fs::read_to_string(folder.join("cases").join(format!("{case}.toml"))).unwrap();
    let table: toml::Table = text.parse().unwrap();
    table["expect"].as_table().unwrap().clone()
}

#[test]
fn plugins_of_every_released_version_do_what_they_did() {
    let sandbox = Sandbox::new(HostSettings::default(), None).unwrap();
    for version in versions() {
        let (mut worlds, mut cases) = (BTreeSet::new(), 0);
        for name in names(&version) {
            let plugin = verified(&version, &name, Timestamp::now());
            let manifest = plugin.manifest().clone();
            assert_eq!(manifest.contract, version, "{name}");
            let plugin = sandbox.load(&plugin).unwrap_or_else(|error| panic!("{name} {version}: {error}"));
            let path = corpus(&version).join(&name);
            let folder = PluginFolder::open(Dir::open_ambient_dir(&path, ambient_authority()).unwrap(), &name).unwrap();
            let source = folder.source();
            assert_eq!((&source.name, &source.version, source.world), (&manifest.name, &version, manifest.world));
            for case in folder.cases(&[]).unwrap() {
                let report = run_case(&plugin, &case);
                assert!(report.passed, "{name} {version}, {}: {:?}", case.name, report.differences);
                assert_eq!(report.found, expected(&path, &case.name), "{name} {version}, {}", case.name);
                cases += 1;
            }
            worlds.insert(manifest.world);
        }
        assert_eq!(worlds, [World::Transform, World::Metric, World::Policy].into(), "{version} has all three worlds");
        assert!(cases >= 6, "{version} has {cases} cases");
    }
}

#[test]
fn plugins_of_the_corpus_are_good_for_decades() {
    let year = SignedDuration::from_hours(24 * 365);
    for version in versions() {
        for name in names(&version) {
            verified(&version, &name, Timestamp::now() + year * 50);
        }
    }
}

/// A recipe that takes everything from the corpus that is there.
fn recipe(version: &Version) -> Recipe {
    let plugin = |world: &str, name: &str, rest: &str| {
        format!("[[{world}]]\nplugin = \"corpus/{name}\"\nversion = \"={version}\"\n{rest}\n")
    };
    let chat = "settings = { user = \"{text}\", assistant = \"{json:intent,product,urgency}\" }";
    let license = "stage = \"admit\"\nsettings = { allow = [\"CC-BY-4.0\", \"Apache-2.0\"] }";
    let gate =
        "stage = \"promote\"\nsettings = { metric = \"exact-match\", minimum = 0, minimum_rows = 8, margin = 1 }";
    Recipe {
        transforms: plugin("transform", "chat-format", chat),
        metrics: plugin("metric", "exact-match", "settings = { json = true }"),
        policies: plugin("policy", "license-gate", license) + &plugin("policy", "metric-gate", gate),
        ..Recipe::default()
    }
}

#[test]
fn a_home_that_trusts_their_publisher_runs_plugins_of_every_version() {
    let project = Project::bare();
    project.copy_model("base-1");
    project.write("train.jsonl", &head("tickets-eu.jsonl", 24));
    project.write("eval.jsonl", &head("heldout.jsonl", 8));
    for version in versions() {
        for name in names(&version) {
            let (from, to) = (corpus(&version).join("plugins"), project.path().join("plugins"));
            let folder = format!("corpus/{name}/{version}");
            std::fs::create_dir_all(to.join(&folder)).unwrap();
            for file in ["component.wasm", "manifest.dsse.json"] {
                std::fs::copy(from.join(&folder).join(file), to.join(&folder).join(file)).unwrap();
            }
        }
        let stranger = format!("corpus/metric-gate@{version}");
        project.run(&["plugin", "inspect", &stranger]).expect(4).says(&["does not know as a publisher"]);
        let key = key_file(&version);
        project.run(&["trust", "add", "--key", key.to_str().unwrap(), "--names", "corpus/*"]).expect(0);
        let inspected = project.run(&["plugin", "inspect", &stranger, "--json"]).expect(0).json();
        assert_eq!(inspected["manifest"]["contract"], version.to_string());
        // The recipe before went to the ledger; the lockfile of that one names other versions.
        let _ = std::fs::remove_file(project.path().join("freehold.lock"));
        project.run_recipe(&recipe(&version)).expect(0);
    }
    let listed = project.run(&["plugin", "list", "--json"]).expect(0).json();
    assert!(listed.as_array().unwrap().iter().all(|plugin| plugin["usable"] == true), "{listed}");
    project.assert_intact();
}
