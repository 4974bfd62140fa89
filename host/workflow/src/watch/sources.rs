//! What triggers see: looked for again and again, and the same event each time that it is seen.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use freehold_core::digest::{Digest, Hasher};
use jiff::Timestamp;

use super::settings::{Trigger, WatchSettings};
use super::state::{WatchEvent, WatchState};
use super::{drifted, hooks};
use crate::observe::Observer;
use crate::project::Project;
use crate::run::open_named;
use crate::{Home, WorkflowError};

/// What a file was when it was last looked at, by path: one that is being written is another one the next time.
pub(super) type Sizes = BTreeMap<String, (u64, Option<std::time::SystemTime>)>;

/// Endings of files that are not whole yet.
pub(super) const UNFINISHED: [&str; 3] = [".tmp", ".part", ".crdownload"];

/// Looks once. What is new is in the state then, which has to be written before anything follows from it.
pub(super) fn look(
    (home, project): (&Home, &Project),
    settings: &WatchSettings,
    state: &mut WatchState,
    sizes: &mut Sizes,
    (now, threads): (Timestamp, usize),
    observer: &mut dyn Observer,
) -> Result<bool, WorkflowError> {
    let mut changed = false;
    for trigger in &settings.trigger {
        let name = trigger.name();
        let event = |key: String, about: String| WatchEvent { trigger: name.into(), key, time: now, about };
        let events = match trigger {
            Trigger::Data { folder, .. } => {
                let dir = project.open_dir("folder", folder)?;
                let files = files(&dir, folder, sizes)?;
                files.into_iter().map(|(digest, path)| event(format!("{path} {digest}"), path)).collect()
            }
            Trigger::Drift(trigger) => {
                let looked = drifted::look((home, project), trigger, &state.compared, (now, threads), observer)?;
                changed |= looked.is_some();
                let found = looked.and_then(|(compared, found)| {
                    state.compared.insert(name.into(), compared);
                    found
                });
                found.map(|(key, about)| event(key, about)).into_iter().collect()
            }
            Trigger::Schedule { every, .. } => {
                let due = schedule(state.seen.get(name), *every, now);
                due.map(|key| event(key, format!("every {every:#}"))).into_iter().collect()
            }
            Trigger::Base { model, .. } => match open_named(home, project, model) {
                Ok(folder) => vec![event(folder.digest().to_string(), model.clone())],
                // It is not there yet, or not whole.
                Err(WorkflowError::Path { .. } | WorkflowError::Model { .. } | WorkflowError::NotPulled(_)) => vec![],
                Err(error) => return Err(error),
            },
            Trigger::TrustRoot { .. } => {
                let version = home.trust_root()?.version;
                vec![event(version.to_string(), format!("trust root {version}"))]
            }
            Trigger::Hook { .. } => hooks::waiting(home, &project.recipe.run.name, name)?
                .into_iter()
                .map(|hook| event(hook.id, hook.note))
                .collect(),
        };
        // What is there when it is first looked at is how things are, and nothing that happened.
        let first = !state.seen.contains_key(name) && is_how_things_are(trigger);
        for event in events {
            if first {
                state.seen.entry(name.into()).or_default().insert(event.key, now);
                changed = true;
            } else {
                changed |= state.see(event);
            }
        }
    }
    Ok(changed)
}

/// Whether what a trigger sees first is no event yet.
fn is_how_things_are(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::TrustRoot { .. } | Trigger::Schedule { .. })
}

/// The key of the event that is due: the number of whole periods since the first look, so that however long nobody looked, one
/// event is due. A clock that is set back makes nothing due again.
fn schedule(seen: Option<&BTreeMap<String, Timestamp>>, every: jiff::SignedDuration, now: Timestamp) -> Option<String> {
    let Some(seen) = seen.filter(|seen| !seen.is_empty()) else { return Some(0.to_string()) };
    let last = seen.values().max()?;
    let number = seen.keys().filter_map(|key| key.parse::<u64>().ok()).max().unwrap_or(0);
    (now.duration_since(*last) >= every).then(|| (number + 1).to_string())
}

/// The whole files of a folder with their digests, by name.
fn files(dir: &Dir, folder: &str, sizes: &mut Sizes) -> Result<Vec<(Digest, String)>, WorkflowError> {
    let failed = |problem: std::io::Error| WorkflowError::Path {
        key: "folder".into(),
        path: folder.into(),
        problem: problem.to_string(),
    };
    let mut names = Vec::new();
    for entry in dir.entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let skipped = name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending));
        if !skipped && entry.file_type().map_err(failed)?.is_file() {
            names.push(name);
        }
    }
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let path = format!("{}/{name}", folder.trim_end_matches('/'));
        let metadata = match dir.metadata(&name) {
            Ok(metadata) => metadata,
            // It was taken away meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        let now = (metadata.len(), metadata.modified().ok().map(cap_std::time::SystemTime::into_std));
        // It is whole if it is as it was at the last look.
        if sizes.insert(path.clone(), now) == Some(now) && metadata.len() > 0 {
            files.push((digest(dir, &name).map_err(failed)?, path));
        }
    }
    Ok(files)
}

fn digest(dir: &Dir, name: &str) -> std::io::Result<Digest> {
    use std::io::Read as _;
    let (mut file, mut hasher, mut buffer) = (dir.open(name)?, Hasher::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn one_event_is_due_however_long_nobody_looked() {
        let (hour, at) = (SignedDuration::from_hours(1), |text: &str| text.parse::<Timestamp>().unwrap());
        let mut seen = BTreeMap::new();
        assert_eq!(schedule(None, hour, at("2026-01-01T00:00:00Z")).as_deref(), Some("0"));
        seen.insert("0".to_owned(), at("2026-01-01T00:00:00Z"));
        assert_eq!(schedule(Some(&seen), hour, at("2026-01-01T00:59:59Z")), None);
        assert_eq!(schedule(Some(&seen), hour, at("2026-01-09T00:00:00Z")).as_deref(), Some("1"));
        seen.insert("1".to_owned(), at("2026-01-09T00:00:00Z"));
        assert_eq!(schedule(Some(&seen), hour, at("2026-01-09T00:30:00Z")), None);
        // Years back.
        assert_eq!(schedule(Some(&seen), hour, at("2020-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_file_is_taken_when_it_grows_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let mut sizes = Sizes::new();
        let found = |sizes: &mut Sizes| -> Vec<String> {
            files(&dir, "inbox/", sizes).unwrap().into_iter().map(|(_, path)| path).collect()
        };
        for name in ["a.jsonl", ".hidden", "b.part", "empty"] {
            std::fs::write(folder.path().join(name), if name == "empty" { "" } else { "{}" }).unwrap();
        }
        assert_eq!(found(&mut sizes), [""; 0]);
        assert_eq!(found(&mut sizes), ["inbox/a.jsonl"]);
        std::fs::write(folder.path().join("a.jsonl"), "{}{}").unwrap();
        assert_eq!(found(&mut sizes), [""; 0]);
        assert_eq!(found(&mut sizes), ["inbox/a.jsonl"]);
    }
}
