//! SLSA provenance (v1) of the adapter, as it was recorded: <https://slsa.dev/spec/v1.1/provenance>.

use freehold_core::record::Phase;
use freehold_trust::Statement;

use super::DocumentError;
use super::run::{FinishedRun, problem};
use crate::WorkflowError;
use crate::run::{PROVENANCE, PROVENANCE_TYPE};

/// The statement that the recorders signed at the end of the run. It is verified; what is made of it is signed anew, with a key
/// that other tools know.
pub(super) fn statement(run: &FinishedRun) -> Result<Statement, WorkflowError> {
    let record = run.record(Phase::Record)?;
    let Some(output) = record.outputs.iter().find(|output| output.name == PROVENANCE) else {
        return Err(DocumentError::NoAdapter(run.name.clone()).into());
    };
    let named = |_: &Statement| Some((record.trust_root, record.finished));
    let statement = Statement::recorded(&run.store.get(&output.digest)?, &run.roots, named)
        .map_err(|source| WorkflowError::Statement { statement: output.digest.to_string(), source })?;
    let of = &statement.predicate["runDetails"]["metadata"]["invocationId"];
    if statement.predicate_type != PROVENANCE_TYPE || of.as_str() != Some(&run.name) {
        return Err(problem(&run.name, "its provenance is that of another run"));
    }
    Ok(statement)
}
