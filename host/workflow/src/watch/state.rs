//! What a watch knows, in one file that is replaced whole: it is either as it was before a change or as it is after. Every
//! change that has to survive the end of the process is written before anything is done that follows from it.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statements::malformed;
use crate::{Home, WorkflowError};

/// Folder of a home with what its watches know.
pub(super) const FOLDER: &str = "watch";
const FILE_LIMIT: u64 = 64 << 20;
/// Finished batches that are kept, the newest.
const HISTORY: usize = 1000;

/// Something that happened, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct WatchEvent {
    /// The trigger.
    pub trigger: String,
    /// What makes it the same event if it is seen again.
    pub key: String,
    /// When it was seen.
    #[schemars(with = "freehold_core::schema::Time")]
    pub time: Timestamp,
    /// What it is about: a file, a model, a note.
    pub about: String,
}

/// Events that were answered by one run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct WatchBatch {
    /// Its number, from 1.
    pub number: u64,
    /// The events.
    pub events: Vec<WatchEvent>,
    /// When it was begun.
    #[schemars(with = "freehold_core::schema::Time")]
    pub begun: Timestamp,
    /// What was in production then, which is trained further.
    pub champion: Option<Digest>,
    /// When it ended.
    #[schemars(with = "Option<freehold_core::schema::Time>")]
    pub ended: Option<Timestamp>,
    /// Its run.
    pub run: Option<String>,
    /// `promoted`, `denied`, or what went wrong.
    pub outcome: Option<String>,
    /// Tokens that were trained on.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Joules of the whole run; `None` if nothing says how many.
    #[serde(default)]
    pub joules: Option<f64>,
    /// How often it was tried and something went wrong.
    pub failures: u32,
}

/// What a comparison of rows of now with what is in production came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct WatchCompared {
    /// When it was made.
    #[schemars(with = "freehold_core::schema::Time")]
    pub time: Timestamp,
    /// The rows of now.
    pub rows: Digest,
    /// What was in production.
    pub champion: Digest,
    /// What was found, or what went wrong.
    pub answer: String,
    /// The descriptors that drifted since nothing did.
    pub drifted: Vec<String>,
}

/// What a watch knows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema, Deserialize)]
pub struct WatchState {
    /// Batches that were begun.
    pub batches: u64,
    /// What each trigger has seen: by key, when.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, freehold_core::schema::Time>>")]
    pub seen: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// Files that were trained on, in their order, with the trigger that brought each.
    pub taken: Vec<(String, String)>,
    /// What each trigger of kind `drift` found when it last compared.
    #[serde(default)]
    pub compared: BTreeMap<String, WatchCompared>,
    /// Events that wait.
    pub pending: Vec<WatchEvent>,
    /// What is answered now.
    pub running: Option<WatchBatch>,
    /// What was answered, the newest last.
    pub history: Vec<WatchBatch>,
}

impl WatchState {
    /// Takes in an event; says whether it is new.
    pub(super) fn see(&mut self, event: WatchEvent) -> bool {
        let seen = self.seen.entry(event.trigger.clone()).or_default();
        if seen.contains_key(&event.key) {
            return false;
        }
        seen.insert(event.key.clone(), event.time);
        self.pending.push(event);
        true
    }

    /// Begins to answer all that waits.
    pub(super) fn begin(&mut self, champion: Option<Digest>, now: Timestamp) {
        if self.running.is_some() || self.pending.is_empty() {
            return;
        }
        self.batches += 1;
        self.running = Some(WatchBatch {
            number: self.batches,
            events: std::mem::take(&mut self.pending),
            begun: now,
            champion,
            ended: None,
            run: None,
            outcome: None,
            tokens: 0,
            seconds: 0.0,
            joules: None,
            failures: 0,
        });
    }

    /// What was being answered is.
    pub(super) fn end(&mut self, batch: WatchBatch) {
        self.running = None;
        self.history.push(batch);
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }
}

/// The file of a watch in its home.
pub(super) struct StateFile {
    dir: Dir,
    path: String,
}

impl StateFile {
    pub(super) fn of(home: &Home, name: &str) -> Result<Self, WorkflowError> {
        freehold_files::make_folder(&home.dir, FOLDER)?;
        Ok(Self { dir: home.folder(FOLDER)?, path: format!("{name}.json") })
    }

    pub(super) fn read(&self) -> Result<WatchState, WorkflowError> {
        match freehold_files::read(&self.dir, &self.path, FILE_LIMIT) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(malformed(format!("{FOLDER}/{}", self.path))),
            Err(error) if error.is_not_found() => Ok(WatchState::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// When this returns, the state is on the disk.
    pub(super) fn write(&self, state: &WatchState) -> Result<(), WorkflowError> {
        let bytes = serde_json::to_vec_pretty(state).map_err(malformed("state of a watch"))?;
        Ok(freehold_files::write(&self.dir, &self.path, &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_answered_once_however_often_it_is_seen() {
        let event = |key: &str| WatchEvent {
            trigger: "t".into(),
            key: key.into(),
            time: Timestamp::UNIX_EPOCH,
            about: String::new(),
        };
        let mut state = WatchState::default();
        state.begin(None, Timestamp::UNIX_EPOCH);
        assert!(state.running.is_none() && state.batches == 0);
        assert!(state.see(event("a")) && state.see(event("b")) && !state.see(event("a")));
        state.begin(None, Timestamp::UNIX_EPOCH);
        assert!(!state.see(event("b")) && state.see(event("c")));
        // What comes meanwhile waits, and does not begin beside it.
        state.begin(None, Timestamp::UNIX_EPOCH);
        let running = state.running.clone().unwrap();
        assert_eq!((running.number, running.events.len(), state.pending.len()), (1, 2, 1));
        state.end(running);
        state.begin(None, Timestamp::UNIX_EPOCH);
        assert_eq!(state.running.as_ref().map(|batch| (batch.number, batch.events.len())), Some((2, 1)));
    }
}
