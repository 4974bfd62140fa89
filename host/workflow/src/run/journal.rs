//! The phases that a run has behind it. The ledger says which; nothing else is asked.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::recipe::Recipe;
use freehold_core::record::{Entry, Material, Phase, PhaseRecord, Subject};
use freehold_store::Store;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RunOptions;
use crate::energy::Meter;
use crate::observe::{Event, Observer};
use crate::statements::{Recorder, malformed, read_phase};
use crate::{WorkflowError, aliases};

/// What a phase leaves behind.
pub(crate) struct PhaseOutput {
    pub(crate) inputs: Vec<Material>,
    pub(crate) outputs: Vec<Material>,
    pub(crate) detail: serde_json::Value,
}

impl PhaseOutput {
    /// JSON writes a number that is not finite as null; a detail that cannot be read back is refused before it is entered.
    pub(crate) fn new<T: Serialize + DeserializeOwned>(
        inputs: Vec<Material>,
        outputs: Vec<Material>,
        detail: &T,
    ) -> Result<Self, WorkflowError> {
        let detail = serde_json::to_value(detail).map_err(malformed("detail of a phase"))?;
        serde_json::from_value::<T>(detail.clone()).map_err(malformed("detail of a phase"))?;
        Ok(Self { inputs, outputs, detail })
    }
}

/// What the work of a phase can see: the store, the phases before it, and whom to tell.
pub(crate) struct Work<'a> {
    pub(crate) recorder: &'a Recorder,
    pub(crate) run: &'a str,
    /// How many threads each transform may use.
    pub(crate) threads: usize,
    pub(crate) done: &'a Done,
    /// What measures it, if what it uses up is to be known.
    pub(crate) meter: Option<&'a Meter>,
    pub(crate) observer: &'a mut dyn Observer,
}

impl Work<'_> {
    pub(crate) fn store(&self) -> &Store {
        &self.recorder.store
    }

    /// The record of an earlier phase.
    pub(crate) fn before(&self, phase: Phase) -> Result<&PhaseRecord, WorkflowError> {
        self.done.get(&phase).map(|(_, record)| record).ok_or_else(|| missing(self.run, phase))
    }

    /// The bytes of an output of an earlier phase.
    pub(crate) fn output(&self, phase: Phase, name: &str) -> Result<Vec<u8>, WorkflowError> {
        Ok(self.store().get(&output_of(self.before(phase)?, name)?)?)
    }
}

/// The digest of an output.
pub(crate) fn output_of(record: &PhaseRecord, name: &str) -> Result<Digest, WorkflowError> {
    let output = record.outputs.iter().find(|output| output.name == name);
    output.map(|output| output.digest).ok_or_else(|| WorkflowError::Record {
        what: format!("phase {} of {}", record.phase, record.run),
        problem: format!("has no output `{name}`"),
    })
}

/// The detail of a phase.
pub(crate) fn detail<T: DeserializeOwned>(record: &PhaseRecord) -> Result<T, WorkflowError> {
    let what = format!("phase {} of {}", record.phase, record.run);
    serde_json::from_value(record.detail.clone()).map_err(malformed(what))
}

fn missing(run: &str, phase: Phase) -> WorkflowError {
    WorkflowError::Record { what: run.into(), problem: format!("phase {phase} has no statement") }
}

/// The phases that a run has behind it, each with its statement.
pub(crate) type Done = BTreeMap<Phase, (Digest, PhaseRecord)>;

/// Whose phases are carried out.
#[derive(Clone, Copy)]
pub(crate) struct Carrier<'a> {
    pub(crate) recorder: &'a Recorder,
    pub(crate) run: &'a str,
    pub(crate) key: Digest,
    pub(crate) threads: usize,
    pub(crate) meter: Option<&'a Meter>,
}

impl Carrier<'_> {
    /// Does the work of a phase, and says what its statement would say. Nothing is recorded yet.
    pub(crate) fn carry_out(
        self,
        phase: Phase,
        done: &Done,
        observer: &mut dyn Observer,
        work: impl FnOnce(&mut Work<'_>) -> Result<PhaseOutput, WorkflowError>,
    ) -> Result<PhaseRecord, WorkflowError> {
        let Self { recorder, run, key, threads, meter } = self;
        observer.observe(Event::PhaseStarted(phase));
        let started = Timestamp::now();
        let output = work(&mut Work { recorder, run, threads, done, meter, observer })?;
        Ok(PhaseRecord {
            run: run.into(),
            key,
            phase,
            trust_root: recorder.root.version,
            inputs: output.inputs,
            outputs: output.outputs,
            detail: output.detail,
            spent: meter.map(Meter::lap),
            started,
            finished: Timestamp::now(),
        })
    }
}

/// The journal of one run.
pub(crate) struct Journal<'a> {
    pub(crate) recorder: Recorder,
    pub(crate) run: String,
    key: Digest,
    done: Done,
    alias_moved: bool,
    threads: usize,
    meter: &'a Meter,
    /// Whether an earlier process may have been ended in the next phase that is carried out.
    interrupted: bool,
    observer: &'a mut dyn Observer,
}

impl<'a> Journal<'a> {
    /// The journal of the run of `key` that can go on, or of a new one.
    pub(crate) fn open(
        recorder: Recorder,
        recipe: &Recipe,
        key: Digest,
        options: &RunOptions,
        meter: &'a Meter,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, WorkflowError> {
        let threads = options.threads;
        let entries = recorder.ledger.entries()?;
        let mut journal = Self {
            recorder,
            run: String::new(),
            key,
            done: Done::new(),
            alias_moved: false,
            threads,
            meter,
            interrupted: false,
            observer,
        };
        if let Some(run) = newest_run_of(&entries, &key) {
            journal.load(&entries, run)?;
            let alias = recipe.promote.as_ref().map(|promote| &promote.alias);
            // One that moved its alias was promoted once, and moves it no second time.
            let again = journal.is_finished()? && (!options.once || journal.alias_moved);
            if again || journal.is_superseded(alias, &entries)? {
                journal.done.clear();
                journal.alias_moved = false;
            }
        }
        let resumed = !journal.done.is_empty();
        if !resumed {
            journal.run = next_run(&entries, recipe);
        }
        journal.interrupted = resumed;
        let run = journal.run.clone();
        journal.observer.observe(Event::Run { run, resumed });
        Ok(journal)
    }

    fn load(&mut self, entries: &[Entry], name: &str) -> Result<(), WorkflowError> {
        self.run = name.into();
        for entry in entries {
            match &entry.subject {
                Subject::Phase { run, phase, .. } if run == name => {
                    let record = read_phase(&self.recorder.store, &self.recorder.roots, &entry.statement)?;
                    if (record.run.as_str(), record.phase, record.key) != (name, *phase, self.key) {
                        return Err(WorkflowError::Record {
                            what: format!("statement {}", entry.statement),
                            problem: "says something else than its ledger entry".into(),
                        });
                    }
                    self.done.insert(*phase, (entry.statement, record));
                }
                Subject::Alias { run, .. } if run == name => self.alias_moved = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// A run is finished when it is recorded and the alias that it may move has moved. One that waits for approvals is: what they
    /// move is no part of it.
    fn is_finished(&self) -> Result<bool, WorkflowError> {
        let Some((_, record)) = self.done.get(&Phase::Record) else { return Ok(false) };
        Ok(!super::provenance::read(record)?.moves_alias() || self.alias_moved)
    }

    /// A run that was compared with something else than what is in production now has nothing to say about it any more.
    fn is_superseded(&self, alias: Option<&Alias>, entries: &[Entry]) -> Result<bool, WorkflowError> {
        let (Some(alias), Some((_, record))) = (alias, self.done.get(&Phase::Evaluate)) else { return Ok(false) };
        let compared = super::evaluate::read(record)?.production.map(|production| production.adapter);
        Ok(compared != aliases::adapter_of(alias, entries))
    }

    /// Does a phase, unless an earlier process did.
    pub(crate) fn phase(
        &mut self,
        phase: Phase,
        work: impl FnOnce(&mut Work<'_>) -> Result<PhaseOutput, WorkflowError>,
    ) -> Result<PhaseRecord, WorkflowError> {
        if let Some((_, record)) = self.done.get(&phase) {
            let record = record.clone();
            self.observer.observe(Event::PhaseFinished { phase, earlier: true });
            return Ok(record);
        }
        let Self { recorder, run, key, threads, meter, done, observer, .. } = self;
        let carrier = Carrier { recorder, run, key: *key, threads: *threads, meter: Some(*meter) };
        let mut record = carrier.carry_out(phase, done, &mut **observer, work)?;
        if let Some(spent) = &mut record.spent {
            spent.incomplete |= std::mem::take(&mut self.interrupted);
        }
        let statement = self.recorder.record_phase(&record)?;
        self.done.insert(phase, (statement, record.clone()));
        self.observer.observe(Event::PhaseFinished { phase, earlier: false });
        Ok(record)
    }

    /// The record of a phase that is done.
    pub(crate) fn record(&self, phase: Phase) -> Result<&PhaseRecord, WorkflowError> {
        self.done.get(&phase).map(|(_, record)| record).ok_or_else(|| missing(&self.run, phase))
    }

    /// The statement of a phase that is done.
    pub(crate) fn statement(&self, phase: Phase) -> Result<Digest, WorkflowError> {
        self.done.get(&phase).map(|(statement, _)| *statement).ok_or_else(|| missing(&self.run, phase))
    }

    /// The phases that are done.
    pub(crate) fn records(&self) -> impl Iterator<Item = &PhaseRecord> {
        self.done.values().map(|(_, record)| record)
    }
}

fn newest_run_of<'e>(entries: &'e [Entry], wanted: &Digest) -> Option<&'e str> {
    entries.iter().rev().find_map(|entry| match &entry.subject {
        Subject::Phase { run, key, .. } if key == wanted => Some(run.as_str()),
        _ => None,
    })
}

/// The name that the next run of a recipe has.
pub(crate) fn next_run(entries: &[Entry], recipe: &Recipe) -> String {
    let name = &recipe.run.name;
    format!("{name}-{}", next_number(entries, name))
}

fn next_number(entries: &[Entry], name: &str) -> u64 {
    let numbers = entries.iter().filter_map(|entry| match &entry.subject {
        Subject::Phase { run, .. } => run.strip_prefix(name)?.strip_prefix('-')?.parse::<u64>().ok(),
        _ => None,
    });
    numbers.max().unwrap_or(0) + 1
}
