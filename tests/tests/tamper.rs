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
