//! Tree heads that come from elsewhere: copies that someone kept, and those that witnesses cosigned. Each is held against the
//! entries; the newest that enough witnesses cosigned is kept beside the log.

use freehold_trust::Cosignature;

use crate::hashes::Hashes;
use crate::history::{History as _, Whole};
use crate::{Ledger, LedgerError, TreeHead, tiles};

/// The newest tree head that witnesses cosigned.
pub(crate) const FILE: &str = "witnessed";
pub(crate) const NOTE_BYTES_MAX: u64 = 1 << 20;

/// A signed tree head, and who cosigned it.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The tree head.
    pub head: TreeHead,
    /// The signed note.
    pub note: Vec<u8>,
    /// Witnesses that cosigned it, by the trust root that governs it.
    pub cosignatures: Vec<Cosignature>,
    /// How many that root asks for.
    pub quorum: usize,
    /// The version of that root; 1 where one key signs everything.
    pub trust_root: u64,
}

impl Checkpoint {
    /// An error if too few witnesses cosigned it.
    pub fn has_quorum(&self) -> Result<(), LedgerError> {
        let (size, found, needed, root) = (self.head.size, self.cosignatures.len(), self.quorum, self.trust_root);
        if found < needed { Err(LedgerError::Quorum { size, found, needed, root }) } else { Ok(()) }
    }
}

impl Ledger {
    /// The newest tree head, with the cosignatures that were brought for it.
    pub fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        loop {
            let (note, head) = self.read_head()?;
            let state = self.current()?;
            if state.head != head {
                continue;
            }
            let kept = self.read_kept()?.filter(|kept| self.heads.open(kept).is_ok_and(|of| of == head));
            return self.heads.joined(
                &[Some(note), kept].into_iter().flatten().collect::<Vec<_>>(),
                head,
                state.newest,
            );
        }
    }

    /// The newest tree head that witnesses cosigned, held against the log; `None` if there is none yet.
    pub fn witnessed(&self) -> Result<Option<Checkpoint>, LedgerError> {
        let Some(kept) = self.read_kept()? else { return Ok(None) };
        let entries = self.entries()?;
        let records = tiles::read_records(&self.dir, 0, entries.len() as u64)?;
        let history = Whole { entries: &entries, hashes: &Hashes::of(&records) };
        self.heads.hold(&kept, &history).map(Some)
    }

    /// Keeps a tree head that witnesses cosigned. Several notes may bring their cosignatures, all of one tree head. It has to be
    /// of this log, as it is now or as it was, and at least as new as the one that is kept; and as many witnesses have to have
    /// cosigned it as the trust root that governs it asks for, or one if it asks for none.
    pub fn witness(&self, notes: &[Vec<u8>]) -> Result<Checkpoint, LedgerError> {
        let _lock = self.lock()?;
        let (note, head) = self.read_head()?;
        let entries = self.entries_under(&note, head)?;
        let hashes = Hashes::of(&tiles::read_records(&self.dir, 0, head.size)?);
        let history = Whole { entries: &entries, hashes: &hashes };
        let mut notes = notes.to_vec();
        let mut of = head;
        for note in &notes {
            of = self.heads.hold_head(note, &history)?;
        }
        if let Some(kept) = self.read_kept()?
            && let Ok(known) = self.heads.hold_head(&kept, &history)
        {
            if known.size > of.size {
                return Err(LedgerError::Older { kept: known.size, found: of.size });
            }
            notes.extend((known == of).then_some(kept));
        }
        let (version, _) = history.under(of.size)?;
        if self.heads.signers.root(version)?.is_none_or(|root| root.witness_keys().next().is_none()) {
            return Err(LedgerError::NoWitnesses(version));
        }
        let mut checkpoint = self.heads.joined(&notes, of, version)?;
        checkpoint.quorum = checkpoint.quorum.max(1);
        checkpoint.has_quorum()?;
        freehold_files::write(&self.dir, FILE, &checkpoint.note)?;
        Ok(checkpoint)
    }

    pub(crate) fn read_kept(&self) -> Result<Option<Vec<u8>>, LedgerError> {
        match freehold_files::read(&self.dir, FILE, NOTE_BYTES_MAX) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
