//! The folder of a plugin: what its author writes, and the component that was built of it.

use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::Dir;
use freehold_core::manifest::PluginSource;

use crate::{AuthoringError, Case};

/// What the author says of the plugin.
pub const SOURCE_FILE: &str = "plugin.toml";
/// Where the component lies. Below `target`, which no author keeps under version control.
pub const COMPONENT_FILE: &str = "target/component.wasm";

const CASES: &str = "cases";
const SOURCE_LIMIT: u64 = 1 << 20;
const COMPONENT_LIMIT: u64 = 64 << 20;
const CASE_LIMIT: u64 = 16 << 20;

/// The folder of a plugin.
#[derive(Debug)]
pub struct PluginFolder {
    dir: Dir,
    name: String,
    source: PluginSource,
    text: String,
}

impl PluginFolder {
    /// The folder in `dir`, called `name` in messages.
    pub fn open(dir: Dir, name: &str) -> Result<Self, AuthoringError> {
        let bytes =
            freehold_files::read(&dir, SOURCE_FILE, SOURCE_LIMIT).map_err(|error| match error.is_not_found() {
                true => AuthoringError::NoSource(name.into()),
                false => error.into(),
            })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let source = PluginSource::parse(&text).map_err(|error| AuthoringError::Toml {
            file: SOURCE_FILE.into(),
            document: text.clone(),
            error,
        })?;
        Ok(Self { dir, name: name.into(), source, text })
    }

    /// What the author says of the plugin.
    pub fn source(&self) -> &PluginSource {
        &self.source
    }

    /// The text of `plugin.toml`.
    pub fn source_text(&self) -> &str {
        &self.text
    }

    /// Puts the component where [`component`](Self::component) finds it.
    pub fn write_component(&self, bytes: &[u8]) -> Result<(), AuthoringError> {
        Ok(freehold_files::write(&self.dir, COMPONENT_FILE, bytes)?)
    }

    /// The component that was built last, if no source has changed since.
    pub fn component(&self) -> Result<Vec<u8>, AuthoringError> {
        let bytes = freehold_files::read(&self.dir, COMPONENT_FILE, COMPONENT_LIMIT).map_err(|error| {
            match error.is_not_found() {
                true => AuthoringError::NotBuilt(self.name.clone()),
                false => error.into(),
            }
        })?;
        if let Some(built) = self.modified(Path::new(COMPONENT_FILE)) {
            for source in ["Cargo.toml", "src"] {
                if let Some(newer) = self.newer(Path::new(source), built) {
                    return Err(AuthoringError::Stale { newer });
                }
            }
        }
        Ok(bytes)
    }

    fn modified(&self, path: &Path) -> Option<SystemTime> {
        Some(self.dir.metadata(path).ok()?.modified().ok()?.into_std())
    }

    /// A file at or below `path` that was changed after `built`, or in the same tick of the clock: no sooner can it be told.
    fn newer(&self, path: &Path, built: SystemTime) -> Option<String> {
        if let Ok(entries) = self.dir.read_dir(path) {
            return entries.flatten().find_map(|entry| self.newer(&path.join(entry.file_name()), built));
        }
        (self.modified(path)? >= built).then(|| path.display().to_string())
    }

    /// The cases, by name; those of `wanted`, or all.
    pub fn cases(&self, wanted: &[String]) -> Result<Vec<Case>, AuthoringError> {
        let names = self.case_names()?;
        if let Some(name) = wanted.iter().find(|name| !names.contains(name)) {
            return Err(AuthoringError::NoCase { name: name.clone(), known: names.join(", ") });
        }
        let mut cases = Vec::new();
        for name in names.iter().filter(|name| wanted.is_empty() || wanted.contains(name)) {
            let file = format!("{CASES}/{name}.toml");
            let text = freehold_files::read(&self.dir, &file, CASE_LIMIT)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let mut case = Case::parse(self.source.world, name, &file, text)?;
            for (asset, path) in case.asset_paths() {
                let bytes = freehold_files::read(&self.dir, format!("{CASES}/{path}"), COMPONENT_LIMIT)?;
                case.grant(&asset, bytes);
            }
            cases.push(case);
        }
        if cases.is_empty() { Err(AuthoringError::NoCases(format!("{}/{CASES}", self.name))) } else { Ok(cases) }
    }

    fn case_names(&self) -> Result<Vec<String>, AuthoringError> {
        let failed = |source| AuthoringError::Folder { action: "list", folder: CASES.into(), source };
        let mut names = Vec::new();
        match self.dir.read_dir(CASES) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(entries) => {
                for entry in entries {
                    let file = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
                    names.extend(file.strip_suffix(".toml").filter(|name| !name.starts_with('.')).map(str::to_owned));
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// Puts the new text of a case in the place of the old.
    pub fn write_case(&self, name: &str, text: &str) -> Result<(), AuthoringError> {
        Ok(freehold_files::write(&self.dir, format!("{CASES}/{name}.toml"), text.as_bytes())?)
    }
}
