//! What a training says of each step while it goes on, in the home: a file of JSON Lines, and event files for TensorBoard. They are
//! for people, not evidence: no digest covers them. To go on with a training, only the numbers of the steps are read again.

mod event_file;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use cap_std::fs::{Dir, File, OpenOptions};
use freehold_core::recipe::EarlyStopping;
use freehold_engine::StepReport;
use freehold_files::FileError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::statements::malformed;
use crate::{Home, WorkflowError};

const FOLDER: &str = "metrics";
const STEPS_FILE: &str = "metrics.jsonl";
/// An event file is named as TensorBoard finds it, with the second in which it was begun.
const EVENTS_PREFIX: &str = "events.out.tfevents.";
const EVENTS_SUFFIX: &str = ".freehold";
/// Bytes of a line at most; a longer one is none of ours.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Bytes of the file of steps that are read at most, to show it.
const STEPS_BYTES_MAX: u64 = 64 << 20;

/// A line of the file of steps.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StepLine {
    pub(crate) step: usize,
    pub(crate) loss: f32,
    learning_rate: f64,
    gradient_norm: f64,
    /// Tokens seen so far.
    tokens: u64,
    /// Seconds since the process that made the step began to train.
    seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) measured: Option<Measured>,
}

/// What was measured after a step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) metric: String,
    pub(crate) value: f64,
    /// Whether it is the best so far.
    best: bool,
}

/// What of a line is read again.
#[derive(Deserialize)]
struct StepNumber {
    step: usize,
}

/// The metrics of a training under way. What is written is with the system when the call returns, so that others can follow
/// it and a process that is killed loses none of it; it is on the disk when a checkpoint is.
pub(super) struct Metrics {
    steps: Appended,
    events: Appended,
    /// Steps from one measurement to the next, and of what.
    measured: Option<(usize, String)>,
    /// The line of a step after which something is measured; it waits for that.
    held: Option<StepLine>,
    started: Instant,
    step_began: Instant,
}

impl Metrics {
    /// Opens the metrics of a run whose training goes on after `step`: what there is of later steps is cut off, since they are
    /// made again.
    pub(super) fn open(
        home: &Home,
        run: &str,
        step: usize,
        early_stopping: Option<&EarlyStopping>,
    ) -> Result<Self, WorkflowError> {
        let folder = format!("{FOLDER}/{run}");
        freehold_files::make_folder(&home.dir, &folder)?;
        let dir = home.folder(&folder)?;
        let steps = Appended::open(&dir, &folder, STEPS_FILE, OpenOptions::new().create(true))?;
        let end = steps.act("read", |file| end_of_steps(file, step))?;
        steps.act("cut back", |file| file.set_len(end))?;
        let events = begin_events(&dir, &folder)?;
        events.append(&event_file::beginning(now(), step as u64 + 1))?;
        let measured = early_stopping.map(|settings| (settings.every, settings.metric.clone()));
        let started = Instant::now();
        Ok(Self { steps, events, measured, held: None, started, step_began: started })
    }

    /// A step was made.
    pub(super) fn step(&mut self, report: &StepReport) -> Result<(), WorkflowError> {
        self.release(false)?;
        let StepReport { step, steps, loss, learning_rate, gradient_norm, tokens, step_tokens } = *report;
        let rate = step_tokens as f64 / self.step_began.elapsed().as_secs_f64().max(1e-9);
        self.step_begins();
        let values = [
            ("train/loss", loss),
            ("train/learning_rate", learning_rate as f32),
            ("train/gradient_norm", gradient_norm as f32),
            ("train/tokens_per_s", rate as f32),
        ];
        self.events.append(&event_file::scalars(now(), step as u64, &values))?;
        let seconds = (self.started.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        let line = StepLine { step, loss, learning_rate, gradient_norm, tokens, seconds, measured: None };
        // As the engine measures: every so many steps, and after the last.
        let due = self.measured.as_ref().is_some_and(|(every, _)| step.is_multiple_of(*every) || step == steps);
        self.held = Some(line);
        if due { Ok(()) } else { self.release(false) }
    }

    /// What was learnt until `step` was measured.
    pub(super) fn measured(&mut self, step: usize, value: f64) -> Result<(), WorkflowError> {
        let Some((_, metric)) = &self.measured else { return Ok(()) };
        let tag = format!("eval/{metric}");
        self.events.append(&event_file::scalars(now(), step as u64, &[(&tag, value as f32)]))?;
        if let Some(line) = &mut self.held {
            line.measured = Some(Measured { metric: metric.clone(), value, best: false });
        }
        Ok(())
    }

    /// A checkpoint will be kept; `best` says whether what was measured is the best so far.
    pub(super) fn checkpoint(&mut self, best: bool) -> Result<(), WorkflowError> {
        self.release(best)?;
        for file in [&self.steps, &self.events] {
            file.act("sync", File::sync_data)?;
        }
        Ok(())
    }

    /// The next step begins now: neither measuring nor keeping a checkpoint is a part of it.
    pub(super) fn step_begins(&mut self) {
        self.step_began = Instant::now();
    }

    /// The training ended.
    pub(super) fn end(&mut self) -> Result<(), WorkflowError> {
        self.release(false)
    }

    /// Writes the line that was held.
    fn release(&mut self, best: bool) -> Result<(), WorkflowError> {
        let Some(mut line) = self.held.take() else { return Ok(()) };
        if let Some(measured) = &mut line.measured {
            measured.best = best;
        }
        let mut bytes = serde_json::to_vec(&line).map_err(malformed("metrics of a step"))?;
        bytes.push(b'\n');
        Ok(self.steps.append(&bytes)?)
    }
}

/// The folder of the metrics of a run, below the home, if there is one.
pub(super) fn folder(home: &Home, run: &str) -> Option<String> {
    let folder = format!("{FOLDER}/{run}");
    home.dir.is_dir(&folder).then_some(folder)
}

/// The steps that were written of a training, up to the first line that is none; `None` if there is no such file.
pub(crate) fn steps(home: &Home, run: &str) -> Result<Option<Vec<StepLine>>, WorkflowError> {
    let path = format!("{FOLDER}/{run}/{STEPS_FILE}");
    if !freehold_files::exists(&home.dir, &path)? {
        return Ok(None);
    }
    let bytes = freehold_files::read(&home.dir, &path, STEPS_BYTES_MAX)?;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    Ok(Some(lines.map_while(|line| serde_json::from_slice(line).ok()).collect()))
}

/// Removes what was written of a training.
pub(super) fn remove(home: &Home, run: &str) -> Result<(), WorkflowError> {
    let folder = format!("{FOLDER}/{run}");
    match home.dir.remove_dir_all(&folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::Io { action: "remove the folder", path: folder.into(), source }.into())
        }
        _ => Ok(()),
    }
}

/// A file that is only added to.
struct Appended {
    file: File,
    path: PathBuf,
}

impl Appended {
    fn open(dir: &Dir, folder: &str, name: &str, options: &mut OpenOptions) -> Result<Self, FileError> {
        let path = PathBuf::from(format!("{folder}/{name}"));
        match dir.open_with(name, options.read(true).append(true)) {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(FileError::Io { action: "open", path, source }),
        }
    }

    /// With one call of the system, so that others never see less than all of it but where the disk is full; then what was
    /// written of it is taken back.
    fn append(&self, bytes: &[u8]) -> Result<(), FileError> {
        let before = self.act("read", |file| file.metadata())?.len();
        (&self.file).write_all(bytes).map_err(|source| {
            // What matters is why it was not written; a line that is cut is cut off when the training goes on.
            let _ = self.file.set_len(before);
            FileError::unwritten(&self.path, before + bytes.len() as u64, source)
        })
    }

    fn act<T>(&self, action: &'static str, act: impl FnOnce(&File) -> std::io::Result<T>) -> Result<T, FileError> {
        act(&self.file).map_err(|source| FileError::Io { action, path: self.path.clone(), source })
    }
}

/// Where the lines of the steps up to `last` end, in bytes. They end too where a line is cut, or no step's.
fn end_of_steps(file: &File, last: usize) -> std::io::Result<u64> {
    let (mut reader, mut line, mut end) = (BufReader::new(file), Vec::new(), 0);
    loop {
        line.clear();
        reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        let step = serde_json::from_slice(&line).map(|StepNumber { step }| step);
        if !line.ends_with(b"\n") || !step.is_ok_and(|step| step <= last) {
            return Ok(end);
        }
        end += line.len() as u64;
    }
}

/// A new event file, whose name comes after those that are there, as TensorBoard reads them: where the clock says another order,
/// not in the second in which it is begun.
fn begin_events(dir: &Dir, folder: &str) -> Result<Appended, FileError> {
    let failed = |source| FileError::Io { action: "list the folder", path: folder.into(), source };
    let mut second = Timestamp::now().as_second().unsigned_abs();
    for entry in dir.entries().map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let begun = name.to_str().and_then(|name| name.strip_prefix(EVENTS_PREFIX)?.strip_suffix(EVENTS_SUFFIX));
        if let Some(begun) = begun.and_then(|second| second.parse::<u64>().ok()) {
            second = second.max(begun.saturating_add(1));
        }
    }
    let name = format!("{EVENTS_PREFIX}{second:010}{EVENTS_SUFFIX}");
    Appended::open(dir, folder, &name, OpenOptions::new().create_new(true))
}

/// Seconds since 1970.
fn now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_before_what_is_made_again_or_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let end = |text: &str, last| {
            dir.write("file", text).unwrap();
            end_of_steps(&dir.open("file").unwrap(), last).unwrap()
        };
        let two = "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":1.5}\n";
        assert_eq!(end("", 5), 0);
        assert_eq!(end(two, 0), 0);
        assert_eq!(end(two, 1), 22);
        assert_eq!(end(two, 2), 44);
        assert_eq!(end(&format!("{two}{{\"step\":3,\"lo"), 3), 44);
        assert_eq!(end(&format!("{two}{{\"step\":3}}"), 3), 44, "a line without its end");
        assert_eq!(end(&format!("{two}\n{{\"step\":3}}\n"), 3), 44, "a line of nothing");
        assert_eq!(end(&"x".repeat(3 * LINE_BYTES_MAX as usize), 3), 0);
    }

    #[test]
    fn event_files_come_after_each_other_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        dir.write("events.out.tfevents.9000000000.freehold", "").unwrap();
        dir.write("events.out.tfevents.9999999999.other", "").unwrap();
        let names: Vec<_> = (0..2).map(|_| begin_events(&dir, "metrics/a-1").unwrap().path).collect();
        let expected =
            ["9000000001", "9000000002"].map(|second| format!("metrics/a-1/events.out.tfevents.{second}.freehold"));
        assert_eq!(names, expected.map(PathBuf::from));
    }
}
