//! Attacks by what is offered as a plugin in one file, each given to the built command. After each, the command has named the
//! attack in words that do nothing to a terminal, has stayed inside its memory, has put nothing into the folder of plugins, and
//! takes the next bundle normally.

mod archives;
mod compression;
mod links;
mod signatures;

use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use freehold_bundle::Parts;
use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, PluginSource, World};
use freehold_tests::{Outcome, Project};
use freehold_trust::{SecretKey, sign_plugin};
use jiff::{SignedDuration, Timestamp};

use crate::guest;
use crate::host::good_policy;

pub(crate) const NAME: &str = "freehold/hostile";
/// Where the bundle of an attack lies.
const FILE: &str = "attack.plugin";
/// What a component and its bundle may take, beside the command itself; far less than any of the bombs would.
const MEMORY_LIMIT: u64 = 128 << 20;

/// An operator with a home that trusts one publisher, and that publisher's key: the attacks are also those of who has it.
pub(crate) struct Operator {
    pub(crate) project: Project,
    pub(crate) key: SecretKey,
    good: Vec<u8>,
}

/// One attack, with the exit code and a part of the message by which the command names it.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) bundle: Vec<u8>,
    pub(crate) code: i32,
    pub(crate) says: &'static str,
}

/// An attack that ends with exit code 4.
pub(crate) fn attack(name: &'static str, bundle: Vec<u8>, says: &'static str) -> Attack {
    Attack { name, bundle, code: 4, says }
}

/// A component that is a policy.
pub(crate) fn component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| guest::component(World::Policy, &good_policy()))
}

/// The manifest of a component, good from an hour ago for two.
pub(crate) fn manifest(component: &[u8]) -> Manifest {
    let source = format!("name = \"{NAME}\"\nversion = \"1.0.0\"\nworld = \"policy\"\ndescription = \"Allows\"");
    let source: PluginSource = freehold_core::toml_text::parse(&source).unwrap();
    let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
    Manifest::new(source, Digest::of(component), now - hour, now + hour)
}

/// The bundle of these parts, as it has to be.
pub(crate) fn bundle(parts: &Parts) -> Vec<u8> {
    freehold_bundle::write(parts).unwrap()
}

impl Operator {
    pub(crate) fn new() -> Self {
        Self::of(Project::bare())
    }

    pub(crate) fn of(project: Project) -> Self {
        let pem = String::from_utf8(project.read("home/keys/publisher.pem")).unwrap();
        let key = SecretKey::from_pem(&pem).unwrap();
        let operator = Self { good: vec![], project, key };
        Self { good: bundle(&operator.parts()), ..operator }
    }

    /// The parts of a plugin that is as it has to be.
    pub(crate) fn parts(&self) -> Parts {
        self.signed(|_| {})
    }

    /// The parts of the plugin whose manifest was changed before it was signed.
    pub(crate) fn signed(&self, change: impl FnOnce(&mut Manifest)) -> Parts {
        let mut manifest = manifest(component());
        change(&mut manifest);
        Parts {
            manifest: sign_plugin(&manifest, &self.key).unwrap().to_bytes(),
            component: component().to_vec(),
            yank: None,
        }
    }

    /// The bundle of `parts` as a file, by its name.
    pub(crate) fn write(&self, file: &str, bundle: &[u8]) {
        std::fs::write(self.project.path().join(file), bundle).unwrap();
    }

    /// Adds a bundle to the folder of plugins.
    pub(crate) fn add(&self, bundle: &[u8]) -> Outcome {
        self.write(FILE, bundle);
        self.project.run(&["plugin", "add", FILE])
    }

    /// Every file and folder of the folder of plugins, with what the files hold.
    pub(crate) fn plugins(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.project.path().join("plugins")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.project.path()).unwrap().display().to_string();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                    found.push((name, vec![]));
                } else {
                    found.push((name, std::fs::read(&path).unwrap_or_default()));
                }
            }
        }
        found.sort();
        found
    }

    /// Makes the attacks, one after the other.
    pub(crate) fn defend(&self, attacks: Vec<Attack>) {
        for attack in attacks {
            self.refuse(attack);
            self.takes_the_next_bundle();
        }
    }

    /// Makes one attack.
    pub(crate) fn refuse(&self, Attack { name, bundle, code, says }: Attack) {
        let before = self.plugins();
        self.write(FILE, &bundle);
        let (outcome, peak) = self.measured(&["plugin", "add", FILE]);
        let said = outcome.stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(outcome.code, code, "{name}: {} {said}", outcome.stdout);
        assert!(said.contains(says), "{name}: {said}");
        assert!(said.contains(FILE) && said.contains("help:"), "{name}: {said}");
        assert!(outcome.stderr.len() < 10_000, "{name}: {} bytes are said", outcome.stderr.len());
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!outcome.stderr.contains(acts), "{name}: {:?}", outcome.stderr);
        assert!(peak < MEMORY_LIMIT, "{name}: the command took {peak} bytes");
        assert_eq!(self.plugins(), before, "{name}");
    }

    /// The next bundle is taken normally, into a folder of its own.
    fn takes_the_next_bundle(&self) {
        self.write("good.plugin", &self.good);
        let next = self.project.path().join("next");
        self.project.run(&["plugin", "add", "good.plugin", "--plugins", "next"]).expect(0).says(&["added to next/"]);
        std::fs::remove_dir_all(next).unwrap();
    }

    /// Runs a command, and measures the most memory that it ever had resident, in bytes. It is asked every millisecond: what
    /// grows beyond bounds takes longer.
    pub(crate) fn measured(&self, arguments: &[&str]) -> (Outcome, u64) {
        let mut command = self.project.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
            peak = peak.max(kib.unwrap_or(0) * 1024);
            std::thread::sleep(Duration::from_millis(1));
        }
        (child.wait_with_output().unwrap().into(), peak)
    }
}
