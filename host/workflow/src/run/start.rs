//! What a recipe trains further (`[start]`): found, pinned, and brought to the base model of the recipe.

use freehold_core::digest::Digest;
use freehold_core::lock::LockedStart;
use freehold_core::name::Alias;
use freehold_core::recipe::Split;
use freehold_core::record::{Material, Phase};
use freehold_engine::{Adapter, AdapterError, ChatTokenizer, Learned, Model, ModelFolder, SharedText, transfer};
use freehold_store::{Artifact, Store};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dialogues::Dialogues;
use super::journal::{Work, output_of};
use super::resolve::{Resolved, open_named};
use super::train::{ADAPTER, BASE_DIGEST, BASE_MODEL, adapter_files, is_whole, learned_of};
use crate::statements::{phases_of, read_phase};
use crate::{Home, Project, WorkflowError, aliases};

/// Dialogues that two base models are compared on, at most.
const DIALOGUES: usize = 512;

/// How what is trained further came to the base model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Brought {
    /// It was trained on this base model.
    Own,
    /// The same update was added to other weights of the same shapes.
    Reapplied,
    /// It was moved to weights of other shapes.
    Transferred,
}

impl Brought {
    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Reapplied => "reapplied",
            Self::Transferred => "transferred",
        }
    }
}

/// What a statement says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartDetail {
    /// The manifest of its files.
    pub(crate) adapter: Digest,
    /// The base model that it belongs to.
    pub(crate) base: Digest,
    pub(crate) brought: Brought,
}

fn refused(adapter: &str, problem: impl ToString) -> WorkflowError {
    WorkflowError::Start { adapter: adapter.into(), problem: problem.to_string() }
}

/// Finds what the recipe names. With `locked`, an alias is what it was when it was locked.
pub(super) fn find(home: &Home, project: &Project, locked: bool) -> Result<Option<LockedStart>, WorkflowError> {
    let Some(start) = &project.recipe.start else { return Ok(None) };
    let name = start.adapter.clone();
    let before = if locked { project.lockfile()?.and_then(|lock| lock.start) } else { None };
    let digest = match before.filter(|before| before.name == name) {
        Some(before) => before.digest,
        None => digest_of(home, &name)?,
    };
    let annotations = artifact(&home.store()?, &name, &digest)?.annotations;
    let said =
        |key: &str| annotations.get(key).cloned().ok_or_else(|| refused(&name, "it does not say its base model"));
    let base_digest = said(BASE_DIGEST)?.parse().map_err(|_| refused(&name, "its base model has no digest"))?;
    let base = said(BASE_MODEL)?;
    Ok(Some(LockedStart { name, digest, base, base_digest }))
}

fn artifact(store: &Store, name: &str, digest: &Digest) -> Result<Artifact, WorkflowError> {
    store.artifact(digest).map_err(|error| refused(name, error))
}

/// An alias, a run, or a digest.
fn digest_of(home: &Home, name: &str) -> Result<Digest, WorkflowError> {
    if let Ok(digest) = name.parse::<Digest>() {
        return Ok(digest);
    }
    let (store, entries) = (home.store()?, home.ledger()?.entries()?);
    if let Ok(alias) = name.parse::<Alias>() {
        return aliases::adapter_of(&alias, &entries).ok_or_else(|| refused(name, "the alias names nothing"));
    }
    let roots: Vec<_> = home.trust_roots()?.into_iter().map(|(root, _)| root).collect();
    let trained = phases_of(&entries, name).find(|(phase, _)| *phase == Phase::Train);
    let (_, statement) =
        trained.ok_or_else(|| refused(name, "no alias, no run that trained and no digest is named so"))?;
    output_of(&read_phase(&store, &roots, statement)?, ADAPTER)
}

/// As an input of the phases that it goes into.
pub(super) fn material(start: &LockedStart) -> Material {
    Material::kept(format!("start/{}", start.name), start.digest)
}

/// Brings it to the base model of the recipe.
pub(super) fn bring(
    home: &Home,
    project: &Project,
    resolved: &Resolved,
    model: &Model,
    work: &Work<'_>,
) -> Result<Option<(Learned, StartDetail)>, WorkflowError> {
    let Some(locked) = &resolved.lock.start else { return Ok(None) };
    // A reproduction works with a store of its own.
    let (store, name) = (home.store()?, &locked.name);
    let detail = |brought| StartDetail { adapter: locked.digest, base: locked.base_digest, brought };
    let files = artifact(&store, name, &locked.digest)?;
    if locked.base_digest == model.digest() {
        return Ok(Some((learned_of(&store, &locked.digest, model)?, detail(Brought::Own))));
    }
    let old = || {
        let folder = open_named(home, project, &locked.base)?;
        if folder.digest() != locked.base_digest {
            let problem = format!(
                "its base model is needed, and `{}` is another one now: {} -> {}",
                locked.base,
                locked.base_digest.short(),
                folder.digest().short()
            );
            return Err(refused(name, problem));
        }
        let failed = |source| WorkflowError::Model { model: locked.base.clone(), source };
        let model = Model::load(&folder).map_err(failed)?;
        Ok((folder, model))
    };
    if is_whole(&files) {
        let (_, old) = old()?;
        let Learned::Model(tuned) = learned_of(&store, &locked.digest, &old)? else {
            return Err(refused(name, "it is no model"));
        };
        let sum = model.with_difference(&old, &tuned).map_err(|error| refused(name, error))?;
        return Ok(Some((Learned::Model(Box::new(sum)), detail(Brought::Reapplied))));
    }
    let [config, tensors] = adapter_files(&store, &locked.digest)?;
    match Adapter::reapplied(&config, &tensors, model) {
        Ok(adapter) => Ok(Some((Learned::Adapter(adapter), detail(Brought::Reapplied)))),
        Err(AdapterError::Shape { .. } | AdapterError::MissingTensor(_) | AdapterError::UnknownTensor(_)) => {
            let (folder, old) = old()?;
            let adapter = Adapter::from_files(&config, &tensors, &old)?;
            let texts = texts(&folder, resolved, work)?;
            let moved = transfer((&old, &adapter), model, &texts).map_err(|error| refused(name, error))?;
            Ok(Some((Learned::Adapter(moved), detail(Brought::Transferred))))
        }
        Err(error) => Err(error.into()),
    }
}

/// The first dialogues that are trained on, as both models read them.
fn texts(old: &ModelFolder, resolved: &Resolved, work: &Work<'_>) -> Result<Vec<SharedText>, WorkflowError> {
    let load =
        |folder| ChatTokenizer::load(folder).map_err(|source| WorkflowError::Model { model: "[start]".into(), source });
    let (old, new) = (load(old)?, load(&resolved.base)?);
    let mut dialogues = Dialogues::open(work, Split::Train)?;
    let mut texts = Vec::new();
    while let Some(some) = dialogues.next()? {
        for dialogue in some {
            let (row, split) = (texts.len(), Split::Train.as_str());
            let shared = SharedText::new(&old, &new, &dialogue);
            texts.push(shared.map_err(|source| WorkflowError::Chat { row, split, source })?);
            if texts.len() == DIALOGUES {
                return Ok(texts);
            }
        }
    }
    Ok(texts)
}
