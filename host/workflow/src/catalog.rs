//! A folder of signed plugins: `publisher/name/version/` with a component and its signed manifest.

use cap_std::fs::Dir;
use freehold_core::name::{PluginName, is_label};
use freehold_files::FileError;
use freehold_trust::{PluginError, VerifiedPlugin, VerifiedRoot, verify_plugin};
use jiff::Timestamp;
use semver::{Version, VersionReq};

use crate::WorkflowError;

/// File name of the component.
pub const COMPONENT_FILE: &str = "component.wasm";
/// File name of the signed manifest.
pub const MANIFEST_FILE: &str = "manifest.dsse.json";

const COMPONENT_LIMIT: u64 = 64 << 20;
const MANIFEST_LIMIT: u64 = 1 << 20;

/// A folder of plugins.
#[derive(Debug)]
pub struct Catalog {
    dir: Dir,
    name: String,
}

/// A plugin in the folder; not yet verified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CatalogEntry {
    /// Its name, by its folder.
    pub name: PluginName,
    /// Its version, by its folder.
    pub version: Version,
}

fn folders(dir: &Dir, path: &str) -> Result<Vec<String>, WorkflowError> {
    let failed = |source| FileError::Io { action: "list", path: path.into(), source };
    let mut names = Vec::new();
    match dir.read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error).into()),
        Ok(entries) => {
            for entry in entries {
                names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

impl Catalog {
    /// The plugins in `dir`, which the recipe calls `name`.
    pub fn new(dir: Dir, name: &str) -> Self {
        Self { dir, name: name.into() }
    }

    /// Versions of a plugin, oldest first.
    pub fn versions(&self, name: &PluginName) -> Result<Vec<Version>, WorkflowError> {
        let names = folders(&self.dir, &name.to_string())?;
        let mut versions: Vec<Version> = names.iter().filter_map(|name| name.parse().ok()).collect();
        versions.sort();
        Ok(versions)
    }

    /// Every plugin in the folder.
    pub fn entries(&self) -> Result<Vec<CatalogEntry>, WorkflowError> {
        let mut entries = Vec::new();
        for publisher in folders(&self.dir, ".")?.iter().filter(|name| is_label(name)) {
            for name in folders(&self.dir, publisher)? {
                let Ok(name) = format!("{publisher}/{name}").parse::<PluginName>() else { continue };
                let versions = self.versions(&name)?.into_iter();
                entries.extend(versions.map(|version| CatalogEntry { name: name.clone(), version }));
            }
        }
        Ok(entries)
    }

    /// The version to use: the locked one while it fits, else the newest that does.
    pub fn choose(
        &self,
        name: &PluginName,
        wanted: &VersionReq,
        locked: Option<&Version>,
    ) -> Result<Version, WorkflowError> {
        let versions = self.versions(name)?;
        let fitting = || versions.iter().filter(|version| wanted.matches(version));
        let chosen = fitting().find(|version| Some(*version) == locked).or_else(|| fitting().next_back());
        chosen.cloned().ok_or_else(|| WorkflowError::NoPlugin {
            plugin: name.to_string(),
            wanted: wanted.to_string(),
            folder: self.name.clone(),
            found: match versions.is_empty() {
                true => "none".into(),
                false => versions.iter().map(Version::to_string).collect::<Vec<_>>().join(", "),
            },
        })
    }

    /// Reads and verifies a plugin. Nothing of it is compiled before.
    pub fn load(
        &self,
        root: &VerifiedRoot,
        name: &PluginName,
        version: &Version,
    ) -> Result<VerifiedPlugin, WorkflowError> {
        let folder = format!("{name}/{version}");
        let envelope = freehold_files::read(&self.dir, format!("{folder}/{MANIFEST_FILE}"), MANIFEST_LIMIT);
        let envelope = match envelope {
            Err(error) if error.is_not_found() => {
                return Err(PluginError::Unsigned { plugin: format!("{name} {version}") }.into());
            }
            other => other?,
        };
        let component = freehold_files::read(&self.dir, format!("{folder}/{COMPONENT_FILE}"), COMPONENT_LIMIT)?;
        Ok(verify_plugin(root, Timestamp::now(), (name, version), &envelope, component)?)
    }
}
