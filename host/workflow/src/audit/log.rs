//! The entries of the ledger, all of them in memory or read when they are asked for; authenticated either way.

use std::sync::Arc;

use freehold_core::record::Entry;
use freehold_ledger::Reading;

use crate::WorkflowError;

/// Where entries come from.
pub(super) enum Log {
    /// Somebody read and verified all of them.
    Whole(Arc<[Entry]>),
    /// The log under a tree head that was judged.
    Read(Reading),
}

impl Log {
    /// The entries at these places, which are in order, each with its place. There may be no entry at a place that the index
    /// names: then it is left out.
    pub(super) fn entries(&self, places: &[u64]) -> Result<Vec<(u64, Entry)>, WorkflowError> {
        match self {
            Self::Whole(entries) => {
                let get = |place: &u64| Some((*place, entries.get(usize::try_from(*place).ok()?)?.clone()));
                Ok(places.iter().filter_map(get).collect())
            }
            Self::Read(reading) => Ok(reading.entries_at(places)?),
        }
    }
}
