//! One flipped bit anywhere in the records is found, and what it is in is named.

use freehold_tests::{Project, Recipe};

/// Some bytes of a file: its ends, and a few between.
fn places(length: usize) -> Vec<usize> {
    let mut places: Vec<usize> = [0, length / 3, length / 2, length - 1].into();
    places.dedup();
    places
}

#[test]
fn every_flipped_bit_is_found_and_named() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    project.assert_intact();
    let files = project.files();
    assert!(files.len() > 25, "{files:?}");
    for file in files {
        let bytes = project.read(&file);
        if bytes.is_empty() || file.ends_with(".lock") {
            continue;
        }
        for at in places(bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            std::fs::write(project.path().join(&file), &changed).unwrap();
            let found = project.run(&["audit", "verify", "--json"]);
            assert_eq!(found.code, 4, "{file}, byte {at}: {}", found.stdout);
            let name = file.rsplit('/').next().unwrap();
            let named = found.stdout.contains(name) || file.contains("trust") && found.stdout.contains("trust");
            assert!(named || file.ends_with("index.json"), "{file}, byte {at}: {}", found.stdout);
        }
        std::fs::write(project.path().join(&file), &bytes).unwrap();
    }
    project.assert_intact();
}

#[test]
fn what_is_missing_is_found() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    for file in project.files() {
        if file.ends_with(".lock") || file.ends_with("oci-layout") {
            continue;
        }
        let bytes = project.read(&file);
        // The empty configuration of artifacts is named by none of our records.
        if bytes == b"{}" {
            continue;
        }
        std::fs::remove_file(project.path().join(&file)).unwrap();
        let found = project.run(&["audit", "verify"]);
        assert_ne!(found.code, 0, "{file}: {}", found.stdout);
        std::fs::write(project.path().join(&file), &bytes).unwrap();
    }
    project.assert_intact();
}

#[test]
fn a_stranger_with_the_wrong_root_key_is_told_so() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    project.run(&["audit", "verify", "--root-key", "home/keys/root.pub.pem"]).expect(0);
    project
        .run(&["audit", "verify", "--root-key", "home/keys/publisher.pub.pem"])
        .expect(4)
        .says(&["is not signed by the key"]);
    project.run(&["audit", "verify", "desk-1"]).expect(0);
    project.run(&["audit", "verify", "desk-9"]).expect(2).says(&["did you mean `desk-1`?"]);
    // A run that is damaged is not one that there is not.
    let record = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let statement = record["report"]["record"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    std::fs::remove_file(project.path().join("home/store/blobs/sha256").join(statement)).unwrap();
    project.run(&["audit", "verify", "desk-1"]).expect(4).says(&["desk-1, phase record", "is not in the store"]);
}

#[test]
fn a_truncated_or_forged_ledger_is_found() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    let note = String::from_utf8(project.read("home/ledger/checkpoint")).unwrap();
    let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
    // A smaller tree is not what was signed.
    let smaller = note.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size - 1), 1);
    project.write("home/ledger/checkpoint", &smaller);
    project.run(&["audit", "verify"]).expect(4).says(&["ledger/checkpoint"]);
    project.write("home/ledger/checkpoint", &note);
    project.assert_intact();
    // Entries that cannot be read are the one thing that is said; what rests on them is not called missing.
    let entries = project.path().join(format!("home/ledger/tile/entries/000.p/{size}"));
    std::fs::write(&entries, b"x").expect("written");
    let found = project.run(&["audit", "verify", "--json"]).expect(4).json();
    let findings = found["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0]["what"], format!("ledger/tile/entries/000.p/{size}"));
}

/// What the home remembers of plugins keeps a version from ever getting other bytes: it is verified too.
#[test]
fn what_is_remembered_of_plugins_is_verified() {
    let project = Project::bare();
    project.sign("redact-pii");
    project.sign("metric-gate");
    project.run(&["plugin", "yank", "freehold/redact-pii@1.0.0", "--reason", "leaks", "--key", "publisher"]).expect(0);
    project.run(&["plugin", "list"]).expect(0);
    let verified = project.run(&["audit", "verify", "--json"]).expect(0).json();
    assert_eq!(verified["seen"], 3, "two manifests and a yank");

    let folder = project.path().join("home/plugins-seen/freehold");
    let redact = folder.join("redact-pii/1.0.0");
    let files: Vec<_> =
        std::fs::read_dir(&redact).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    let manifest = files.iter().find(|file| !file.ends_with("yank.dsse.json")).expect("a manifest");
    let found = |problem: &str| {
        let outcome = project.run(&["audit", "verify", "--json"]).expect(4).json();
        let findings = outcome["findings"].as_array().expect("a list");
        let said = |key: &str, part: &str| {
            findings.iter().any(|finding| finding[key].as_str().expect("a text").contains(part))
        };
        assert!(said("what", "plugins-seen/freehold/"), "{findings:?}");
        assert!(said("what", problem) || said("problem", problem), "{problem}: {findings:?}");
    };
    for file in &files {
        let bytes = std::fs::read(file).expect("bytes");
        for at in places(bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            std::fs::write(file, &changed).expect("written");
            found("redact-pii/1.0.0");
        }
        std::fs::write(file, &bytes).expect("written");
    }

    // A manifest that was moved, one that has another name, and files that are none.
    let name = manifest.file_name().expect("a name");
    std::fs::copy(manifest, folder.join("metric-gate/1.0.0").join(name)).expect("copied");
    found("it is the manifest of freehold/redact-pii 1.0.0");
    std::fs::remove_file(folder.join("metric-gate/1.0.0").join(name)).expect("removed");
    for stray in ["redact-pii/1.0.0/manifest.dsse.json", "redact-pii/new", "stray"] {
        let stray = folder.join(stray);
        std::fs::write(&stray, "{}").expect("written");
        found("plugins-seen/freehold/");
        std::fs::remove_file(&stray).expect("removed");
    }
    // A yank of another version.
    let yank = redact.join("yank.dsse.json");
    std::fs::copy(&yank, folder.join("metric-gate/1.0.0/yank.dsse.json")).expect("copied");
    found("the yank beside `freehold/metric-gate 1.0.0` is of `freehold/redact-pii 1.0.0`");
    std::fs::remove_file(folder.join("metric-gate/1.0.0/yank.dsse.json")).expect("removed");

    // What was signed by a key that no trust root knows, and by one that may not publish the name.
    let bytes = std::fs::read(manifest).expect("bytes");
    project.run(&["key", "new", "stranger"]).expect(0);
    let forged = |project: &Project| {
        std::fs::remove_dir_all(project.path().join("plugins")).expect("removed");
        drop(project.sign_changed("redact-pii", &[], "stranger", 30));
        let signed = project.read("plugins/freehold/redact-pii/1.0.0/manifest.dsse.json");
        let digest = freehold_core::digest::Digest::of(&signed).hex();
        std::fs::write(redact.join(format!("{digest}.dsse.json")), &signed).expect("written");
        std::fs::remove_file(manifest).expect("removed");
        redact.join(format!("{digest}.dsse.json"))
    };
    let stranger = forged(&project);
    found("redact-pii/1.0.0");
    std::fs::write(manifest, &bytes).expect("written");
    project.run(&["trust", "add", "--key", "stranger", "--names", "acme/*"]).expect(0);
    found("no trust root lets its signer publish this name");
    std::fs::remove_file(stranger).expect("removed");
    // Keys that go do not take back what they signed while they were trusted.
    project.run(&["trust", "remove", "--key", "publisher"]).expect(0);
    project.run(&["audit", "verify"]).expect(0).says(&["Verified"]);
}
