//! What a new resolution of a recipe's plugins would bring: which versions, and what they ask for that the locked ones do not.

use std::collections::BTreeMap;

use freehold_core::lock::{LockedPlugin, Lockfile};
use freehold_core::manifest::Manifest;
use freehold_core::name::PluginName;
use freehold_trust::VerifiedRoot;
use semver::{Version, VersionReq};
use serde::Serialize;

use crate::difference::{Difference, differences};
use crate::resolution::Wanted;
use crate::run::lock_document;
use crate::{Catalog, Home, Project, WorkflowError};

/// One plugin of the recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginUpdate {
    /// Its name.
    pub plugin: PluginName,
    /// The range in the recipe.
    pub range: VersionReq,
    /// The locked version.
    pub locked: Option<Version>,
    /// Why the locked version was yanked, if it was.
    pub locked_yanked: Option<String>,
    /// The newest version that fits and is not yanked.
    pub fits: Version,
    /// The newest version that is not yanked, whether it fits or not. Only the signature of one that fits was verified.
    pub newest: Version,
    /// Newer versions that were yanked, with the reasons.
    pub yanked: BTreeMap<Version, String>,
    /// How the manifest of the version that fits differs from the locked one's; nothing if the latter is no longer known.
    pub differences: Option<Vec<Difference>>,
}

/// What would change, or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdateReport {
    /// The lockfile.
    pub lockfile: String,
    /// The plugins of the recipe.
    pub plugins: Vec<PluginUpdate>,
    /// What moves in the lockfile, a line each.
    pub moved: Vec<String>,
    /// Whether the lockfile was written.
    pub written: bool,
}

/// Resolves the plugins of a recipe anew, whatever is locked, and compares. With `write` the lockfile gets the new versions;
/// nothing else of it moves.
pub fn update(home: &Home, project: &Project, write: bool) -> Result<UpdateReport, WorkflowError> {
    let recipe = &project.recipe;
    let catalog = Catalog::new(project.open_dir("plugins.path", &recipe.plugins.path)?, &recipe.plugins.path);
    let lock = project.lockfile()?;
    let update = Update { home, root: home.trust_root()?, catalog, lock: lock.as_ref() };
    let transforms = recipe.transform.iter().map(|one| (&one.plugin, &one.version));
    let metrics = recipe.metric.iter().map(|one| (&one.plugin, &one.version));
    let policies = recipe.policy.iter().map(|one| (&one.plugin, &one.version));
    let (mut plugins, mut locked): (Vec<PluginUpdate>, BTreeMap<_, _>) = (Vec::new(), BTreeMap::new());
    for (name, range) in transforms.chain(metrics).chain(policies) {
        if plugins.iter().any(|known| (&known.plugin, &known.range) == (name, range)) {
            continue;
        }
        let (report, plugin) = update.plugin(name, range)?;
        plugins.push(report);
        locked.insert((plugin.name.clone(), plugin.version.clone()), plugin);
    }
    let mut report = UpdateReport { lockfile: project.lock_file(), plugins, moved: Vec::new(), written: false };
    let Some(before) = &lock else {
        return if write { Err(WorkflowError::NoLockfile(project.lock_file())) } else { Ok(report) };
    };
    let after = Lockfile { plugin: locked.into_values().collect(), ..before.clone() };
    report.moved = after.moved_from(before);
    if write && !report.moved.is_empty() {
        project.write_lockfile(&lock_document(&after)?)?;
        report.written = true;
    }
    Ok(report)
}

struct Update<'a> {
    home: &'a Home,
    root: VerifiedRoot,
    catalog: Catalog,
    lock: Option<&'a Lockfile>,
}

impl Update<'_> {
    fn plugin(&self, name: &PluginName, range: &VersionReq) -> Result<(PluginUpdate, LockedPlugin), WorkflowError> {
        let locked =
            self.lock.and_then(|lock| lock.newest(name, range).or_else(|| lock.newest(name, &VersionReq::STAR)));
        let wanted = Wanted { plugin: name, range, locked: None, strict: false };
        let fits = self.catalog.choose(self.home, &self.root, &wanted)?.version;
        let same = locked.filter(|locked| locked.version == fits);
        let found =
            self.catalog.load_locked(self.home, &self.root, (name, &fits), same.map(|locked| (locked, false)))?;
        let before = locked.map(|locked| self.manifest(locked)).transpose()?.flatten();
        let locked_yanked = match locked {
            Some(locked) => self.yanked(name, &locked.version)?,
            None => None,
        };
        let (newest, yanked) = self.newest(name, range, &fits)?;
        let report = PluginUpdate {
            plugin: name.clone(),
            range: range.clone(),
            locked: locked.map(|locked| locked.version.clone()),
            locked_yanked,
            fits: fits.clone(),
            newest,
            yanked,
            differences: before.map(|before| differences(&before, found.manifest())),
        };
        let (component, manifest) = (found.manifest().component, found.envelope());
        Ok((report, LockedPlugin { name: name.clone(), version: fits, component, manifest }))
    }

    fn yanked(&self, name: &PluginName, version: &Version) -> Result<Option<String>, WorkflowError> {
        let yank = self.catalog.yank(self.home, &self.root, name, version)?;
        Ok(yank.map(|yank| yank.reason.clone()))
    }

    /// The newest version that is not yanked, and those yanked that are newer than `fits`. Pre-releases only in the range.
    fn newest(
        &self,
        name: &PluginName,
        range: &VersionReq,
        fits: &Version,
    ) -> Result<(Version, BTreeMap<Version, String>), WorkflowError> {
        let (mut newest, mut yanked) = (fits.clone(), BTreeMap::new());
        let versions = self.catalog.versions(name)?.into_iter();
        for version in versions.filter(|version| version > fits && (version.pre.is_empty() || range.matches(version))) {
            match self.yanked(name, &version)? {
                Some(reason) => drop(yanked.insert(version, reason)),
                None => newest = version,
            }
        }
        Ok((newest, yanked))
    }

    /// The manifest of what is locked: as this home saw it, or as it lies in the folder still.
    fn manifest(&self, locked: &LockedPlugin) -> Result<Option<Manifest>, WorkflowError> {
        let LockedPlugin { name, version, manifest, .. } = locked;
        if let Some(seen) = self.home.seen_manifest(name, version, manifest)? {
            return Ok(Some(seen));
        }
        let found = self.catalog.load_locked(self.home, &self.root, (name, version), Some((locked, true)));
        Ok(found.ok().map(|found| found.manifest().clone()))
    }
}
