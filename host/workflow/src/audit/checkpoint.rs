//! Signed tree heads that leave the home, and those that come back cosigned.

use freehold_trust::Cosignature;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Home, WorkflowError};

/// A signed tree head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckpointView {
    /// How many entries it covers.
    pub size: u64,
    /// The root hash, in lowercase hexadecimal digits.
    pub root: String,
    /// The trust root that governs it.
    pub trust_root: u64,
    /// Who cosigned it, by the witnesses that the trust root names.
    pub cosignatures: Vec<Cosignature>,
    /// How many have to.
    pub quorum: usize,
    /// The signed note: what witnesses sign, and what a copy is.
    pub note: String,
}

impl From<freehold_ledger::Checkpoint> for CheckpointView {
    fn from(checkpoint: freehold_ledger::Checkpoint) -> Self {
        Self {
            size: checkpoint.head.size,
            root: checkpoint.head.root_hex(),
            trust_root: checkpoint.trust_root,
            cosignatures: checkpoint.cosignatures,
            quorum: checkpoint.quorum,
            note: String::from_utf8_lossy(&checkpoint.note).into_owned(),
        }
    }
}

/// The newest signed tree head, with the cosignatures that were brought for it.
pub fn checkpoint(home: &Home) -> Result<CheckpointView, WorkflowError> {
    Ok(home.ledger()?.checkpoint()?.into())
}

/// The newest signed tree head that witnesses cosigned; `None` if there is none yet.
pub fn witnessed(home: &Home) -> Result<Option<CheckpointView>, WorkflowError> {
    Ok(home.ledger()?.witnessed()?.map(CheckpointView::from))
}

/// Keeps a signed tree head that witnesses cosigned: notes of one tree head, each with some of the cosignatures.
pub fn witness(home: &Home, notes: &[Vec<u8>]) -> Result<CheckpointView, WorkflowError> {
    Ok(home.ledger()?.witness(notes)?.into())
}
