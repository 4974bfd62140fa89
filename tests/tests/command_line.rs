//! The command as people and programs meet it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use freehold_tests::{Outcome, Project, freehold};

fn bare(arguments: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(freehold());
    command.env_remove("FREEHOLD_HOME").current_dir(folder.path()).args(arguments).output().unwrap().into()
}

#[test]
fn help_teaches_and_fits_the_page() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["key", "--help"],
        &["trust", "add", "--help"],
        &["plugin", "sign", "--help"],
        &["plugin", "pack", "--help"],
        &["plugin", "add", "--help"],
        &["model", "pretrain", "--help"],
        &["model", "pull", "--help"],
        &["serve", "--help"],
        &["audit", "verify", "--help"],
        &["audit", "profile", "--help"],
        &["audit", "export", "--help"],
    ] {
        let help = bare(arguments).expect(0);
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 100), "{}", help.stdout);
        assert!(help.stdout.contains("--json"), "{}", help.stdout);
    }
    bare(&["--help"]).says(&["Exit codes: 0 done, 1 broken, 2 wrong usage, 3 denied by policy, 4 verification failed"]);
}

#[test]
fn wrong_usage_has_its_exit_code() {
    bare(&["frobnicate"]).expect(2);
    bare(&["run", "--lcoked"]).expect(2).says(&["--locked"]);
    bare(&["audit", "list"]).expect(2).says(&["`.freehold` is not a Freehold home", "freehold init"]);
    let project = Project::bare();
    project.run(&["key", "new", "Not A Name"]).expect(2).says(&["lowercase letters"]);
    project.run(&["key", "new", "publisher"]).expect(2).says(&["there is a key `publisher` already"]);
    project.run(&["trust", "add", "--key", "nobody", "--names", "a/*"]).expect(2).says(&["there is no key `nobody`"]);
    project.run(&["trust", "add", "--key", "publisher", "--names", "*/x"]).expect(2);
    project.run(&["plugin", "inspect", "nonsense"]).expect(2).says(&["publisher/name"]);
}

#[test]
fn errors_are_json_when_asked() {
    let error = bare(&["audit", "list", "--json"]).expect(2).json();
    assert_eq!(error["error"]["exit_code"], 2);
    assert!(error["error"]["remedy"].as_str().unwrap().contains("freehold init"));
}

#[test]
fn colors_are_off_when_piped_and_on_when_asked() {
    let project = Project::bare();
    let show = |arguments: &[&str]| project.run(arguments).expect(0).stdout;
    assert!(!show(&["trust", "show"]).contains('\u{1b}'));
    assert!(show(&["trust", "show", "--color", "always"]).contains('\u{1b}'));
    assert!(!show(&["trust", "show", "--color", "never"]).contains('\u{1b}'));
}

#[test]
fn a_home_can_be_made_twice_and_its_secrets_stay_secret() {
    let project = Project::bare();
    let before = project.read("home/trust/1.root.json");
    project.run(&["init"]).expect(0);
    assert_eq!(project.read("home/trust/1.root.json"), before);
    let keys = project.run(&["key", "list", "--json"]).expect(0).json();
    assert_eq!(keys.as_array().unwrap().len(), 4);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(project.path().join("home/keys/root.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    project.assert_intact();
}

#[test]
fn a_lost_secret_is_named_and_never_replaced() {
    let project = Project::new();
    project.write("freehold.toml", &freehold_tests::Recipe::default().to_string());
    let secret = project.path().join("home/keys/recorder.pem");
    std::fs::remove_file(&secret).unwrap();
    project.run(&["key", "new", "recorder"]).expect(1).says(&["the secret half of the key `recorder` is gone"]);
    project.run(&["init"]).expect(0);
    assert!(!secret.exists());
    project.run(&["run"]).expect(1).says(&["the secret half of the key `recorder` is gone", "from a copy"]);
    // Another key under its name does not have its role.
    std::fs::copy(project.path().join("home/keys/publisher.pem"), &secret).unwrap();
    project.run(&["run"]).expect(4).says(&["`recorder`", "not in the role recorder of trust root 2"]);
    std::fs::copy(project.path().join("home/keys/publisher.pem"), project.path().join("home/keys/root.pem")).unwrap();
    let before = project.files();
    project.run(&["trust", "add", "--key", "publisher", "--names", "x/*"]).expect(4).says(&["not in the role root"]);
    assert_eq!(project.files(), before, "no trust root was written");
    project.assert_intact();
}

#[test]
fn a_key_whose_making_was_interrupted_is_completed() {
    let project = Project::bare();
    let id = project.run(&["key", "new", "half", "--json"]).expect(0).json()["id"].clone();
    std::fs::remove_file(project.path().join("home/keys/half.pub.pem")).unwrap();
    assert_eq!(project.run(&["key", "new", "half", "--json"]).expect(0).json()["id"], id);
    project.run(&["key", "new", "half"]).expect(2).says(&["there is a key `half` already"]);
    // By id, as errors name it.
    let id = id.as_str().unwrap();
    project.run(&["trust", "add", "--key", &id[..12], "--names", "acme/*"]).expect(0);
    project.run(&["trust", "add", "--key", &id[..7], "--names", "acme/*"]).expect(2).says(&["there is no key"]);
}

#[test]
fn a_new_trust_root_is_entered_and_the_old_one_stays() {
    let project = Project::bare();
    let shown = project.run(&["trust", "show", "--json"]).expect(0).json();
    assert_eq!(shown["version"], 2);
    project.run(&["key", "new", "second"]).expect(0);
    project.run(&["trust", "add", "--key", "second", "--names", "acme/*", "--names", "acme2/x"]).expect(0);
    let shown = project.run(&["trust", "show", "--json"]).expect(0).json();
    assert_eq!((&shown["version"], shown["publishers"].as_array().unwrap().len()), (&3.into(), 2));
    let verified = project.run(&["audit", "verify", "--json"]).expect(0).json();
    assert_eq!((&verified["trust_roots"], &verified["entries"]), (&3.into(), &3.into()));
}

#[test]
fn models_can_be_inspected() {
    let project = Project::bare();
    project.copy_model("base-1");
    let shown = project.run(&["model", "inspect", "models/base-1", "--json"]).expect(0).json();
    let names: Vec<_> = shown["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        assert!(names.contains(&name), "{names:?}");
    }
    project.run(&["model", "inspect", "models/none"]).expect(1).says(&["models/none"]);
}
