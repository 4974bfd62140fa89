//! The plugins of a recipe: chosen, verified, compiled, and given what they were granted.

use std::collections::BTreeMap;
use std::io::Read as _;

use freehold_core::digest::Digest;
use freehold_core::lock::{LockedFile, LockedPlugin, Lockfile};
use freehold_core::manifest::World;
use freehold_core::name::PluginName;
use freehold_core::recipe::{Grant, Settings};
use freehold_sandbox::{Grants, Plugin, Sandbox, SandboxError};
use freehold_trust::{KeyId, VerifiedPlugin, VerifiedRoot};
use semver::{Version, VersionReq};

use crate::resolution::{Choice, Wanted};
use crate::{Catalog, Home, Project, WorkflowError};

const ASSET_LIMIT: u64 = 64 << 20;

/// A plugin with its settings and grants.
pub(crate) struct ReadyPlugin {
    pub(crate) plugin: Plugin,
    pub(crate) grants: Grants,
    pub(crate) signer: KeyId,
    pub(crate) locked: LockedPlugin,
    /// What it was loaded from: the record keeps it, so that its verdicts and values can be had again.
    pub(crate) verified: VerifiedPlugin,
    /// Why its version was yanked, if it was.
    pub(crate) yanked: Option<String>,
}

/// Loads the plugins of a recipe.
pub(crate) struct PluginLoader<'a> {
    pub(crate) home: &'a Home,
    pub(crate) project: &'a Project,
    pub(crate) root: &'a VerifiedRoot,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) catalog: Catalog,
    pub(crate) lock: Option<Lockfile>,
    /// Whether nothing but what is locked will do.
    pub(crate) strict: bool,
    pub(crate) assets: BTreeMap<String, LockedFile>,
}

impl PluginLoader<'_> {
    /// A plugin for the world of the table that it is listed in.
    pub(crate) fn load(
        &mut self,
        world: World,
        (name, wanted): (&PluginName, &VersionReq),
        settings: &Settings,
        grants: &[Grant],
    ) -> Result<ReadyPlugin, WorkflowError> {
        let (version, yanked, verified) = self.choose(name, wanted)?;
        let manifest = verified.manifest();
        if manifest.world != world {
            let problem = format!("its manifest says that it is a {}", manifest.world);
            return Err(SandboxError::WrongWorld { plugin: name.to_string(), world, problem }.into());
        }
        let settings = manifest.complete(settings)?;
        let mut assets = BTreeMap::new();
        for grant in grants {
            if !manifest.asks_for_asset(&grant.asset) {
                return Err(WorkflowError::Grant(format!(
                    "recipe: `{name}` is granted the asset `{}`, which its manifest does not ask for; remove the grant",
                    grant.asset
                )));
            }
            if assets.contains_key(&grant.asset) {
                return Err(WorkflowError::Grant(format!(
                    "recipe: `{name}` is granted the asset `{}` twice; remove one of the grants",
                    grant.asset
                )));
            }
            assets.insert(grant.asset.clone(), self.read_asset(grant)?);
        }
        let locked =
            LockedPlugin { name: name.clone(), version, component: manifest.component, manifest: verified.envelope() };
        let plugin = self.sandbox.load(&verified)?;
        let (grants, signer) = (Grants::new(settings, assets), verified.signer());
        Ok(ReadyPlugin { plugin, grants, signer, locked, verified, yanked })
    }

    /// The version to use, verified, and that it is what was locked if its version is.
    fn choose(
        &self,
        name: &PluginName,
        range: &VersionReq,
    ) -> Result<(Version, Option<String>, VerifiedPlugin), WorkflowError> {
        let (home, root, lock) = (self.home, self.root, self.lock.as_ref());
        let locked = lock.and_then(|lock| lock.newest(name, range));
        let wanted = Wanted { plugin: name, range, locked: locked.map(|plugin| &plugin.version), strict: self.strict };
        let Choice { version, yanked } = self.catalog.choose(home, root, &wanted)?;
        let locked = locked.filter(|plugin| plugin.version == version);
        let locked = locked.map(|locked| (locked, self.strict));
        let verified = self.catalog.load_locked(home, root, (name, &version), locked)?;
        Ok((version, yanked, verified))
    }

    fn read_asset(&mut self, grant: &Grant) -> Result<Vec<u8>, WorkflowError> {
        let failed = |problem: String| WorkflowError::Path { key: "path".into(), path: grant.path.clone(), problem };
        let file = self.project.open_file("path", &grant.path)?;
        let mut bytes = Vec::new();
        file.take(ASSET_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
        if bytes.len() as u64 > ASSET_LIMIT {
            return Err(failed(format!("the file is larger than {ASSET_LIMIT} bytes")));
        }
        let locked = LockedFile { name: grant.path.clone(), digest: Digest::of(&bytes) };
        self.assets.insert(grant.path.clone(), locked);
        Ok(bytes)
    }
}
