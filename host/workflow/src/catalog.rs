//! A folder of signed plugins: `publisher/name/version/` with a component, its signed manifest and, if it was ever yanked, the
//! publisher's signed word on that.

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::lock::LockedPlugin;
use freehold_core::name::{PluginName, is_label};
use freehold_files::FileError;
use freehold_trust::{
    Encounter, PluginError, VerifiedPlugin, VerifiedRoot, VerifiedYank, YankError, verify_plugin, verify_yank,
};
use jiff::Timestamp;
use semver::Version;

use crate::resolution::{Choice, Offer, Wanted, as_locked, choose};
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

pub(crate) fn folders(dir: &Dir, path: &str) -> Result<Vec<String>, WorkflowError> {
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

    /// Versions of a plugin, oldest first. A folder in which nothing but a yank is left is none.
    pub fn versions(&self, name: &PluginName) -> Result<Vec<Version>, WorkflowError> {
        let names = folders(&self.dir, &name.to_string())?;
        let mut versions = Vec::new();
        for version in names {
            let holds = |file: &str| freehold_files::exists(&self.dir, format!("{name}/{version}/{file}"));
            let withdrawn = holds(YANK_FILE)? && !holds(COMPONENT_FILE)? && !holds(MANIFEST_FILE)?;
            versions.extend(version.parse::<Version>().ok().filter(|_| !withdrawn));
        }
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
        let mut gone = Vec::new();
        for seen in home.seen_versions(wanted.plugin)? {
            if !versions.contains(&seen) && home.stands(root, wanted.plugin, &seen)? {
                gone.push(seen);
            }
        }
        choose(wanted, Offer { folder: &self.name, versions: &versions, gone: &gone }, |version| {
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
        self.load_locked(home, root, (name, version), None)
    }

    /// Like [`Self::load`], if it is what is locked, with `true` down to its signed manifest. What is not is not remembered:
    /// else files that are not those of the lockfile would keep out those that are. What is locked has been met before.
    pub(crate) fn load_locked(
        &self,
        home: &Home,
        root: &VerifiedRoot,
        (name, version): (&PluginName, &Version),
        locked: Option<(&LockedPlugin, bool)>,
    ) -> Result<VerifiedPlugin, WorkflowError> {
        let PluginFiles { manifest, component } = self.read(name, version)?;
        let files = (manifest.as_slice(), component);
        accept(home, root, (name, version), files, locked.map(|(locked, _)| locked), |plugin| match locked {
            Some((locked, strict)) => as_locked(locked, plugin, strict),
            None => Ok(()),
        })
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
/// `home` never saw its version with other bytes. What is `locked`, or was seen before, has been met before.
pub(crate) fn accept(
    home: &Home,
    root: &VerifiedRoot,
    (name, version): (&PluginName, &Version),
    (manifest, component): (&[u8], Vec<u8>),
    locked: Option<&LockedPlugin>,
    expected: impl FnOnce(&VerifiedPlugin) -> Result<(), WorkflowError>,
) -> Result<VerifiedPlugin, WorkflowError> {
    let is_locked = locked.is_some_and(|locked| locked.manifest == Digest::of(manifest));
    let met_before = is_locked || home.has_met(name, version, manifest)?;
    let met = if met_before { Encounter::again } else { Encounter::first };
    let plugin = verify_plugin(root, met(Timestamp::now()), (name, version), manifest, component)?;
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
    let kept = home.seen_yank(name, version)?;
    let remembered = |bytes: Option<&[u8]>| remembered(root, (name, version), bytes);
    let seen = remembered(kept.as_deref())?.zip(kept.clone());
    let Some(bytes) = found else { return Ok(seen) };
    let met = if kept.as_ref() == Some(&bytes) { Encounter::again } else { Encounter::first };
    let found = verify_yank(root, met(Timestamp::now()), (name, version), &bytes)?;
    if seen.as_ref().is_some_and(|(seen, _)| !is_newer(&found, seen)) {
        return Ok(seen);
    }
    home.remember_yank(name, version, &bytes, |by_then| {
        Ok(remembered(by_then.as_deref())?.is_none_or(|by_then| is_newer(&found, &by_then)))
    })?;
    Ok(Some((found, bytes)))
}

/// What a home remembers of a version, if it still counts.
pub(crate) fn remembered(
    root: &VerifiedRoot,
    (name, version): (&PluginName, &Version),
    bytes: Option<&[u8]>,
) -> Result<Option<VerifiedYank>, WorkflowError> {
    let verify = |bytes: &[u8]| verify_yank(root, Encounter::again(Timestamp::now()), (name, version), bytes);
    match bytes.map(verify) {
        // Its signer has lost its say since; what it said counts no more than what it signs now.
        Some(Err(YankError::UnknownSigner { .. } | YankError::WrongPublisher { .. })) | None => Ok(None),
        Some(other) => Ok(other.map(Some)?),
    }
}

/// Of two that say otherwise at the same time, the yank counts.
pub(crate) fn is_newer(yank: &VerifiedYank, than: &VerifiedYank) -> bool {
    (yank.time, yank.yanked) > (than.time, than.yanked)
}
