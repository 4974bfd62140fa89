//! A pack, verified without a home: the same look at the same statements, with what was handed over in the place of ledger and
//! store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use freehold_core::digest::Digest;
use freehold_core::record::Phase;
use freehold_ledger::{Extract, Extracted};
use freehold_pack::{Blob, Pack};
use freehold_store::{Blobs, StoreError};
use freehold_trust::VerifiedRoot;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Extent, Request, Verification, copies, found_in_ledger, verify_records, verify_roots};
use crate::audit::pack::{PackView, contents};
use crate::audit::past::Past;
use crate::audit::{CheckpointView, run_names};
use crate::{WorkflowError, trust};

/// A pack that was verified.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VerifiedPack {
    /// What it says; `None` if it cannot be read so far.
    pub pack: Option<PackView>,
    /// What was verified, and what was found.
    #[serde(flatten)]
    pub verification: Verification,
}

/// Verifies a pack. No home is needed, and nothing is written; the run that is asked for is the pack's own.
///
/// # Errors
/// It is no pack: no file that could be looked at further.
pub fn verify_pack(from: impl BufRead, request: &Request) -> Result<VerifiedPack, WorkflowError> {
    let Pack { run, roots, checkpoint, witnessed, proofs, blobs } = freehold_pack::read(from)?;
    let witnessed = witnessed.map(|witnessed| (witnessed.checkpoint, witnessed.consistency));
    let extract = Extract { checkpoint, witnessed, proofs };
    let digests = blobs.keys().copied().collect();
    Ok(Source { run, roots, extract, digests, blobs: Packed(blobs) }.verify(request))
}

/// What is verified: what a pack holds, or what is to go into one.
pub(in crate::audit) struct Source<B> {
    pub(in crate::audit) run: String,
    /// Signed trust roots, oldest first.
    pub(in crate::audit) roots: Vec<Vec<u8>>,
    pub(in crate::audit) extract: Extract,
    /// The blobs that it holds.
    pub(in crate::audit) digests: BTreeSet<Digest>,
    pub(in crate::audit) blobs: B,
}

impl<B: Blobs + 'static> Source<B> {
    pub(in crate::audit) fn verify(self, request: &Request) -> VerifiedPack {
        let mut verified = VerifiedPack { pack: None, verification: Verification::default() };
        let found = &mut verified.verification;
        let request = Request { run: Some(self.run.clone()), ..request.clone() };
        let Some(signed) = found.check("trust", trust::chain(self.roots)) else { return verified };
        let roots = verify_roots(&signed, &request, found);
        let Some(extracted) = verify_extract(&self.extract, &roots, &request, found) else { return verified };
        let Some(entries) = extracted.entries.clone() else { return verified };
        // The ledger names trust roots by their digests, as it names statements.
        let named = signed.iter().map(|(_, bytes)| (Digest::of(bytes), bytes.clone())).collect();
        let past = Past::of_some(WithRoots { roots: named, blobs: self.blobs }, roots, entries);
        let Some(past) = found.check("ledger", past) else { return verified };
        if !run_names(past.entries().iter().map(|(_, entry)| entry)).contains(&self.run.as_str()) {
            found.found("pack.json", format!("names {}, of which the pack has no entry", self.run));
            return verified;
        }
        found.blobs = self.digests.len();
        verify_records(&past, &signed, Extent::Pack, &request, found);
        let Some(known) = found.check(&self.run, contents(&past, &self.run)) else { return verified };
        for stray in self.digests.iter().filter(|digest| !known.contains_key(digest)) {
            found.found(format!("blobs/{stray}"), "nothing in the pack names it");
        }
        let view = PackView::new(&past, &self.run, &extracted, request.root_key.is_some());
        verified.pack = found.check(&self.run, view);
        let decided = verified.pack.as_ref().is_none_or(|pack| pack.report.is_some());
        found.require(decided, &self.run, format!("has no entry of phase {}: no decision", Phase::Record));
        verified
    }
}

/// The entries with their proofs, and the tree heads.
fn verify_extract(
    extract: &Extract,
    roots: &[VerifiedRoot],
    request: &Request,
    found: &mut Verification,
) -> Option<Extracted> {
    let origin = found.check("trust", crate::home::origin_of(roots).map_err(WorkflowError::from))?;
    let mut extracted = match extract.check(&origin, roots.to_vec(), &copies(&request.checkpoints)) {
        Ok(extracted) => extracted,
        Err(error) => {
            found.found("ledger/checkpoint", error.to_string());
            return None;
        }
    };
    found_in_ledger(std::mem::take(&mut extracted.problems), &request.checkpoints, found);
    found.entries = extracted.entries.as_ref().map_or(0, BTreeMap::len);
    found.witnessed = extracted.witnessed.clone().map(CheckpointView::from);
    found.checkpoints = extracted.copies.iter().cloned().map(CheckpointView::from).collect();
    Some(extracted)
}

/// The blobs of a pack, whose digests were compared when they were read.
#[derive(Debug)]
struct Packed(BTreeMap<Digest, Blob>);

impl Blobs for Packed {
    fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        match self.0.get(digest) {
            Some(Blob::Held(bytes)) => Ok(bytes.clone()),
            Some(Blob::Hashed { bytes }) => {
                let problem = format!("has {bytes} bytes, too many for what has to be read");
                Err(StoreError::Malformed { file: digest.to_string(), problem })
            }
            None => Err(StoreError::LeftOut(*digest)),
        }
    }

    fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.0.contains_key(digest))
    }
}

/// Trust roots, and the blobs of a run.
#[derive(Debug)]
struct WithRoots<B> {
    roots: BTreeMap<Digest, Vec<u8>>,
    blobs: B,
}

impl<B: Blobs> Blobs for WithRoots<B> {
    fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.roots.get(digest).map_or_else(|| self.blobs.get(digest), |root| Ok(root.clone()))
    }

    fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.roots.contains_key(digest) || self.blobs.contains(digest)?)
    }
}
