//! Entries that leave the folder of the log: each with the proof that it is under one signed tree head, so that who has the trust
//! roots needs nothing else of the log.

use std::collections::BTreeMap;

use freehold_core::record::{Entry, Subject};

use crate::check::{Copied, Problem};
use crate::hashes::Hashes;
use crate::heads::{Heads, HeldHeads};
use crate::history::{Partial, Whole};
use crate::proofs::{hashes_of_lines, lines_of_hashes};
use crate::signers::Signers;
use crate::witnessed::{self, Checkpoint};
use crate::{
    ATTEMPTS, EntryProof, Ledger, LedgerError, RootSource, TreeHead, tiles, verify_consistency, verify_inclusion,
};

/// Some entries of a log, or all. Nothing of it is verified until [`Extract::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract {
    /// The signed tree head.
    pub checkpoint: Vec<u8>,
    /// The newest tree head that witnesses cosigned, and the hashes that lead from it to the other, in base64, a line each.
    pub witnessed: Option<(Vec<u8>, Vec<u8>)>,
    /// Entries by number, each as a C2SP tlog-proof.
    pub proofs: BTreeMap<u64, Vec<u8>>,
}

/// What an extract shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Extracted {
    /// The signed tree head.
    pub head: TreeHead,
    /// The entries by number; `None` if they cannot be read or a proof does not hold.
    pub entries: Option<BTreeMap<u64, Entry>>,
    /// What is wrong; empty if nothing is.
    pub problems: Vec<Problem>,
    /// The newest tree head that witnesses cosigned, if there is one and it holds.
    pub witnessed: Option<Checkpoint>,
    /// The tree heads from elsewhere that hold, in the order in which they were given.
    pub copies: Vec<Checkpoint>,
}

impl Extracted {
    /// Whether every entry under the tree head is there: then there is no other of which one would have to know.
    pub fn is_whole(&self) -> bool {
        self.entries.as_ref().is_some_and(|entries| entries.len() as u64 == self.head.size)
    }
}

impl Ledger {
    /// The entries that are wanted, under the newest tree head. Those of trust roots are always among them, and those by whose
    /// time it is judged which keys were good.
    ///
    /// # Errors
    /// The log does not hold, or cannot be read.
    pub fn extract(&self, wanted: impl Fn(u64, &Entry) -> bool) -> Result<Extract, LedgerError> {
        let mut attempt = 1;
        loop {
            let (note, head) = self.read_head()?;
            let extract = self.extract_under(&note, head, &wanted);
            // As with all that reads a log which goes on meanwhile.
            if extract.is_ok() || attempt == ATTEMPTS || self.tree_head().ok() == Some(head) {
                return extract;
            }
            attempt += 1;
        }
    }

    fn extract_under(
        &self,
        note: &[u8],
        head: TreeHead,
        wanted: &impl Fn(u64, &Entry) -> bool,
    ) -> Result<Extract, LedgerError> {
        let entries = self.entries_under(note, head)?;
        let records = tiles::read_records(&self.dir, 0, head.size)?;
        let hashes = Hashes::of(&records);
        let kept = self.read_kept()?;
        let history = Whole { entries: &entries, hashes: &hashes };
        let witnessed = kept.map(|kept| self.heads.hold(&kept, &history)).transpose()?;
        let last = |index: u64, of: TreeHead| index + 1 == of.size;
        let mut proofs = BTreeMap::new();
        for ((index, entry), record) in (0..).zip(&entries).zip(records) {
            let needed = matches!(entry.subject, Subject::TrustRoot { .. })
                || last(index, head)
                || witnessed.as_ref().is_some_and(|witnessed| last(index, witnessed.head));
            if needed || wanted(index, entry) {
                let proven = tlog_tiles::prove_record(head.size, index, &hashes).map_err(tiles::broken)?;
                let proof = EntryProof { index, record, hashes: proven, checkpoint: note.to_vec() };
                proofs.insert(index, proof.to_bytes());
            }
        }
        let consistency = |witnessed: Checkpoint| {
            let size = witnessed.head.size;
            let proof = if size == 0 { Vec::new() } else { tlog_tiles::prove_tree(head.size, size, &hashes)? };
            Ok((witnessed.note, lines_of_hashes(&proof)))
        };
        let witnessed = witnessed.map(consistency).transpose().map_err(tiles::broken)?;
        Ok(Extract { checkpoint: note.to_vec(), witnessed, proofs })
    }
}

impl Extract {
    /// Verifies tree heads and proofs against the trust roots, and holds the log against tree heads that were kept elsewhere. An
    /// error means that there is no tree head to check against.
    ///
    /// # Errors
    /// The tree head is none, or is not one of the log `origin`.
    pub fn check(
        &self,
        origin: &str,
        roots: impl RootSource + 'static,
        copies: &[Copied],
    ) -> Result<Extracted, LedgerError> {
        let heads = Heads { origin: origin.into(), signers: Signers::Roots(Box::new(roots)) };
        let head = heads.open(&self.checkpoint)?;
        let (mut entries, mut records, mut problems) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (index, text) in &self.proofs {
            match self.read_entry(*index, text, &head) {
                Ok((record, entry)) => {
                    records.push(record);
                    entries.insert(*index, entry);
                }
                Err(error) => {
                    problems.push(Problem { file: format!("{index}.tlog-proof"), problem: error.to_string() });
                }
            }
        }
        let mut extracted = Extracted { head, entries: None, problems, witnessed: None, copies: Vec::new() };
        if !extracted.problems.is_empty() {
            return Ok(extracted);
        }
        let consistent = self.consistent(&heads, &head);
        let held = if entries.len() as u64 == head.size {
            let (entries, hashes): (Vec<Entry>, _) = (entries.values().cloned().collect(), Hashes::of(&records));
            let kept = consistent.map(|kept| kept.map(|(_, note)| note));
            heads.check(&self.checkpoint, kept, &Whole { entries: &entries, hashes: &hashes }, copies)
        } else {
            self.check_partial(&heads, &head, consistent, &entries, copies)
        };
        (extracted.witnessed, extracted.copies) = (held.witnessed, held.copies);
        extracted.problems.extend(held.problems);
        extracted.entries = Some(entries);
        Ok(extracted)
    }

    fn read_entry(&self, index: u64, text: &[u8], head: &TreeHead) -> Result<(Vec<u8>, Entry), LedgerError> {
        let malformed = |problem: String| LedgerError::Malformed { file: format!("entry {index}"), problem };
        let proof = EntryProof::from_bytes(text)?;
        if proof.index != index {
            return Err(malformed(format!("the proof is of entry {}", proof.index)));
        }
        if proof.checkpoint != self.checkpoint {
            return Err(malformed("the proof is under another tree head".into()));
        }
        verify_inclusion(head, index, &proof.record, &proof.hashes)?;
        let entry = serde_json::from_slice(&proof.record).map_err(|error| malformed(error.to_string()))?;
        Ok((proof.record, entry))
    }

    /// The tree head that was cosigned, if the log went on from it.
    fn consistent(&self, heads: &Heads, head: &TreeHead) -> Result<Option<(TreeHead, Vec<u8>)>, LedgerError> {
        let Some((note, consistency)) = &self.witnessed else { return Ok(None) };
        let of = heads.open(note)?;
        let malformed =
            || LedgerError::Malformed { file: witnessed::FILE.into(), problem: "its proof is no text".into() };
        let text = std::str::from_utf8(consistency).map_err(|_| malformed())?;
        verify_consistency(&of, head, &hashes_of_lines(text)?)?;
        Ok(Some((of, note.clone())))
    }

    fn check_partial(
        &self,
        heads: &Heads,
        head: &TreeHead,
        consistent: Result<Option<(TreeHead, Vec<u8>)>, LedgerError>,
        entries: &BTreeMap<u64, Entry>,
        copies: &[Copied],
    ) -> HeldHeads {
        let mut roots = BTreeMap::from([(head.size, head.root)]);
        if let Ok(Some((of, _))) = &consistent {
            roots.insert(of.size, of.root);
        }
        let kept = consistent.map(|kept| kept.map(|(_, note)| note));
        heads.check(&self.checkpoint, kept, &Partial { size: head.size, entries, roots }, copies)
    }
}

impl RootSource for Vec<freehold_trust::VerifiedRoot> {
    fn roots(&self) -> Result<Vec<freehold_trust::VerifiedRoot>, LedgerError> {
        Ok(self.clone())
    }
}
