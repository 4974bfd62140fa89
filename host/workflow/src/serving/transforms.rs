//! The transforms that go over what is captured: found, verified and compiled as those of a run.

use freehold_core::batch::{Batch, Outcome, shown};
use freehold_core::manifest::World;
use freehold_core::name::PluginName;
use freehold_core::recipe::Settings;
use freehold_rows::MESSAGES;
use freehold_sandbox::{Grants, Plugin, SandboxError, TransformDescription};
use freehold_trust::{VerifiedPlugin, VerifiedRoot};

use super::settings::ServedTransform;
use super::{CaptureSettings, Folders};
use crate::resolution::{Choice, Wanted};
use crate::{Catalog, Home, WorkflowError};

/// Transforms that are ready to be started, in order.
pub(super) struct Transforms(Vec<(Plugin, Grants)>);

impl Transforms {
    pub(super) fn load(home: &Home, folders: &Folders, settings: &CaptureSettings) -> Result<Self, WorkflowError> {
        let path = &settings.plugins;
        let dir = folders.find(path).into_iter().next().ok_or_else(|| WorkflowError::Path {
            key: "serve.capture.plugins".into(),
            path: path.clone(),
            problem: "there is no such folder below those given".into(),
        })?;
        let (catalog, root, sandbox) = (Catalog::new(dir, path), home.trust_root()?, home.sandbox()?);
        let mut flow = Flow { columns: vec![MESSAGES.into()], is_read: false };
        let load = |transform: &ServedTransform| {
            let (plugin, settings) = verified(home, &catalog, &root, transform)?;
            let plugin = sandbox.load(&plugin)?;
            let grants = Grants::new(plugin.manifest().complete(settings)?, Default::default());
            // What cannot be started fails now, and not when the first row comes.
            flow.through(&transform.plugin, plugin.transform(grants.clone())?.describe()?)?;
            Ok::<_, WorkflowError>((plugin, grants))
        };
        let transforms = Self(settings.transform.iter().map(load).collect::<Result<_, _>>()?);
        if flow.is_read { Ok(transforms) } else { Err(refused(format!("no transform reads the column `{MESSAGES}`"))) }
    }

    /// Sends rows through all of them, each on a fresh instance; with the rows that come out, which row each comes from.
    pub(super) fn run(&self, batch: Batch) -> Result<Vec<(Batch, Vec<u64>)>, SandboxError> {
        let mut rows = vec![((0..batch.rows() as u64).collect::<Vec<_>>(), batch)];
        for (plugin, grants) in &self.0 {
            let mut transform = plugin.transform(grants.clone())?;
            let mut origins_before = Vec::new();
            let mut outcomes = Vec::new();
            for (origins, batch) in rows {
                let batch = batch.at(origins_before.len() as u64);
                origins_before.extend(origins);
                outcomes.push(transform.process(&batch)?);
            }
            outcomes.push(transform.finish()?);
            let come_out = |outcome: Outcome| {
                let from = |row: u64| usize::try_from(row).ok().and_then(|row| origins_before.get(row)).copied();
                // The sandbox has checked that every row comes from one that was given.
                (outcome.origins.into_iter().filter_map(from).collect(), outcome.batch)
            };
            rows = outcomes.into_iter().map(come_out).filter(|(_, batch)| batch.rows() > 0).collect();
        }
        Ok(rows.into_iter().map(|(origins, batch)| (batch, origins)).collect())
    }
}

fn refused(problem: String) -> WorkflowError {
    WorkflowError::Capture(problem)
}

/// The columns that flow from a transform to the next.
struct Flow {
    columns: Vec<String>,
    /// Whether a transform looks at what was said.
    is_read: bool,
}

impl Flow {
    fn through(&mut self, plugin: &PluginName, description: TransformDescription) -> Result<(), WorkflowError> {
        let TransformDescription { reads, writes, .. } = description;
        if let Some(missing) = reads.iter().find(|name| !self.columns.contains(name)) {
            let (missing, found) = (shown(missing), self.columns.join(", "));
            return Err(refused(format!("`{plugin}` reads the column `{missing}`; there is: {found}")));
        }
        self.is_read |= reads.iter().any(|name| name == MESSAGES);
        self.columns.extend(writes);
        Ok(())
    }
}

fn verified<'s>(
    home: &Home,
    catalog: &Catalog,
    root: &VerifiedRoot,
    transform: &'s ServedTransform,
) -> Result<(VerifiedPlugin, &'s Settings), WorkflowError> {
    let ServedTransform { plugin: name, version, settings } = transform;
    let wanted = Wanted { plugin: name, range: version, locked: None, strict: false };
    let Choice { version, .. } = catalog.choose(home, root, &wanted)?;
    let verified = catalog.load(home, root, name, &version)?;
    let world = verified.manifest().world;
    if world != World::Transform {
        let problem = format!("its manifest says that it is a {world}");
        return Err(SandboxError::WrongWorld { plugin: name.to_string(), world: World::Transform, problem }.into());
    }
    Ok((verified, settings))
}
