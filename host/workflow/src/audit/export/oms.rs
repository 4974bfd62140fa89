//! A signature of the adapter's folder, for `model_signing verify key`.

use freehold_trust::Statement;

use super::run::FinishedRun;
use crate::WorkflowError;
use crate::model_signature::ModelManifest;

pub(super) fn statement(run: &FinishedRun) -> Result<Statement, WorkflowError> {
    Ok(ModelManifest::new(&run.name, run.adapter_files()?).to_statement())
}
