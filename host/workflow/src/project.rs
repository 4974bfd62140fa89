//! The folder of a recipe, and the other folders that the operator lets recipes name. No path leaves them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, File};
use freehold_core::lock::Lockfile;
use freehold_core::recipe::Recipe;

use crate::WorkflowError;

const RECIPE_LIMIT: u64 = 1 << 20;
const LOCK_FILE: &str = "freehold.lock";

/// A folder, and the further folders that may be named, by absolute path.
pub type Files = (Dir, Vec<(PathBuf, Dir)>);

/// A recipe with its surroundings.
#[derive(Debug)]
pub struct Project {
    dir: Arc<Dir>,
    roots: Vec<(PathBuf, Arc<Dir>)>,
    /// File name of the recipe.
    pub recipe_file: String,
    /// Its text.
    pub document: String,
    /// What it says.
    pub recipe: Recipe,
    /// The lockfile that is used in the place of the one beside the recipe.
    recorded_lock: Option<Lockfile>,
}

impl Project {
    /// Reads the recipe `recipe_file` in `dir`. `roots` are further folders, by absolute path.
    pub fn open(dir: Dir, recipe_file: &str, roots: Vec<(PathBuf, Dir)>) -> Result<Self, WorkflowError> {
        let bytes = freehold_files::read(&dir, recipe_file, RECIPE_LIMIT)?;
        let document = String::from_utf8_lossy(&bytes).into_owned();
        let recipe = Recipe::parse(&document).map_err(|error| WorkflowError::Recipe {
            file: recipe_file.into(),
            document: document.clone(),
            error,
        })?;
        let roots = roots.into_iter().map(|(path, dir)| (path, Arc::new(dir))).collect();
        let recipe_file = recipe_file.into();
        Ok(Self { dir: Arc::new(dir), roots, recipe_file, document, recipe, recorded_lock: None })
    }

    /// A recipe and a lockfile from a record, with the files of a folder. What lies in it beside them is not looked at.
    pub(crate) fn recorded((dir, roots): Files, recipe: Recipe, lock: Lockfile) -> Self {
        let roots = roots.into_iter().map(|(path, dir)| (path, Arc::new(dir))).collect();
        let (recipe_file, document) = ("freehold.toml".into(), String::new());
        Self { dir: Arc::new(dir), roots, recipe_file, document, recipe, recorded_lock: Some(lock) }
    }

    /// The same surroundings for another recipe, with plugins as the lockfile pins them. No lockfile is written for it.
    pub(crate) fn variant(&self, recipe: Recipe) -> Result<Self, WorkflowError> {
        let recorded_lock = self.lockfile()?;
        if recorded_lock.is_none() {
            return Err(WorkflowError::NoLockfile(self.lock_file()));
        }
        let (dir, roots) = (self.dir.clone(), self.roots.clone());
        let (recipe_file, document) = (self.recipe_file.clone(), self.document.clone());
        Ok(Self { dir, roots, recipe_file, document, recipe, recorded_lock })
    }

    /// The same folders with a recipe and a lockfile from a record.
    pub(crate) fn with_recorded(&self, recipe: Recipe, lock: Lockfile) -> Self {
        let (dir, roots) = (self.dir.clone(), self.roots.clone());
        let (recipe_file, document) = (self.recipe_file.clone(), String::new());
        Self { dir, roots, recipe_file, document, recipe, recorded_lock: Some(lock) }
    }

    /// The same, with a further folder under a path that names no folder of the machine.
    pub(crate) fn with_root(&self, path: &str, dir: Dir) -> Self {
        let mut roots = self.roots.clone();
        roots.insert(0, (path.into(), Arc::new(dir)));
        let (recipe_file, document) = (self.recipe_file.clone(), self.document.clone());
        let (recipe, recorded_lock) = (self.recipe.clone(), self.recorded_lock.clone());
        Self { dir: self.dir.clone(), roots, recipe_file, document, recipe, recorded_lock }
    }

    /// Where the path is that `key` of the recipe names. Nothing is opened yet.
    pub(crate) fn place(&self, key: &'static str, path: &str) -> Result<Place, WorkflowError> {
        let place = |dir: &Arc<Dir>, rest: &Path| Place { key, path: path.into(), dir: dir.clone(), rest: rest.into() };
        if Path::new(path).is_relative() {
            return Ok(place(&self.dir, Path::new(path)));
        }
        let below = |(root, dir): &(PathBuf, Arc<Dir>)| Some(place(dir, Path::new(path).strip_prefix(root).ok()?));
        self.roots.iter().find_map(below).ok_or_else(|| WorkflowError::Path {
            key: key.into(),
            path: path.into(),
            problem: "it is not below the recipe, nor below a folder that `--root` allows".into(),
        })
    }

    /// Opens the folder that `key` of the recipe names.
    pub(crate) fn open_dir(&self, key: &'static str, path: &str) -> Result<Dir, WorkflowError> {
        self.place(key, path)?.open(|dir, path| dir.open_dir(path))
    }

    /// Opens the file that `key` of the recipe names.
    pub(crate) fn open_file(&self, key: &'static str, path: &str) -> Result<File, WorkflowError> {
        self.place(key, path)?.open(|dir, path| dir.open(path))
    }

    /// The lockfile has the recipe's name, so that two recipes may share a folder.
    pub(crate) fn lock_file(&self) -> String {
        match self.recipe_file.strip_suffix(".toml") {
            Some("freehold") | None => LOCK_FILE.into(),
            Some(stem) => format!("{stem}.lock"),
        }
    }

    /// The lockfile, if there is one.
    pub(crate) fn lockfile(&self) -> Result<Option<Lockfile>, WorkflowError> {
        if let Some(lock) = &self.recorded_lock {
            return Ok(Some(lock.clone()));
        }
        let file = self.lock_file();
        let bytes = match freehold_files::read(&self.dir, &file, RECIPE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let document = String::from_utf8_lossy(&bytes).into_owned();
        match Lockfile::parse(&document) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) => Err(WorkflowError::Toml { file, document, error }),
        }
    }

    pub(crate) fn write_lockfile(&self, document: &str) -> Result<(), WorkflowError> {
        if self.recorded_lock.is_some() {
            return Ok(());
        }
        Ok(freehold_files::write(&self.dir, self.lock_file(), document.as_bytes())?)
    }
}

/// A file or folder that the recipe names.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    key: &'static str,
    path: String,
    /// The folder that it is below.
    dir: Arc<Dir>,
    rest: PathBuf,
}

impl Place {
    #[cfg(test)]
    pub(crate) fn in_dir(dir: Dir, path: &str) -> Self {
        Self { key: "path", path: path.into(), dir: Arc::new(dir), rest: path.into() }
    }

    pub(crate) fn failed(&self, problem: impl ToString) -> WorkflowError {
        WorkflowError::Path { key: self.key.into(), path: self.path.clone(), problem: problem.to_string() }
    }

    pub(crate) fn open<T>(&self, open: impl FnOnce(&Dir, &Path) -> std::io::Result<T>) -> Result<T, WorkflowError> {
        let rest = if self.rest.as_os_str().is_empty() { Path::new(".") } else { &self.rest };
        open(&self.dir, rest).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => self.failed("there is no such file or folder"),
            std::io::ErrorKind::PermissionDenied => self.failed(format!("{error}; it may lead out of its folder")),
            _ => self.failed(error),
        })
    }
}
