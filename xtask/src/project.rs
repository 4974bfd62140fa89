//! The demo's project folder: recipe, models, data and signed plugins, put together below `target/`.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{copy, run, step, target, workspace};
use crate::components::Built;
use crate::corpus::desk;
use crate::failure::Failure;

/// Name of the key that signs the project's plugins in the demo.
const PUBLISHER: &str = "publisher";
const CORPUS_SEED: u64 = 1;

/// A folder with everything that a recipe needs.
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    freehold: PathBuf,
}

impl Project {
    /// The folder `target/NAME` with a copy of `demo/`, and a home that trusts the publisher of the plugins. A home never takes
    /// other bytes for a version that it has seen, so that after a change of the plugins it is made anew.
    pub(crate) fn prepare(name: &str, freehold: PathBuf, plugins: &[Built]) -> Result<Self, Failure> {
        let project = Self { folder: target().join(name), freehold };
        let known = project.folder.join("home").is_dir();
        match project.fill(plugins) {
            Err(_) if known => {
                step(&format!(
                    "The plugins are not those that {} was made with; making it anew",
                    project.folder.display()
                ));
                std::fs::remove_dir_all(&project.folder).map_err(Failure::file("remove", &project.folder))?;
                project.fill(plugins)?;
            }
            filled => filled?,
        }
        Ok(project)
    }

    fn fill(&self, plugins: &[Built]) -> Result<(), Failure> {
        copy(&workspace().join("demo"), &self.folder)?;
        if !self.folder.join("home").is_dir() {
            step("Making keys and a trust root");
            self.set_up(&["init"])?;
            self.set_up(&["key", "new", PUBLISHER])?;
            self.set_up(&["trust", "add", "--key", PUBLISHER, "--names", "freehold/*"])?;
        }
        step("Signing the plugins");
        for built in plugins.iter().filter(|built| built.is_plugin) {
            let (component, source) = (built.component.display().to_string(), built.source.display().to_string());
            self.set_up(&["plugin", "sign", &component, "--source", &source, "--key", PUBLISHER])?;
        }
        Ok(())
    }

    /// Runs a command that makes the folder; stdout stays for results.
    fn set_up(&self, arguments: &[&str]) -> Result<(), Failure> {
        run(self.freehold(arguments).stdout(std::io::stderr()))
    }

    /// A `freehold` command in the folder.
    pub(crate) fn freehold(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.freehold);
        command.current_dir(&self.folder).args(["--home", "home"]).args(arguments);
        command
    }
}

/// The files of the demo's data, by name.
pub(crate) fn corpus_files() -> Vec<(&'static str, String)> {
    let corpus = desk::support_desk(CORPUS_SEED);
    vec![
        ("tickets-eu.jsonl", desk::to_jsonl(&corpus.eu)),
        ("tickets-us.jsonl", desk::to_jsonl(&corpus.us)),
        ("heldout.jsonl", desk::to_jsonl(&corpus.heldout)),
    ]
}

/// Writes `demo/data`.
pub(crate) fn write_corpus() -> Result<(), Failure> {
    let folder = workspace().join("demo/data");
    std::fs::create_dir_all(&folder).map_err(Failure::file("create", &folder))?;
    for (name, text) in corpus_files() {
        let path = folder.join(name);
        std::fs::write(&path, &text).map_err(Failure::file("write", &path))?;
        println!("{}: {} records", path.display(), text.lines().count());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_in_the_repository_is_what_the_generator_writes() {
        for (name, text) in corpus_files() {
            let path = workspace().join("demo/data").join(name);
            let kept = std::fs::read_to_string(&path).unwrap();
            assert!(kept == text, "{} differs; write it anew with `cargo xtask corpus`", path.display());
        }
    }
}
