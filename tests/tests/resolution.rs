//! Which version of a plugin a run gets: by Cargo's rules, never an older one by stealth, and never other bytes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use freehold_core::digest::Digest;
use freehold_core::lock::Lockfile;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_tests::{Outcome, Project, Recipe, component, head, source};
use freehold_trust::{Envelope, SecretKey, YANK_TYPE, Yank, sign_plugin, sign_yank};
use jiff::{SignedDuration, Timestamp};

const NAME: &str = "freehold/redact-pii";
const FIRST: &str = "version = \"1.0.0\"";
/// A change to a manifest before it is signed.
type Change = fn(&mut Manifest);

/// What a run comes to that resolves, records, and is denied before anything is trained.
const RESOLVED: i32 = 3;

/// A recipe whose run does no more than that, with a range for redact-pii.
fn recipe(range: &str) -> Recipe {
    let transforms = format!("[[transform]]\nplugin = \"{NAME}\"\nversion = \"{range}\"\n");
    let gate = "[[policy]]\nplugin = \"freehold/residency-gate\"\nversion = \"^1.0\"\nstage = \"admit\"\n";
    let policies = format!("{gate}settings = {{ allow = [\"ch\"] }}\n");
    Recipe { transforms, policies, ..Recipe::default() }
}

fn folder(project: &Project, version: &str) -> PathBuf {
    project.path().join("plugins").join(NAME).join(version)
}

/// Signs redact-pii as `version`.
fn sign(project: &Project, version: &str) {
    sign_with(project, version, &[]).expect(0);
}

fn sign_with(project: &Project, version: &str, changes: &[(&str, &str)]) -> Outcome {
    let version = format!("version = \"{version}\"");
    let changes: Vec<_> = [(FIRST, version.as_str())].into_iter().chain(changes.iter().copied()).collect();
    project.sign_changed("redact-pii", &changes, "publisher", 30)
}

/// A project with what that recipe needs.
fn project() -> Project {
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
fn with_versions(versions: &[&str]) -> Project {
    let project = project();
    versions.iter().for_each(|version| sign(&project, version));
    project
}

fn key(project: &Project, name: &str) -> SecretKey {
    SecretKey::from_pem(&String::from_utf8(project.read(&format!("home/keys/{name}.pem"))).unwrap()).unwrap()
}

fn locked(project: &Project) -> String {
    let lock = Lockfile::parse(&String::from_utf8(project.read("freehold.lock")).unwrap()).unwrap();
    lock.plugin.iter().find(|plugin| plugin.name.to_string() == NAME).unwrap().version.to_string()
}

fn unlock(project: &Project) {
    std::fs::remove_file(project.path().join("freehold.lock")).unwrap();
}

fn yank(project: &Project, version: &str) -> Outcome {
    let plugin = format!("{NAME}@{version}");
    project.run(&["plugin", "yank", &plugin, "--key", "publisher", "--reason", "loses rows"])
}

fn unyank(project: &Project, version: &str) -> Outcome {
    project.run(&["plugin", "unyank", &format!("{NAME}@{version}"), "--key", "publisher"])
}

/// Puts other files under a version, as its publisher could: another component or another content, well signed.
fn replace(project: &Project, version: &str, bytes: &[u8], change: impl FnOnce(&mut Manifest)) {
    let text =
        std::fs::read_to_string(source("redact-pii")).unwrap().replace(FIRST, &format!("version = \"{version}\""));
    let source: PluginSource = freehold_core::toml_text::parse(&text).unwrap();
    let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
    let mut manifest = Manifest::new(source, Digest::of(bytes), now - hour, now + hour);
    change(&mut manifest);
    let signed = sign_plugin(&manifest, &key(project, "publisher")).to_bytes();
    std::fs::write(folder(project, version).join("component.wasm"), bytes).unwrap();
    std::fs::write(folder(project, version).join("manifest.dsse.json"), signed).unwrap();
}

fn bytes() -> Vec<u8> {
    std::fs::read(component("redact-pii")).unwrap()
}

/// Another component that is a transform as well.
fn other_bytes() -> Vec<u8> {
    std::fs::read(component("deduplicate")).unwrap()
}

fn listed(project: &Project, version: &str) -> serde_json::Value {
    let listed = project.run(&["plugin", "list", "--json"]).expect(0).json();
    let found = listed.as_array().unwrap().iter().find(|one| one["name"] == NAME && one["version"] == version);
    found.unwrap().clone()
}

#[test]
fn the_newest_that_fits_is_locked_and_kept() {
    let project = with_versions(&["1.1.0", "1.2.0-rc.1", "2.0.0"]);
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    sign(&project, "1.2.0");
    project.run(&["run", "--locked"]).expect(RESOLVED);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    unlock(&project);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.2.0");
    for (range, version) in
        [("=1.0.0", "1.0.0"), ("^1.2.0-rc.1", "1.2.0"), ("=1.2.0-rc.1", "1.2.0-rc.1"), ("*", "2.0.0")]
    {
        unlock(&project);
        project.run_recipe(&recipe(range)).expect(RESOLVED);
        assert_eq!(locked(&project), version, "{range}");
    }
    project.run_recipe(&recipe("^3")).expect(1).says(&["fits `^3`", "found: 1.0.0, 1.1.0, 1.2.0-rc.1, 1.2.0, 2.0.0"]);
    project.assert_intact();
}

#[test]
fn two_versions_of_a_plugin_in_a_recipe_stay_locked() {
    let project = with_versions(&["1.1.0"]);
    let both = recipe("^1.0");
    let exact = format!("[[transform]]\nplugin = \"{NAME}\"\nversion = \"=1.0.0\"\n{}", both.transforms);
    project.run_recipe(&Recipe { transforms: exact, ..both }).expect(RESOLVED);
    project.run(&["run", "--locked"]).expect(RESOLVED);
    let updated = project.run(&["plugin", "update", "--json"]).expect(0).json();
    assert_eq!(updated["moved"], serde_json::json!([]));
}

#[test]
fn a_version_that_does_not_verify_is_never_passed_over_for_an_older_one() {
    let project = with_versions(&["1.1.0"]);
    let manifest = folder(&project, "1.1.0").join("manifest.dsse.json");
    let good = std::fs::read(&manifest).unwrap();
    let past = |manifest: &mut Manifest| manifest.expires = Timestamp::now() - SignedDuration::from_secs(1);
    replace(&project, "1.1.0", &bytes(), past);
    project.run_recipe(&recipe("^1.0")).expect(4).says(&["1.1.0` expired at"]);
    replace(&project, "1.1.0", &bytes(), |manifest| manifest.component = Digest::of(b"other"));
    project.run(&["run"]).expect(4).says(&["the component was changed"]);
    std::fs::write(&manifest, "{}").unwrap();
    project.run(&["run"]).expect(4).says(&["1.1.0", "the manifest was changed"]);
    std::fs::remove_file(&manifest).unwrap();
    project.run(&["run"]).expect(4).says(&["1.1.0` is not signed"]);
    project.run(&["plugin", "update"]).expect(4).says(&["1.1.0` is not signed"]);
    std::fs::write(&manifest, good).unwrap();
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    // Nor is a locked one passed over for another, older or newer; the operator moves on knowingly.
    replace(&project, "1.1.0", &bytes(), past);
    sign(&project, "1.2.0");
    project.run(&["run"]).expect(4).says(&["1.1.0` expired at"]);
    project.run(&["plugin", "update", "--write"]).expect(0).says(&["is now 1.2.0", "was 1.1.0"]);
    project.run(&["run", "--locked"]).expect(RESOLVED);
}

#[test]
fn a_yanked_version_is_used_where_it_is_locked_and_nowhere_else() {
    let project = with_versions(&["1.1.0"]);
    let first = project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    assert!(!first.stderr.contains("yanked"), "{}", first.stderr);
    yank(&project, "1.1.0").expect(0).says(&["freehold/redact-pii 1.1.0 is yanked by", "loses rows"]);
    assert_eq!(listed(&project, "1.1.0")["yanked"], "loses rows");
    assert_eq!(listed(&project, "1.1.0")["usable"], true);
    project.run(&["plugin", "list"]).expect(0).says(&["yanked: loses rows"]);
    project.run(&["plugin", "inspect", "freehold/redact-pii@1.1.0"]).expect(0).says(&["yanked loses rows"]);
    project.run(&["plugin", "inspect", NAME]).expect(0).says(&["freehold/redact-pii 1.0.0"]);

    let warned = project.run(&["run", "--locked", "--json"]).expect(RESOLVED);
    assert!(warned.stderr.contains("1.1.0 is used because it is locked, but its publisher yanked it: loses rows"));
    let run = warned.json()["run"].as_str().unwrap().to_owned();
    let shown = project.run(&["audit", "show", &run, "--json"]).expect(0).json();
    assert_eq!(shown["phases"][0]["detail"]["yanked"]["freehold/redact-pii@1.1.0"], "loses rows");

    let fresh = project.fork();
    unlock(&fresh);
    fresh.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&fresh), "1.0.0");

    yank(&project, "1.0.0").expect(0);
    unlock(&project);
    project.run(&["run"]).expect(1).says(&["is yanked: 1.1.0 (loses rows), 1.0.0 (loses rows)", "get a newer version"]);
    unyank(&project, "1.1.0").expect(0).says(&["1.1.0 is no longer yanked"]);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    project.assert_intact();
}

#[test]
fn yank_and_unyank_are_told_what_they_cannot_do() {
    let project = with_versions(&[]);
    yank(&project, "9.9.9").expect(2).says(&["has no `freehold/redact-pii` 9.9.9; found: 1.0.0"]);
    unyank(&project, "1.0.0").expect(2).says(&["is not yanked"]);
    for plugin in [NAME, "nonsense@1.0.0", "freehold/redact-pii@one"] {
        project.run(&["plugin", "yank", plugin, "--key", "publisher", "--reason", "x"]).expect(2);
    }
    let first = format!("{NAME}@1.0.0");
    project.run(&["plugin", "yank", &first, "--key", "publisher", "--reason", " "]).expect(2).says(&["needs a reason"]);
    project.run(&["key", "new", "stranger"]).expect(0);
    let foreign = ["plugin", "yank", &first, "--key", "stranger", "--reason", "x"];
    project.run(&foreign).expect(4).says(&["does not know as a publisher", "freehold trust add"]);
    project.run(&["trust", "add", "--key", "stranger", "--names", "other/*"]).expect(0);
    project.run(&foreign).expect(4).says(&["may not publish this name"]);
    assert!(!folder(&project, "1.0.0").join("yank.dsse.json").exists(), "nothing was written");
}

#[test]
fn a_forged_yank_is_an_error_and_no_way_to_an_older_version() {
    let project = with_versions(&["1.1.0"]);
    let file = folder(&project, "1.1.0").join("yank.dsse.json");
    let (name, version) = (NAME.parse().unwrap(), "1.1.0".parse().unwrap());
    let said = Yank { name, version, yanked: true, reason: "x".into(), time: Timestamp::now() };
    let payload = serde_json::to_vec(&serde_json::json!(said)).unwrap();
    let other = Yank { version: "1.0.0".parse().unwrap(), ..said.clone() };
    let future = Yank { time: Timestamp::now() + SignedDuration::from_hours(1), ..said.clone() };
    let (publisher, stranger) = (key(&project, "publisher"), SecretKey::generate().unwrap());
    for (forged, part) in [
        (Envelope::sign(YANK_TYPE, &payload, &[]).to_bytes(), "is not signed"),
        (sign_yank(&said, &stranger).to_bytes(), "does not know as a publisher"),
        (sign_yank(&other, &publisher).to_bytes(), "the yank beside `freehold/redact-pii 1.1.0` is of"),
        (sign_yank(&future, &publisher).to_bytes(), "in the future"),
        (b"{}".to_vec(), "or is none"),
    ] {
        std::fs::write(&file, forged).unwrap();
        project.run_recipe(&recipe("^1.0")).expect(4).says(&[part]);
        assert_eq!(listed(&project, "1.1.0")["usable"], false);
        project.run(&["plugin", "update"]).expect(4).says(&[part]);
    }
    // What nobody can trust, its publisher can replace.
    yank(&project, "1.1.0").expect(0);
    assert_eq!(listed(&project, "1.1.0")["usable"], true);
}

#[test]
fn a_yank_cannot_be_undone_or_redone_by_moving_files() {
    let project = with_versions(&["1.1.0"]);
    let file = folder(&project, "1.1.0").join("yank.dsse.json");
    yank(&project, "1.1.0").expect(0);
    let old = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(listed(&project, "1.1.0")["yanked"], "loses rows", "the home has seen it");
    unyank(&project, "1.1.0").expect(0);
    assert_eq!(listed(&project, "1.1.0")["yanked"], serde_json::Value::Null);
    std::fs::write(&file, old).unwrap();
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0", "the old yank was replayed");
}

#[test]
fn a_version_once_seen_never_gets_another_component() {
    let project = project();
    // To be listed is to be seen.
    let before = project.fork();
    assert_eq!(listed(&project, "1.0.0")["usable"], true);
    replace(&project, "1.0.0", &other_bytes(), |_| {});
    let parts = ["1.0.0 is not what this home has seen under that version: component", "publish it as a new version"];
    project.run_recipe(&recipe("^1.0")).expect(4).says(&parts);
    project.run(&["plugin", "inspect", NAME]).expect(4).says(&parts);
    assert_eq!(listed(&project, "1.0.0")["usable"], false);
    assert_eq!(project.run(&["audit", "list", "--json"]).expect(0).json(), serde_json::json!([]));
    // Where it was not seen it is a version like any other, and then the first is the other one.
    replace(&before, "1.0.0", &other_bytes(), |_| {});
    assert_eq!(listed(&before, "1.0.0")["usable"], true);
    replace(&before, "1.0.0", &bytes(), |_| {});
    before.run(&["plugin", "inspect", NAME]).expect(4);
    // The right bytes are still accepted, and others as a new version.
    replace(&project, "1.0.0", &bytes(), |_| {});
    project.run(&["run"]).expect(RESOLVED);
    sign(&project, "1.0.1");
    project.run(&["plugin", "inspect", NAME]).expect(0).says(&["1.0.1"]);
    project.assert_intact();
}

#[test]
fn a_version_seen_by_a_failed_run_never_gets_another_content() {
    let project = project();
    let none = "[[transform]]\nplugin = \"freehold/no-such\"\nversion = \"^1.0\"\n";
    let none = Recipe { transforms: format!("{}{none}", recipe("^1.0").transforms), ..recipe("^1.0") };
    project.run_recipe(&none).expect(1).says(&["no plugin `freehold/no-such`"]);
    let changes: [(&str, Change); 5] = [
        ("limits.fuel 20000000000 -> 1", |manifest| manifest.limits.fuel = 1),
        ("capabilities none -> asset:x", |manifest| manifest.capabilities = vec!["asset:x".into()]),
        ("description", |manifest| manifest.description = "Redacts nothing".into()),
        ("settings.kinds", |manifest| drop(manifest.settings.remove("kinds"))),
        ("settings.kinds", |manifest| {
            manifest.settings.get_mut("kinds").unwrap().default = Some(Vec::<String>::new().into());
        }),
    ];
    for (part, change) in changes {
        replace(&project, "1.0.0", &bytes(), change);
        project.run_recipe(&recipe("^1.0")).expect(4).says(&["is not what this home has seen", part]);
    }
    replace(&project, "1.0.0", &bytes(), |_| {});
    project.run(&["run"]).expect(RESOLVED);
}

#[test]
fn a_signature_can_be_renewed_and_a_locked_run_says_so() {
    let project = project();
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    let (component, source) = (component("redact-pii"), source("redact-pii"));
    let renew = ["plugin", "sign", component.to_str().unwrap(), "--source", source.to_str().unwrap(), "--renew"];
    project.run(&[&renew[..], &["--key", "publisher", "--days", "700"]].concat()).expect(0);
    project
        .run(&["run", "--locked"])
        .expect(4)
        .says(&["1.0.0 has another signed manifest than is locked", "signed again"]);
    let update = project.run(&["plugin", "update", "--json"]).expect(0).json();
    assert!(update["moved"][0].as_str().unwrap().contains("1.0.0 has another signed manifest"), "{update}");
    assert_eq!(update["plugins"][0]["differences"], serde_json::json!([]));
    project.run(&["run"]).expect(RESOLVED);
    project.run(&["run", "--locked"]).expect(RESOLVED);
    // By another key that may publish the name, too.
    project.run(&["key", "new", "second"]).expect(0);
    project.run(&["trust", "add", "--key", "second", "--names", NAME]).expect(0);
    project.sign_changed("redact-pii", &[], "second", 30).expect(0);
    project.run(&["run"]).expect(RESOLVED);
    project.assert_intact();
}

#[test]
fn signing_overwrites_nothing_and_the_same_again_changes_nothing() {
    let project = project();
    let manifest = || std::fs::read(folder(&project, "1.0.0").join("manifest.dsse.json")).unwrap();
    let before = manifest();
    project.sign_changed("redact-pii", &[], "publisher", 30).expect(0).says(&["already signed by"]);
    assert_eq!(manifest(), before);
    let more = [("memory_bytes = 67_108_864", "memory_bytes = 77_108_864")];
    let raise = "raise `version` in plugin.toml";
    project.sign_changed("redact-pii", &more, "publisher", 30).expect(2).says(&["limits.memory_bytes", raise]);
    let other = component("deduplicate");
    let source = source("redact-pii");
    let other = ["plugin", "sign", other.to_str().unwrap(), "--source", source.to_str().unwrap(), "--key", "publisher"];
    project.run(&other).expect(2).says(&["1.0.0 was signed before, as something else: component", raise]);
    project.run(&[&other[..], &["--renew"]].concat()).expect(2).says(&[raise]);
    assert_eq!(manifest(), before);
    // A component that was lost is put back; one that an interrupted call left without a manifest was never a version.
    let file = folder(&project, "1.0.0").join("component.wasm");
    std::fs::remove_file(&file).unwrap();
    project.sign_changed("redact-pii", &[], "publisher", 30).expect(0);
    assert_eq!(std::fs::read(&file).unwrap(), bytes());
    std::fs::create_dir(folder(&project, "3.0.0")).unwrap();
    std::fs::write(folder(&project, "3.0.0").join("component.wasm"), b"half").unwrap();
    sign(&project, "3.0.0");
    // What this home has seen is not signed as something else, wherever it is put.
    project.run(&["plugin", "inspect", NAME]).expect(0);
    project.run(&[&other[..], &["--into", "elsewhere"]].concat()).expect(0);
    project.run(&["plugin", "inspect", "freehold/redact-pii@1.0.0"]).expect(0);
    project.run(&[&other[..], &["--into", "anywhere"]].concat()).expect(4).says(&["not what this home has seen"]);
}

#[test]
fn a_locked_version_that_is_gone_is_not_replaced_by_an_older_one() {
    let project = with_versions(&["1.1.0"]);
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    let lock = project.read("freehold.lock");
    std::fs::rename(folder(&project, "1.1.0"), project.path().join("kept")).unwrap();
    let parts =
        ["1.1.0 is locked, but `plugins` does not have it any more", "offers 1.0.0: older", "back into the folder"];
    project.run(&["run"]).expect(1).says(&parts);
    project.run(&["run", "--locked"]).expect(1).says(&parts);
    assert_eq!(project.read("freehold.lock"), lock);
    // A newer one takes its place, but not where nothing may move.
    sign(&project, "1.2.0");
    project.run(&["run", "--locked"]).expect(1).says(&["1.1.0 is locked", "it offers 1.2.0"]);
    let newer = project.fork();
    newer.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&newer), "1.2.0");
    // The old version in the folder of the locked one is not the locked one.
    std::fs::rename(folder(&project, "1.0.0"), folder(&project, "1.1.0")).unwrap();
    project.run(&["run"]).expect(4).says(&["asked for `freehold/redact-pii 1.1.0`", "of `freehold/redact-pii 1.0.0`"]);
    // An operator may go back knowingly: with the exact version, or when the publisher has yanked what is gone.
    std::fs::rename(folder(&project, "1.1.0"), folder(&project, "1.0.0")).unwrap();
    yank(&project, "1.2.0").expect(0);
    let parts = ["has seen `freehold/redact-pii` 1.1.0", "it offers 1.0.0", "name it exactly: `=1.0.0`"];
    project.run(&["plugin", "update", "--write"]).expect(1).says(&parts);
    let exact = project.fork();
    exact.run_recipe(&recipe("=1.0.0")).expect(RESOLVED);
    assert_eq!(locked(&exact), "1.0.0");
    yank(&project, "1.1.0").expect(0);
    project.run(&["plugin", "update", "--write"]).expect(0).says(&["is now 1.0.0", "was 1.1.0", "which is newer"]);
    project.run(&["run", "--locked"]).expect(RESOLVED);
}

/// The attack: whoever can delete from the folder waits for a recipe without a lockfile, or with an edited range.
#[test]
fn a_version_that_was_seen_and_is_gone_is_not_replaced_by_an_older_one() {
    let project = with_versions(&["1.1.0"]);
    let fresh = project.fork();
    assert_eq!(listed(&project, "1.1.0")["usable"], true);
    std::fs::rename(folder(&project, "1.1.0"), project.path().join("kept")).unwrap();
    let parts = [
        "this home has seen `freehold/redact-pii` 1.1.0, which fits `^1.0`",
        "it offers 1.0.0",
        "put freehold/redact-pii/1.1.0 back",
        "`=1.0.0`",
    ];
    project.run_recipe(&recipe("^1.0")).expect(1).says(&parts);
    assert!(!project.path().join("freehold.lock").exists());
    project.run(&["plugin", "inspect", NAME]).expect(1).says(&["1.1.0, which fits `*`", "`=1.0.0`"]);
    // A lock that the edited range no longer takes.
    sign(&project, "2.0.0");
    project.run_recipe(&recipe("^2")).expect(RESOLVED);
    project.run_recipe(&recipe("^1.0")).expect(1).says(&parts);
    project.run(&["run", "--locked"]).expect(1).says(&parts);
    project.run(&["plugin", "update", "--write"]).expect(1).says(&parts);
    assert_eq!(locked(&project), "2.0.0");
    // What the operator says exactly is done, and what fits no newer one.
    for range in ["=1.0.0", "<1.1"] {
        let knowingly = project.fork();
        knowingly.run_recipe(&recipe(range)).expect(RESOLVED);
        assert_eq!(locked(&knowingly), "1.0.0", "{range}");
        knowingly.run(&["run", "--locked"]).expect(RESOLVED);
    }
    // Put back, it is used.
    let back = project.fork();
    std::fs::rename(back.path().join("kept"), folder(&back, "1.1.0")).unwrap();
    back.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    assert_eq!(locked(&back), "1.1.0");
    // Yanked though it is gone, it is missed no more, wherever the folder goes.
    let yanked = project.fork();
    yank(&yanked, "1.1.0").expect(0);
    yanked.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&yanked), "1.0.0");
    assert!(yanked.run(&["plugin", "list"]).expect(0).stdout.lines().all(|line| !line.contains("1.1.0")));
    yank(&yanked, "1.2.0").expect(2).says(&["has no `freehold/redact-pii` 1.2.0"]);
    // Revoked, it would not run if it were there.
    let manifest = std::fs::read(project.path().join("kept/manifest.dsse.json")).unwrap();
    project.run(&["trust", "revoke", &Digest::of(&manifest).to_string(), "--reason", "leaks"]).expect(0);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.0.0");
    project.assert_intact();
    // A home that never saw it cannot miss it.
    std::fs::remove_dir_all(folder(&fresh, "1.1.0")).unwrap();
    fresh.run_recipe(&recipe("^1.0")).expect(RESOLVED);
}

/// A stolen key signs a high version, the home sees it, and the key is revoked: the operator is not held to it.
#[test]
fn a_version_of_a_key_that_was_revoked_since_is_not_missed() {
    let project = project();
    project.run(&["key", "new", "stolen"]).expect(0);
    project.run(&["trust", "add", "--key", "stolen", "--names", NAME]).expect(0);
    project.sign_changed("redact-pii", &[(FIRST, "version = \"1.9.9\"")], "stolen", 30).expect(0);
    assert_eq!(listed(&project, "1.9.9")["usable"], true);
    std::fs::remove_dir_all(folder(&project, "1.9.9")).unwrap();
    project.run_recipe(&recipe("^1.0")).expect(1).says(&["has seen `freehold/redact-pii` 1.9.9"]);
    project.run(&["trust", "revoke", "stolen", "--reason", "stolen"]).expect(0);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.0.0");
}

/// The attack: the key was rotated out and not revoked; its thief signs a new version and dates it back.
#[test]
fn a_key_that_was_rotated_out_signs_nothing_new_whatever_the_date() {
    let project = project();
    // What else is needed is signed by the key that comes after it.
    project.run(&["key", "new", "second"]).expect(0);
    project.run(&["trust", "add", "--key", "second", "--names", "freehold/*"]).expect(0);
    for other in ["exact-match", "residency-gate"] {
        project.sign_changed(other, &[], "second", 30).expect(0);
    }
    // An hour ago, as the manifest says, when the old key was good.
    replace(&project, "1.0.0", &bytes(), |_| {});
    let unseen = project.fork();
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    let end = (Timestamp::now() - SignedDuration::from_mins(30)).to_string();
    let limit = ["trust", "add", "--key", "publisher", "--names", "freehold/*", "--valid-until", &end];
    project.run(&limit).expect(0);
    unseen.run(&limit).expect(0);
    // Where it was met in time, it goes on, locked or not.
    project.run(&["run", "--locked"]).expect(RESOLVED);
    let lock = String::from_utf8(project.read("freehold.lock")).unwrap();
    unlock(&project);
    project.run(&["run"]).expect(RESOLVED);
    // Elsewhere only where it is locked.
    let parts = ["1.0.0` is signed by", "a key whose time ended at", "has not met it before", "plugin sign --renew"];
    unseen.run_recipe(&recipe("^1.0")).expect(4).says(&parts);
    assert_eq!(listed(&unseen, "1.0.0")["usable"], false);
    unseen.write("freehold.lock", &lock);
    unseen.run(&["run", "--locked"]).expect(RESOLVED);
    // The same content under another date is another signature.
    let renewed = |manifest: &mut Manifest| manifest.created = Timestamp::now() - SignedDuration::from_mins(40);
    replace(&unseen, "1.0.0", &bytes(), renewed);
    unseen.run(&["run"]).expect(4).says(&parts);
    // The thief's new version, dated back.
    std::fs::create_dir(folder(&project, "1.1.0")).unwrap();
    replace(&project, "1.1.0", &bytes(), |_| {});
    unlock(&project);
    project.run(&["run"]).expect(4).says(&["1.1.0` is signed by", "a key whose time ended at"]);
    project.run(&["plugin", "update"]).expect(4).says(&["a key whose time ended at"]);
    // The same by the key that is good.
    project.sign_changed("redact-pii", &[(FIRST, "version = \"1.1.0\"")], "second", 30).expect(0);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    // Its yanks count no more than its plugins.
    let (name, version) = (NAME.parse().unwrap(), "1.1.0".parse().unwrap());
    let time = Timestamp::now() - SignedDuration::from_mins(40);
    let word = Yank { name, version, yanked: true, reason: "x".into(), time };
    let yank = sign_yank(&word, &key(&project, "publisher")).to_bytes();
    std::fs::write(folder(&project, "1.1.0").join("yank.dsse.json"), yank).unwrap();
    project
        .run(&["run"])
        .expect(4)
        .says(&["the yank of plugin `freehold/redact-pii 1.1.0`", "a key whose time ended at"]);
    // The records of the runs before are none of this: the ledger knows when they were made.
    for project in [&project, &unseen] {
        project.assert_intact();
    }
}

#[test]
fn other_bytes_than_are_locked_are_refused_on_a_machine_that_never_saw_the_version() {
    let project = project();
    let elsewhere = project.fork();
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    elsewhere.write("freehold.toml", &recipe("^1.0").to_string());
    elsewhere.write("freehold.lock", &String::from_utf8(project.read("freehold.lock")).unwrap());
    replace(&elsewhere, "1.0.0", &other_bytes(), |_| {});
    let parts = ["1.0.0 has another component than is locked", "do not use these files"];
    elsewhere.run(&["run"]).expect(4).says(&parts);
    elsewhere.run(&["run", "--locked"]).expect(4).says(&parts);
    elsewhere.run(&["plugin", "update", "--write"]).expect(4).says(&parts);
    replace(&elsewhere, "1.0.0", &bytes(), |manifest| manifest.limits.fuel = 5_000_000_000);
    elsewhere.run(&["run", "--locked"]).expect(4).says(&["another signed manifest than is locked"]);
    // What was refused is not remembered: the locked files are still welcome.
    for file in ["component.wasm", "manifest.dsse.json"] {
        std::fs::copy(folder(&project, "1.0.0").join(file), folder(&elsewhere, "1.0.0").join(file)).unwrap();
    }
    elsewhere.run(&["run", "--locked"]).expect(RESOLVED);
}

#[test]
fn update_shows_what_moves_and_what_asks_for_more() {
    let project = project();
    project.write("freehold.toml", &recipe("^1.0").to_string());
    let first = project.run(&["plugin", "update", "--json"]).expect(0).json();
    assert_eq!((&first["plugins"][0]["locked"], &first["moved"]), (&serde_json::Value::Null, &serde_json::json!([])));
    project.run(&["plugin", "update", "--write"]).expect(1).says(&["no `freehold.lock`", "run once"]);
    project.run(&["run"]).expect(RESOLVED);
    project.run(&["plugin", "update"]).expect(0).says(&["Nothing moves in freehold.lock"]);

    let more =
        [("capabilities = []", "capabilities = [\"asset:names\"]"), ("memory_bytes = 67_108_864", "memory_bytes = 99")];
    sign_with(&project, "1.1.0", &more).expect(0);
    sign_with(&project, "1.2.0", &[]).expect(0);
    sign_with(&project, "2.0.0", &[]).expect(0);
    yank(&project, "1.2.0").expect(0);
    yank(&project, "1.0.0").expect(0);
    let lock = project.read("freehold.lock");
    let shown = project.run(&["plugin", "update"]).expect(0).says(&[
        "freehold/redact-pii ^1.0 1.0.0 1.1.0 2.0.0",
        "1.0.0: loses rows; 1.2.0: loses rows",
        "freehold/redact-pii 1.0.0 -> 1.1.0",
        "capabilities none -> asset:names  asks for more",
        "limits.memory_bytes 67108864 -> 99",
        "Would move in freehold.lock",
        "plugin `freehold/redact-pii` is now 1.1.0",
        "--write",
    ]);
    assert!(shown.stdout.lines().all(|line| line.chars().count() <= 100), "{}", shown.stdout);
    assert_eq!(project.read("freehold.lock"), lock);
    // The old manifest is compared even when its files are gone.
    std::fs::remove_dir_all(folder(&project, "1.0.0")).unwrap();
    let report = project.run(&["plugin", "update", "--write", "--json"]).expect(0).json();
    let plugin = &report["plugins"][0];
    assert_eq!(
        (&plugin["locked"], &plugin["fits"], &plugin["newest"]),
        (&"1.0.0".into(), &"1.1.0".into(), &"2.0.0".into())
    );
    assert_eq!((&plugin["locked_yanked"], &report["written"]), (&"loses rows".into(), &true.into()));
    let differences = plugin["differences"].as_array().unwrap();
    let more: Vec<_> = differences.iter().filter(|one| one["asks_more"] == true).map(|one| &one["what"]).collect();
    assert_eq!(more, ["capabilities"]);
    assert_eq!(locked(&project), "1.1.0");
}

#[test]
fn damage_to_what_a_home_remembers_is_named_and_what_a_killed_process_left_is_not() {
    let project = project();
    assert_eq!(listed(&project, "1.0.0")["usable"], true);
    let seen = project.path().join("home/plugins-seen").join(NAME).join("1.0.0");
    let files: Vec<_> = std::fs::read_dir(&seen).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { unreachable!("one signed manifest was seen: {files:?}") };
    let good = std::fs::read(file).unwrap();
    assert_eq!(good, std::fs::read(folder(&project, "1.0.0").join("manifest.dsse.json")).unwrap());
    std::fs::write(seen.join(".half.dsse.json.1-0.tmp"), b"{").unwrap();
    replace(&project, "1.0.0", &bytes(), |_| {});
    project.run(&["plugin", "inspect", NAME]).expect(0);
    std::fs::write(file, b"{}").unwrap();
    replace(&project, "1.0.0", &bytes(), |_| {});
    project.run(&["plugin", "inspect", NAME]).expect(4).says(&["plugins-seen", "its bytes are not those"]);
    std::fs::write(file, good).unwrap();
    project.run(&["plugin", "inspect", NAME]).expect(0);
    std::fs::write(seen.join("other.json"), b"{}").unwrap();
    replace(&project, "1.0.0", &bytes(), |_| {});
    project.run(&["plugin", "inspect", NAME]).expect(4).says(&["other.json", "from a copy of the home"]);
}

#[test]
fn diff_tells_whether_a_version_breaks_recipes() {
    let project = project();
    let more =
        [("capabilities = []", "capabilities = [\"asset:names\"]"), ("wall_time_ms = 60_000", "wall_time_ms = 9")];
    sign_with(&project, "1.1.0", &more).expect(0);
    sign_with(&project, "2.0.0", &[("[settings.kinds]", "[settings.sorts]")]).expect(0);
    let version = |version: &str| format!("{NAME}@{version}");
    let diff = |before: &str, after: &str, more: &[&str]| {
        project.run(&[&["plugin", "diff", &version(before), &version(after)], more].concat())
    };
    diff("1.0.0", "1.1.0", &[]).expect(0).says(&[
        "capabilities none -> asset:names  asks for more",
        "limits.wall_time_ms 60000 -> 9",
        "Recipes that use the first run with the second.",
    ]);
    diff("1.1.0", "1.0.0", &[]).expect(0).says(&["capabilities asset:names -> none  breaks recipes", "may not run"]);
    let broken = diff("1.0.0", "2.0.0", &["--json"]).expect(0).json();
    assert_eq!(broken["breaks"], true);
    let breaks: Vec<_> = broken["differences"].as_array().unwrap().iter().filter(|one| one["breaks"] == true).collect();
    assert_eq!(breaks.iter().map(|one| one["what"].as_str().unwrap()).collect::<Vec<_>>(), ["settings.kinds"]);
    // Both are verified.
    std::fs::write(folder(&project, "1.1.0").join("component.wasm"), b"other").unwrap();
    diff("1.0.0", "1.1.0", &[]).expect(4).says(&["the component was changed"]);
    diff("1.0.0", "3.0.0", &[]).expect(1).says(&["no plugin `freehold/redact-pii`"]);
}
