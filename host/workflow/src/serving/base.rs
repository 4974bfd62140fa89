//! The base models of what is served, found by name and held to their digests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::hub::HubModel;
use freehold_engine::{ChatTokenizer, Learned, Model, ModelFolder};

use super::OfferedBase;
use crate::{Home, WorkflowError, run};

/// Where base models and plugins are looked for: folders by their absolute paths, in this order.
#[derive(Debug)]
pub struct Folders(Vec<(PathBuf, Dir)>);

/// A base model that is ready to answer.
#[derive(Debug)]
pub struct Base {
    /// The model.
    pub model: Arc<Model>,
    /// Its tokenizer and chat template.
    pub tokenizer: Arc<ChatTokenizer>,
}

impl Folders {
    /// These folders, each with its absolute path.
    pub fn new(folders: Vec<(PathBuf, Dir)>) -> Self {
        Self(folders)
    }

    /// The folders of this name that are there: below each folder, or by its absolute path below one of them.
    pub(super) fn find(&self, name: &str) -> Vec<Dir> {
        let path = Path::new(name);
        let below = |(root, dir): &(PathBuf, Dir)| {
            let rest = if path.is_absolute() { path.strip_prefix(root).ok()? } else { path };
            dir.open_dir(rest).ok()
        };
        self.0.iter().filter_map(below).collect()
    }

    /// The same folders for another thread.
    ///
    /// # Errors
    /// The system gives no more handles.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        let folders = self.0.iter().map(|(path, dir)| Ok((path.clone(), dir.try_clone()?)));
        folders.collect::<std::io::Result<_>>().map(Self)
    }
}

impl Home {
    /// Loads a base model: one that was pulled, or a folder below those given. Its bytes have to be those that the record names.
    ///
    /// # Errors
    /// It is not there, has other bytes, or cannot be used.
    pub fn load_base(&self, folders: &Folders, base: &OfferedBase) -> Result<Base, WorkflowError> {
        let folder = self.find_base(folders, base)?;
        let failed = |source| WorkflowError::Model { model: base.name.clone(), source };
        let model = Arc::new(Model::load(&folder).map_err(failed)?);
        let tokenizer = Arc::new(ChatTokenizer::load(&folder).map_err(failed)?);
        Ok(Base { model, tokenizer })
    }

    fn find_base(&self, folders: &Folders, base: &OfferedBase) -> Result<ModelFolder, WorkflowError> {
        let OfferedBase { name, commit, digest } = base;
        let missing = |problem: String| WorkflowError::NoBase { model: name.clone(), digest: *digest, problem };
        if let Ok(model) = name.parse::<HubModel>() {
            let opened = self.open_model(&model, commit.as_ref())?.folder;
            let found = opened.digest();
            return if found == *digest { Ok(opened) } else { Err(missing(format!("what was pulled is {found}"))) };
        }
        let mut problem = "no folder of this name is there".to_owned();
        for dir in folders.find(name) {
            match ModelFolder::open(dir) {
                Ok(folder) if folder.digest() == *digest => return Ok(folder),
                Ok(folder) => problem = format!("the folder of this name is {}", folder.digest()),
                Err(error) => problem = error.to_string(),
            }
        }
        Err(missing(problem))
    }

    /// What a run has learnt, out of the store, for the base model `model`.
    ///
    /// # Errors
    /// It is not in the store, its bytes were changed, or it belongs to another model.
    pub fn learned_of(&self, adapter: &Digest, model: &Model) -> Result<Learned, WorkflowError> {
        run::learned_of(&self.store()?, adapter, model)
    }
}
