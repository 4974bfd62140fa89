//! Rows of now beside those that what is in production was trained on, as a trigger.

use std::collections::{BTreeMap, BTreeSet};

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use jiff::{SignedDuration, Timestamp};

use super::settings::DriftTrigger;
use super::sources::UNFINISHED;
use super::state::{FOLDER, WatchCompared};
use crate::drift::{Answer, DriftOptions, drift};
use crate::observe::Observer;
use crate::serving::CAPTURED;
use crate::{Home, Project, WorkflowError, aliases};

/// What the rows of a window are read as; no folder of a machine has this path.
const ROOT: &str = "/rows-of-now";
/// Ending of files with rows.
const ROWS: &str = ".jsonl";
/// Most that is read of the newest files for one window.
const WINDOW_BYTES_MAX: u64 = 64 << 20;

/// An event's key, and what it is about.
type Found = (String, String);

/// Compares, if there are other rows or something else is in production than the last time, and that is long enough ago. Gives
/// what it came to, and an event if a descriptor drifts that did not before: drift that stays is one event, and is another once
/// nothing drifted.
pub(super) fn look(
    (home, project): (&Home, &Project),
    trigger: &DriftTrigger,
    compared: &BTreeMap<String, WatchCompared>,
    (now, threads): (Timestamp, usize),
    observer: &mut dyn Observer,
) -> Result<Option<(WatchCompared, Option<Found>)>, WorkflowError> {
    let before = compared.get(&trigger.name);
    if before.is_some_and(|before| is_within(before.time, now, trigger.every)) {
        return Ok(None);
    }
    let alias = project.recipe.promote.as_ref().map(|promote| &promote.alias);
    let entries = home.ledger()?.entries()?;
    let Some(champion) = alias.and_then(|alias| aliases::adapter_of(alias, &entries)) else { return Ok(None) };
    let Some(dir) = folder(home, project, trigger)? else { return Ok(None) };
    let (window, rows) = newest(&dir, trigger.rows).map_err(|problem| failed(trigger, &problem))?;
    let digest = Digest::of(&window);
    let same = before.is_some_and(|before| before.rows == digest && before.champion == champion);
    if rows < trigger.settings().rows_min || same {
        return Ok(None);
    }
    let drifting = before.map(|before| before.drifted.clone()).unwrap_or_default();
    let (answer, drifted) = match compare((home, project), trigger, &window, threads, observer) {
        Ok((Answer::Drift, drifted)) => (format!("drift: {}", drifted.join(", ")), drifted),
        Ok((Answer::NoDrift, _)) => ("no drift".to_owned(), Vec::new()),
        Ok((Answer::TooFewRows, _)) => ("too few rows to say".to_owned(), drifting.clone()),
        // Rows that cannot be compared end no watch: others come.
        Err(error) => {
            tracing::warn!("{} cannot compare: {error}", trigger.name);
            (format!("failed: {error}"), drifting.clone())
        }
    };
    let is_new = drifted.iter().any(|descriptor| !drifting.contains(descriptor));
    let found = is_new.then(|| (digest.to_string(), format!("drift of {}", drifted.join(", "))));
    // One that comes and goes while others drift is known, until none drifts.
    let mut known: BTreeSet<String> = drifted.into_iter().collect();
    if !known.is_empty() {
        known.extend(drifting);
    }
    let drifted = known.into_iter().collect();
    Ok(Some((WatchCompared { time: now, rows: digest, champion, answer, drifted }, found)))
}

/// Whether less than `every` lies between two times, whichever is the later: a clock that jumps stops nothing for longer.
fn is_within(then: Timestamp, now: Timestamp, every: SignedDuration) -> bool {
    now.duration_since(then).abs() < every
}

/// The folder of the rows; `None` if nothing was captured yet.
fn folder(home: &Home, project: &Project, trigger: &DriftTrigger) -> Result<Option<Dir>, WorkflowError> {
    match &trigger.folder {
        Some(folder) => project.open_dir("folder", folder).map(Some),
        None if freehold_files::exists(&home.dir, CAPTURED)? => home.folder(CAPTURED).map(Some),
        None => Ok(None),
    }
}

fn failed(trigger: &DriftTrigger, problem: &std::io::Error) -> WorkflowError {
    let path = trigger.folder.clone().unwrap_or_else(|| CAPTURED.into());
    WorkflowError::Path { key: "folder".into(), path, problem: problem.to_string() }
}

/// The last whole lines of the files of a folder, in the order of their names, and how many.
fn newest(dir: &Dir, rows: usize) -> std::io::Result<(Vec<u8>, usize)> {
    let mut names = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let whole = !name.starts_with('.') && !UNFINISHED.iter().any(|ending| name.ends_with(ending));
        if whole && name.ends_with(ROWS) && entry.file_type()?.is_file() {
            names.push(name);
        }
    }
    names.sort();
    let (mut files, mut found, mut room) = (Vec::new(), 0, WINDOW_BYTES_MAX);
    for name in names.iter().rev() {
        let bytes = match tail(dir, name, room) {
            Ok(bytes) => bytes,
            // It was taken away meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.len() > 1 && line.ends_with(b"\n"));
        let lines: Vec<&[u8]> = lines.collect();
        let taken = &lines[lines.len() - lines.len().min(rows - found)..];
        found += taken.len();
        room = room.saturating_sub(bytes.len() as u64);
        files.push(taken.concat());
        if found == rows || room == 0 {
            break;
        }
    }
    files.reverse();
    Ok((files.concat(), found))
}

/// The last `most` bytes of a file, from where a line begins.
fn tail(dir: &Dir, name: &str, most: u64) -> std::io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = dir.open(name)?;
    let start = file.metadata()?.len().saturating_sub(most);
    // The byte before says whether a line begins there.
    file.seek(SeekFrom::Start(start.saturating_sub(1)))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if start > 0 {
        let begin = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        bytes.drain(..begin);
    }
    Ok(bytes)
}

/// Writes the window into the home, and compares it; gives the descriptors that drift.
fn compare(
    (home, project): (&Home, &Project),
    trigger: &DriftTrigger,
    window: &[u8],
    threads: usize,
    observer: &mut dyn Observer,
) -> Result<(Answer, Vec<String>), WorkflowError> {
    let path = format!("{FOLDER}/{}.windows", project.recipe.run.name);
    freehold_files::make_secret_folder(&home.dir, &path)?;
    let (dir, file) = (home.folder(&path)?, format!("{}{ROWS}", trigger.name));
    freehold_files::write(&dir, &file, window)?;
    let removed = dir.try_clone();
    let options = DriftOptions {
        current: format!("{ROOT}/{file}"),
        model: None,
        rows_max: trigger.rows,
        threads,
        settings: trigger.settings(),
    };
    let report = drift(home, &project.with_root(ROOT, dir), &options, observer);
    // Captured rows are kept no longer than the operator says: not here either.
    if let Ok(dir) = removed {
        let _ = dir.remove_file(&file);
    }
    let report = report?;
    Ok((report.answer, report.comparison.drifted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_the_newest_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        assert_eq!(newest(&dir, 3).unwrap(), (vec![], 0));
        for (name, text) in [
            ("2026-01-02.jsonl", "4\n5\n6"),
            ("2026-01-01.jsonl", "1\n2\n\n3\n"),
            ("2026-01-03.jsonl.part", "7\n"),
            (".hidden.jsonl", "8\n"),
            ("notes.txt", "9\n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        for (rows, lines, count) in [(1, "5\n", 1), (2, "4\n5\n", 2), (4, "2\n3\n4\n5\n", 4), (9, "1\n2\n3\n4\n5\n", 5)]
        {
            assert_eq!(newest(&dir, rows).unwrap(), (lines.as_bytes().to_vec(), count), "{rows}");
        }
        for (most, text) in
            [(0, ""), (1, ""), (2, "3\n"), (3, "\n3\n"), (4, "\n3\n"), (5, "2\n\n3\n"), (99, "1\n2\n\n3\n")]
        {
            assert_eq!(String::from_utf8(tail(&dir, "2026-01-01.jsonl", most).unwrap()).unwrap(), text, "{most}");
        }
    }

    #[test]
    fn a_clock_that_jumps_stops_nothing_for_long() {
        let (at, hour) = (|text: &str| text.parse::<Timestamp>().unwrap(), SignedDuration::from_hours(1));
        for (then, now, within) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:59:59Z", true),
            ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", false),
            ("2026-01-01T00:00:00Z", "2025-12-31T23:30:00Z", true),
            ("2026-01-01T00:00:00Z", "2020-01-01T00:00:00Z", false),
        ] {
            assert_eq!(is_within(at(then), at(now), hour), within, "{then} {now}");
        }
    }
}
