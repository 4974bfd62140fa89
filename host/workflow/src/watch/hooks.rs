//! Events that somebody asks for: files that wait until the watch has written down that it saw them.

use freehold_core::name::is_label;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state::FOLDER;
use crate::statements::malformed;
use crate::{Home, WorkflowError};

const FILE_LIMIT: u64 = 1 << 16;
/// Longest id and note, in bytes.
const TEXT_MAX: usize = 1000;

/// Events of a trigger that may wait: whoever may ask cannot fill the disk.
const WAITING_MAX: usize = 1000;

/// An event that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Hook {
    /// The recipe's name.
    pub recipe: String,
    /// The trigger.
    pub trigger: String,
    /// What makes it the same event if it is asked for again.
    pub id: String,
    /// What it is about.
    pub note: String,
}

fn folder(recipe: &str, trigger: &str) -> String {
    format!("{FOLDER}/{recipe}.hooks/{trigger}")
}

/// Asks the watch of a recipe for an event. When this returns, it is on the disk. The same `id` again is the same event.
///
/// # Errors
/// A name is none, or a text is too long; the home cannot be written.
pub fn trigger(
    home: &Home,
    recipe: &str,
    trigger: &str,
    id: Option<String>,
    note: Option<String>,
) -> Result<Hook, WorkflowError> {
    for name in [recipe, trigger] {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
    }
    // Two that are asked for without an id are two.
    let id = id.unwrap_or_else(|| format!("{}-{}", Timestamp::now().as_nanosecond(), std::process::id()));
    let hook = Hook { recipe: recipe.into(), trigger: trigger.into(), id, note: note.unwrap_or_default() };
    if let Some(text) = [&hook.id, &hook.note].into_iter().find(|text| text.len() > TEXT_MAX) {
        let text = text.chars().take(40).collect::<String>();
        return Err(WorkflowError::Question { text, expected: "an id or a note of at most 1000 bytes" });
    }
    let folder = folder(recipe, trigger);
    freehold_files::make_folder(&home.dir, &folder)?;
    let waiting = names(home, &folder)?.len();
    if waiting >= WAITING_MAX {
        return Err(WorkflowError::HooksFull { recipe: hook.recipe, trigger: hook.trigger, waiting });
    }
    let name = freehold_core::digest::Digest::of(hook.id.as_bytes()).hex();
    let bytes = serde_json::to_vec(&hook).map_err(malformed("hook"))?;
    freehold_files::write(&home.dir, format!("{folder}/{name}.json"), &bytes)?;
    Ok(hook)
}

/// What waits, the oldest id first.
pub(super) fn waiting(home: &Home, recipe: &str, trigger: &str) -> Result<Vec<Hook>, WorkflowError> {
    let folder = folder(recipe, trigger);
    let mut hooks = Vec::new();
    for file in names(home, &folder)? {
        let bytes = freehold_files::read(&home.dir, format!("{folder}/{file}"), FILE_LIMIT)?;
        hooks.push(serde_json::from_slice::<Hook>(&bytes).map_err(malformed(format!("{folder}/{file}")))?);
    }
    hooks.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(hooks)
}

/// Removes those that were seen, which the state says on the disk.
pub(super) fn remove(
    home: &Home,
    recipe: &str,
    trigger: &str,
    seen: impl Fn(&str) -> bool,
) -> Result<(), WorkflowError> {
    let folder = folder(recipe, trigger);
    for hook in waiting(home, recipe, trigger)?.into_iter().filter(|hook| seen(&hook.id)) {
        let name = freehold_core::digest::Digest::of(hook.id.as_bytes()).hex();
        let path = format!("{folder}/{name}.json");
        let failed = |source| freehold_files::FileError::Io { action: "remove", path: path.clone().into(), source };
        home.dir.remove_file(&path).map_err(failed)?;
    }
    Ok(())
}

fn names(home: &Home, folder: &str) -> Result<Vec<String>, WorkflowError> {
    if !freehold_files::exists(&home.dir, folder)? {
        return Ok(Vec::new());
    }
    let failed = |source| freehold_files::FileError::Io { action: "list", path: folder.into(), source };
    let mut names = Vec::new();
    for entry in home.dir.read_dir(folder).map_err(failed)? {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string()
            && name.ends_with(".json")
        {
            names.push(name);
        }
    }
    Ok(names)
}
