//! The evidence of a run in one file: a stranger verifies it with the command and a public key alone, and whatever was done to it
//! is found. Nothing of it is ever written.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "pack/archives.rs"]
mod archives;
#[path = "pack/forged.rs"]
mod forged;
#[path = "pack/stranger.rs"]
mod stranger;

use freehold_tests::{Outcome, Project, Recipe, freehold};
use serde_json::{Value, json};

use stranger::{Stranger, pack, promoted};

#[test]
fn a_stranger_verifies_it_with_a_public_key_and_nothing_else() {
    let project = promoted();
    let stranger = Stranger::of(&project);
    let bytes = pack(&project, &[]);
    let page = stranger.verify(&bytes, &[]).expect(0).says(&[
        "Verified",
        "decision promoted",
        "freehold/metric-gate",
        "read it",
        "no other entry up to then concerns the run",
        "left out weights, data, plugins",
        "desk@production named desk-1",
    ]);
    assert!(!page.stdout.contains("own word"), "{}", page.stdout);
    assert!(page.stdout.lines().all(|line| line.chars().count() <= 100), "{}", page.stdout);
    let told = stranger.verify(&bytes, &["--json", "--preregistered"]).expect(0).json();
    let shown = &told["pack"];
    assert_eq!((&shown["run"], &shown["whole"], &told["findings"]), (&json!("desk-1"), &json!(true), &json!([])));
    assert_eq!(shown["report"]["decision"], "promoted");
    assert_eq!(shown["approvals"][0]["note"], "read it");
    assert_eq!(told["bars"][0]["policy"], "freehold/metric-gate");
    // What is left out is named, and each of it is of a kind that may be.
    let kinds: Vec<&Value> = shown["left_out"].as_array().unwrap().iter().map(|left| &left["kind"]).collect();
    assert!(
        kinds.contains(&&json!("weights")) && kinds.contains(&&json!("data")) && kinds.contains(&&json!("plugins"))
    );
    // The same run gives the same bytes; whoever asks for all gets all.
    assert_eq!(pack(&project, &[]), bytes);
    let all = pack(&project, &["--with", "weights,data,plugins"]);
    assert!(all.len() > bytes.len());
    let told = stranger.verify(&all, &["--json"]).expect(0).json();
    assert_eq!(told["pack"]["left_out"], json!([]));
    stranger.verify(&all, &[]).expect(0).says(&["left out nothing"]);
    // Nobody said which key: it verifies, and says whose word that is.
    stranger.verify_by(None, &bytes, &[]).expect(0).says(&["the pack's own word", "--root-key"]);
    for other in ["recorder", "log"] {
        let key = project.read(&format!("home/keys/{other}.pub.pem"));
        stranger.verify_by(Some(&key), &bytes, &[]).expect(4).says(&["is not signed by the key"]);
    }
}

#[test]
fn it_speaks_as_of_one_tree_head_and_says_which() {
    let project = promoted();
    let stranger = Stranger::of(&project);
    let before = pack(&project, &[]);
    let old = project.run(&["audit", "checkpoint"]).expect(0).stdout;
    let policies = Recipe::default().policies.replace("minimum_rows = 10", "minimum_rows = 11");
    drop(project.run_recipe(&Recipe { policies, ..Recipe::default() }).expect(0));
    let after = pack(&project, &[]);
    let new = project.run(&["audit", "checkpoint"]).expect(0).stdout;
    for (told, names) in [(&before, "desk-1"), (&after, "desk-2")] {
        let told = stranger.verify(told, &["--json"]).expect(0).json();
        assert_eq!(told["pack"]["aliases"], json!({ "desk@production": names }));
    }
    // A pack of the run alone tells nothing of others, and says so.
    let alone = pack(&project, &["--entries", "run"]);
    let told = stranger.verify(&alone, &["--json"]).expect(0).json();
    let (held, size) = (told["pack"]["entries"].as_u64().unwrap(), told["pack"]["size"].as_u64().unwrap());
    assert!(held < size && told["pack"]["whole"] == false, "{held} of {size}");
    // Of the other run there is its move of the alias, which is part of this one's story, and the last entry.
    assert_eq!(told["pack"]["aliases"], json!({ "desk@production": "desk-2" }));
    stranger.verify(&alone, &[]).expect(0).says(&["others may concern the run and are not shown"]);
    // Checkpoints that somebody kept: (pack, checkpoint, exit code, what is said).
    stranger.write("old.checkpoint", old.as_bytes());
    stranger.write("new.checkpoint", new.as_bytes());
    for (bytes, kept, code, says) in [
        (&before, "old.checkpoint", 0, "are what it covers"),
        (&before, "new.checkpoint", 4, "the checkpoint covers"),
        (&after, "old.checkpoint", 0, "are what it covers"),
        (&after, "new.checkpoint", 0, "are what it covers"),
        (&alone, "new.checkpoint", 0, "are what it covers"),
        (&alone, "old.checkpoint", 4, "nothing here shows what they were"),
    ] {
        stranger.verify(bytes, &["--checkpoint", kept]).expect(code).says(&[says]);
    }
}

#[test]
fn a_denied_run_has_a_pack_and_an_unfinished_one_has_none() {
    let project = Project::new();
    let data = Recipe::default().data.replacen("residency = \"eu\"", "residency = \"us\"", 1);
    drop(project.run_recipe(&Recipe { name: "abroad".into(), data, ..Recipe::default() }).expect(3));
    let stranger = Stranger::of(&project);
    let bytes = stranger::pack_of(&project, "abroad-1", &[]);
    stranger.verify(&bytes, &[]).expect(0).says(&["decision denied", "residency-gate", "shows no approval"]);
    drop(project.run(&["audit", "export", "nothing-1", "--format", "pack"]).expect(2).says(&["no run `nothing-1`"]));
    // On a terminal it would be noise. Without a terminal to make, there is nothing to see.
    let line = format!("{} --home home audit export abroad-1 --format pack", freehold().display());
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "typescript"]).current_dir(project.path());
    match script.stdin(std::process::Stdio::null()).output() {
        Ok(shown) => drop(Outcome::from(shown).expect(2).says(&["nothing that a terminal shows", "--out FILE"])),
        Err(error) => eprintln!("SKIPPED: no terminal can be made here (`script` of util-linux): {error}"),
    }
    let csv = ["audit", "export", "abroad-1", "--format", "csv", "--with", "data"];
    drop(project.run(&csv).expect(2).says(&["are for `--format pack`"]));
    // A home that does not verify hands out nothing.
    let statement = project
        .files()
        .into_iter()
        .find(|file| file.contains("blobs") && String::from_utf8_lossy(&project.read(file)).contains("residency-gate"));
    let statement = statement.unwrap();
    project.write(&statement, "{}");
    let refused = project.run(&["audit", "export", "abroad-1", "--format", "pack", "--out", "broken.pack"]);
    refused.expect(4);
    assert!(!project.path().join("broken.pack").exists());
}

/// Whose word an argument is does not depend on what lies in the folder.
#[test]
fn a_path_is_a_pack_and_a_name_is_a_run() {
    let project = promoted();
    project.write_bytes("desk-1", &pack(&project, &[]));
    project.run(&["audit", "verify", "desk-1"]).expect(0).says(&["plugins seen"]);
    project.run(&["audit", "verify", "./desk-1"]).expect(0).says(&["the pack's own word"]);
    project.run(&["audit", "verify", "./nothing"]).expect(1).says(&["cannot open"]);
    project.write("empty.pack", "");
    project.run(&["audit", "verify", "empty.pack"]).expect(4).says(&["the pack is empty"]);
}
