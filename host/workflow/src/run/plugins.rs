//! The plugins of a recipe: chosen, verified, compiled, and given what they were granted.

use std::collections::BTreeMap;
use std::io::Read as _;

use freehold_core::digest::Digest;
use freehold_core::lock::{LockedFile, LockedPlugin, Lockfile};
use freehold_core::manifest::World;
use freehold_core::name::PluginName;
use freehold_core::recipe::{Grant, Settings};
use freehold_sandbox::{Grants, Plugin, Sandbox, SandboxError};
use freehold_trust::{KeyId, VerifiedRoot};
use semver::{Version, VersionReq};

use crate::{Catalog, Project, WorkflowError};

const ASSET_LIMIT: u64 = 64 << 20;

/// A plugin with its settings and grants.
pub(crate) struct ReadyPlugin {
    pub(crate) plugin: Plugin,
    pub(crate) grants: Grants,
    pub(crate) signer: KeyId,
    pub(crate) locked: LockedPlugin,
}

/// Loads the plugins of a recipe.
pub(crate) struct PluginLoader<'a> {
    pub(crate) project: &'a Project,
    pub(crate) root: &'a VerifiedRoot,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) catalog: Catalog,
    pub(crate) lock: Option<Lockfile>,
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
        let version = self.catalog.choose(name, wanted, self.locked_version(name, wanted))?;
        let verified = self.catalog.load(self.root, name, &version)?;
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
            assets.insert(grant.asset.clone(), self.read_asset(grant)?);
        }
        let locked =
            LockedPlugin { name: name.clone(), version, component: manifest.component, manifest: verified.envelope() };
        let plugin = self.sandbox.load(&verified)?;
        Ok(ReadyPlugin { plugin, grants: Grants { settings, assets }, signer: verified.signer(), locked })
    }

    fn locked_version(&self, name: &PluginName, wanted: &VersionReq) -> Option<&Version> {
        let locked = self.lock.as_ref()?.plugin.iter();
        let mut fitting = locked.filter(|plugin| plugin.name == *name && wanted.matches(&plugin.version));
        fitting.next().map(|plugin| &plugin.version)
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
