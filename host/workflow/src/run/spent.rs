//! What a run has used up until now, by the records of its phases.

use freehold_core::record::Phase;
use freehold_core::spent::{RunSpent, Spent};

use super::journal::Work;
use super::train;
use crate::WorkflowError;

/// All that its phases used so far; `None` where that is not measured. A phase that an earlier version recorded used nobody knows
/// what.
pub(super) fn until_now(work: &Work<'_>) -> Result<Option<RunSpent>, WorkflowError> {
    let Some(meter) = work.meter else { return Ok(None) };
    let tokens = match work.done.get(&Phase::Train) {
        Some((_, record)) => Some(train::read(record)?.tokens),
        None => None,
    };
    Ok(meter.total(work.done.values().map(|(_, record)| record.spent.unwrap_or(Spent::UNKNOWN)), tokens))
}
