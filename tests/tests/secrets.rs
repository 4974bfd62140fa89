//! Secret keys at rest: encrypted with a passphrase, readable by their owner alone, and in nothing that is said or kept.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use freehold_tests::{Outcome, Project, Recipe, freehold};

const PASSPHRASE: &str = "correct horse 7f3a91c4";
const OWN: [&str; 3] = ["root", "recorder", "log"];

fn set_mode(project: &Project, file: &str, mode: u32) {
    std::fs::set_permissions(project.path().join(file), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(project: &Project, file: &str) -> u32 {
    std::fs::metadata(project.path().join(file)).unwrap().permissions().mode() & 0o777
}

/// Writes a file with a passphrase, for its owner alone.
fn passphrase(project: &Project, file: &str, text: &str) {
    project.write(file, &format!("{text}\n"));
    set_mode(project, file, 0o600);
}

/// A command with the passphrase in a file.
fn unlocked(project: &Project, arguments: &[&str]) -> Outcome {
    project.run(&[&["--passphrase-file", "passphrase"], arguments].concat())
}

fn protect(project: &Project, keys: &[&str]) {
    passphrase(project, "passphrase", PASSPHRASE);
    for key in keys {
        unlocked(project, &["key", "protect", key]).expect(0);
    }
}

fn kept(project: &Project, name: &str) -> String {
    let keys = project.run(&["key", "list", "--json"]).expect(0).json();
    let key = keys.as_array().unwrap().iter().find(|key| key["name"] == name).unwrap().clone();
    key["kept"].as_str().unwrap().to_owned()
}

#[test]
fn an_encrypted_key_signs_with_its_passphrase_and_not_without() {
    let project = Project::bare();
    let id = project.run(&["key", "list", "--json"]).expect(0).json();
    assert_eq!(kept(&project, "root"), "plain");
    protect(&project, &["root"]);
    assert_eq!((kept(&project, "root"), kept(&project, "log")), ("encrypted".into(), "plain".into()));
    assert_eq!(mode(&project, "home/keys/root.pem"), 0o600);
    let before = project.contents();
    project
        .run(&["trust", "renew"])
        .expect(2)
        .says(&["`root` is encrypted, and there is no passphrase", "--passphrase-file"]);
    passphrase(&project, "wrong", "incorrect horse");
    project.run(&["trust", "renew", "--passphrase-file", "wrong"]).expect(2).says(&["`root`", "passphrase is wrong"]);
    passphrase(&project, "empty", "");
    project.run(&["trust", "renew", "--passphrase-file", "empty"]).expect(2).says(&["`root`", "passphrase is empty"]);
    project.run(&["trust", "renew", "--passphrase-file", "none"]).expect(2).says(&["`root`", "none"]);
    for file in ["wrong", "empty"] {
        std::fs::remove_file(project.path().join(file)).unwrap();
    }
    assert_eq!(project.contents(), before, "nothing was written");
    // Whoever only reads needs no secret.
    project.run(&["audit", "verify"]).expect(0);
    unlocked(&project, &["trust", "renew"]).expect(0);
    let renewed = project.command(&["trust", "renew"]).env("FREEHOLD_PASSPHRASE_FILE", "passphrase").output().unwrap();
    drop(Outcome::from(renewed).expect(0));

    // Another passphrase, and none again.
    passphrase(&project, "second", "another horse");
    let again = ["key", "protect", "root", "--passphrase-file", "second", "--old-passphrase-file"];
    project.run(&[&again[..], &["second"]].concat()).expect(2).says(&["passphrase is wrong"]);
    project.run(&[&again[..], &["passphrase"]].concat()).expect(0);
    unlocked(&project, &["trust", "renew"]).expect(2).says(&["passphrase is wrong"]);
    project.run(&["trust", "renew", "--passphrase-file", "second"]).expect(0);
    project.run(&["key", "unprotect", "root"]).expect(2).says(&["there is no passphrase"]);
    project.run(&["key", "unprotect", "root", "--passphrase-file", "second"]).expect(0);
    assert_eq!(project.run(&["key", "list", "--json"]).expect(0).json(), id, "the same keys as before");
    project.run(&["trust", "renew"]).expect(0);
    project.run(&["key", "protect", "none", "--passphrase-file", "second"]).expect(2).says(&["there is no key `none`"]);
    // A new key that was never on the disk in plain.
    project.run(&["key", "new", "fresh", "--passphrase"]).expect(2).says(&["no passphrase for the key `fresh`"]);
    unlocked(&project, &["key", "new", "fresh", "--passphrase"]).expect(0);
    assert_eq!(kept(&project, "fresh"), "encrypted");
    project.assert_intact();
}

#[test]
fn a_run_that_cannot_sign_says_so_before_it_begins() {
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    protect(&project, &["recorder", "log"]);
    let before = project.contents();
    project.run(&["run"]).expect(2).says(&["`recorder` is encrypted, and there is no passphrase"]);
    let mut after = project.contents();
    after.retain(|file, _| before.contains_key(file));
    assert_eq!(after, before);
    assert!(!project.path().join("freehold.lock").exists());
    unlocked(&project, &["run"]).expect(0).says(&["promoted"]);
    project.assert_intact();
}

#[test]
fn no_secret_is_in_anything_that_is_said_or_kept() {
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    let mut secrets = vec![PASSPHRASE.as_bytes().to_vec()];
    for key in OWN {
        let pem = String::from_utf8(project.read(&format!("home/keys/{key}.pem"))).unwrap();
        // The line that holds the seed.
        secrets.push(pem.lines().nth(1).unwrap().as_bytes().to_vec());
    }
    protect(&project, &OWN);
    project.write("wrong", "incorrect horse\n");
    set_mode(&project, "wrong", 0o600);
    let mut said = Vec::new();
    for (file, arguments) in [
        ("passphrase", &["run"][..]),
        ("passphrase", &["audit", "show", "desk-1", "--json"]),
        ("passphrase", &["audit", "verify"]),
        ("passphrase", &["key", "list", "--json"]),
        ("passphrase", &["key", "protect", "root", "--json"]),
        ("passphrase", &["key", "new", "publisher", "--passphrase"]),
        ("passphrase", &["trust", "renew", "--json"]),
        ("wrong", &["trust", "renew", "--json"]),
        ("wrong", &["run"]),
    ] {
        let mut command = project.command(&[arguments, &["-vv", "--passphrase-file", file]].concat());
        let outcome: Outcome = command.env("FREEHOLD_LOG", "trace").output().unwrap().into();
        said.push((format!("{arguments:?}, stdout"), outcome.stdout.into_bytes()));
        said.push((format!("{arguments:?}, stderr"), outcome.stderr.into_bytes()));
    }
    let traced: usize = said.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(traced > 10_000, "{traced}");
    let mut files = project.contents();
    assert_eq!(files.remove("passphrase").unwrap(), format!("{PASSPHRASE}\n").into_bytes());
    assert!(files.len() > 50, "{}", files.len());
    for (place, bytes) in said.into_iter().chain(files) {
        for secret in &secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "a secret is in {place}");
        }
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let project = Project::bare();
    assert_eq!(mode(&project, "home/keys"), 0o700);
    for exposed in [0o640, 0o604, 0o660] {
        set_mode(&project, "home/keys/root.pem", exposed);
        let said = project.run(&["trust", "renew"]).expect(1);
        said.says(&["keys/root.pem", &format!("(mode {exposed:03o})"), "chmod 600 keys/root.pem"]);
        assert_eq!(kept(&project, "root"), "exposed");
    }
    set_mode(&project, "home/keys/root.pem", 0o400);
    project.run(&["trust", "renew"]).expect(0);
    protect(&project, &["root"]);
    set_mode(&project, "passphrase", 0o644);
    unlocked(&project, &["trust", "renew"]).expect(2).says(&["passphrase", "(mode 644)", "chmod 600 passphrase"]);
    // The cache's secret, by which compiled plugins are known.
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    project.run(&["check"]).expect(0);
    assert_eq!((mode(&project, "home/cache"), mode(&project, "home/cache/secret")), (0o700, 0o600));
    set_mode(&project, "home/cache/secret", 0o644);
    project.run(&["run"]).expect(1).says(&["cache/secret", "(mode 644)", "chmod 600 cache/secret"]);
}

/// What a person types at the terminal is not shown, and one who mistypes is asked again.
#[test]
fn a_passphrase_is_asked_for_at_a_terminal() {
    let project = Project::bare();
    let typed = |command: &str, lines: &str| {
        let line = format!("{} --home home {command}", freehold().display());
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "typescript"]).current_dir(project.path());
        let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                eprintln!("SKIPPED: no terminal can be made here (`script` of util-linux): {error}");
                return None;
            }
        };
        let mut said = Vec::new();
        let mut lines = lines.lines();
        let mut shown = BufReader::new(child.stdout.take().unwrap()).bytes();
        while let Some(Ok(byte)) = shown.next() {
            said.push(byte);
            // Each question ends so, and what is typed is shown until it was asked.
            if said.ends_with(b": ") {
                std::thread::sleep(Duration::from_millis(200));
                let line = lines.next().unwrap_or_default();
                let _ = child.stdin.as_ref().unwrap().write_all(format!("{line}\n").as_bytes());
            }
        }
        let code = child.wait().unwrap().code().unwrap_or(-1);
        Some(Outcome { code, stdout: String::from_utf8(said).unwrap(), stderr: String::new() })
    };
    let Some(chosen) = typed("key protect root", &format!("{PASSPHRASE}\n{PASSPHRASE}\n")) else { return };
    let chosen = chosen.expect(0).says(&["Passphrase of the key `root` from now on", "The same again"]);
    assert!(!chosen.stdout.contains(PASSPHRASE), "{chosen:?}");
    assert_eq!(kept(&project, "root"), "encrypted");
    let renewed = typed("trust renew", &format!("mistyped\n{PASSPHRASE}\n")).unwrap().expect(0);
    drop(renewed.says(&["Passphrase of the key `root`", "That is another one"]));
    let differing = typed("key protect log", "one\ntwo\n").unwrap().expect(2);
    drop(differing.says(&["the passphrases are not the same"]));
    assert_eq!(kept(&project, "log"), "plain");
}

#[test]
fn a_key_for_other_tools_is_encrypted_like_any_other() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    passphrase(&project, "passphrase", PASSPHRASE);
    let is_sealed = |name: &str| project.read(&format!("home/keys/{name}.p256.pem")).starts_with(b"-----BEGIN AGE");
    unlocked(&project, &["key", "new", "office", "--p256", "--passphrase"]).expect(0);
    assert!(is_sealed("office") && kept(&project, "office") == "encrypted");
    let export = ["audit", "export", "desk-1", "--format", "vsa"];
    project.run(&export).expect(2).says(&["`office.p256` is encrypted", "--passphrase-file"]);
    let document = unlocked(&project, &export).expect(0).stdout;
    passphrase(&project, "wrong", "another one");
    project.run(&[&["--passphrase-file", "wrong"], &export[..]].concat()).expect(2);
    // One that was plain, and back again: the same key signs the same.
    unlocked(&project, &["key", "unprotect", "office", "--p256"]).expect(0);
    assert!(!is_sealed("office"));
    assert_eq!(project.run(&export).expect(0).stdout, document);
    unlocked(&project, &["key", "protect", "office", "--p256"]).expect(0);
    assert!(is_sealed("office") && mode(&project, "home/keys/office.p256.pem") == 0o600);
    assert_eq!(unlocked(&project, &export).expect(0).stdout, document);
    unlocked(&project, &["key", "protect", "recorder", "--p256"]).expect(2).says(&["no P-256 key `recorder`"]);
    set_mode(&project, "home/keys/office.p256.pem", 0o640);
    assert_eq!(kept(&project, "office"), "exposed");
    unlocked(&project, &export).expect(1).says(&["chmod 600"]);
}

#[test]
fn an_approver_may_keep_an_encrypted_key_in_a_file_of_their_own() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    project.run(&["key", "new", "ada"]).expect(0);
    project.run(&["trust", "add", "--role", "approver", "--key", "ada"]).expect(0);
    protect(&project, &["ada"]);
    std::fs::rename(project.path().join("home/keys/ada.pem"), project.path().join("ada.pem")).unwrap();
    std::fs::remove_file(project.path().join("home/keys/ada.pub.pem")).unwrap();
    project.run(&["approve", "desk-1", "--key", "ada.pem"]).expect(2).says(&["`ada.pem` is encrypted"]);
    unlocked(&project, &["approve", "desk-1", "--key", "ada.pem"]).expect(0);
    project.assert_intact();
}
