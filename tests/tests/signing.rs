//! Only what a trusted publisher signed, under a name that is theirs and in time, is compiled and run.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_tests::{Project, Recipe, component, source};
use freehold_trust::{Envelope, SecretKey, sign_plugin};
use jiff::{SignedDuration, Timestamp};
use semver::Version;

const FOLDER: &str = "plugins/freehold/redact-pii/1.0.0";

/// Puts what is signed by `key`, after `change`, in the place of redact-pii.
fn replace(project: &Project, key: &SecretKey, change: impl FnOnce(&mut Manifest)) {
    let source = std::fs::read_to_string(source("redact-pii")).unwrap();
    let source: PluginSource = freehold_core::toml_text::parse(&source).unwrap();
    let bytes = std::fs::read(component("redact-pii")).unwrap();
    let now = Timestamp::now();
    let hour = SignedDuration::from_hours(1);
    let mut manifest = Manifest::new(source, Digest::of(&bytes), now - hour, now + hour);
    change(&mut manifest);
    let envelope = sign_plugin(&manifest, key).unwrap();
    std::fs::write(project.path().join(FOLDER).join("manifest.dsse.json"), envelope.to_bytes()).unwrap();
}

fn publisher(project: &Project) -> SecretKey {
    SecretKey::from_pem(&String::from_utf8(project.read("home/keys/publisher.pem")).unwrap()).unwrap()
}

/// The run is refused as not verified, before anything was recorded.
#[track_caller]
fn refused(project: &Project, parts: &[&str]) {
    project.run_recipe(&Recipe::default()).expect(4).says(parts);
    assert_eq!(project.run(&["audit", "list", "--json"]).expect(0).json(), serde_json::json!([]));
    project.assert_intact();
}

#[test]
fn an_unsigned_plugin_is_refused() {
    let project = Project::new();
    let file = project.path().join(FOLDER).join("manifest.dsse.json");
    let envelope = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    refused(&project, &["`freehold/redact-pii 1.0.0` is not signed", "freehold plugin sign"]);
    let mut json: serde_json::Value = serde_json::from_slice(&envelope).unwrap();
    json["signatures"] = serde_json::json!([]);
    std::fs::write(&file, json.to_string()).unwrap();
    refused(&project, &["is not signed"]);
}

#[test]
fn a_tampered_component_is_refused() {
    let project = Project::new();
    let file = project.path().join(FOLDER).join("component.wasm");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    refused(&project, &["the component was changed after it was signed", "do not use these files"]);
}

#[test]
fn a_tampered_manifest_is_refused() {
    let project = Project::new();
    let file = project.path().join(FOLDER).join("manifest.dsse.json");
    let envelope = Envelope::from_bytes(&std::fs::read(&file).unwrap()).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&envelope.to_bytes()).unwrap();
    let payload = json["payload"].as_str().unwrap().replacen('a', "b", 1);
    json["payload"] = payload.into();
    std::fs::write(&file, json.to_string()).unwrap();
    refused(&project, &["the manifest was changed after it was signed"]);
    std::fs::write(&file, "{").unwrap();
    refused(&project, &["the manifest was changed"]);
}

#[test]
fn an_expired_plugin_is_refused() {
    let project = Project::new();
    let hours = |hours| SignedDuration::from_hours(hours);
    replace(&project, &publisher(&project), |manifest| manifest.expires = Timestamp::now() - hours(1));
    refused(&project, &["`freehold/redact-pii 1.0.0` expired at", "newer version"]);
    replace(&project, &publisher(&project), |manifest| manifest.created = Timestamp::now() + hours(1));
    refused(&project, &["in the future", "clock"]);
}

#[test]
fn a_key_that_nobody_trusts_is_refused() {
    let project = Project::new();
    replace(&project, &SecretKey::generate().unwrap(), |_| {});
    refused(&project, &["does not know as a publisher", "freehold trust add"]);
    // A key of the home that was never trusted is as strange as any other.
    project.run(&["key", "new", "stranger"]).expect(0);
    project.sign_changed("redact-pii", &[], "stranger", 30).expect(0);
    refused(&project, &["does not know as a publisher"]);
}

#[test]
fn a_publisher_of_other_names_is_refused() {
    let project = Project::new();
    project.run(&["key", "new", "other"]).expect(0);
    project.run(&["trust", "add", "--key", "other", "--names", "other/*"]).expect(0);
    project.sign_changed("redact-pii", &[], "other", 30).expect(0);
    refused(&project, &["may not publish this name", "freehold trust add"]);
    project.run(&["trust", "add", "--key", "other", "--names", "freehold/redact-pii"]).expect(0);
    project.run_recipe(&Recipe::default()).expect(0);
}

#[test]
fn an_incompatible_contract_is_refused() {
    let project = Project::new();
    let (update, rebuild) = ("update freehold", "built again with the SDK of freehold");
    for (contract, remedies) in [
        (Version::new(2, 0, 0), [update, rebuild]),
        (Version::new(1, 2, 0), [update, rebuild]),
        (Version::new(0, 9, 0), ["get a newer version of the plugin", rebuild]),
    ] {
        replace(&project, &publisher(&project), |manifest| manifest.contract = contract.clone());
        let what =
            format!("`freehold/redact-pii 1.0.0` was built for contract {contract}; this host accepts 1.0.0 to 1.1.0");
        refused(&project, &[&what, remedies[0], remedies[1]]);
        project.run(&["plugin", "inspect", "freehold/redact-pii"]).expect(4).says(&[&what, remedies[0]]);
    }
}

#[test]
fn a_component_of_another_contract_than_its_manifest_says_is_refused() {
    let project = Project::new();
    let fit = |project: &Project| project.run(&["plugin", "inspect", "freehold/redact-pii", "--json"]).expect(0).json();
    let own = &fit(&project)["contract"];
    assert_eq!((&own["version"], &own["accepted"]), (&"1.1.0".into(), &true.into()), "{own}");
    let project = Project::new();
    replace(&project, &publisher(&project), |manifest| manifest.contract = Version::new(1, 0, 0));
    let says = "is said to be built for contract 1.0.0, but imports `freehold:platform/platform@1.1.0`";
    project.run_recipe(&Recipe::default()).expect(1).says(&["freehold/redact-pii 1.0.0", says, "freehold plugin sign"]);
    project.run(&["plugin", "inspect", "freehold/redact-pii"]).expect(0).says(&["1.0.0; not accepted: it", says]);
    let lie = &fit(&project)["contract"];
    assert_eq!((&lie["version"], &lie["accepted"]), (&"1.0.0".into(), &false.into()), "{lie}");
    // Signed again, the manifest says what the component is.
    std::fs::remove_dir_all(project.path().join("home/plugins-seen")).unwrap();
    std::fs::remove_dir_all(project.path().join(FOLDER)).unwrap();
    project.sign("redact-pii");
    project
        .run(&["plugin", "inspect", "freehold/redact-pii"])
        .expect(0)
        .says(&["1.1.0; this host accepts 1.0.0 to 1.1.0"]);
}

#[test]
fn a_plugin_under_another_name_is_refused() {
    let project = Project::new();
    replace(&project, &publisher(&project), |manifest| manifest.name = "freehold/deduplicate".parse().unwrap());
    refused(&project, &["asked for `freehold/redact-pii 1.0.0`", "`freehold/deduplicate 1.0.0`"]);
    replace(&project, &publisher(&project), |manifest| manifest.version = Version::new(0, 9, 0));
    refused(&project, &["asked for `freehold/redact-pii 1.0.0`"]);
}

#[test]
fn what_is_signed_but_no_plugin_is_refused() {
    let project = Project::new();
    let file = project.path().join(FOLDER).join("component.wasm");
    std::fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    replace(&project, &publisher(&project), |manifest| manifest.component = Digest::of(b"\0asm\x01\0\0\0"));
    let before = project.fork();
    project.run_recipe(&Recipe::default()).expect(1).says(&["is not a WebAssembly component"]);
    // Where the version was never seen with other bytes.
    let project = before;
    let file = project.path().join(FOLDER).join("component.wasm");
    let policy = std::fs::read(component("license-gate")).unwrap();
    std::fs::write(&file, &policy).unwrap();
    replace(&project, &publisher(&project), |manifest| manifest.component = Digest::of(&policy));
    project.run_recipe(&Recipe::default()).expect(1).says(&["is not a transform plugin"]);
}

#[test]
fn listing_shows_what_is_wrong_with_each() {
    let project = Project::new();
    std::fs::remove_file(project.path().join(FOLDER).join("manifest.dsse.json")).unwrap();
    let listed = project.run(&["plugin", "list", "--json"]).expect(0).json();
    let state = |name: &str| {
        let entries = listed.as_array().unwrap();
        entries.iter().find(|entry| entry["name"] == name).unwrap()["usable"].clone()
    };
    assert_eq!(listed.as_array().unwrap().len(), 8);
    assert_eq!((state("freehold/redact-pii"), state("freehold/deduplicate")), (false.into(), true.into()));
    project.run(&["plugin", "inspect", "freehold/redact-pii"]).expect(4);
    project.run(&["plugin", "inspect", "freehold/deduplicate"]).expect(0).says(&["threshold", "capabilities none"]);
}

/// The author, the publisher and the user are told the same.
#[test]
fn a_manifest_that_means_nothing_is_neither_signed_nor_run() {
    let project = Project::new();
    type Change = fn(&mut Manifest);
    let none = "capabilities = []";
    let cases: [(&str, &str, &[&str], Change); 4] = [
        ("version = \"1.0.0\"", "version = \"1.0.0+x\"", &["build metadata", "changed.toml:2:"], |manifest| {
            manifest.version = "1.0.0+x".parse().unwrap();
        }),
        (
            none,
            "capabilities = [\"network\"]",
            &["no capability \"network\"", "nothing else", "changed.toml:5:"],
            |manifest| {
                manifest.capabilities = vec!["network".into()];
            },
        ),
        (none, "capabilities = [\"asset:../x\"]", &["no capability \"asset:../x\"", "changed.toml:5:"], |manifest| {
            manifest.capabilities = vec!["asset:../x".into()];
        }),
        (
            "type = \"strings\"",
            "type = \"string\"",
            &["the default of a setting must be a text", "changed.toml:"],
            |manifest| {
                manifest.settings.values_mut().for_each(|setting| setting.default = Some(5.into()));
            },
        ),
    ];
    let folder = project.path().join(FOLDER);
    for (from, to, parts, change) in cases {
        project.sign_changed("redact-pii", &[(from, to)], "publisher", 30).expect(1).says(parts);
        let attacked = project.fork();
        replace(&attacked, &publisher(&attacked), change);
        if to.contains("+x") {
            std::fs::rename(attacked.path().join(FOLDER), attacked.path().join(FOLDER).with_file_name("1.0.0+x"))
                .unwrap();
        }
        let remedy = if to.contains("type") { "do not use these files" } else { "have the publisher correct it" };
        let parts = [if to.contains("type") { "the default of a setting must be" } else { parts[0] }, remedy];
        attacked.run_recipe(&Recipe::default()).expect(4).says(&parts);
        attacked.run(&["plugin", "list"]).expect(0).says(&parts[..1]);
    }
    assert!(!folder.with_file_name("1.0.0+x").exists());
}
