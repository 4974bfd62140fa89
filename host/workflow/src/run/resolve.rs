//! Phase resolve: every name of the recipe becomes a digest.

use std::collections::{BTreeMap, BTreeSet};

use freehold_core::digest::Digest;
use freehold_core::hub::{Commit, HubModel};
use freehold_core::lock::{LockedBase, LockedFile, Lockfile, recipe_digest};
use freehold_core::manifest::World;
use freehold_core::recipe::{Grant, Split};
use freehold_core::record::{Material, PhaseRecord};
use freehold_engine::ModelFolder;
use freehold_rows::{FileKind, Form, Schema};
use freehold_sandbox::Sandbox;
use freehold_trust::VerifiedRoot;
use serde::{Deserialize, Serialize};

use super::journal::{PhaseOutput, Work, detail};
use super::plugins::{PluginLoader, ReadyPlugin};
use super::start;
use crate::dataset::{self, Dataset, Splits};
use crate::statements::malformed;
use crate::{Catalog, Event, Home, Observer, Project, WorkflowError, labels};

/// Everything that a recipe names.
pub(crate) struct Resolved {
    pub(crate) lock: Lockfile,
    pub(crate) base: ModelFolder,
    pub(crate) datasets: Vec<Dataset>,
    splits: Splits,
    pub(crate) transforms: Vec<ReadyPlugin>,
    pub(crate) metrics: Vec<ReadyPlugin>,
    pub(crate) policies: Vec<ReadyPlugin>,
}

impl Resolved {
    /// Every plugin once.
    pub(crate) fn plugins(&self) -> Vec<&ReadyPlugin> {
        let all = self.transforms.iter().chain(&self.metrics).chain(&self.policies);
        let by_digest: BTreeMap<_, _> =
            all.map(|plugin| ((&plugin.locked.name, plugin.locked.manifest), plugin)).collect();
        by_digest.into_values().collect()
    }

    /// The versions that are used though they were yanked.
    pub(crate) fn yanked(&self) -> Vec<Event> {
        let told = |plugin: &ReadyPlugin| {
            let (name, version) = (plugin.locked.name.to_string(), plugin.locked.version.to_string());
            Some(Event::Yanked { plugin: name, version, reason: plugin.yanked.clone()? })
        };
        self.plugins().into_iter().filter_map(told).collect()
    }

    /// The columns of a split's data, as the first transform sees them.
    pub(crate) fn schema(&self, split: Split) -> Schema {
        self.splits.get(&split).cloned().unwrap_or_default()
    }

    /// The files that were granted, by their digests.
    pub(crate) fn assets<'a>(&self, grants: impl Iterator<Item = &'a Grant>) -> Vec<Material> {
        let granted: BTreeSet<&str> = grants.map(|grant| grant.path.as_str()).collect();
        let locked = self.lock.asset.iter().filter(|asset| granted.contains(asset.name.as_str()));
        locked.map(|asset| Material::referenced(format!("asset/{}", asset.name), asset.digest)).collect()
    }

    /// The locked digest of a dataset.
    pub(crate) fn data(&self, name: &str) -> Option<Digest> {
        self.lock.data.iter().find(|data| data.name == name).map(|data| data.digest)
    }
}

/// A dataset in the statement of this phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatasetDetail {
    pub(crate) name: String,
    pub(crate) split: Split,
    /// What the file is.
    pub(crate) file: FileKind,
    /// How its dialogues are written.
    pub(crate) form: Form,
    pub(crate) rows: u64,
}

impl DatasetDetail {
    fn of(dataset: &Dataset) -> Self {
        let Dataset { name, split, kind, form, rows, .. } = dataset;
        Self { name: name.clone(), split: *split, file: *kind, form: *form, rows: *rows }
    }
}

/// What the statement of this phase says besides digests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ResolveDetail {
    pub(crate) lock: Lockfile,
    pub(crate) base_files: Vec<LockedFile>,
    pub(crate) signers: BTreeMap<String, String>,
    /// The datasets; records of earlier versions do not say.
    #[serde(default)]
    pub(crate) datasets: Vec<DatasetDetail>,
    /// Why versions that were locked had been yanked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) yanked: BTreeMap<String, String>,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<ResolveDetail, WorkflowError> {
    detail(record)
}

/// Opens, digests and verifies all that the recipe names. With `locked`, a plugin is what is locked or an error.
pub(crate) fn resolve(
    home: &Home,
    project: &Project,
    root: &VerifiedRoot,
    sandbox: &Sandbox,
    locked: bool,
    observer: &mut dyn Observer,
) -> Result<Resolved, WorkflowError> {
    labels::may_run(home, project)?;
    let recipe = &project.recipe;
    let (base, locked_base) = open_base(home, project, locked)?;
    let start = start::find(home, project, locked)?;
    start.iter().try_for_each(|start| labels::may_start(home, project, start))?;
    let mut scanned = Vec::new();
    for dataset in &recipe.data {
        scanned.push(dataset::scan(project, dataset, observer)?);
    }
    let catalog = Catalog::new(project.open_dir("plugins.path", &recipe.plugins.path)?, &recipe.plugins.path);
    let (lock, assets) = (project.lockfile()?, BTreeMap::new());
    let mut loader = PluginLoader { home, project, root, sandbox, catalog, lock, strict: locked, assets };
    let (mut transforms, mut metrics, mut policies) = (Vec::new(), Vec::new(), Vec::new());
    for t in &recipe.transform {
        transforms.push(loader.load(World::Transform, (&t.plugin, &t.version), &t.settings, &t.grants)?);
    }
    for m in &recipe.metric {
        metrics.push(loader.load(World::Metric, (&m.plugin, &m.version), &m.settings, &m.grants)?);
    }
    for p in &recipe.policy {
        policies.push(loader.load(World::Policy, (&p.plugin, &p.version), &p.settings, &p.grants)?);
    }
    let (datasets, splits) = dataset::plan(project, scanned, |split| {
        let of_split =
            recipe.transform.iter().zip(&transforms).filter(|(settings, _)| settings.splits.contains(&split));
        for (_, ready) in of_split {
            let description = ready.plugin.transform(ready.grants.clone())?.describe()?;
            if dataset::makes_messages(&description.reads, &description.writes) {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    let data = datasets.iter().map(|data| LockedFile { name: data.name.clone(), digest: data.digest }).collect();
    let plugins: BTreeMap<_, _> = [&transforms, &metrics, &policies]
        .into_iter()
        .flatten()
        .map(|plugin| ((plugin.locked.name.clone(), plugin.locked.version.clone()), plugin.locked.clone()))
        .collect();
    let lock = Lockfile {
        version: Lockfile::VERSION,
        recipe: recipe_digest(recipe),
        base: locked_base,
        start,
        data,
        plugin: plugins.into_values().collect(),
        asset: loader.assets.into_values().collect(),
    };
    Ok(Resolved { lock, base, datasets, splits, transforms, metrics, policies })
}

/// Opens the base model: a folder that the recipe names, or one that was pulled from a hub. With `locked`, that of the locked
/// commit, whatever its branch stands for since.
fn open_base(home: &Home, project: &Project, locked: bool) -> Result<(ModelFolder, LockedBase), WorkflowError> {
    let name = project.recipe.base.model.clone();
    let before = if locked { project.lockfile()?.map(|lock| lock.base) } else { None };
    let before = before.filter(|base| base.name == name).and_then(|base| base.commit);
    let (folder, commit) = open_model(home, project, &name, before.as_ref())?;
    let digest = folder.digest();
    Ok((folder, LockedBase { name, commit, digest }))
}

/// Opens a model as recipes name them.
pub(crate) fn open_named(home: &Home, project: &Project, name: &str) -> Result<ModelFolder, WorkflowError> {
    Ok(open_model(home, project, name, None)?.0)
}

fn open_model(
    home: &Home,
    project: &Project,
    name: &str,
    commit: Option<&Commit>,
) -> Result<(ModelFolder, Option<Commit>), WorkflowError> {
    match name.parse::<HubModel>() {
        Ok(model) => {
            let opened = home.open_model(&model, commit)?;
            Ok((opened.folder, Some(opened.pulled.commit)))
        }
        Err(_) => {
            let folder = ModelFolder::open(project.open_dir("model", name)?);
            Ok((folder.map_err(|source| WorkflowError::Model { model: name.into(), source })?, None))
        }
    }
}

/// What of the lockfile is not as it was found. With `locked` nothing may be.
pub(crate) fn moved(project: &Project, lock: &Lockfile, locked: bool) -> Result<Vec<String>, WorkflowError> {
    let moved = match project.lockfile()? {
        Some(before) => lock.moved_from(&before),
        None if locked => return Err(WorkflowError::NoLockfile(project.lock_file())),
        None => vec!["the lockfile is new".into()],
    };
    if locked && !moved.is_empty() {
        return Err(WorkflowError::Locked { file: project.lock_file(), moved });
    }
    Ok(moved)
}

/// Writes the lockfile if it is not what was found; says what moved. With `locked` nothing may.
pub(crate) fn lock(project: &Project, lock: &Lockfile, locked: bool) -> Result<Vec<String>, WorkflowError> {
    let moved = moved(project, lock, locked)?;
    if !moved.is_empty() {
        project.write_lockfile(&document(lock)?)?;
    }
    Ok(moved)
}

/// The text of a lockfile.
pub(crate) fn document(lock: &Lockfile) -> Result<String, WorkflowError> {
    lock.to_document().map_err(|error| WorkflowError::Record { what: "lockfile".into(), problem: error.to_string() })
}

/// Name of the output: the component of a plugin, `publisher/name@version`.
pub(crate) fn component_output(plugin: &str) -> String {
    format!("plugin/{plugin}")
}

/// Name of the output: the signed manifest of a plugin.
pub(crate) fn manifest_output(plugin: &str) -> String {
    format!("manifest/{plugin}")
}

/// The statement of the phase: recipe, lockfile and plugins are kept, data and base model are only named.
pub(crate) fn record(
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let lock = &resolved.lock;
    let mut inputs = vec![Material::referenced(format!("base/{}", lock.base.name), lock.base.digest)];
    inputs.extend(lock.start.iter().map(start::material));
    inputs.extend(lock.data.iter().map(|data| Material::referenced(format!("data/{}", data.name), data.digest)));
    inputs.extend(lock.asset.iter().map(|asset| Material::referenced(format!("asset/{}", asset.name), asset.digest)));
    inputs.extend(
        lock.plugin
            .iter()
            .map(|plugin| Material::referenced(format!("plugin/{}@{}", plugin.name, plugin.version), plugin.component)),
    );
    let recipe = serde_json::to_vec_pretty(&project.recipe).map_err(malformed("recipe"))?;
    let mut outputs = vec![
        Material::kept("recipe", work.store().put(&recipe)?),
        Material::kept("lockfile", work.store().put(document(lock)?.as_bytes())?),
    ];
    let name = |plugin: &ReadyPlugin| format!("{}@{}", plugin.locked.name, plugin.locked.version);
    let plugins = resolved.plugins();
    for plugin in &plugins {
        let (name, verified) = (name(plugin), &plugin.verified);
        outputs.push(Material::kept(component_output(&name), work.store().put(verified.component())?));
        outputs.push(Material::kept(manifest_output(&name), work.store().put(verified.signed_manifest())?));
    }
    let files = resolved.base.files().iter();
    let detail = ResolveDetail {
        lock: lock.clone(),
        base_files: files.map(|file| LockedFile { name: file.name.clone(), digest: file.digest }).collect(),
        signers: plugins.iter().map(|plugin| (name(plugin), plugin.signer.to_string())).collect(),
        datasets: resolved.datasets.iter().map(DatasetDetail::of).collect(),
        yanked: plugins.iter().filter_map(|plugin| Some((name(plugin), plugin.yanked.clone()?))).collect(),
    };
    PhaseOutput::new(inputs, outputs, &detail)
}
