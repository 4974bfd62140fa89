//! A pack before it is written: what it will hold, verified as whoever gets it will verify it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_ledger::Extract;
use freehold_pack::{HELD_BYTES_MAX, Pack, PackError, TOTAL_BYTES_MAX, Witnessed};
use freehold_store::{Blobs, Store, StoreError};
use freehold_trust::VerifiedRoot;

use super::contents::{Extra, concerns, contents};
use crate::audit::DocumentError;
use crate::audit::past::Past;
use crate::audit::verify::{Request, Source, VerifiedPack};
use crate::{Home, WorkflowError, may_export};

/// A ledger of at most so many entries goes into a pack as a whole, if nothing else is asked for.
const WHOLE_ENTRIES_MAX: u64 = 1024;

/// Which entries of the ledger a pack is to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EntryChoice {
    /// All of a small ledger, else those of the run.
    #[default]
    Fitting,
    /// All: then the pack shows that no other entry concerns the run, and names every run of the home.
    All,
    /// Those that concern the run: what else there is stays untold, and whether there is more.
    Run,
}

/// How a pack is to be made.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What it is to hold besides what every pack holds.
    pub with: BTreeSet<Extra>,
    /// Which entries.
    pub entries: EntryChoice,
}

/// A pack that is ready to be written.
#[derive(Debug)]
pub struct Draft {
    /// What whoever gets it will see.
    pub verified: VerifiedPack,
    parts: Pack<u64>,
    store: Store,
}

/// Makes a pack of a run. The same run gives the same pack as long as the ledger is the same.
///
/// # Errors
/// There is no such run, or it has no decision; what the home has of it does not verify; a pack cannot hold so much.
pub fn draft(home: &Home, run: &str, options: &Options) -> Result<Draft, WorkflowError> {
    let extract = extract(home, run, options.entries)?;
    // What was learned, and what it was learned from, leaves the home only if the rules for their labels let it.
    if options.with.contains(&Extra::Weights) || options.with.contains(&Extra::Data) {
        let adapter = Past::open(home)?.part(run, &[Phase::Train])?.adapter();
        adapter.map(|adapter| may_export(home, &adapter)).transpose()?;
    }
    let roots = roots_of(home, &extract)?;
    let past = past_of(home, &extract, &roots)?;
    let chosen = contents(&past, run)?
        .into_iter()
        .filter(|(_, extra)| extra.as_ref().is_none_or(|extra| options.with.contains(&extra.kind)));
    let store = home.store()?;
    let (mut blobs, mut held) = (BTreeMap::new(), 0);
    for (digest, _) in chosen {
        store.verify(&digest)?;
        let bytes = store.reader(&digest)?.bytes();
        held += if bytes > HELD_BYTES_MAX { 0 } else { bytes };
        blobs.insert(digest, bytes);
    }
    if held > TOTAL_BYTES_MAX {
        return Err(PackError::Total { limit: TOTAL_BYTES_MAX }.into());
    }
    let source = Source {
        run: run.into(),
        roots: roots.iter().map(|(_, bytes)| bytes.clone()).collect(),
        extract: extract.clone(),
        digests: blobs.keys().copied().collect(),
        blobs: Chosen { store: home.store()?, digests: blobs.keys().copied().collect() },
    };
    let verified = source.verify(&Request::default());
    if let Some(first) = verified.verification.findings.first() {
        let (what, problem) = (first.what.clone(), first.problem.clone());
        return Err(DocumentError::Unsound { run: run.into(), what, problem }.into());
    }
    let parts = Pack {
        run: run.into(),
        roots: roots.into_iter().map(|(_, bytes)| bytes).collect(),
        checkpoint: extract.checkpoint,
        witnessed: extract.witnessed.map(|(checkpoint, consistency)| Witnessed { checkpoint, consistency }),
        proofs: extract.proofs,
        blobs,
    };
    Ok(Draft { verified, parts, store })
}

/// The entries, under one tree head. The run has to have come to a decision.
fn extract(home: &Home, run: &str, entries: EntryChoice) -> Result<Extract, WorkflowError> {
    let past = Past::open(home)?;
    let past_run = past.run(run)?;
    if past_run.report()?.is_none() {
        let last = past_run.phases.last_key_value().map(|(phase, _)| *phase);
        let phase = last.unwrap_or(freehold_core::record::Phase::Resolve);
        return Err(DocumentError::Unfinished { run: run.into(), phase }.into());
    }
    let whole = match entries {
        EntryChoice::All => true,
        EntryChoice::Run => false,
        EntryChoice::Fitting => past.size() <= WHOLE_ENTRIES_MAX,
    };
    // What an alias of the run named before and names after is part of its story.
    let aliases = past.ever_named(run)?;
    let of_alias = |entry: &Entry| matches!(&entry.subject, Subject::Alias { alias, .. } if aliases.contains(alias));
    Ok(home.ledger()?.extract(|_, entry| whole || concerns(entry, run) || of_alias(entry))?)
}

/// The trust roots that these entries name; the home may have one that is not entered yet.
fn roots_of(home: &Home, extract: &Extract) -> Result<Vec<(VerifiedRoot, Vec<u8>)>, WorkflowError> {
    let all = home.trust_roots()?;
    let known = past_of(home, extract, &all)?;
    let entered = |version| known.entries().iter().any(|(_, entry)| entry.subject == Subject::TrustRoot { version });
    Ok(all.into_iter().filter(|(root, _)| entered(root.version)).collect())
}

fn past_of(home: &Home, extract: &Extract, roots: &[(VerifiedRoot, Vec<u8>)]) -> Result<Past, WorkflowError> {
    let roots: Vec<VerifiedRoot> = roots.iter().map(|(root, _)| root.clone()).collect();
    let extracted = extract.check(&crate::home::origin_of(&roots)?, roots.clone(), &[])?;
    Past::of_some(home.store()?, roots, extracted.entries.unwrap_or_default())
}

impl Draft {
    /// Writes it.
    ///
    /// # Errors
    /// A blob cannot be read any more, or `to` refuses what is written.
    pub fn write<W: io::Write>(&self, to: W) -> io::Result<W> {
        freehold_pack::write(&self.parts, &Stored(&self.store), to)
    }
}

/// Blobs of a store, read piece by piece.
struct Stored<'s>(&'s Store);

/// What is read at one time.
const PIECE_BYTES: usize = 64 << 10;

impl freehold_pack::Blobs<u64> for Stored<'_> {
    fn bytes(&self, _: &Digest, bytes: &u64) -> io::Result<u64> {
        Ok(*bytes)
    }

    fn write(&self, digest: &Digest, _: &u64, to: &mut dyn io::Write) -> io::Result<()> {
        let mut reader = self.0.reader(digest).map_err(io::Error::other)?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match reader.read(&mut piece).map_err(io::Error::other)? {
                0 => return Ok(()),
                count => to.write_all(&piece[..count])?,
            }
        }
    }
}

/// The part of a store that goes into a pack.
#[derive(Debug)]
struct Chosen {
    store: Store,
    digests: BTreeSet<Digest>,
}

impl Blobs for Chosen {
    fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        if self.digests.contains(digest) { self.store.get(digest) } else { Err(StoreError::LeftOut(*digest)) }
    }

    fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.digests.contains(digest))
    }
}
