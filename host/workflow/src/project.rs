//! The folder of a recipe, and the other folders that the operator lets recipes name. No path leaves them.

use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, File};
use freehold_core::lock::Lockfile;
use freehold_core::recipe::Recipe;

use crate::WorkflowError;

const RECIPE_LIMIT: u64 = 1 << 20;
const LOCK_FILE: &str = "freehold.lock";

/// A recipe with its surroundings.
#[derive(Debug)]
pub struct Project {
    dir: Dir,
    roots: Vec<(PathBuf, Dir)>,
    /// File name of the recipe.
    pub recipe_file: String,
    /// Its text.
    pub document: String,
    /// What it says.
    pub recipe: Recipe,
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
        Ok(Self { dir, roots, recipe_file: recipe_file.into(), document, recipe })
    }

    /// The folder that `path` is below, and the rest of the path.
    fn locate<'a>(&'a self, path: &'a str) -> Option<(&'a Dir, &'a Path)> {
        let path = Path::new(path);
        if path.is_relative() {
            return Some((&self.dir, path));
        }
        self.roots.iter().find_map(|(root, dir)| Some((dir, path.strip_prefix(root).ok()?)))
    }

    fn open_with<T>(
        &self,
        key: &str,
        path: &str,
        open: impl FnOnce(&Dir, &Path) -> std::io::Result<T>,
    ) -> Result<T, WorkflowError> {
        let failed = |problem: String| WorkflowError::Path { key: key.into(), path: path.into(), problem };
        let outside = "it is not below the recipe, nor below a folder that `--root` allows";
        let (dir, rest) = self.locate(path).ok_or_else(|| failed(outside.into()))?;
        let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
        open(dir, rest).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => failed("there is no such file or folder".into()),
            std::io::ErrorKind::PermissionDenied => failed(format!("{error}; it may lead out of its folder")),
            _ => failed(error.to_string()),
        })
    }

    /// Opens the folder that `key` of the recipe names.
    pub(crate) fn open_dir(&self, key: &str, path: &str) -> Result<Dir, WorkflowError> {
        self.open_with(key, path, |dir, path| dir.open_dir(path))
    }

    /// Opens the file that `key` of the recipe names.
    pub(crate) fn open_file(&self, key: &str, path: &str) -> Result<File, WorkflowError> {
        self.open_with(key, path, |dir, path| dir.open(path))
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
        Ok(freehold_files::write(&self.dir, self.lock_file(), document.as_bytes())?)
    }
}
