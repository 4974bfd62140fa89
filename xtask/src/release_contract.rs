//! `cargo xtask release-contract`: freezes `wit/` as `wit/released/VERSION`, and keeps plugins that were built with that version
//! in `tests/corpus/VERSION`, signed for a hundred years with a key whose secret half is thrown away. Every later build has to
//! load them and get what they give today.
//!
//! `tests/corpus/VERSION/` holds `publisher.pub.pem`, the public half; `plugins/`, a folder of plugins as users have them; and
//! for each plugin a folder with its `plugin.toml` and golden cases.

use std::path::{Path, PathBuf};
use std::process::Command;

use freehold_core::contract::CONTRACT;
use sha2::{Digest as _, Sha256};

use crate::command::{build_freehold, copy, run, step, target, workspace};
use crate::components::{self, Built};
use crate::failure::Failure;

/// At least one of every world; between them they read every type of setting.
const PLUGINS: [&str; 4] = ["chat-format", "exact-match", "license-gate", "metric-gate"];
const PACKAGES: [&str; 5] = ["types", "platform", "transform", "metric", "policy"];
/// Publisher of the plugins, and name of the key.
const PUBLISHER: &str = "corpus";
const PUBLIC_KEY: &str = "publisher.pub.pem";
/// As long as `plugin sign` signs.
const DAYS: &str = "36500";

/// Releases the contract that this source speaks. With `accepts`, what the plugins give now is what they are expected to give;
/// without, what the plugins of the version before gave.
pub(crate) fn run_all(accepts: bool) -> Result<(), Failure> {
    let version = CONTRACT.to_string();
    let corpus = workspace().join("tests/corpus").join(&version);
    if corpus.join("plugins").exists() {
        return Err(Failure::new(format!("contract {version} is released already; raise CONTRACT for a new one")));
    }
    freeze(&version)?;
    let built = components::build_all()?;
    let freehold = build_freehold()?;
    // Put together here, and moved when it is whole.
    let made = target().join("release-contract");
    if made.exists() {
        std::fs::remove_dir_all(&made).map_err(Failure::file("remove", &made))?;
    }
    let work = Work { folder: made.join(&version), home: made.join("home"), freehold, version };
    let filled = work.fill(&built, accepts);
    // Whatever came of it, the secret half of the key goes.
    std::fs::remove_dir_all(&work.home).map_err(Failure::file("remove", &work.home))?;
    filled?;
    copy(&work.folder, &corpus)?;
    step(&format!("Released: {} and {}", workspace().join("wit/released").display(), corpus.display()));
    Ok(())
}

/// Copies `wit/` and notes the digests, in the form that `sha256sum --check` reads.
fn freeze(version: &str) -> Result<(), Failure> {
    let released = workspace().join("wit/released");
    let folder = released.join(version);
    if folder.exists() {
        let same = |package: &&str| {
            let file = format!("{package}/{package}.wit");
            std::fs::read(folder.join(&file)).ok() == std::fs::read(workspace().join("wit").join(&file)).ok()
        };
        return match PACKAGES.iter().find(|package| !same(package)) {
            None => Ok(()),
            Some(package) => {
                Err(Failure::new(format!("wit/{package} is not what {} has; raise CONTRACT", folder.display())))
            }
        };
    }
    step(&format!("Freezing wit/ as {}", folder.display()));
    let sums = released.join("SHA256SUMS");
    let mut list = std::fs::read_to_string(&sums).map_err(Failure::file("read", &sums))?;
    for package in PACKAGES {
        copy(&workspace().join("wit").join(package), &folder.join(package))?;
        let file = format!("{package}/{package}.wit");
        let text = std::fs::read(folder.join(&file)).map_err(Failure::file("read", &folder.join(&file)))?;
        list += &format!("{}  {version}/{file}\n", hex(&Sha256::digest(text)));
    }
    std::fs::write(&sums, list).map_err(Failure::file("write", &sums))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A corpus that is being made.
struct Work {
    folder: PathBuf,
    home: PathBuf,
    freehold: PathBuf,
    version: String,
}

impl Work {
    fn fill(&self, built: &[Built], accepts: bool) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.folder).map_err(Failure::file("create", &self.folder))?;
        run(&mut self.freehold(&["init"]))?;
        run(&mut self.freehold(&["key", "new", PUBLISHER]))?;
        let key = self.home.join("keys").join(format!("{PUBLISHER}.pub.pem"));
        std::fs::copy(&key, self.folder.join(PUBLIC_KEY)).map_err(Failure::file("copy", &key))?;
        for name in PLUGINS {
            let plugin = built.iter().find(|plugin| plugin.component.file_stem().is_some_and(|stem| stem == name));
            let plugin = plugin.ok_or_else(|| Failure::new(format!("there is no plugin {name}")))?;
            self.add(name, plugin, accepts)?;
        }
        Ok(())
    }

    fn add(&self, name: &str, plugin: &Built, accepts: bool) -> Result<(), Failure> {
        let folder = self.folder.join(name);
        copy(&cases_before(name, &self.version)?, &folder.join("cases"))?;
        let source = folder.join("plugin.toml");
        let text = std::fs::read_to_string(&plugin.source).map_err(Failure::file("read", &plugin.source))?;
        std::fs::write(&source, renamed(&text, &self.version)).map_err(Failure::file("write", &source))?;
        let (component, source) = (shown(&plugin.component), shown(&source));
        let mut test = self.freehold(&["plugin", "test", &shown(&folder), "--component", &component]);
        if accepts {
            test.arg("--accept");
        }
        run(&mut test).map_err(|failure| {
            let advice = "if it should give what it gives now, look at every difference and add --accept";
            Failure::new(format!("{failure}\n{name} does not give what it gave before; {advice}"))
        })?;
        let into = shown(&self.folder.join("plugins"));
        let sign = ["plugin", "sign", &component, "--source", &source, "--key", PUBLISHER, "--days", DAYS];
        run(self.freehold(&sign).args(["--into", &into]))
    }

    fn freehold(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.freehold);
        command.arg("--home").arg(&self.home).args(arguments);
        command
    }
}

/// `plugin.toml` under a publisher of its own, with the version of the contract as that of the plugin: one folder of plugins can
/// hold those of every contract.
fn renamed(source: &str, version: &str) -> String {
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    for line in lines.iter_mut().take_while(|line| !line.starts_with('[')) {
        if let Some(name) = line.strip_prefix("name = \"freehold/") {
            *line = format!("name = \"{PUBLISHER}/{name}");
        } else if line.starts_with("version = ") {
            *line = format!("version = \"{version}\"");
        }
    }
    lines.join("\n") + "\n"
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The cases of the version itself, if they were written before, or those of the newest version that has any.
fn cases_before(name: &str, version: &str) -> Result<PathBuf, Failure> {
    let corpus = workspace().join("tests/corpus");
    let own = corpus.join(version).join(name).join("cases");
    if own.is_dir() {
        return Ok(own);
    }
    let entries = std::fs::read_dir(&corpus).map_err(Failure::file("list", &corpus))?;
    let folders = entries.flatten().map(|entry| entry.path().join(name).join("cases")).filter(|cases| cases.is_dir());
    let number = |path: &PathBuf| -> Vec<u64> {
        let version = path.components().rev().nth(2).map(|part| part.as_os_str().to_string_lossy().into_owned());
        version.unwrap_or_default().split('.').filter_map(|part| part.parse().ok()).collect()
    };
    let newest = folders.max_by_key(number);
    newest.ok_or_else(|| Failure::new(format!("no version has cases for {name}; write some in {}", own.display())))
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn a_plugin_is_renamed_and_the_rest_of_it_stays() {
        let source = "name = \"freehold/x\"\nversion = \"2.3.4\"\nworld = \"policy\"\n[settings.a]\nversion = \"9\"\n";
        let expected = "name = \"corpus/x\"\nversion = \"1.1.0\"\nworld = \"policy\"\n[settings.a]\nversion = \"9\"\n";
        assert_eq!(renamed(source, "1.1.0"), expected);
    }
}
