//! The index of the ledger: taken from the home's cache, brought up to the newest tree head, and kept again.
//!
//! It says where to look and is never believed: what it names is read from the ledger and the store and verified. So that it
//! leaves nothing out, it is taken only if this home wrote it (its tag) and if the entries that it was made of are the beginning
//! of the ledger (their root); else it is made anew, which reads every statement once. A home that cannot keep one, such as a
//! copy that may not be written to, makes it anew each time.
//!
//! `index/records.sqlite` in the home's cache: a tag (32 bytes), then the database.

use std::collections::BTreeSet;
use std::num::NonZero;

use freehold_cache::{Cache, Kind};
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_index::{Facts, Index, Mark, MarkKind};
use freehold_ledger::{EMPTY_HASH, Reading};
use freehold_store::Store;
use freehold_trust::{KeyId, VerifiedRoot};
use schemars::JsonSchema;
use serde::Serialize;

use crate::run::{self, ADAPTER, output_of};
use crate::statements::read_signed_phase;
use crate::{Home, WorkflowError};

const FILE: &str = "index/records.sqlite";
/// Whoever changes what is kept in it, or what [`facts`] takes from statements, has to change the number.
const KIND: Kind = Kind {
    domain: b"freehold index of records v1",
    name: "index of the records",
    remedy: "made anew",
    bytes_max: 4 << 30,
};
/// Entries that are added together.
const PIECE: u64 = 4096;
/// So many entries take a while.
const MANY: u64 = 50_000;
/// One that grew by less than this part since it was kept is not written again: catching up costs less.
const KEPT_PART: u64 = 1000;

/// An index that was made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reindexed {
    /// Entries of the ledger.
    pub entries: u64,
    /// Runs.
    pub runs: u64,
    /// Runs of which a statement cannot be read.
    pub unread: u64,
    /// Size of the database in bytes.
    pub bytes: u64,
}

/// Makes the index of the records anew, and tells how many entries of how many were read.
///
/// # Errors
/// The ledger cannot be read; there is no place to keep it.
pub fn reindex(home: &Home, mut progress: impl FnMut(u64, u64)) -> Result<Reindexed, WorkflowError> {
    let (store, roots) = (home.store()?, super::roots(home)?);
    let (cache, reading) = (home.cache()?, home.ledger()?.reading()?);
    let mut index = Index::new(EMPTY_HASH.0)?;
    catch_up(&mut index, &reading, (&store, &roots), &mut progress)?;
    let unread = index.unread()?;
    let bytes = keep(&cache, &mut index)?;
    Ok(Reindexed { entries: reading.head().size, runs: index.runs()?, unread, bytes })
}

/// The ledger under its newest tree head, and its index.
pub(super) fn open(home: &Home, store: &Store, roots: &[VerifiedRoot]) -> Result<(Reading, Index), WorkflowError> {
    let reading = home.ledger()?.reading()?;
    let cache = home.cache().ok();
    let kept = cache.as_ref().and_then(|cache| kept(cache, &reading));
    let is_new = kept.is_none();
    if is_new && reading.head().size > MANY {
        let size = reading.head().size;
        tracing::warn!("{}: {size} entries of the ledger are read once; later only new ones are", KIND.name);
    }
    let mut index = kept.map_or_else(|| Index::new(EMPTY_HASH.0), Ok)?;
    let added = catch_up(&mut index, &reading, (store, roots), &mut |_, _| {})?;
    if let Some(cache) = cache.filter(|_| is_new || added * KEPT_PART >= reading.head().size.max(1)) {
        keep(&cache, &mut index)?;
    }
    Ok((reading, index))
}

/// The index that this home kept, if it is of the beginning of this ledger.
fn kept(cache: &Cache, reading: &Reading) -> Option<Index> {
    let kept = cache.load(&KIND, FILE, &[])?;
    let index = Index::from_bytes(kept.content()).ok()?;
    let position = index.position().ok()?;
    let root = reading.root_at(position.size).ok()?;
    (root.0 == position.root).then_some(index)
}

/// Keeps an index that has read everything: one that has not would go on to name what it could not read.
fn keep(cache: &Cache, index: &mut Index) -> Result<u64, WorkflowError> {
    let bytes = index.to_bytes()?;
    if index.unread()? == 0 {
        cache.keep(&KIND, FILE, &[], &bytes);
    }
    Ok(bytes.len() as u64)
}

/// Adds what the ledger has beyond what was read; gives how many entries that were. Those who had to sign its tree head did.
fn catch_up(
    index: &mut Index,
    reading: &Reading,
    statements: (&Store, &[VerifiedRoot]),
    progress: &mut impl FnMut(u64, u64),
) -> Result<u64, WorkflowError> {
    let (first, size) = (index.position()?.size, reading.head().size);
    let mut read = first;
    while read < size {
        let end = size.min(read + PIECE);
        let places: Vec<u64> = (read..end).collect();
        let entries = with_facts(reading.entries_at(&places)?, statements);
        index.add(&entries, end, reading.root_at(end)?.0)?;
        progress(end, size);
        read = end;
    }
    reading.judge(index.position()?.newest_root)?;
    Ok(size - first)
}

/// Each entry with what its statement says. Signatures are most of the work, and threads share it.
fn with_facts(entries: Vec<(u64, Entry)>, statements: (&Store, &[VerifiedRoot])) -> Vec<(u64, Entry, Option<Facts>)> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let read = |(_, entry): &(u64, Entry)| facts(entry, statements).ok().flatten();
    let facts: Vec<Option<Facts>> = std::thread::scope(|scope| {
        let parts = entries.chunks(entries.len().div_ceil(threads).max(1));
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || part.iter().map(read).collect::<Vec<_>>())).collect();
        // A thread that panicked leaves its part unread.
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    });
    let facts = facts.into_iter().chain(std::iter::repeat(None));
    entries.into_iter().zip(facts).map(|((number, entry), facts)| (number, entry, facts)).collect()
}

/// What the statement of an entry says, if it is of a phase.
fn facts(entry: &Entry, (store, roots): (&Store, &[VerifiedRoot])) -> Result<Option<Facts>, WorkflowError> {
    let Subject::Phase { run, phase, .. } = &entry.subject else { return Ok(None) };
    let (record, signers) = read_signed_phase(store, roots, &entry.statement)?;
    if (&record.run, record.phase) != (run, *phase) {
        let problem = "is of another run or phase than its ledger entry".into();
        return Err(WorkflowError::Record { what: format!("statement {}", entry.statement), problem });
    }
    Ok(Some(facts_of(&record, &signers)?))
}

fn facts_of(record: &PhaseRecord, signers: &BTreeSet<KeyId>) -> Result<Facts, WorkflowError> {
    let mut marks: BTreeSet<Mark> = signers.iter().map(|key| Mark::of(MarkKind::Key, &key.to_string())).collect();
    marks.extend(super::impact::files(record).map(|file| Mark::of(MarkKind::File, &file.digest.hex())));
    if record.phase == Phase::Resolve {
        let resolved = run::resolved(record)?;
        for plugin in &resolved.lock.plugin {
            marks.insert(Mark::of(MarkKind::Plugin, &plugin.name.to_string()));
            marks.insert(Mark::of(MarkKind::Version, &format!("{}@{}", plugin.name, plugin.version)));
        }
        marks.extend(resolved.signers.values().map(|key| Mark::of(MarkKind::Key, key)));
    }
    if record.phase == Phase::Train
        && let Ok(adapter) = output_of(record, ADAPTER)
    {
        marks.extend(Mark::adapter(&adapter.hex()));
    }
    let decision = match record.phase {
        Phase::Record => Some(run::recorded(record)?.decision),
        _ => None,
    };
    Ok(Facts { started: record.started, decision, marks })
}
