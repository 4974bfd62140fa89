//! What a process knows of the log: the tree head that it judged last, and what is needed to go on from there. Another process
//! may have appended since, so that it counts only for the same tree head, or as what a longer log has to begin with.

use std::sync::PoisonError;

use crate::edge::Edge;
use crate::signers::newest_root;
use crate::tree_head::TreeHead;
use crate::{Ledger, LedgerError, tiles};

/// A log that grew by more since it was read is read from the beginning, in one go.
const CATCH_UP_MAX: u64 = 1 << 16;

/// A tree head that holds, and what is under it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) head: TreeHead,
    /// The newest trust root that the entries name.
    pub(crate) newest: u64,
    pub(crate) edge: Edge,
}

impl Ledger {
    pub(crate) fn remember(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    /// The state under the newest tree head. What is known already is not read again.
    pub(crate) fn current(&self) -> Result<State, LedgerError> {
        let (note, head) = self.read_head()?;
        let known = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = match known {
            Some(known) if known.head == head => return Ok(known),
            Some(known) if known.head.size < head.size && head.size - known.head.size <= CATCH_UP_MAX => {
                self.catch_up(known, &note, head)?
            }
            _ if self.heads.signers.is_key() => State { head, newest: 1, edge: Edge::read(&self.dir, head)? },
            _ => {
                let newest = newest_root(&self.entries_under(&note, head)?);
                State { head, newest, edge: Edge::read(&self.dir, head)? }
            }
        };
        self.remember(state.clone());
        Ok(state)
    }

    /// The entries that came since are hashed on to the known edge; they are what was entered if they lead to the new root.
    fn catch_up(&self, known: State, note: &[u8], head: TreeHead) -> Result<State, LedgerError> {
        let State { mut edge, newest, .. } = known;
        let records = tiles::read_records(&self.dir, edge.size(), head.size)?;
        for record in &records {
            edge.push(record)?;
        }
        if edge.root()? != head.root {
            return Err(LedgerError::Malformed {
                file: "checkpoint".into(),
                problem: format!("is not of a log that goes on from the {} entries that it had", known.head.size),
            });
        }
        edge.trim();
        if self.heads.signers.is_key() {
            return Ok(State { head, newest, edge });
        }
        let entries = tiles::parse(&records, known.head.size)?;
        let newest = newest.max(newest_root(&entries));
        self.heads.judge(note, (newest, entries.last()))?;
        Ok(State { head, newest, edge })
    }
}
