//! A plugin in one file, from its publisher to an operator: packed, added, added again, renewed and yanked.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use freehold_core::manifest::{Manifest, PluginSource};
use freehold_tests::{Outcome, PLUGINS, Project, Recipe, component, freehold, source};
use freehold_trust::{SecretKey, sign_plugin};
use jiff::{SignedDuration, Timestamp};

const NAME: &str = "freehold/redact-pii";
const FILE: &str = "freehold.redact-pii-1.0.0.plugin";
const FOLDER: &str = "plugins/freehold/redact-pii/1.0.0";

/// A publisher with one signed plugin.
fn publisher() -> Project {
    let project = Project::bare();
    project.sign("redact-pii");
    project
}

/// An operator who trusts that publisher, and has no plugins.
fn operator(publisher: &Project) -> Project {
    let operator = publisher.fork();
    std::fs::remove_dir_all(operator.path().join("home")).unwrap();
    std::fs::remove_dir_all(operator.path().join("plugins")).unwrap();
    operator.run(&["init"]).expect(0);
    std::fs::copy(publisher.path().join("home/keys/publisher.pub.pem"), operator.path().join("their.pem")).unwrap();
    operator.run(&["trust", "add", "--key", "their.pem", "--names", "freehold/*"]).expect(0);
    operator
}

/// The bundle of the plugin, as a file of its own.
fn packed(publisher: &Project, out: &str) -> Vec<u8> {
    publisher.run(&["plugin", "pack", NAME, "--out", out]).expect(0);
    publisher.read(out)
}

fn add(operator: &Project, bundle: &[u8]) -> Outcome {
    std::fs::write(operator.path().join(FILE), bundle).unwrap();
    operator.run(&["plugin", "add", FILE])
}

fn yanked(project: &Project) -> serde_json::Value {
    project.run(&["plugin", "list", "--json"]).expect(0).json()[0]["yanked"].clone()
}

fn names(folder: PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn a_plugin_goes_from_its_publisher_to_an_operator_in_one_file() {
    let publisher = publisher();
    let said = publisher.run(&["plugin", "pack", NAME]).expect(0);
    said.says(&["plugin freehold/redact-pii 1.0.0, signed by", "file freehold.redact-pii-1.0.0.plugin", "sha256:"]);
    let bundle = publisher.read(FILE);
    let told = publisher.run(&["plugin", "pack", "freehold/redact-pii@1.0.0", "--json"]).expect(0).json();
    assert_eq!((&told["file"], &told["bytes"]), (&FILE.into(), &bundle.len().into()));
    assert_eq!(told["manifest"]["name"], NAME);
    let operator = operator(&publisher);
    add(&operator, &bundle).expect(0).says(&["freehold/redact-pii 1.0.0, signed by", &format!("added to {FOLDER}")]);
    for file in ["component.wasm", "manifest.dsse.json"] {
        let path = format!("{FOLDER}/{file}");
        assert_eq!(operator.read(&path), publisher.read(&path), "{file}");
    }
    operator.run(&["plugin", "inspect", NAME]).expect(0).says(&["signed by"]);
}

#[test]
fn a_run_uses_plugins_that_were_added() {
    let project = Project::new();
    let files: Vec<String> = PLUGINS.iter().map(|plugin| format!("freehold.{plugin}-1.0.0.plugin")).collect();
    for plugin in PLUGINS {
        project.run(&["plugin", "pack", &format!("freehold/{plugin}")]).expect(0);
    }
    std::fs::remove_dir_all(project.path().join("plugins")).unwrap();
    let add: Vec<&str> = ["plugin", "add", "--json"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let added = project.run(&add).expect(0).json();
    assert_eq!(added.as_array().unwrap().len(), PLUGINS.len());
    for (file, added) in files.iter().zip(added.as_array().unwrap()) {
        assert_eq!((&added["file"], &added["state"]), (&file.as_str().into(), &"added".into()));
        assert_eq!((&added["yanked"], &added["yank_written"]), (&serde_json::Value::Null, &false.into()));
        assert!(added["folder"].as_str().unwrap().ends_with("/1.0.0"), "{added}");
    }
    project.run_recipe(&Recipe::default()).expect(0);
    project.assert_intact();
}

#[test]
fn the_same_plugin_gives_the_same_bytes_wherever_it_is_packed() {
    let publisher = publisher();
    let bundle = packed(&publisher, "one.plugin");
    for file in ["component.wasm", "manifest.dsse.json"] {
        let file = std::fs::File::options().append(true).open(publisher.path().join(FOLDER).join(file)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    }
    assert_eq!(packed(&publisher, "two.plugin"), bundle);
    let operator = operator(&publisher);
    add(&operator, &bundle).expect(0);
    assert_eq!(packed(&operator, "three.plugin"), bundle);
}

#[test]
fn the_same_again_changes_nothing_and_says_so() {
    let publisher = publisher();
    let bundle = packed(&publisher, "one.plugin");
    let operator = operator(&publisher);
    add(&operator, &bundle).expect(0);
    let places = || {
        let of = |file: &str| std::fs::metadata(operator.path().join(FOLDER).join(file)).unwrap();
        ["component.wasm", "manifest.dsse.json"].map(|file| (of(file).ino(), of(file).mtime_nsec()))
    };
    let before = places();
    add(&operator, &bundle).expect(0).says(&["is in plugins/freehold/redact-pii/1.0.0 already; nothing was changed"]);
    let again = operator.run(&["plugin", "add", FILE, FILE, "--json"]).expect(0).json();
    assert_eq!((&again[0]["state"], &again[1]["state"]), (&"already-there".into(), &"already-there".into()));
    assert_eq!(places(), before);
    // A component that was lost or damaged since is put back.
    let component = operator.read(&format!("{FOLDER}/component.wasm"));
    operator.write(&format!("{FOLDER}/component.wasm"), "damaged");
    operator.run(&["plugin", "inspect", NAME]).expect(4);
    add(&operator, &bundle).expect(0).says(&["added to"]);
    assert_eq!(operator.read(&format!("{FOLDER}/component.wasm")), component);
}

#[test]
fn a_later_signature_takes_the_place_of_an_older_one_and_never_the_other_way_round() {
    let publisher = publisher();
    let old = packed(&publisher, "old.plugin");
    let (wasm, toml) = (component("redact-pii"), source("redact-pii"));
    let sign = ["plugin", "sign", wasm.to_str().unwrap(), "--source", toml.to_str().unwrap(), "--key", "publisher"];
    publisher.run(&[&sign[..], &["--renew", "--days", "700"]].concat()).expect(0);
    let new = packed(&publisher, "new.plugin");
    let operator = operator(&publisher);
    let manifest = || operator.read(&format!("{FOLDER}/manifest.dsse.json"));
    add(&operator, &old).expect(0);
    add(&operator, &new).expect(0).says(&["its signature is now the one of this file"]);
    let newer = manifest();
    assert_eq!(newer, publisher.read(&format!("{FOLDER}/manifest.dsse.json")));
    add(&operator, &old).expect(0).says(&["nothing was changed"]);
    assert_eq!(manifest(), newer);
    // Of two, one that holds is worth more than one that no longer does.
    let text = std::fs::read_to_string(toml).unwrap();
    let parsed: PluginSource = freehold_core::toml_text::parse(&text).unwrap();
    let pem = String::from_utf8(publisher.read("home/keys/publisher.pem")).unwrap();
    let now = Timestamp::now();
    let digest = freehold_core::digest::Digest::of(&std::fs::read(wasm).unwrap());
    let expired = Manifest::new(parsed, digest, now, now + SignedDuration::from_millis(1));
    let expired = sign_plugin(&expired, &SecretKey::from_pem(&pem).unwrap()).unwrap().to_bytes();
    operator.write(&format!("{FOLDER}/manifest.dsse.json"), &String::from_utf8(expired).unwrap());
    operator.run(&["plugin", "inspect", NAME]).expect(4).says(&["expired at"]);
    add(&operator, &old).expect(0).says(&["its signature is now the one of this file"]);
    operator.run(&["plugin", "inspect", NAME]).expect(0);
}

#[test]
fn a_yank_travels_with_the_plugin_and_only_a_newer_word_undoes_it() {
    let publisher = publisher();
    let plugin = format!("{NAME}@1.0.0");
    let silent = packed(&publisher, "silent.plugin");
    publisher.run(&["plugin", "yank", &plugin, "--key", "publisher", "--reason", "loses rows"]).expect(0);
    publisher.run(&["plugin", "pack", NAME]).expect(1).says(&["is yanked: 1.0.0 (loses rows)"]);
    let pack = ["plugin", "pack", plugin.as_str(), "--out", "yanked.plugin"];
    publisher.run(&pack).expect(0).says(&["yanked loses rows"]);
    let withdrawn = publisher.read("yanked.plugin");
    publisher.run(&["plugin", "unyank", &plugin, "--key", "publisher"]).expect(0);
    let offered = packed(&publisher, "offered.plugin");

    let operator = operator(&publisher);
    add(&operator, &silent).expect(0);
    assert_eq!(yanked(&operator), serde_json::Value::Null);
    add(&operator, &withdrawn).expect(0).says(&["already", "freehold/redact-pii 1.0.0 is yanked: loses rows"]);
    assert_eq!(yanked(&operator), "loses rows");
    // Neither an older bundle nor the loss of the file takes it back.
    add(&operator, &silent).expect(0).says(&["nothing was changed", "is yanked: loses rows"]);
    std::fs::remove_dir_all(operator.path().join("plugins")).unwrap();
    add(&operator, &silent).expect(0).says(&["added to", "is yanked: loses rows"]);
    assert!(operator.path().join(FOLDER).join("yank.dsse.json").exists(), "what the home knows lies beside it");
    add(&operator, &offered).expect(0);
    assert_eq!(yanked(&operator), serde_json::Value::Null);
    add(&operator, &withdrawn).expect(0).says(&["nothing was changed"]);
    assert_eq!(yanked(&operator), serde_json::Value::Null);
}

#[test]
fn of_several_files_all_are_added_or_none() {
    let publisher = publisher();
    let bundle = packed(&publisher, "one.plugin");
    let operator = operator(&publisher);
    std::fs::write(operator.path().join("good.plugin"), &bundle).unwrap();
    std::fs::write(operator.path().join("bad.plugin"), &bundle[..bundle.len() / 2]).unwrap();
    let both = ["plugin", "add", "good.plugin", "bad.plugin"];
    operator.run(&both).expect(4).says(&["`bad.plugin`: the bundle was cut off", "get the file again"]);
    assert!(!operator.path().join("plugins").exists());
    let error = operator.run(&[&both[..], &["--json"]].concat()).expect(4).json();
    assert_eq!(error["error"]["exit_code"], 4);
    assert!(error["error"]["message"].as_str().unwrap().starts_with("`bad.plugin`: "));
    operator.run(&["plugin", "add", "none.plugin"]).expect(1).says(&["none.plugin"]);
    // A file that is larger than any bundle is not even read to its end.
    std::fs::File::create(operator.path().join("large.plugin")).unwrap().set_len(1 << 40).unwrap();
    operator.run(&["plugin", "add", "large.plugin"]).expect(1).says(&["has 1099511627776 bytes; at most"]);
    operator.run(&["plugin", "add"]).expect(2);
    operator.run(&["plugin", "add", "good.plugin", "--plugins", "good.plugin"]).expect(1).says(&["good.plugin"]);
}

#[test]
fn only_what_verifies_is_packed() {
    let publisher = publisher();
    for (plugin, code, says) in [
        ("redact-pii", 2, "publisher/name@version"),
        ("freehold/redact-pii@one", 2, "publisher/name@version"),
        ("freehold/none", 1, "no plugin `freehold/none`"),
        ("freehold/redact-pii@9.9.9", 1, "found: 1.0.0"),
    ] {
        publisher.run(&["plugin", "pack", plugin]).expect(code).says(&[says]);
    }
    publisher.run(&["plugin", "pack", NAME, "--out", "no/such/folder.plugin"]).expect(1).says(&["no/such"]);
    publisher.run(&["plugin", "pack", NAME, "--plugins", "none"]).expect(1).says(&["none"]);
    let mut component = publisher.read(&format!("{FOLDER}/component.wasm"));
    component[100] ^= 1;
    std::fs::write(publisher.path().join(FOLDER).join("component.wasm"), component).unwrap();
    publisher.run(&["plugin", "pack", NAME]).expect(4).says(&["the component was changed"]);
    assert!(!publisher.path().join(FILE).exists());
}

/// The system kills the command when a file grows beyond a limit: in the midst of writing the component.
#[test]
fn what_a_killed_command_leaves_is_no_version_and_no_hindrance() {
    let publisher = publisher();
    let bundle = packed(&publisher, "one.plugin");
    let operator = operator(&publisher);
    std::fs::write(operator.path().join(FILE), &bundle).unwrap();
    // One that fails in the middle of a file takes back what it wrote.
    let script = "ulimit -f 16; exec \"$0\" --home home plugin add \"$1\"";
    let mut limited = Command::new("bash");
    limited.args(["-c", script]).arg(freehold()).arg(FILE).current_dir(operator.path()).stdin(Stdio::null());
    drop(Outcome::from(limited.output().unwrap()).expect(1).says(&["there is no space for", "component.wasm"]));
    let parent = || names(operator.path().join("plugins/freehold/redact-pii"));
    assert_eq!(parent(), [""; 0]);
    // One that is killed there cannot.
    let left = [".1.0.0.4242-1.tmp"];
    let half = operator.path().join("plugins/freehold/redact-pii").join(left[0]);
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("component.wasm"), &bundle[..bundle.len() / 2]).unwrap();
    assert_eq!(operator.run(&["plugin", "list", "--json"]).expect(0).json(), serde_json::json!([]));
    add(&operator, &bundle).expect(0).says(&["added to"]);
    operator.run(&["plugin", "inspect", NAME]).expect(0);
    assert_eq!(parent().len(), 2, "it may still be written");
    let old = std::fs::File::open(operator.path().join("plugins/freehold/redact-pii").join(left[0])).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(3700)).unwrap();
    add(&operator, &bundle).expect(0).says(&["nothing was changed"]);
    assert_eq!(parent(), ["1.0.0"]);
}

#[test]
fn a_version_that_was_half_copied_is_completed() {
    let publisher = publisher();
    let bundle = packed(&publisher, "one.plugin");
    for files in [&["component.wasm"][..], &["manifest.dsse.json"], &[]] {
        let operator = operator(&publisher);
        std::fs::create_dir_all(operator.path().join(FOLDER)).unwrap();
        for file in files {
            let file = format!("{FOLDER}/{file}");
            std::fs::copy(publisher.path().join(&file), operator.path().join(&file)).unwrap();
        }
        operator.run(&["plugin", "inspect", NAME]).says(&["redact-pii"]);
        add(&operator, &bundle).expect(0).says(&["added to"]);
        operator.run(&["plugin", "inspect", NAME]).expect(0);
        let mut found = names(operator.path().join(FOLDER));
        found.sort();
        assert_eq!(found, ["component.wasm", "manifest.dsse.json"]);
    }
}

#[test]
fn commands_that_add_the_same_at_one_time_do_not_disturb_each_other() {
    let publisher = publisher();
    let bundle = packed(&publisher, "one.plugin");
    let operator = operator(&publisher);
    std::fs::write(operator.path().join(FILE), &bundle).unwrap();
    let start = || operator.command(&["plugin", "add", FILE]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let running: Vec<_> = (0..6).map(|_| start().unwrap()).collect();
    let ended = running.into_iter().map(|child| Outcome::from(child.wait_with_output().unwrap()).expect(0));
    let added = ended.filter(|outcome| outcome.stdout.contains("added to")).count();
    assert_eq!(added, 1);
    assert_eq!(names(operator.path().join("plugins/freehold/redact-pii")), ["1.0.0"]);
}
