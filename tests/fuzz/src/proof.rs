//! Entries of a log as strangers send them: any text of a proof, alone and among others that are taken out of a log.

use std::collections::BTreeMap;

use freehold_ledger::{EntryProof, Extract};

use crate::keys::root;

/// The input as a proof, and as every part of an extract.
pub fn run(data: &[u8]) {
    match EntryProof::from_bytes(data) {
        // There is one text for each proof.
        Ok(proof) => assert_eq!(proof.to_bytes(), data),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let extract = Extract {
        checkpoint: data.to_vec(),
        witnessed: Some((data.to_vec(), data.to_vec())),
        proofs: BTreeMap::from([(0, data.to_vec())]),
    };
    // Nobody signed it for this log.
    assert!(extract.check("freehold-log/none", vec![root().clone()], &[]).is_err());
}
