//! Tree heads of one log: whether those signed who had to, and whether the log was so. One implementation, for a log in a folder
//! and for what was taken out of one.

use freehold_core::record::Entry;

use crate::check::{Copied, Problem};
use crate::history::History;
use crate::signers::Signers;
use crate::tree_head;
use crate::witnessed::{self, Checkpoint};
use crate::{LedgerError, TreeHead};

/// By which name the tree heads of a log go, and who signs them.
#[derive(Debug)]
pub(crate) struct Heads {
    pub(crate) origin: String,
    pub(crate) signers: Signers,
}

/// What came of a look at tree heads.
#[derive(Debug, Default)]
pub(crate) struct HeldHeads {
    pub(crate) witnessed: Option<Checkpoint>,
    pub(crate) copies: Vec<Checkpoint>,
    pub(crate) problems: Vec<Problem>,
}

impl Heads {
    /// A tree head of this log, signed by a key that was a log's key at some time.
    pub(crate) fn open(&self, note: &[u8]) -> Result<TreeHead, LedgerError> {
        let any = self.signers.any()?;
        TreeHead::open(note, &self.origin, &any.keys, any.threshold)
    }

    /// An error if the tree head in `note` is not signed by those who had to sign one over entries of which `newest` is the newest
    /// trust root that they name and `last` the last.
    pub(crate) fn judge(&self, note: &[u8], (newest, last): (u64, Option<&Entry>)) -> Result<(), LedgerError> {
        let quorum = self.signers.over(newest, last)?;
        TreeHead::open(note, &self.origin, &quorum.keys, quorum.threshold).map(|_| ())
    }

    /// Looks at the newest tree head, at the newest that was cosigned, and at those from elsewhere.
    pub(crate) fn check(
        &self,
        note: &[u8],
        kept: Result<Option<Vec<u8>>, LedgerError>,
        history: &impl History,
        copies: &[Copied],
    ) -> HeldHeads {
        let mut held = HeldHeads::default();
        let mut found = |file: &str, error: LedgerError| {
            held.problems.push(Problem { file: file.into(), problem: error.to_string() });
        };
        match history.under(history.size()).and_then(|under| self.judge(note, under)) {
            Ok(()) => match kept.and_then(|kept| self.check_witnessed(kept.as_deref(), history)) {
                Ok(witnessed) => held.witnessed = witnessed,
                Err(error) => found(witnessed::FILE, error),
            },
            // Who has to cosign is said by whom it is said who has to sign.
            Err(error) => found(tree_head::FILE, error),
        }
        for copy in copies {
            match self.hold(&copy.note, history) {
                Ok(copy) => held.copies.push(copy),
                Err(error) => found(&copy.name, error),
            }
        }
        held
    }

    /// The tree head that is kept with its cosignatures. A log whose trust root asks for witnesses has one; which of its entries
    /// came later, its size says.
    fn check_witnessed(&self, kept: Option<&[u8]>, history: &impl History) -> Result<Option<Checkpoint>, LedgerError> {
        let held = kept.map(|kept| self.hold(kept, history)).transpose()?;
        if let (Some(kept), Some(held)) = (kept, &held)
            && (*kept != held.note || held.cosignatures.is_empty())
        {
            let problem = "has signatures that nobody made who may cosign it".into();
            return Err(LedgerError::Malformed { file: witnessed::FILE.into(), problem });
        }
        let (version, _) = history.under(history.size())?;
        let needed = self.signers.root(version)?.map_or(0, |root| root.witness_quorum());
        if needed > 0 && held.as_ref().is_none_or(|held| held.quorum == 0) {
            return Err(LedgerError::Unwitnessed { root: version, needed });
        }
        Ok(held)
    }

    /// A tree head from elsewhere, if the log was so and those signed it who had to. Enough witnesses have to have cosigned it.
    pub(crate) fn hold(&self, note: &[u8], history: &impl History) -> Result<Checkpoint, LedgerError> {
        let head = self.hold_head(note, history)?;
        let checkpoint = self.joined(&[note.to_vec()], head, history.under(head.size)?.0)?;
        checkpoint.has_quorum()?;
        Ok(checkpoint)
    }

    pub(crate) fn hold_head(&self, note: &[u8], history: &impl History) -> Result<TreeHead, LedgerError> {
        let head = self.open(note)?;
        let size = history.size();
        if head.size > size {
            return Err(LedgerError::Rollback { covered: head.size, size });
        }
        match history.root_at(head.size)? {
            Some(root) if root == head.root => {}
            Some(_) => return Err(LedgerError::Fork(head.size)),
            None => return Err(LedgerError::Unproven(head.size)),
        }
        self.judge(note, history.under(head.size)?)?;
        Ok(head)
    }

    /// Notes of one tree head as one, with the cosignatures by the witnesses of trust root `version`.
    pub(crate) fn joined(&self, notes: &[Vec<u8>], head: TreeHead, version: u64) -> Result<Checkpoint, LedgerError> {
        let Some(root) = self.signers.root(version)? else {
            let note = notes.first().cloned().unwrap_or_default();
            return Ok(Checkpoint { head, note, cosignatures: Vec::new(), quorum: 0, trust_root: version });
        };
        let notes: Vec<&[u8]> = notes.iter().map(Vec::as_slice).collect();
        let note = root.join_notes(&notes, &self.origin, &self.signers.over(version, None)?.keys)?;
        let (cosignatures, quorum) = (root.cosignatures(&note)?, root.witness_quorum());
        Ok(Checkpoint { head, note, cosignatures, quorum, trust_root: version })
    }
}
