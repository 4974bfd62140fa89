//! Somebody who has the command, a public key and a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use freehold_tests::{Outcome, Project, Recipe, freehold};
use tempfile::TempDir;

/// A project with a run that was promoted and approved.
pub(crate) fn promoted() -> Project {
    let project = Project::new();
    drop(project.run_recipe(&Recipe::default()).expect(0));
    project.run(&["key", "new", "ada"]).expect(0);
    project.run(&["trust", "add", "--role", "approver", "--key", "ada"]).expect(0);
    project.run(&["approve", "desk-1", "--key", "ada", "--note", "read it"]).expect(0);
    project
}

/// The pack of the run.
pub(crate) fn pack(project: &Project, arguments: &[&str]) -> Vec<u8> {
    pack_of(project, "desk-1", arguments)
}

/// The pack of a run.
pub(crate) fn pack_of(project: &Project, run: &str, arguments: &[&str]) -> Vec<u8> {
    let export = ["audit", "export", run, "--format", "pack", "--out", "run.pack"];
    project.run(&[&export, arguments].concat()).expect(0).says(&["as of", "audit verify run.pack"]);
    project.read("run.pack")
}

/// An empty folder, and the public root key of a project.
pub(crate) struct Stranger {
    folder: TempDir,
    key: Vec<u8>,
}

impl Stranger {
    pub(crate) fn of(project: &Project) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), key: project.read("home/keys/root.pub.pem") }
    }

    pub(crate) fn write(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(file), bytes).unwrap();
    }

    /// Verifies a pack with the key. There is no home, and nothing in the environment; afterwards the folder is as it was.
    pub(crate) fn verify(&self, bytes: &[u8], arguments: &[&str]) -> Outcome {
        self.verify_by(Some(&self.key), bytes, arguments)
    }

    /// As [`Stranger::verify`], with another key or none.
    pub(crate) fn verify_by(&self, key: Option<&[u8]>, bytes: &[u8], arguments: &[&str]) -> Outcome {
        self.write("run.pack", bytes);
        let mut command = self.command(&["audit", "verify", "run.pack", "--offline"]);
        if let Some(key) = key {
            self.write("key.pub.pem", key);
            command.args(["--root-key", "key.pub.pem"]);
        }
        let before = contents(self.folder.path());
        let outcome = Outcome::from(command.args(arguments).output().unwrap());
        assert_eq!(contents(self.folder.path()), before, "verifying wrote something");
        outcome
    }

    /// As [`Stranger::verify`], with no more than so much memory.
    pub(crate) fn verify_within(&self, kibibytes: u32, bytes: &[u8]) -> Outcome {
        self.write("run.pack", bytes);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {kibibytes} && exec \"$0\" \"$@\"")]).arg(freehold());
        command.args(["audit", "verify", "run.pack"]).current_dir(self.folder.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).output().unwrap().into()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(freehold());
        command.current_dir(self.folder.path()).args(arguments).env_clear().stdin(Stdio::null());
        command
    }
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}
