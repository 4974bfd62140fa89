//! The records of a home, from the ledger and the store alone; each statement is verified when it is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use freehold_core::digest::Digest;
use freehold_core::evidence::Evidence;
use freehold_core::name::Alias;
use freehold_core::recipe::Recipe;
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_core::verdict::Stage;
use freehold_store::Blobs;
use freehold_trust::{KeyId, VerifiedRoot};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::no_run;
use crate::run::{self, ADAPTER, ResolveDetail, RunReport, output_of};
use crate::statements::{malformed, read_signed_phase};
use crate::{Home, WorkflowError, aliases};

/// Everything that was recorded.
pub(super) struct Past {
    pub(super) store: Box<dyn Blobs>,
    pub(super) roots: Vec<VerifiedRoot>,
    pub(super) entries: Vec<Entry>,
    /// The entries of the phases of each run, oldest run first.
    runs: Vec<(String, Vec<usize>)>,
    places: HashMap<String, usize>,
    /// The numbers of the entries in the ledger, where some were left out.
    numbers: Option<Vec<u64>>,
}

/// A phase that ended.
pub(super) struct PastPhase {
    /// Its entry in the ledger.
    pub(super) index: u64,
    /// When it was entered.
    pub(super) entered: Timestamp,
    pub(super) statement: Digest,
    pub(super) record: PhaseRecord,
    /// The recorders who signed it.
    pub(super) signers: BTreeSet<KeyId>,
}

/// The phases of a run.
pub(super) struct PastRun<'p> {
    pub(super) name: &'p str,
    pub(super) phases: BTreeMap<Phase, PastPhase>,
    store: &'p dyn Blobs,
}

impl Past {
    pub(super) fn open(home: &Home) -> Result<Self, WorkflowError> {
        Ok(Self::of(home.store()?, super::roots(home)?, home.ledger()?.entries()?))
    }

    pub(super) fn of(store: impl Blobs + 'static, roots: Vec<VerifiedRoot>, entries: Vec<Entry>) -> Self {
        let (mut runs, mut places) = (Vec::<(String, Vec<usize>)>::new(), HashMap::new());
        for (index, entry) in entries.iter().enumerate() {
            let Subject::Phase { run, .. } = &entry.subject else { continue };
            let place = *places.entry(run.clone()).or_insert_with(|| {
                runs.push((run.clone(), Vec::new()));
                runs.len() - 1
            });
            runs[place].1.push(index);
        }
        Self { store: Box::new(store), roots, entries, runs, places, numbers: None }
    }

    /// Some entries of a ledger, by number.
    pub(super) fn of_some(
        store: impl Blobs + 'static,
        roots: Vec<VerifiedRoot>,
        entries: BTreeMap<u64, Entry>,
    ) -> Self {
        let (numbers, entries) = entries.into_iter().unzip();
        Self { numbers: Some(numbers), ..Self::of(store, roots, entries) }
    }

    /// The number in the ledger of the entry at this place of the entries.
    pub(super) fn number(&self, place: usize) -> u64 {
        let numbers = self.numbers.as_ref();
        numbers.and_then(|numbers| numbers.get(place).copied()).unwrap_or(place as u64)
    }

    /// The store, and the trust roots.
    pub(super) fn into_parts(self) -> (Box<dyn Blobs>, Vec<VerifiedRoot>) {
        (self.store, self.roots)
    }

    /// The names of all runs, oldest first.
    pub(super) fn runs(&self) -> Vec<&str> {
        self.runs.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The run of this name.
    pub(super) fn run<'p>(&'p self, name: &'p str) -> Result<PastRun<'p>, WorkflowError> {
        let mut phases = BTreeMap::new();
        let place = self.places.get(name).ok_or_else(|| no_run(name, &self.entries))?;
        for &index in &self.runs[*place].1 {
            let entry = &self.entries[index];
            let Subject::Phase { phase, .. } = &entry.subject else { continue };
            let (record, signers) = read_signed_phase(&*self.store, &self.roots, &entry.statement)?;
            let (index, entered, statement) = (self.number(index), entry.time, entry.statement);
            phases.insert(*phase, PastPhase { index, entered, statement, record, signers });
        }
        Ok(PastRun { name, phases, store: &*self.store })
    }

    /// The run that made a model: what an alias names now, a run, or the digest of an adapter or its beginning.
    pub(super) fn run_of(&self, model: &str) -> Result<String, WorkflowError> {
        if let Some(state) = aliases::after(&self.entries).remove(model) {
            return Ok(state.run);
        }
        if self.places.contains_key(model) {
            return Ok(model.into());
        }
        let digits = model.strip_prefix("sha256:").unwrap_or(model);
        if digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            for name in self.runs().into_iter().rev() {
                let adapter = self.run(name)?.adapter();
                if adapter.is_some_and(|adapter| adapter.hex().starts_with(&digits.to_lowercase())) {
                    return Ok(name.into());
                }
            }
        }
        Err(WorkflowError::NoModel { model: model.into() })
    }

    /// Every alias that ever named what a run made, in the order in which they did.
    pub(super) fn ever_named(&self, name: &str) -> Vec<&Alias> {
        let mut seen = BTreeSet::new();
        let named = self.entries.iter().filter_map(|entry| match &entry.subject {
            Subject::Alias { alias, run, .. } if run == name => Some(alias),
            _ => None,
        });
        named.filter(|alias| seen.insert(*alias)).collect()
    }

    /// The aliases that name a run now.
    pub(super) fn aliases_of(&self, run: &str) -> Vec<String> {
        let named = aliases::after(&self.entries).into_iter().filter(|(_, state)| state.run == run);
        named.map(|(alias, _)| alias).collect()
    }
}

impl PastRun<'_> {
    pub(super) fn record(&self, phase: Phase) -> Option<&PhaseRecord> {
        self.phases.get(&phase).map(|phase| &phase.record)
    }

    fn needed(&self, phase: Phase) -> Result<&PhaseRecord, WorkflowError> {
        let problem = format!("phase {phase} has no statement");
        self.record(phase).ok_or_else(|| WorkflowError::Record { what: self.name.into(), problem })
    }

    /// What phase resolve found.
    pub(super) fn resolved(&self) -> Result<ResolveDetail, WorkflowError> {
        run::resolved(self.needed(Phase::Resolve)?)
    }

    /// The recipe as it was run.
    pub(super) fn recipe(&self) -> Result<Recipe, WorkflowError> {
        self.kept(Phase::Resolve, "recipe")
    }

    /// What the policies of a stage were shown.
    pub(super) fn evidence(&self, stage: Stage) -> Result<Evidence, WorkflowError> {
        let phase = if stage == Stage::Admit { Phase::Admit } else { Phase::Promote };
        self.kept(phase, &format!("evidence/{}", stage.as_str()))
    }

    fn kept<T: DeserializeOwned>(&self, phase: Phase, name: &str) -> Result<T, WorkflowError> {
        let bytes = self.store.get(&output_of(self.needed(phase)?, name)?)?;
        serde_json::from_slice(&bytes).map_err(malformed(format!("{name} of {}", self.name)))
    }

    /// What it came to; `None` while it is not recorded.
    pub(super) fn report(&self) -> Result<Option<RunReport>, WorkflowError> {
        let Some(recorded) = self.phases.get(&Phase::Record) else { return Ok(None) };
        let records = self.phases.values().map(|phase| &phase.record);
        run::report_of(self.name, records, (recorded.statement, &recorded.record), self.store).map(Some)
    }

    /// The adapter that was trained.
    pub(super) fn adapter(&self) -> Option<Digest> {
        output_of(self.record(Phase::Train)?, ADAPTER).ok()
    }

    /// When the first phase began.
    pub(super) fn started(&self) -> Option<Timestamp> {
        self.phases.values().next().map(|phase| phase.record.started)
    }

    /// Everyone who signed a phase.
    pub(super) fn signers(&self) -> BTreeSet<KeyId> {
        self.phases.values().flat_map(|phase| phase.signers.iter().copied()).collect()
    }
}
