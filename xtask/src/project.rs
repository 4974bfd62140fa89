//! The demo's project folder: recipe, models, data and signed plugins, put together below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{output, run, step, target, workspace};
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

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to).map_err(Failure::file("create", to))?;
    for entry in std::fs::read_dir(from).map_err(Failure::file("list", from))? {
        let path = entry.map_err(Failure::file("list", from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(Failure::file("copy", &path))?;
        }
    }
    Ok(())
}

impl Project {
    /// The folder `target/NAME` with a copy of `demo/`, and a home that trusts the publisher of the plugins.
    pub(crate) fn prepare(name: &str, freehold: PathBuf, plugins: &[Built]) -> Result<Self, Failure> {
        let project = Self { folder: target().join(name), freehold };
        copy(&workspace().join("demo"), &project.folder)?;
        if !project.folder.join("home").is_dir() {
            step("Making keys and a trust root");
            run(&mut project.freehold(&["init"]))?;
            run(&mut project.freehold(&["key", "new", PUBLISHER]))?;
            run(&mut project.freehold(&["trust", "add", "--key", PUBLISHER, "--names", "freehold/*"]))?;
        }
        step("Signing the plugins");
        for built in plugins.iter().filter(|built| built.is_plugin) {
            project.sign(built)?;
        }
        Ok(project)
    }

    /// A `freehold` command in the folder.
    pub(crate) fn freehold(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.freehold);
        command.current_dir(&self.folder).args(["--home", "home"]).args(arguments);
        command
    }

    /// Signs a plugin, unless the folder has it already with the same bytes.
    fn sign(&self, built: &Built) -> Result<(), Failure> {
        let bytes = std::fs::read(&built.component).map_err(Failure::file("read", &built.component))?;
        let source = std::fs::read_to_string(&built.source).map_err(Failure::file("read", &built.source))?;
        let source: freehold_core::manifest::PluginSource = freehold_core::toml_text::parse(&source)
            .map_err(|error| Failure::new(format!("{}: {error}", built.source.display())))?;
        let plugin = format!("{}@{}", source.name, source.version);
        let inspected = output(&mut self.freehold(&["plugin", "inspect", &plugin, "--json"]));
        let inspected = inspected.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        let digest = freehold_core::digest::Digest::of(&bytes).to_string();
        if inspected.is_some_and(|inspected| inspected["manifest"]["component"] == *digest) {
            eprintln!("    {plugin} is signed");
            return Ok(());
        }
        let (component, source) = (built.component.display().to_string(), built.source.display().to_string());
        run(&mut self.freehold(&["plugin", "sign", &component, "--source", &source, "--key", PUBLISHER]))
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
