//! What a home has seen stays what it was.

use freehold_tests::{Recipe, component, source};

use crate::project::{Change, NAME, RESOLVED, bytes, folder, listed, other_bytes, project, recipe, replace, sign};

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
