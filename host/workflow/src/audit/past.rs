//! The records of a home, from the ledger and the store alone; each statement is verified when it is read.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use freehold_core::digest::Digest;
use freehold_core::evidence::Evidence;
use freehold_core::name::Alias;
use freehold_core::recipe::Recipe;
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_core::verdict::Stage;
use freehold_index::{Group, Index, Mark, Place, Wanted};
use freehold_ledger::EMPTY_HASH;
use freehold_store::{Blobs, StoreError};
use freehold_trust::{KeyId, VerifiedRoot};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::log::Log;
use super::{indexed, no_run};
use crate::run::{self, ADAPTER, LOSSES, PhaseReports, ResolveDetail, RunReport, output_of};
use crate::statements::{malformed, read_signed_phase};
use crate::{Home, WorkflowError};

/// Runs that are looked up together.
const PAGE: usize = 64;

/// Everything that was recorded.
pub(super) struct Past {
    pub(super) store: Box<dyn Blobs>,
    pub(super) roots: Vec<VerifiedRoot>,
    log: Log,
    index: Index,
    /// The run that each alias names now.
    aliases: OnceCell<BTreeMap<Alias, String>>,
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
    past: &'p Past,
}

impl Past {
    /// What a home has recorded, read when it is asked for.
    pub(super) fn open(home: &Home) -> Result<Self, WorkflowError> {
        let (store, roots) = (home.store()?, super::roots(home)?);
        let (reading, index) = indexed::open(home, &store, &roots)?;
        Ok(Self { store: Box::new(store), roots, log: Log::Read(Box::new(reading)), index, aliases: OnceCell::new() })
    }

    /// What these entries, which somebody verified, say was recorded.
    pub(super) fn of(
        store: impl Blobs + 'static,
        roots: Vec<VerifiedRoot>,
        entries: Vec<Entry>,
    ) -> Result<Self, WorkflowError> {
        Self::of_some(store, roots, (0..).zip(entries))
    }

    /// The same of some entries of a ledger, in their order, each with its number in it.
    pub(super) fn of_some(
        store: impl Blobs + 'static,
        roots: Vec<VerifiedRoot>,
        entries: impl IntoIterator<Item = (u64, Entry)>,
    ) -> Result<Self, WorkflowError> {
        let entries: Vec<(u64, Entry)> = entries.into_iter().collect();
        let mut index = Index::new(EMPTY_HASH.0)?;
        // What statements say is not known yet, so that every run may be what is looked for.
        let unread: Vec<_> = entries.iter().map(|(number, entry)| (*number, entry.clone(), None)).collect();
        let size = entries.last().map_or(0, |(number, _)| number + 1);
        index.add(&unread, size, EMPTY_HASH.0)?;
        Ok(Self { store: Box::new(store), roots, log: Log::Whole(entries), index, aliases: OnceCell::new() })
    }

    /// Every entry with its number, where somebody read all of them; none where they are read when they are asked for.
    pub(super) fn entries(&self) -> &[(u64, Entry)] {
        match &self.log {
            Log::Whole(entries) => entries,
            Log::Read(_) => &[],
        }
    }

    /// How many entries the ledger has, as far as is known.
    pub(super) fn size(&self) -> u64 {
        match &self.log {
            Log::Whole(entries) => entries.last().map_or(0, |(number, _)| number + 1),
            Log::Read(reading) => reading.head().size,
        }
    }

    /// The store, and the trust roots.
    pub(super) fn into_parts(self) -> (Box<dyn Blobs>, Vec<VerifiedRoot>) {
        (self.store, self.roots)
    }

    /// The names of the runs that may be wanted, newest first; whether they are, their records say.
    pub(super) fn wanted<'p>(&'p self, wanted: &'p Wanted) -> impl Iterator<Item = Result<String, WorkflowError>> + 'p {
        let (mut place, mut page) = (Place::BEGINNING, VecDeque::new());
        std::iter::from_fn(move || {
            if page.is_empty() {
                match self.index.wanted(wanted, place, PAGE) {
                    Ok((names, next)) => (page, place) = (names.into(), next),
                    Err(error) => return Some(Err(error.into())),
                }
            }
            page.pop_front().map(Ok)
        })
    }

    /// The names of all runs, oldest first.
    pub(super) fn runs(&self) -> Result<Vec<String>, WorkflowError> {
        let mut names: Vec<String> = self.wanted(&Wanted::default()).collect::<Result<_, _>>()?;
        names.reverse();
        Ok(names)
    }

    /// The entries of the phases of a run, in order; an error if it has none.
    pub(super) fn phase_entries(&self, run: &str) -> Result<Vec<(u64, Phase, Entry)>, WorkflowError> {
        let entries = self.log.entries(&self.index.phases(run)?)?.into_iter();
        let of_run = entries.filter_map(|(index, entry)| match &entry.subject {
            Subject::Phase { run: name, phase, .. } if name == run => Some((index, *phase, entry)),
            _ => None,
        });
        let of_run: Vec<_> = of_run.collect();
        if !of_run.is_empty() {
            return Ok(of_run);
        }
        let names = self.runs()?;
        Err(no_run(run, names.iter().map(String::as_str)))
    }

    /// The run of this name.
    pub(super) fn run<'p>(&'p self, name: &'p str) -> Result<PastRun<'p>, WorkflowError> {
        self.part(name, &Phase::ALL)
    }

    /// The run of this name, of which only the statements of some phases are read.
    pub(super) fn part<'p>(&'p self, name: &'p str, wanted: &[Phase]) -> Result<PastRun<'p>, WorkflowError> {
        let mut phases = BTreeMap::new();
        for (index, phase, entry) in self.phase_entries(name)? {
            if wanted.contains(&phase) {
                let (record, signers) = read_signed_phase(&*self.store, &self.roots, &entry.statement)?;
                let (entered, statement) = (entry.time, entry.statement);
                phases.insert(phase, PastPhase { index, entered, statement, record, signers });
            }
        }
        Ok(PastRun { name, phases, past: self })
    }

    /// The run that made a model: what an alias names now, a run, or the digest of an adapter or its beginning.
    pub(super) fn run_of(&self, model: &str) -> Result<String, WorkflowError> {
        if let Some((_, run)) = self.aliases()?.iter().find(|(alias, _)| alias.to_string() == model) {
            return Ok(run.clone());
        }
        if !self.index.phases(model)?.is_empty() {
            return Ok(model.into());
        }
        let digits = model.strip_prefix("sha256:").unwrap_or(model).to_lowercase();
        let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(mark) = Mark::adapter(&digits).filter(|_| all_hex) {
            let wanted = Wanted { groups: vec![Group { marks: vec![mark], names: vec![] }], ..Wanted::default() };
            for name in self.wanted(&wanted) {
                let name = name?;
                let adapter = self.part(&name, &[Phase::Train])?.adapter();
                if adapter.is_some_and(|adapter| adapter.hex().starts_with(&digits)) {
                    return Ok(name);
                }
            }
        }
        Err(WorkflowError::NoModel { model: model.into() })
    }

    /// The run that each alias names now.
    pub(super) fn aliases(&self) -> Result<&BTreeMap<Alias, String>, WorkflowError> {
        if let Some(aliases) = self.aliases.get() {
            return Ok(aliases);
        }
        let entries = self.log.entries(&self.index.last_moves()?)?.into_iter();
        let named = entries.filter_map(|(_, entry)| match entry.subject {
            Subject::Alias { alias, run, .. } => Some((alias, run)),
            _ => None,
        });
        let named = named.collect();
        Ok(self.aliases.get_or_init(|| named))
    }

    /// The aliases that name a run now.
    pub(super) fn aliases_of(&self, run: &str) -> Result<Vec<String>, WorkflowError> {
        let named = self.aliases()?.iter().filter(|(_, name)| *name == run);
        Ok(named.map(|(alias, _)| alias.to_string()).collect())
    }

    /// The entries that moved an alias, in order.
    pub(super) fn moves_of(&self, wanted: &Alias) -> Result<Vec<(u64, Entry)>, WorkflowError> {
        let entries = self.log.entries(&self.index.moves_of_alias(&wanted.to_string())?)?.into_iter();
        Ok(entries
            .filter(|(_, entry)| matches!(&entry.subject, Subject::Alias { alias, .. } if alias == wanted))
            .collect())
    }

    /// The entries that moved an alias to what a run made, in order.
    pub(super) fn moves_to(&self, run: &str) -> Result<Vec<(u64, Entry)>, WorkflowError> {
        let entries = self.log.entries(&self.index.moves_to_run(run)?)?.into_iter();
        Ok(entries
            .filter(|(_, entry)| matches!(&entry.subject, Subject::Alias { run: name, .. } if name == run))
            .collect())
    }

    /// Every alias that ever named what a run made, in the order in which they did.
    pub(super) fn ever_named(&self, run: &str) -> Result<Vec<Alias>, WorkflowError> {
        let mut seen = BTreeSet::new();
        let named = self.moves_to(run)?.into_iter().filter_map(|(_, entry)| match entry.subject {
            Subject::Alias { alias, .. } => Some(alias),
            _ => None,
        });
        Ok(named.filter(|alias| seen.insert(alias.clone())).collect())
    }

    /// The entries of the approvals of a run, in order.
    pub(super) fn approvals_of(&self, run: &str) -> Result<Vec<(u64, Entry)>, WorkflowError> {
        let entries = self.log.entries(&self.index.approvals(run)?)?.into_iter();
        Ok(entries
            .filter(|(_, entry)| matches!(&entry.subject, Subject::Approval { run: name, .. } if name == run))
            .collect())
    }

    /// Whether the ledger has a trust root before an entry.
    pub(super) fn has_root_before(&self, version: u64, index: u64) -> Result<bool, WorkflowError> {
        let Some(entered) = self.index.trust_root(version)?.filter(|entered| *entered < index) else {
            return Ok(false);
        };
        let subject = Subject::TrustRoot { version };
        Ok(self.log.entries(&[entered])?.iter().any(|(_, entry)| entry.subject == subject))
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

    /// The loss of every step of the training; `None` if nothing was trained, or the file is gone, which `audit verify` says.
    pub(super) fn losses(&self) -> Result<Option<Vec<f32>>, WorkflowError> {
        let Some(trained) = self.record(Phase::Train) else { return Ok(None) };
        let bytes = match self.past.store.get(&output_of(trained, LOSSES)?) {
            Ok(bytes) => bytes,
            Err(StoreError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(malformed(format!("{LOSSES} of {}", self.name)))
    }

    fn kept<T: DeserializeOwned>(&self, phase: Phase, name: &str) -> Result<T, WorkflowError> {
        let bytes = self.past.store.get(&output_of(self.needed(phase)?, name)?)?;
        serde_json::from_slice(&bytes).map_err(malformed(format!("{name} of {}", self.name)))
    }

    /// What its phases say, whether or not there is a decision.
    pub(super) fn phase_reports(&self) -> Result<PhaseReports, WorkflowError> {
        run::phase_reports(self.phases.values().map(|phase| &phase.record), &*self.past.store)
    }

    /// What it came to; `None` while it is not recorded.
    pub(super) fn report(&self) -> Result<Option<RunReport>, WorkflowError> {
        let Some(recorded) = self.phases.get(&Phase::Record) else { return Ok(None) };
        let records = self.phases.values().map(|phase| &phase.record);
        let moved = match run::recorded(&recorded.record)?.alias {
            Some(alias) => self.past.ever_named(self.name)?.contains(&alias),
            None => false,
        };
        run::report_of(self.name, records, (recorded.statement, &recorded.record), moved, &*self.past.store).map(Some)
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

/// What a run came to that was decided.
pub(crate) fn report(home: &Home, run: &str) -> Result<RunReport, WorkflowError> {
    let problem = || WorkflowError::Record { what: run.into(), problem: "it has no decision".into() };
    Past::open(home)?.run(run)?.report()?.ok_or_else(problem)
}

/// What the names in the recipe of a run stood for.
pub(crate) fn resolved(home: &Home, run: &str) -> Result<ResolveDetail, WorkflowError> {
    Past::open(home)?.run(run)?.resolved()
}
