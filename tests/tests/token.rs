//! Keys that live in a token: SoftHSM signs for every role, and the home has no secret half.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use freehold_tests::{Outcome, Project, Recipe};

const PIN: &str = "7f3a91c4";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// A project beside a token of SoftHSM.
struct Token {
    project: Project,
    module: &'static str,
}

impl Token {
    /// A token with a PIN; `None` if there is no SoftHSM here.
    fn beside(project: Project) -> Option<Self> {
        let module = MODULES.into_iter().find(|module| Path::new(module).exists());
        let tool = Command::new("softhsm2-util").arg("--version").output();
        let (Some(module), Ok(_)) = (module, tool) else {
            eprintln!("SKIPPED: SoftHSM is not installed (Debian's package `softhsm2`)");
            return None;
        };
        project.write("tokens/.keep", "");
        let conf = format!("directories.tokendir = {}/tokens\nlog.level = ERROR\n", project.path().display());
        project.write("softhsm2.conf", &conf);
        let token = Self { project, module };
        token.secret_file("pin", PIN);
        token.softhsm(&["--init-token", "--free", "--label", "safe", "--so-pin", "0000", "--pin", PIN]);
        Some(token)
    }

    fn secret_file(&self, file: &str, text: &str) {
        self.project.write(file, &format!("{text}\n"));
        let path = self.project.path().join(file);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn softhsm(&self, arguments: &[&str]) {
        let mut command = Command::new("softhsm2-util");
        command.args(arguments).env("SOFTHSM2_CONF", self.project.path().join("softhsm2.conf"));
        let output: Output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// An Ed25519 key in the token: made there where there is a tool for it, or else taken in.
    fn make_key(&self, label: &str, id: &str) {
        let mut tool = Command::new("pkcs11-tool");
        tool.args(["--module", self.module, "--token-label", "safe", "--login", "--pin", PIN, "--keypairgen"]);
        tool.args(["--key-type", "EC:edwards25519", "--label", label, "--id", id]);
        let made = tool.env("SOFTHSM2_CONF", self.project.path().join("softhsm2.conf")).output();
        if made.is_ok_and(|output| output.status.success()) {
            return;
        }
        // PKCS#8 in the older form (RFC 5208), which SoftHSM reads.
        let seed: String = (0..32).map(|n| format!("{:02x}", n * 7 + id.len() as u8 + label.len() as u8)).collect();
        let der = format!("302e020100300506032b657004220420{seed}");
        let der: Vec<u8> =
            (0..der.len()).step_by(2).map(|at| u8::from_str_radix(&der[at..at + 2], 16).unwrap()).collect();
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----");
        self.secret_file("imported.pem", &pem);
        let file = self.project.path().join("imported.pem");
        self.softhsm(&[
            "--import",
            file.to_str().unwrap(),
            "--token",
            "safe",
            "--label",
            label,
            "--id",
            id,
            "--pin",
            PIN,
        ]);
        std::fs::remove_file(file).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.project.command(arguments);
        command.env("SOFTHSM2_CONF", self.project.path().join("softhsm2.conf")).output().unwrap().into()
    }

    /// A command with the PIN in a file.
    fn opened(&self, arguments: &[&str]) -> Outcome {
        self.run(&[arguments, &["--pin-file", "pin"]].concat())
    }

    fn add(&self, name: &str, object: &str) -> Outcome {
        self.opened(&["key", "add", name, "--pkcs11", &format!("pkcs11:token=safe;{object}"), "--module", self.module])
    }
}

#[test]
fn keys_in_a_token_sign_for_every_role() {
    let Some(token) = Token::beside(Project::new()) else { return };
    let roles = [("root", "01"), ("recorder", "02"), ("log", "03")];
    for (role, id) in roles {
        token.make_key(role, id);
        let name = format!("{role}-2");
        token.add(&name, &format!("object={role}")).expect(0);
        // Old and new root keys sign, and the new log key does.
        let rotate = ["trust", "rotate", role, &name, "--overlap-days", "0"];
        token.run(&rotate).expect(2).says(&["-2` is in a token, and there is no PIN", "--pin-file"]);
        token.opened(&rotate).expect(0);
        for half in [format!("home/keys/{role}.pem"), format!("home/keys/{role}.pub.pem")] {
            std::fs::remove_file(token.project.path().join(half)).unwrap();
        }
    }
    token.project.write("freehold.toml", &Recipe::default().to_string());
    token.run(&["run"]).expect(2).says(&["`recorder-2` is in a token, and there is no PIN"]);
    token.opened(&["run"]).expect(0).says(&["promoted"]);
    token.opened(&["trust", "renew"]).expect(0);
    // Whoever only reads needs neither token nor PIN.
    token.project.assert_intact();
    let keys = token.run(&["key", "list", "--json"]).expect(0).json();
    let kept: Vec<_> = keys.as_array().unwrap().iter().map(|key| (&key["name"], &key["kept"])).collect();
    assert!(kept.contains(&(&"root-2".into(), &"token".into())), "{kept:?}");
    for file in token.project.contents() {
        let found = file.1.windows(PIN.len()).any(|window| window == PIN.as_bytes());
        assert!(!found || file.0 == "pin", "the PIN is in {}", file.0);
    }
}

#[test]
fn what_is_no_key_in_a_token_is_refused() {
    let Some(token) = Token::beside(Project::bare()) else { return };
    token.make_key("root", "01");
    token.add("none", "object=none").expect(1).says(&["`none`", "pkcs11:token=safe;object=none", "names 0"]);
    let other = ["key", "add", "x", "--pkcs11", "pkcs11:token=other;object=root", "--module"];
    token.opened(&[&other[..], &[token.module]].concat()).expect(1).says(&["pkcs11:token=other", "names 0", "token"]);
    token.opened(&[&other[..], &["libsofthsm2.so"]].concat()).expect(1).says(&["libsofthsm2.so", "not absolute"]);
    token.opened(&[&other[..], &["/etc/passwd"]].concat()).expect(1).says(&["/etc/passwd", "cannot be used"]);
    let here = ["key", "add", "x", "--module", token.module, "--pkcs11"];
    token.opened(&[&here[..], &["pkcs11:token=safe"]].concat()).expect(2).says(&["names no key"]);
    token.secret_file("wrong", "0001");
    let wrong = [&here[..], &["pkcs11:token=safe;object=root", "--pin-file", "wrong"]].concat();
    token.run(&wrong).expect(2).says(&["`x`", "the PIN of `pkcs11:token=safe;object=root` is wrong"]);
    assert!(!token.project.path().join("home/keys/x.token.json").exists());

    token.add("safe", "id=%01").expect(0);
    token.add("safe", "id=%01").expect(2).says(&["there is a key `safe` already"]);
    token.secret_file("passphrase", "a passphrase");
    for change in [&["key", "protect", "safe", "--passphrase-file", "passphrase"][..], &["key", "unprotect", "safe"]] {
        token.opened(change).expect(2).says(&["`safe` is in a token"]);
    }
    // Who may change where a key is chooses what is loaded.
    let file = token.project.path().join("home/keys/safe.token.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o664)).unwrap();
    let sign = ["trust", "add", "--key", "safe", "--role", "root", "--threshold", "2"];
    token.opened(&sign).expect(1).says(&["safe.token.json", "(mode 664)"]);
    token.project.assert_intact();
}
