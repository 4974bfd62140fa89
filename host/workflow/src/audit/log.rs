//! The entries of the ledger, all of them in memory or read when they are asked for; authenticated either way.

use freehold_core::record::Entry;
use freehold_ledger::Reading;

use crate::WorkflowError;

/// Where entries come from.
pub(super) enum Log {
    /// Somebody read and verified them, each with its number in the ledger, in order.
    Whole(Vec<(u64, Entry)>),
    /// The log under a tree head that was judged.
    Read(Box<Reading>),
}

impl Log {
    /// The entries with these numbers, which are in order. There may be no entry that the index names: then it is left out.
    pub(super) fn entries(&self, numbers: &[u64]) -> Result<Vec<(u64, Entry)>, WorkflowError> {
        match self {
            Self::Whole(entries) => {
                let get = |number: &u64| {
                    let place = entries.binary_search_by_key(number, |(known, _)| *known).ok()?;
                    entries.get(place).cloned()
                };
                Ok(numbers.iter().filter_map(get).collect())
            }
            Self::Read(reading) => Ok(reading.entries_at(numbers)?),
        }
    }
}
