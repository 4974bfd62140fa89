//! Runs a recipe by itself when something happens: new data, rows that drift, time, a new base
//! model, a new trust root, or somebody who asks.
//!
//! A watch may be killed at any time. What it saw is written before anything follows from it, and what it began is begun again
//! under the same name: the ledger says whether that was done. So no event is lost, and none is answered twice.

mod drifted;
mod gate;
mod hooks;
mod increment;
mod settings;
mod sources;
mod state;

use std::ops::ControlFlow;

use freehold_core::record::{Phase, Subject};
use freehold_core::verdict::Decision;
use jiff::Timestamp;

use crate::aliases;
use crate::observe::Observer;
use crate::rebase::{RebaseOptions, rebase};
use crate::run::{self, RunOptions, RunReport};
use crate::{Home, Project, WorkflowError, audit};

pub use hooks::{Hook, trigger};
pub use settings::{Budget, DriftTrigger, Increment, Trigger, WatchSettings};
use sources::Sizes;
use state::StateFile;
pub use state::{WatchBatch, WatchCompared, WatchEvent, WatchState};

/// How often a batch is tried.
const ATTEMPTS: u32 = 3;

/// What a watch tells while it works.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchNews {
    /// Something happened.
    Seen(WatchEvent),
    /// Events wait, for this reason.
    Waits(String),
    /// A batch is begun, or gone on with.
    Begins(WatchBatch),
    /// A batch went wrong, and is tried again at the next look.
    Failed(WatchBatch),
    /// A batch is done.
    Ended(WatchBatch),
}

/// A watch of one recipe.
pub struct Watch<'w> {
    home: &'w Home,
    project: &'w Project,
    settings: &'w WatchSettings,
    file: StateFile,
    state: WatchState,
    sizes: Sizes,
    threads: usize,
    waits: Option<String>,
    _only: freehold_files::Lock,
}

impl<'w> Watch<'w> {
    /// The watch of the recipe, which goes on where an earlier one was. Only one works at a time; this waits for its end.
    ///
    /// # Errors
    /// What an earlier one wrote cannot be read.
    pub fn open(
        home: &'w Home,
        project: &'w Project,
        settings: &'w WatchSettings,
        threads: usize,
    ) -> Result<Self, WorkflowError> {
        let name = &project.recipe.run.name;
        let only = home.lock(&format!("watch-{name}"))?;
        let file = StateFile::of(home, name)?;
        let state = file.read()?;
        Ok(Self { home, project, settings, file, state, sizes: Sizes::new(), threads, waits: None, _only: only })
    }

    /// What it knows.
    pub fn state(&self) -> &WatchState {
        &self.state
    }

    /// Looks once, and answers what waits, if nothing holds it back.
    ///
    /// # Errors
    /// What is watched cannot be read, or the state cannot be written. A run that fails is no error of the watch: its batch says
    /// what went wrong.
    pub fn round(
        &mut self,
        observer: &mut dyn Observer,
        tell: &mut dyn FnMut(WatchNews) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, WorkflowError> {
        // What was begun comes first: it may have been killed.
        if self.state.running.is_some() && self.answer(observer, tell)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let waiting = self.state.pending.len();
        let looked = (self.home, self.project);
        let when = (Timestamp::now(), self.threads);
        if sources::look(looked, self.settings, &mut self.state, &mut self.sizes, when, observer)? {
            self.file.write(&self.state)?;
        }
        self.remove_hooks()?;
        for event in &self.state.pending[waiting..] {
            if tell(WatchNews::Seen(event.clone())).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if self.state.pending.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let now = Timestamp::now();
        let waits = gate::held_back(self.settings, &self.state, now);
        if let Some(reason) = waits {
            if self.waits.as_ref() != Some(&reason) {
                self.waits = Some(reason.clone());
                return Ok(tell(WatchNews::Waits(reason)));
            }
            return Ok(ControlFlow::Continue(()));
        }
        self.waits = None;
        let champion = match &self.project.recipe.promote {
            Some(promote) => aliases::adapter_of(&promote.alias, &self.home.ledger()?.entries()?),
            None => None,
        };
        self.state.begin(champion, now);
        self.file.write(&self.state)?;
        self.answer(observer, tell)
    }

    /// Hooks that were seen, as the disk says.
    fn remove_hooks(&self) -> Result<(), WorkflowError> {
        for trigger in &self.settings.trigger {
            if let Trigger::Hook { name } = trigger {
                let seen = self.state.seen.get(name);
                let is_seen = |id: &str| seen.is_some_and(|seen| seen.contains_key(id));
                hooks::remove(self.home, &self.project.recipe.run.name, name, is_seen)?;
            }
        }
        Ok(())
    }

    /// Answers the batch that was begun.
    fn answer(
        &mut self,
        observer: &mut dyn Observer,
        tell: &mut dyn FnMut(WatchNews) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, WorkflowError> {
        let Some(mut batch) = self.state.running.clone() else { return Ok(ControlFlow::Continue(())) };
        if tell(WatchNews::Begins(batch.clone())).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match self.run(&batch, observer) {
            Ok(report) => {
                (batch.tokens, batch.seconds, batch.joules) = self.used(batch.number)?;
                batch.outcome = Some(match &report.waiting {
                    Some(waiting) => format!("promoted, waits for approvals of {}", waiting.alias),
                    None => report.decision.as_str().into(),
                });
                batch.run = Some(report.run);
            }
            // A disk that is full today is not tomorrow. In the end the history has the events with what went wrong.
            Err(error) => {
                batch.failures += 1;
                batch.outcome = Some(format!("failed: {error}"));
                if batch.failures < ATTEMPTS {
                    self.state.running = Some(batch.clone());
                    self.file.write(&self.state)?;
                    return Ok(tell(WatchNews::Failed(batch)));
                }
            }
        }
        batch.ended = Some(Timestamp::now());
        let data: Vec<_> = self.data_of(&batch);
        self.state.taken.extend(data);
        self.state.end(batch.clone());
        self.file.write(&self.state)?;
        Ok(tell(WatchNews::Ended(batch)))
    }

    /// The files that a batch trained on, if its run came to a decision.
    fn data_of(&self, batch: &WatchBatch) -> Vec<(String, String)> {
        let is_data = |name: &str| {
            self.settings.trigger.iter().any(|known| matches!(known, Trigger::Data { .. }) && known.name() == name)
        };
        let decided = batch.events.iter().filter(|event| batch.run.is_some() && is_data(&event.trigger));
        let files = decided.map(|event| (event.trigger.clone(), event.about.clone()));
        files.filter(|file| !self.state.taken.contains(file)).collect()
    }

    fn run(&self, batch: &WatchBatch, observer: &mut dyn Observer) -> Result<RunReport, WorkflowError> {
        if let Some(done) = self.finished(batch.number)? {
            return Ok(done);
        }
        let base = batch.events.iter().rev().find_map(|event| self.base_of(&event.trigger));
        if let (Some((model, license)), Some(_)) = (base, batch.champion) {
            return self.rebase(batch, model, license, observer);
        }
        let recipe = increment::recipe(&self.project.recipe, self.settings, batch, &self.state.taken);
        let options = RunOptions { locked: false, once: true, threads: self.threads };
        run::run(self.home, &self.project.variant(recipe)?, &options, observer)
    }

    fn base_of(&self, trigger: &str) -> Option<(&str, &Option<String>)> {
        self.settings.trigger.iter().find_map(|known| match known {
            Trigger::Base { name, model, license } if name == trigger => Some((model.as_str(), license)),
            _ => None,
        })
    }

    fn rebase(
        &self,
        batch: &WatchBatch,
        model: &str,
        license: &Option<String>,
        observer: &mut dyn Observer,
    ) -> Result<RunReport, WorkflowError> {
        let mut recipe = self.project.recipe.clone();
        recipe.run.name = increment::run_name(&recipe, batch.number);
        let project = self.project.variant(recipe)?;
        let license = license.clone().or_else(|| project.recipe.base.license.clone());
        let options =
            RebaseOptions { base: model.into(), license, replay: 0.33, compare: false, threads: self.threads };
        let report = rebase(self.home, &project, &options, observer)?;
        let last = report.rungs.last().map(|rung| rung.run.clone()).unwrap_or_default();
        audit::report(self.home, &last)
    }

    /// Tokens, seconds of training and joules of all runs of a batch: a new base model may take several.
    fn used(&self, number: u64) -> Result<(u64, f64, Option<f64>), WorkflowError> {
        let prefix = format!("{}-", increment::run_name(&self.project.recipe, number));
        let entries = self.home.ledger()?.entries()?;
        let (mut tokens, mut seconds, mut joules) = (0, 0.0, Some(0.0));
        for entry in &entries {
            let Subject::Phase { run, phase: Phase::Record, .. } = &entry.subject else { continue };
            if !run.starts_with(&prefix) {
                continue;
            }
            let report = audit::report(self.home, run)?;
            if let Some(training) = &report.training {
                tokens += training.tokens;
                seconds += training.seconds;
            }
            let more = report.spent.as_ref().and_then(|spent| spent.spent.joules);
            joules = joules.zip(more).map(|(sum, more)| sum + more);
        }
        Ok((tokens, seconds, joules))
    }

    /// The run of a batch that came to its end, if it did: it is recorded, and its alias has moved where it may.
    fn finished(&self, number: u64) -> Result<Option<RunReport>, WorkflowError> {
        let prefix = format!("{}-", increment::run_name(&self.project.recipe, number));
        let entries = self.home.ledger()?.entries()?;
        let recorded = entries.iter().rev().find_map(|entry| match &entry.subject {
            Subject::Phase { run, phase: Phase::Record, .. } if run.starts_with(&prefix) => Some(run.clone()),
            _ => None,
        });
        let Some(run) = recorded else { return Ok(None) };
        let report = audit::report(self.home, &run)?;
        let moved = entries.iter().any(|entry| matches!(&entry.subject, Subject::Alias { run: by, .. } if *by == run));
        // A ladder that was killed after a rung that was denied has others to climb.
        let is_rung = self.state.running.as_ref().is_some_and(|batch| {
            batch.champion.is_some() && batch.events.iter().any(|event| self.base_of(&event.trigger).is_some())
        });
        let done = match report.decision {
            Decision::Promoted => moved || report.alias.is_none(),
            Decision::Denied => !is_rung,
        };
        Ok(done.then_some(report))
    }
}

/// What the watch of a recipe knows.
///
/// # Errors
/// What it wrote cannot be read.
pub fn watched(home: &Home, project: &Project) -> Result<WatchState, WorkflowError> {
    StateFile::of(home, &project.recipe.run.name)?.read()
}
