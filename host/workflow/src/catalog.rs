//! A folder of signed plugins: `publisher/name/version/` with a component, its signed manifest and, if it was ever yanked, the
//! publisher's signed word on that.

use cap_std::fs::Dir;
use freehold_core::name::{PluginName, is_label};
use freehold_files::FileError;
use freehold_trust::{PluginError, VerifiedPlugin, VerifiedRoot, VerifiedYank, YankError, verify_plugin, verify_yank};
use jiff::Timestamp;
use semver::Version;

use crate::resolution::{Choice, Wanted, choose};
use crate::{Home, WorkflowError};

pub use freehold_bundle::{COMPONENT_FILE, MANIFEST_FILE, YANK_FILE};

pub(crate) const COMPONENT_LIMIT: u64 = 64 << 20;
pub(crate) const MANIFEST_LIMIT: u64 = 1 << 20;
pub(crate) const YANK_LIMIT: u64 = 64 << 10;

/// A folder of plugins.
#[derive(Debug)]
pub struct Catalog {
    dir: Dir,
    name: String,
}

/// The files of a plugin. Nothing of them is verified.
#[derive(Debug)]
pub(crate) struct PluginFiles {
    pub(crate) manifest: Vec<u8>,
    pub(crate) component: Vec<u8>,
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

    /// What the recipe calls the folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
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

    /// The version to use.
    pub fn choose(&self, home: &Home, root: &VerifiedRoot, wanted: &Wanted<'_>) -> Result<Choice, WorkflowError> {
        let versions = self.versions(wanted.plugin)?;
        choose(wanted, (&self.name, &versions), |version| {
            Ok(self.yank(home, root, wanted.plugin, version)?.map(|yank| yank.reason.clone()))
        })
    }

    /// Reads and verifies a plugin, and that `home` never saw its version with other bytes. Nothing of it is compiled before.
    pub fn load(
        &self,
        home: &Home,
        root: &VerifiedRoot,
        name: &PluginName,
        version: &Version,
    ) -> Result<VerifiedPlugin, WorkflowError> {
        self.load_if(home, root, (name, version), |_| Ok(()))
    }

    /// Like [`Self::load`], if `expected` has nothing against it. What it refuses is not remembered: else files that are not
    /// those of the lockfile would keep out those that are.
    pub(crate) fn load_if(
        &self,
        home: &Home,
        root: &VerifiedRoot,
        (name, version): (&PluginName, &Version),
        expected: impl FnOnce(&VerifiedPlugin) -> Result<(), WorkflowError>,
    ) -> Result<VerifiedPlugin, WorkflowError> {
        let PluginFiles { manifest, component } = self.read(name, version)?;
        accept(home, root, (name, version), (&manifest, component), expected)
    }

    /// The files of a plugin, as they lie there.
    pub(crate) fn read(&self, name: &PluginName, version: &Version) -> Result<PluginFiles, WorkflowError> {
        let folder = format!("{name}/{version}");
        let manifest = match freehold_files::read(&self.dir, format!("{folder}/{MANIFEST_FILE}"), MANIFEST_LIMIT) {
            Err(error) if error.is_not_found() => {
                return Err(PluginError::Unsigned { plugin: format!("{name} {version}") }.into());
            }
            other => other?,
        };
        let component = freehold_files::read(&self.dir, format!("{folder}/{COMPONENT_FILE}"), COMPONENT_LIMIT)?;
        Ok(PluginFiles { manifest, component })
    }

    /// The yank in force, if the version is yanked: the newest statement that lies beside the version, or that `home` has seen.
    pub fn yank(
        &self,
        home: &Home,
        root: &VerifiedRoot,
        name: &PluginName,
        version: &Version,
    ) -> Result<Option<VerifiedYank>, WorkflowError> {
        Ok(self.yank_statement(home, root, name, version)?.filter(|yank| yank.yanked))
    }

    /// The newest statement on whether the version is yanked.
    pub(crate) fn yank_statement(
        &self,
        home: &Home,
        root: &VerifiedRoot,
        name: &PluginName,
        version: &Version,
    ) -> Result<Option<VerifiedYank>, WorkflowError> {
        let beside = self.read_yank(name, version)?;
        Ok(newest_yank(home, root, (name, version), beside)?.map(|(yank, _)| yank))
    }

    /// The statement that lies beside the version, as it lies there.
    pub(crate) fn read_yank(&self, name: &PluginName, version: &Version) -> Result<Option<Vec<u8>>, WorkflowError> {
        match freehold_files::read(&self.dir, format!("{name}/{version}/{YANK_FILE}"), YANK_LIMIT) {
            Err(error) if error.is_not_found() => Ok(None),
            other => Ok(Some(other?)),
        }
    }
}

/// The one way by which a plugin is taken, to be used, packed or added: it is verified, `expected` has nothing against it, and
/// `home` never saw its version with other bytes.
pub(crate) fn accept(
    home: &Home,
    root: &VerifiedRoot,
    asked: (&PluginName, &Version),
    (manifest, component): (&[u8], Vec<u8>),
    expected: impl FnOnce(&VerifiedPlugin) -> Result<(), WorkflowError>,
) -> Result<VerifiedPlugin, WorkflowError> {
    let plugin = verify_plugin(root, Timestamp::now(), asked, manifest, component)?;
    expected(&plugin)?;
    home.remember(&plugin, manifest)?;
    Ok(plugin)
}

/// The newest of the statement that was `found` and the one that `home` has seen, and its bytes.
pub(crate) fn newest_yank(
    home: &Home,
    root: &VerifiedRoot,
    (name, version): (&PluginName, &Version),
    found: Option<Vec<u8>>,
) -> Result<Option<(VerifiedYank, Vec<u8>)>, WorkflowError> {
    let verify = |bytes: Vec<u8>| match verify_yank(root, Timestamp::now(), (name, version), &bytes) {
        Ok(yank) => Ok((yank, bytes)),
        Err(error) => Err(error),
    };
    let remembered = |bytes: Option<Vec<u8>>| match bytes.map(verify) {
        // Its signer has lost its say since; what it said counts no more than what it signs now.
        Some(Err(YankError::UnknownSigner { .. } | YankError::WrongPublisher { .. })) | None => Ok(None),
        Some(other) => other.map(Some),
    };
    let seen = remembered(home.seen_yank(name, version)?)?;
    let Some(found) = found else { return Ok(seen) };
    let found = verify(found)?;
    if seen.as_ref().is_some_and(|(seen, _)| !is_newer(&found.0, seen)) {
        return Ok(seen);
    }
    home.remember_yank(name, version, &found.1, |by_then| {
        Ok(remembered(by_then)?.is_none_or(|(by_then, _)| is_newer(&found.0, &by_then)))
    })?;
    Ok(Some(found))
}

/// Of two that say otherwise at the same time, the yank counts.
fn is_newer(yank: &VerifiedYank, than: &VerifiedYank) -> bool {
    (yank.time, yank.yanked) > (than.time, than.yanked)
}
